//! What a finished run adds to the history.

use crate::model::history::{HISTORY_VERSION, History, TestHistory};
use crate::model::report::{Outcome, Report};

/// An estimate stands on about this many of the latest runs.
const MEMORY: u32 = 5;

/// Folds a run into the history. Only tests that ran to a normal end teach anything: a skip costs
/// nothing, a failure or a retry costs something else.
pub(crate) fn fold(mut history: History, report: &Report) -> History {
    history.version = HISTORY_VERSION;
    history.suite.clone_from(&report.suite);
    for case in &report.cases {
        if !matches!(
            case.outcome,
            Outcome::Passed | Outcome::Xfailed | Outcome::Xpassed
        ) {
            continue;
        }
        let Some(file) = case.file.clone() else {
            continue;
        };
        let seconds = case.duration().as_secs_f64();
        let known = history.tests.entry(case.id.clone()).or_insert(TestHistory {
            file: file.clone(),
            seconds,
            samples: 0,
        });
        known.file = file;
        known.samples += 1;
        known.seconds += (seconds - known.seconds) / f64::from(known.samples.min(MEMORY));
    }
    history
}
