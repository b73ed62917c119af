//! Which failures make a run red. What was lost, or could not be proven to have run once, always does.

use std::collections::BTreeSet;

use clap::ValueEnum;

use crate::coverage::diff::Patch;
use crate::model::case::Totals;
use crate::model::comparison::Comparison;
use crate::model::coverage::Coverage;
use crate::model::node_id::NodeId;
use crate::model::quarantine::Quarantined;
use crate::model::report::Report;
use crate::model::verdict::{Reason, Verdict};

/// The failures of tests that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Every failed test and every error
    #[default]
    Failures,
    /// Only errors: of setup, teardown or collection
    Errors,
    /// Only failures that the baseline does not have; without a baseline every one
    Regressions,
    /// None: the result is shown, and is red only if tests were lost
    Nothing,
}

impl FailOn {
    fn counts(self, failures: Failures) -> bool {
        let Failures {
            failed,
            errors,
            new,
        } = failures;
        match self {
            Self::Failures => failed + errors > 0,
            Self::Errors => errors > 0,
            Self::Regressions => failed + errors > 0 && new != Some(0),
            Self::Nothing => false,
        }
    }
}

/// How many tests failed, without those in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failures {
    pub(crate) failed: usize,
    pub(crate) errors: usize,
    /// Of both, those that the baseline does not have; `None` without one.
    pub(crate) new: Option<usize>,
}

impl Failures {
    pub(crate) fn of(
        report: &Report,
        quarantined: &[Quarantined],
        comparison: Option<&Comparison>,
    ) -> Self {
        let muted: BTreeSet<&NodeId> = quarantined.iter().map(|test| &test.id).collect();
        let counting = report.cases.told().filter(|case| !muted.contains(&case.id));
        let totals = Totals::of(counting);
        let new = |found: &Comparison| {
            let new = found.new_failures.iter();
            new.filter(|id| !muted.contains(id)).count()
        };
        Self {
            failed: totals.failed,
            errors: totals.error,
            new: comparison.map(new),
        }
    }
}

/// Moves what does not count from the reasons to the muted ones.
pub(crate) fn apply(verdict: Verdict, fail_on: FailOn, failures: Failures) -> Verdict {
    let failed = |reason: &Reason| matches!(reason, Reason::TestsFailed { .. });
    let Verdict {
        mut reasons,
        mut muted,
    } = verdict;
    let Some(told) = reasons.iter_mut().find(|reason| failed(reason)) else {
        return Verdict { reasons, muted };
    };
    if fail_on.counts(failures) {
        let Failures { failed, errors, .. } = failures;
        *told = Reason::TestsFailed { failed, errors };
        return Verdict { reasons, muted };
    }
    // The job of a failed test fails with it. What else may have gone wrong in it, its shards tell.
    let is_muted = |reason: &Reason| match reason {
        Reason::JobFailed { job: _, result } => result == "failure",
        reason => failed(reason),
    };
    let (quiet, reasons) = reasons.into_iter().partition(is_muted);
    muted.extend::<Vec<Reason>>(quiet);
    Verdict { reasons, muted }
}

/// A reason, if the coverage is below the wanted per cent or is not there at all.
pub(crate) fn coverage_below(wanted: f64, coverage: Option<&Coverage>) -> Option<Reason> {
    let what = match coverage.map(|coverage| coverage.totals().percent()) {
        Some(percent) if percent >= wanted => return None,
        Some(percent) => {
            format!("coverage is {percent:.2} %, below the {wanted} % of --coverage-fail-under")
        }
        None => format!("there is no coverage, and --coverage-fail-under asks for {wanted} %"),
    };
    Some(Reason::BelowThreshold { what })
}

