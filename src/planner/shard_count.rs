//! How many shards pay.
//!
//! More shards wait less and cost more: each one starts up, and each job is billed by the started
//! minute (<https://docs.github.com/en/billing/reference/actions-runner-pricing>), so that the bill
//! is a saw-tooth.

use super::bundle::{Bundles, Units};
use super::estimate::{Estimates, in_microseconds, in_seconds};
use super::partition::{Bounds, partition};
use crate::model::shard::MAX_SHARDS;

/// Where nothing is known about time, one shard for so many tests, but not too many on a guess.
pub(crate) const TESTS_PER_SHARD: u64 = 150;
pub(crate) const MOST_WITHOUT_HISTORY: u16 = 16;

const MINUTE: u64 = 60_000_000;

/// So many of the likeliest numbers are planned to the end.
const TRIED: usize = 12;

/// So many are shown.
const SHOWN: usize = 5;

/// A wall time so many parts of itself above the least is as good.
const AS_GOOD: u64 = 50;

/// Times in seconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AutoRequest {
    /// The longest that a job may take.
    pub(crate) target: Option<f64>,
    pub(crate) max: u16,
    /// What a job takes before its tests and after them: checkout, installation.
    pub(crate) job_start_up: f64,
}

/// The number, and what else there was.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    pub(crate) shards: u16,
    pub(crate) why: Why,
    /// By number of shards, the one chosen included; empty without history.
    pub(crate) options: Vec<Offer>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Why {
    /// Nothing is known about time.
    NoHistory { tests: u64 },
    /// The fewest minutes within the target.
    WithinTarget,
    /// No number of shards is within the target; the least there is, in seconds.
    TargetTooShort { least: f64 },
    /// Wall time times minutes is least.
    BestValue,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer {
    pub(crate) shards: u16,
    /// Of the longest job, in seconds.
    pub(crate) wall: f64,
    pub(crate) minutes: u64,
}

pub(crate) fn choose(estimates: &Estimates, bundles: &Bundles, request: &AutoRequest) -> Choice {
    let units: usize = bundles.units.iter().map(Units::len).sum();
    let most = u16::try_from(units).unwrap_or(u16::MAX);
    let most = most.min(request.max).clamp(1, MAX_SHARDS);
    if !estimates.in_microseconds {
        let tests = estimates.files.iter().flat_map(|file| &file.functions);
        let tests = tests.fold(0, |sum: u64, it| sum.saturating_add(it.cost));
        let shards = u16::try_from(tests.div_ceil(TESTS_PER_SHARD)).unwrap_or(u16::MAX);
        return Choice {
            shards: shards.clamp(1, most.min(MOST_WITHOUT_HISTORY)),
            why: Why::NoHistory { tests },
            options: Vec::new(),
        };
    }
    let before = in_microseconds(request.job_start_up).saturating_add(estimates.fixed);
    let target = request.target.map(in_microseconds);
    let bounds = Bounds::of(&bundles.sequences);
    let guess = |shards: u16| {
        let wall = before + bounds.for_shards(usize::from(shards));
        let usual = before + bounds.total / u64::from(shards);
        Bill {
            shards,
            wall,
            minutes: u64::from(shards) * usual.div_ceil(MINUTE),
        }
    };
    let mut guesses: Vec<Bill> = (1..=most).map(guess).collect();
    let least = guesses.iter().map(|bill| bill.wall).min().unwrap_or(0);
    guesses.sort_by_key(|bill| bill.rank(target, least));
    let planned = |bill: &Bill| {
        let shards = usize::from(bill.shards);
        let dealt = partition(&bundles.sequences, shards, estimates.slack());
        let jobs = dealt.iter().map(|share| before + share.load);
        Bill {
            shards: bill.shards,
            wall: jobs.clone().max().unwrap_or(before),
            minutes: jobs.map(|job| job.div_ceil(MINUTE)).sum(),
        }
    };
    // What the guess does not see is how well the units fit; that of the most shards is always true.
    let at_most = |bill: &&Bill| bill.shards == most;
    let tried = guesses.iter().take(TRIED);
    let tried = tried.chain(guesses.iter().skip(TRIED).find(at_most));
    let mut bills: Vec<Bill> = tried.map(planned).collect();
    let least = bills.iter().map(|bill| bill.wall).min().unwrap_or(0);
    bills.sort_by_key(|bill| bill.rank(target, least));
    bills.truncate(SHOWN);
    let shards = bills.first().map_or(1, |bill| bill.shards);
    let why = match target {
        None => Why::BestValue,
        Some(target) if least > target => Why::TargetTooShort {
            least: in_seconds(least),
        },
        Some(_) => Why::WithinTarget,
    };
    bills.sort_by_key(|bill| bill.shards);
    Choice {
        shards,
        why,
        options: bills.iter().map(Bill::offer).collect(),
    }
}

/// Times in microseconds.
struct Bill {
    shards: u16,
    wall: u64,
    minutes: u64,
}

impl Bill {
    /// The best one is the least. `least` is the shortest wall time of all.
    fn rank(&self, target: Option<u64>, least: u64) -> (bool, u128, u64, u16) {
        let minutes = u128::from(self.minutes);
        let (too_long, value) = match target {
            None => (false, u128::from(self.wall) * minutes),
            Some(target) if least > target => (self.wall > least + least / AS_GOOD, minutes),
            Some(target) => (self.wall > target, minutes),
        };
        (too_long, value, self.wall, self.shards)
    }

    fn offer(&self) -> Offer {
        Offer {
            shards: self.shards,
            wall: in_seconds(self.wall),
            minutes: self.minutes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bundle::bundle;
    use super::super::estimate::estimate;
    use super::super::estimate::tests::{history, source};
    use super::*;
    use crate::model::history::History;

    /// 148 files of nearly ten seconds, and a minute for each job.
    fn chosen(target: Option<f64>, max: u16) -> Choice {
        let paths: Vec<String> = (0..148).map(|number| format!("test_{number}.py")).collect();
        let tests: Vec<_> = paths
            .iter()
            .map(|path| (path.as_str(), "test", 9.9))
            .collect();
        let mut known = history(&tests);
        for file in known.files.values_mut() {
            file.import = 0.0.into();
        }
        let files = paths.iter().map(|path| source(path, &[("test", 1)]));
        let estimates = estimate(files.collect(), known);
        let bundles = bundle(&estimates, &[]);
        let request = AutoRequest {
            target,
            max,
            job_start_up: 60.0,
        };
        choose(&estimates, &bundles, &request)
    }

    fn offer(choice: &Choice) -> (u16, u64, u64) {
        let chosen = choice.options.iter().find(|it| it.shards == choice.shards);
        let chosen = chosen.expect("the chosen one is shown");
        (
            chosen.shards,
            in_microseconds(chosen.wall) / 1_000_000,
            chosen.minutes,
        )
    }

    #[test]
    fn stays_just_below_a_started_minute() {
        assert_eq!(offer(&chosen(None, 256)), (25, 119, 50));
    }

    #[test]
    fn takes_the_cheapest_that_keeps_the_target() {
        let choice = chosen(Some(300.0), 256);
        assert_eq!(
            (choice.why.clone(), offer(&choice)),
            (Why::WithinTarget, (7, 277, 35))
        );
    }

    #[test]
    fn an_impossible_target_gets_the_best_there_is() {
        let choice = chosen(Some(65.0), 256);
        assert_eq!(choice.why, Why::TargetTooShort { least: 69.9 });
        assert_eq!(offer(&choice), (148, 69, 296));
        let limited = chosen(Some(65.0), 20);
        assert_eq!(limited.shards, 20);
    }

    #[test]
    fn there_are_never_more_shards_than_allowed_or_than_tests() {
        for max in [1, 2, 7, 256] {
            let choice = chosen(None, max);
            assert!(choice.shards <= max);
            assert!(choice.options.iter().all(|it| it.shards <= max.min(148)));
            assert!(choice.options.len() <= SHOWN);
        }
    }

    #[test]
    fn without_history_tests_decide() {
        let chosen = |tests: usize, files: usize| {
            let files = (0..files).map(|number| source(&number.to_string(), &[("test", tests)]));
            let estimates = estimate(files.collect(), History::default());
            let request = AutoRequest {
                target: Some(1.0),
                max: 256,
                job_start_up: 0.0,
            };
            choose(&estimates, &bundle(&estimates, &[]), &request).shards
        };
        assert_eq!((chosen(1, 1), chosen(0, 0)), (1, 1));
        assert_eq!(
            (chosen(10, 100), chosen(100, 2), chosen(1_000, 2)),
            (7, 2, 2)
        );
        assert_eq!(chosen(1_000, 500), MOST_WITHOUT_HISTORY);
    }
}
