//! The environments that a run had.

use super::words;
use crate::model::case::Totals;
use crate::model::report::{EnvironmentRun, Report};

/// The suite in one of several environments.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct EnvironmentRow<'a> {
    pub(crate) name: &'a str,
    pub(crate) totals: Totals,
    /// From its first start to its last end; `None` if none of its shards reported.
    pub(crate) wall_seconds: Option<f64>,
}

/// None where there is only one.
pub(super) fn rows(report: &Report) -> Vec<EnvironmentRow<'_>> {
    let row = |run: &EnvironmentRun| {
        let shards = report.shards.iter();
        let ours = shards.filter(|it| it.environment.as_deref() == Some(&*run.name));
        let start = ours.clone().filter_map(|it| it.started).reduce(f64::min);
        let end = ours.filter_map(|it| it.ended).reduce(f64::max);
        let wall = start.zip(end).map(|(start, end)| (end - start).max(0.0));
        (run.cases.totals(), wall)
    };
    let runs = report.environments.iter();
    runs.map(|run| {
        let (totals, wall_seconds) = row(run);
        EnvironmentRow {
            name: &run.name,
            totals,
            wall_seconds,
        }
    })
    .collect()
}

/// How many environments there were: ` in 3 environments`, nothing for one.
pub(super) fn count(environments: usize) -> String {
    match environments {
        0 => String::new(),
        several => format!(" in {}", words::count(several, "environment")),
    }
}
