//! The shards on one axis of time: where each bar stands, predicted and real.

use serde::Serialize;

use crate::model::case::Outcome;
use crate::model::report::ShardRun;
use crate::render::view::{ShardRow, View, named_counts};
use crate::render::words;

/// About so many marks stand on the axis.
const MARKS: f64 = 6.0;

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Timeline {
    pub(super) marks: Vec<Mark>,
    pub(super) rows: Vec<Bar>,
    pub(super) count: String,
    pub(super) predictions: bool,
    pub(super) attempts: bool,
    /// What the longest shard took more than the mean, if that is much.
    pub(super) balance: Option<String>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Mark {
    /// Per cent of the axis, as all places and lengths.
    pub(super) at: f64,
    pub(super) label: String,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Bar {
    pub(super) shard: String,
    pub(super) index: u16,
    pub(super) at: f64,
    /// `None` for a shard that never reported.
    pub(super) length: Option<f64>,
    pub(super) predicted: Option<f64>,
    pub(super) good: bool,
    pub(super) tests: String,
    pub(super) problems: String,
    pub(super) time: String,
    pub(super) predicted_time: String,
    /// Of the real time against the predicted one, such as `+12%`.
    pub(super) difference: String,
    pub(super) attempt: u32,
}

impl Timeline {
    pub(super) fn new(view: &View<'_>) -> Self {
        let runs = || view.shards.iter().map(|row| &row.run);
        let origin = runs().filter_map(|run| run.started).reduce(f64::min);
        let start = |run: &ShardRun| run.started.zip(origin).map_or(0.0, |(at, zero)| at - zero);
        let reach = |run: &ShardRun| {
            let real = run.seconds().unwrap_or(0.0);
            let predicted = run.predicted_seconds.unwrap_or(0.0);
            start(run) + real.max(predicted)
        };
        let whole = runs().map(reach).filter(|end| end.is_finite());
        let whole = whole.fold(0.0, f64::max).max(1e-3);
        let share = |seconds: f64| {
            let share = (100.0 * seconds / whole).clamp(0.0, 100.0);
            if share.is_nan() { 0.0 } else { rounded(share) }
        };
        let bar = |row: &ShardRow| {
            let run = &row.run;
            let bad = named_counts(
                run.totals,
                &[
                    Outcome::Failed,
                    Outcome::Error,
                    Outcome::Lost,
                    Outcome::Flaky,
                ],
            );
            let time = |seconds: Option<f64>| seconds.map_or_else(String::new, words::duration);
            Bar {
                shard: run.name(),
                index: run.shard.index(),
                at: share(start(run)),
                length: row.seconds.map(share),
                predicted: run.predicted_seconds.map(share),
                good: row.seconds.is_some()
                    && run.totals.failed + run.totals.error + run.totals.lost == 0,
                tests: words::number(run.totals.all()),
                problems: bad.join(", "),
                time: row
                    .seconds
                    .map_or_else(|| "no results".to_owned(), words::duration),
                predicted_time: time(run.predicted_seconds),
                difference: row.off().unwrap_or_default(),
                attempt: run.attempt,
            }
        };
        Self {
            marks: marks(whole)
                .into_iter()
                .map(|seconds| Mark {
                    at: share(seconds),
                    label: words::duration(seconds),
                })
                .collect(),
            rows: view.shards.iter().map(bar).collect(),
            count: words::number(view.shards.len()),
            predictions: view.has_predictions(),
            attempts: view.has_attempts(),
            balance: balance(view),
        }
    }
}

fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// Round times from the beginning to the end.
fn marks(whole: f64) -> Vec<f64> {
    const STEPS: [f64; 24] = [
        0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0,
        60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 18_000.0,
    ];
    let fitting = STEPS.into_iter().find(|step| whole / step <= MARKS);
    let step = fitting.unwrap_or_else(|| (whole / MARKS).ceil());
    let count = words::whole((whole / step).floor());
    (0..=count).map(|mark| words::float(mark) * step).collect()
}

/// How much sooner the run would have ended with shards of equal length.
fn balance(view: &View<'_>) -> Option<String> {
    let times: Vec<f64> = view.shards.iter().filter_map(|row| row.seconds).collect();
    if times.len() < 2 || times.len() < view.shards.len() {
        return None;
    }
    let longest = times.iter().copied().fold(0.0, f64::max);
    let mean = times.iter().sum::<f64>() / words::float(times.len());
    let waiting = longest - mean;
    (waiting > 1.0 && waiting > 0.1 * longest).then(|| {
        format!(
            "Shards of equal length would have ended {} sooner",
            words::duration(waiting)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::stories;

    #[test]
    fn bars_share_one_axis() {
        let mut story = stories::one_failure();
        story.report.shards[1].started = Some(1030.0);
        story.report.shards[1].ended = Some(1120.0);
        let timeline = Timeline::new(&story.view());
        let places: Vec<_> = timeline
            .rows
            .iter()
            .map(|bar| (bar.at, bar.length, bar.predicted, bar.difference.as_str()))
            .collect();
        assert_eq!(
            places,
            [
                (0.0, Some(2.67), Some(50.0), "-95%"),
                (25.0, Some(75.0), Some(50.0), "+50%")
            ]
        );
        let labels: Vec<_> = timeline
            .marks
            .iter()
            .map(|mark| (mark.at, mark.label.as_str()))
            .collect();
        assert_eq!(
            labels,
            [
                (0.0, "0s"),
                (25.0, "30s"),
                (50.0, "1m 0s"),
                (75.0, "1m 30s"),
                (100.0, "2m 0s")
            ]
        );
    }

    #[test]
    fn survives_times_that_are_none() {
        let mut story = stories::a_missing_shard();
        story.report.shards[0].ended = Some(f64::INFINITY);
        story.report.shards[2].started = Some(f64::NAN);
        let timeline = Timeline::new(&story.view());
        assert!(timeline.rows.iter().all(|bar| bar.at.is_finite()));
        assert!(timeline.marks.len() < 10);
    }
}
