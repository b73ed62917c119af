//! What each file will cost, from what is known about it.

use std::time::Duration;

use super::plan::PlannedFile;

/// No file is thought to take longer, so that sums fit: 30 days in microseconds.
const MAX_COST: u64 = 30 * 24 * 3_600 * 1_000_000;

/// The cost of files, in microseconds, or in tests where nothing is known about time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Estimate {
    /// In the order of the files; never 0, since a file costs at least its import.
    pub(crate) costs: Vec<u64>,
    pub(crate) in_microseconds: bool,
}

impl Estimate {
    /// A file without a duration takes the median time of a test, times its tests. A duration that
    /// cannot be (negative, infinite, not a number) is none.
    pub(crate) fn of(files: &[PlannedFile]) -> Self {
        let known: Vec<Option<u64>> = files
            .iter()
            .map(|file| microseconds(file.seconds))
            .collect();
        let per_test = median(
            files
                .iter()
                .zip(&known)
                .filter_map(|(file, cost)| Some(cost.as_ref()? / tests(file)))
                .collect(),
        );
        let unit = per_test.unwrap_or(1).max(1);
        let cost = |(file, known): (&PlannedFile, Option<u64>)| {
            known
                .unwrap_or_else(|| unit.saturating_mul(tests(file)))
                .clamp(1, MAX_COST)
        };
        let costs = files.iter().zip(known).map(cost).collect();
        Self {
            costs,
            in_microseconds: per_test.is_some(),
        }
    }

    /// To the millisecond: an estimate knows no more.
    pub(crate) fn seconds(&self, cost: u64) -> Option<f64> {
        let milliseconds = Duration::from_millis(cost / 1_000);
        self.in_microseconds.then_some(milliseconds.as_secs_f64())
    }
}

/// A file without tests costs its import, which is taken for one.
fn tests(file: &PlannedFile) -> u64 {
    u64::try_from(file.tests).unwrap_or(u64::MAX).max(1)
}

fn microseconds(seconds: Option<f64>) -> Option<u64> {
    let duration = Duration::try_from_secs_f64(seconds?).ok()?;
    Some(u64::try_from(duration.as_micros()).unwrap_or(MAX_COST))
}

fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(tests: usize, seconds: Option<f64>) -> PlannedFile {
        PlannedFile {
            path: String::new(),
            tests,
            seconds,
        }
    }

    #[test]
    fn without_durations_tests_count() {
        let estimate = Estimate::of(&[file(0, None), file(7, None), file(2, Some(f64::NAN))]);
        assert_eq!(
            estimate,
            Estimate {
                costs: vec![1, 7, 2],
                in_microseconds: false
            }
        );
        assert_eq!(estimate.seconds(7), None);
    }

    #[test]
    fn an_unknown_file_takes_the_median_time_of_a_test() {
        let files = [
            file(2, Some(2.0)),
            file(1, Some(3.0)),
            file(10, Some(0.1)),
            file(4, None),
            file(0, None),
        ];
        let estimate = Estimate::of(&files);
        assert_eq!(
            estimate.costs,
            [2_000_000, 3_000_000, 100_000, 4_000_000, 1_000_000]
        );
        assert_eq!(estimate.seconds(1_500_000), Some(1.5));
    }

    #[test]
    fn durations_that_cannot_be_are_unknown_and_enormous_ones_are_cut() {
        let odd = [
            -1.0,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::NAN,
            1e300,
            1e12,
            0.0,
            -0.0,
        ];
        let mut files: Vec<_> = odd.iter().map(|seconds| file(1, Some(*seconds))).collect();
        files.extend([
            file(usize::MAX, None),
            file(1, Some(2.0)),
            file(1, Some(2.0)),
        ]);
        let costs = Estimate::of(&files).costs;
        let two = 2_000_000;
        assert_eq!(
            costs,
            [two, two, two, two, two, MAX_COST, 1, 1, MAX_COST, two, two]
        );
    }
}
