//! Whether a report and an event log of the same run tell the same.

use super::found::{JunitRead, ReadEnd};
use crate::model::brief::Brief;
use crate::model::case::{Outcome, TestCase};

/// What both can tell: a report shows a rerun as a plain pass, and knows neither strictness nor loss.
#[derive(Default, PartialEq)]
struct Tally {
    passed: usize,
    skipped: usize,
    failed: usize,
}

impl Tally {
    fn of(outcomes: impl Iterator<Item = Outcome>) -> Self {
        let mut tally = Self::default();
        for outcome in outcomes {
            match outcome {
                Outcome::Passed | Outcome::Xpassed | Outcome::Flaky => tally.passed += 1,
                Outcome::Skipped | Outcome::Xfailed => tally.skipped += 1,
                Outcome::Failed | Outcome::Error => tally.failed += 1,
                Outcome::Lost => {}
            }
        }
        tally
    }

    fn text(&self) -> String {
        let Self {
            passed,
            skipped,
            failed,
        } = self;
        format!("{passed} passed, {skipped} skipped and {failed} failed")
    }
}

/// What is different, if anything is. The log is of one session that came to its end.
pub(crate) fn disagreement(log: &[TestCase], read: &JunitRead) -> Option<String> {
    if read.end != ReadEnd::Complete {
        return Some(format!("{}; the event log counts", read.end));
    }
    // What could not be collected is no test of the log.
    let is_test = |case: &Brief<'_>| !case.classname.is_empty() || !case.outcome.is_failure();
    let told = read.cases.briefs().filter(is_test);
    let told = Tally::of(told.map(|case| case.outcome));
    let logged = Tally::of(log.iter().map(|case| case.outcome));
    (told != logged).then(|| {
        format!(
            "it says {}, the event log says {}, which counts",
            told.text(),
            logged.text()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::super::read::read;
    use super::*;
    use crate::model::node_id::NodeId;

    fn logged(outcomes: &[Outcome]) -> Vec<TestCase> {
        let case = |(number, outcome): (usize, &Outcome)| TestCase {
            outcome: *outcome,
            ..TestCase::new(NodeId::new(format!("a.py::test_{number}")))
        };
        outcomes.iter().enumerate().map(case).collect()
    }

    #[test]
    fn a_report_that_tells_another_story_is_named() {
        let report = read(
            "<testsuite name='pytest'><testcase classname='a' name='test_0'/>\
             <testcase classname='a' name='test_1'><skipped type='pytest.xfail'/></testcase>\
             <testcase classname='' name='bad'><error message='collection failure'/></testcase></testsuite>"
                .as_bytes(),
        );
        let [flaky, xfailed, lost] = [Outcome::Flaky, Outcome::Xfailed, Outcome::Lost];
        assert_eq!(
            disagreement(&logged(&[flaky, xfailed, lost]), &report),
            None
        );
        let other = disagreement(&logged(&[Outcome::Failed, xfailed]), &report);
        insta::assert_snapshot!(other.expect("another story"), @"it says 1 passed, 1 skipped and 0 failed, the event log says 0 passed, 1 skipped and 1 failed, which counts");
        let cut = disagreement(&logged(&[]), &read(b"<testsuite>".as_slice()));
        insta::assert_snapshot!(cut.expect("a cut report"), @"it is cut off after 11 bytes: tests after that are missing; the event log counts");
    }
}
