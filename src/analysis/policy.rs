//! Which failures make a run red. What was lost, or could not be proven to have run once, always does.

use clap::ValueEnum;

use crate::model::comparison::Comparison;
use crate::model::coverage::Coverage;
use crate::model::report::Totals;
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
    fn counts(self, totals: Totals, comparison: Option<&Comparison>) -> bool {
        match self {
            Self::Failures => true,
            Self::Errors => totals.error > 0,
            Self::Regressions => comparison.is_none_or(|found| !found.new_failures.is_empty()),
            Self::Nothing => false,
        }
    }
}

/// Moves what does not count from the reasons to the muted ones.
pub(crate) fn apply(
    verdict: Verdict,
    fail_on: FailOn,
    totals: Totals,
    comparison: Option<&Comparison>,
) -> Verdict {
    let failed = |reason: &Reason| matches!(reason, Reason::TestsFailed { .. });
    let Verdict { reasons, mut muted } = verdict;
    if fail_on.counts(totals, comparison) || !reasons.iter().any(failed) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::node_id::NodeId;
    use crate::model::shard::Shard;

    fn red(failed: usize, errors: usize) -> (Verdict, Totals) {
        let reasons = vec![
            Reason::TestsFailed { failed, errors },
            Reason::JobFailed {
                job: "test".to_owned(),
                result: "failure".to_owned(),
            },
        ];
        let totals = Totals {
            failed,
            error: errors,
            passed: 9,
            ..Totals::default()
        };
        (
            Verdict {
                reasons,
                muted: Vec::new(),
            },
            totals,
        )
    }

    fn comparison(new: usize) -> Comparison {
        Comparison {
            new_failures: vec![NodeId::new("a"); new],
            ..Comparison::default()
        }
    }

    #[test]
    fn counts_what_it_is_told_to() {
        let green = |fail_on, failed, errors, comparison: Option<&Comparison>| {
            let (verdict, totals) = red(failed, errors);
            apply(verdict, fail_on, totals, comparison).is_green()
        };
        let (none, one) = (comparison(0), comparison(1));
        assert!(!green(FailOn::Failures, 2, 0, Some(&none)));
        assert!(green(FailOn::Errors, 2, 0, None));
        assert!(!green(FailOn::Errors, 2, 1, None));
        assert!(green(FailOn::Regressions, 2, 1, Some(&none)));
        assert!(!green(FailOn::Regressions, 2, 1, Some(&one)));
        assert!(!green(FailOn::Regressions, 2, 1, None));
        assert!(green(FailOn::Nothing, 2, 1, None));
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
            let (mut verdict, totals) = red(1, 0);
            verdict.reasons.push(reason.clone());
            let judged = apply(verdict, FailOn::Nothing, totals, None);
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
        assert!(!apply(verdict, FailOn::Nothing, Totals::default(), None).is_green());
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
    }
}