/// A reason, if less than the wanted per cent of what a change adds is covered, or there is no coverage
/// at all. A change without statements cannot be below.
pub(crate) fn patch_below(wanted: f64, patch: Option<&Patch>) -> Option<Reason> {
    let what = match patch.map(|patch| patch.coverage.totals().percent()) {
        Some(percent) if percent >= wanted => return None,
        Some(percent) => format!(
            "coverage of the change is {percent:.2} %, below the {wanted} % of --patch-fail-under"
        ),
        None => format!("there is no coverage, and --patch-fail-under asks for {wanted} %"),
    };
    Some(Reason::BelowThreshold { what })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::case::{Outcome, TestCase};
    use crate::model::shard::Shard;

    fn red(failed: usize, errors: usize) -> Verdict {
        let reasons = vec![
            Reason::TestsFailed { failed, errors },
            Reason::JobFailed {
                job: "test".to_owned(),
                result: "failure".to_owned(),
            },
        ];
        Verdict {
            reasons,
            muted: Vec::new(),
        }
    }

    const NONE: Failures = Failures {
        failed: 0,
        errors: 0,
        new: None,
    };

    #[test]
    fn counts_what_it_is_told_to() {
        let green = |fail_on, failed, errors, new| {
            let failures = Failures {
                failed,
                errors,
                new,
            };
            apply(red(failed, errors), fail_on, failures).is_green()
        };
        assert!(!green(FailOn::Failures, 2, 0, Some(0)));
        assert!(green(FailOn::Errors, 2, 0, None));
        assert!(!green(FailOn::Errors, 2, 1, None));
        assert!(green(FailOn::Regressions, 2, 1, Some(0)));
        assert!(!green(FailOn::Regressions, 2, 1, Some(1)));
        assert!(!green(FailOn::Regressions, 2, 1, None));
        assert!(green(FailOn::Nothing, 2, 1, None));
    }

    #[test]
    fn what_is_in_quarantine_does_not_count() {
        let failed = |id: &str| TestCase {
            outcome: Outcome::Failed,
            ..TestCase::new(NodeId::new(id))
        };
        let report = Report {
            suite: "s".to_owned(),
            cases: vec![failed("a"), failed("b")].into(),
            shards: Vec::new(),
            environments: Vec::new(),
            warnings: Vec::new(),
        };
        let muted = |ids: &[&str]| {
            let test = |id: &&str| Quarantined {
                id: NodeId::new(*id),
                reason: String::new(),
                owner: String::new(),
                expires: String::new(),
            };
            let tests: Vec<Quarantined> = ids.iter().map(test).collect();
            Failures::of(&report, &tests, None)
        };
        let judged = apply(red(2, 0), FailOn::Failures, muted(&["a"]));
        let first = Reason::TestsFailed {
            failed: 1,
            errors: 0,
        };
        assert_eq!(judged.reasons[0], first);
        let judged = apply(red(2, 0), FailOn::Failures, muted(&["a", "b"]));
        assert!(judged.is_green() && judged.muted.len() == 2);
        assert!(apply(red(2, 0), FailOn::Regressions, muted(&["a", "b"])).is_green());
    }

    #[test]
    fn what_was_lost_is_red_whatever_counts() {
        let shard = Shard::new(1, 2).expect("a shard");
        let always = [
            Reason::ShardMissing {
                shard,
                job_result: None,
            },
            Reason::RunTwice {
                id: NodeId::new("a"),
                shards: vec![shard],
            },
            Reason::CollectionFailed {
                shard,
                what: "a".to_owned(),
                message: String::new(),
                location: None,
            },
            Reason::JobFailed {
                job: "test".to_owned(),
                result: "cancelled".to_owned(),
            },
            Reason::NothingRan,
        ];
        for reason in always {
            let mut verdict = red(1, 0);
            verdict.reasons.push(reason.clone());
            let judged = apply(verdict, FailOn::Nothing, NONE);
            assert_eq!(judged.reasons, [reason]);
            assert_eq!(judged.muted.len(), 2);
        }
    }

    #[test]
    fn a_failed_job_counts_where_no_test_failed() {
        let reasons = vec![Reason::JobFailed {
            job: "lint".to_owned(),
            result: "failure".to_owned(),
        }];
        let verdict = Verdict {
            reasons,
            muted: Vec::new(),
        };
        assert!(!apply(verdict, FailOn::Nothing, NONE).is_green());
    }

    #[test]
    fn coverage_has_to_reach_its_threshold_exactly() {
        let mut coverage = Coverage::default();
        let file = coverage.files.entry("a.py".into()).or_default();
        file.executed = (1..=4).collect();
        file.missing = [5].into();
        assert_eq!(coverage_below(80.0, Some(&coverage)), None);
        let told = |wanted, coverage| match coverage_below(wanted, coverage) {
            Some(Reason::BelowThreshold { what }) => what,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            told(80.5, Some(&coverage)),
            "coverage is 80.00 %, below the 80.5 % of --coverage-fail-under"
        );
        assert!(told(1.0, None).starts_with("there is no coverage"));
        let mut patch = Patch {
            against: "main".to_owned(),
            coverage,
        };
        assert_eq!(patch_below(80.0, Some(&patch)), None);
        assert!(matches!(
            patch_below(80.5, Some(&patch)),
            Some(Reason::BelowThreshold { .. })
        ));
        assert!(patch_below(0.0, None).is_some());
        patch.coverage.files.clear();
        assert_eq!(patch_below(100.0, Some(&patch)), None);
    }
}
