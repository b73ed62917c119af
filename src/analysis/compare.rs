//! The comparison with a baseline.

use std::collections::BTreeMap;

use super::rename;
use crate::model::case::Outcome;
use crate::model::case_table::Case;
use crate::model::comparison::{Baseline, BaselineTest, Comparison, SlowDown};
use crate::model::node_id::NodeId;
use crate::model::report::Report;

/// A test is slower if it takes this many times as long, and so many seconds more: less is the noise
/// of machines.
const SLOWER_TIMES: f64 = 1.5;
const SLOWER_SECONDS: f64 = 0.5;

/// What the report has that the baseline has not, and the other way round.
///
/// `whole` is false where tests were lost or could not be collected: then nothing counts as removed.
pub(crate) fn compare(report: &Report, baseline: &Baseline, whole: bool) -> Comparison {
    let cases = report.cases.iter();
    let ids: Vec<NodeId> = cases.clone().map(|case| NodeId::new(case.id())).collect();
    let now: BTreeMap<&NodeId, Case<'_>> = ids.iter().zip(cases).collect();
    let mut added: Vec<&NodeId> = now
        .keys()
        .copied()
        .filter(|id| !baseline.tests.contains_key(*id))
        .collect();
    let gone = |id: &&NodeId| whole && !now.contains_key(*id);
    let mut removed: Vec<&NodeId> = baseline.tests.keys().filter(gone).collect();
    let renamed = rename::find(&mut removed, &mut added);
    let old_names: BTreeMap<&NodeId, &NodeId> =
        renamed.iter().map(|(old, new)| (*new, *old)).collect();
    let mut comparison = Comparison {
        commit: baseline.commit.clone(),
        totals: baseline.totals,
        test_seconds: baseline.test_seconds,
        coverage: baseline.coverage,
        added: owned(&added),
        removed: owned(&removed),
        renamed: renamed
            .iter()
            .map(|(old, new)| ((*old).clone(), (*new).clone()))
            .collect(),
        ..Comparison::default()
    };
    for (id, case) in &now {
        let old_name = old_names.get(id).unwrap_or(id);
        comparison.place(id, *case, baseline.tests.get(*old_name).copied());
    }
    let growth = |slower: &SlowDown| slower.now - slower.before;
    comparison
        .slower
        .sort_by(|one, two| growth(two).total_cmp(&growth(one)));
    comparison
}

fn owned(ids: &[&NodeId]) -> Vec<NodeId> {
    ids.iter().map(|id| (*id).clone()).collect()
}

impl Comparison {
    fn place(&mut self, id: &NodeId, case: Case<'_>, before: Option<BaselineTest>) {
        let id = || id.clone();
        let failed_before = before.is_some_and(|before| before.outcome.is_failure());
        match case.outcome() {
            Outcome::Failed | Outcome::Error if failed_before => self.known_failures.push(id()),
            Outcome::Failed | Outcome::Error => self.new_failures.push(id()),
            Outcome::Skipped if before.is_some_and(|before| before.outcome != Outcome::Skipped) => {
                self.newly_skipped.push(id());
            }
            Outcome::Passed | Outcome::Flaky | Outcome::Xfailed | Outcome::Xpassed
                if failed_before =>
            {
                self.fixed.push(id());
            }
            _ => {}
        }
        let both_passed = case.outcome() == Outcome::Passed
            && before.is_some_and(|before| before.outcome == Outcome::Passed);
        let now = case.duration().as_secs_f64();
        if let Some(BaselineTest { seconds, .. }) = before.filter(|_| both_passed)
            && now >= SLOWER_TIMES * seconds
            && now - seconds >= SLOWER_SECONDS
        {
            self.slower.push(SlowDown {
                id: id(),
                before: seconds,
                now,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::model::case::TestCase;

    fn report(tests: &[(&str, Outcome, f64)]) -> Report {
        let cases = tests.iter().map(|(id, outcome, seconds)| TestCase {
            outcome: *outcome,
            call: Duration::from_secs_f64(*seconds),
            ..TestCase::new(NodeId::new(*id))
        });
        Report {
            suite: "s".to_owned(),
            cases: cases.collect(),
            shards: Vec::new(),
            environments: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn baseline(report: &Report) -> Baseline {
        let tests = report.cases.iter().map(|case| {
            let test = BaselineTest {
                outcome: case.outcome(),
                seconds: case.duration().as_secs_f64(),
            };
            (NodeId::new(case.id()), test)
        });
        Baseline {
            totals: report.cases.totals(),
            tests: tests.collect(),
            ..Baseline::default()
        }
    }

    use Outcome::{Error, Failed, Flaky, Lost, Passed, Skipped, Xfailed};

    #[test]
    fn tells_new_failures_from_known_ones_and_from_fixed_ones() {
        let before = report(&[
            ("a::broke", Passed, 0.0),
            ("a::fails", Failed, 0.0),
            ("a::fixed", Error, 0.0),
            ("a::lost", Failed, 0.0),
            ("a::muted", Failed, 0.0),
            ("a::off", Passed, 0.0),
            ("a::was_off", Skipped, 0.0),
        ]);
        let now = report(&[
            ("a::broke", Error, 0.0),
            ("a::fails", Error, 0.0),
            ("a::fixed", Flaky, 0.0),
            ("a::lost", Lost, 0.0),
            ("a::muted", Skipped, 0.0),
            ("a::new", Failed, 0.0),
            ("a::off", Skipped, 0.0),
            ("a::was_off", Skipped, 0.0),
        ]);
        let found = compare(&now, &baseline(&before), true);
        let ids = |ids: &[NodeId]| {
            ids.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(ids(&found.new_failures), "a::broke a::new");
        assert_eq!(ids(&found.known_failures), "a::fails");
        assert_eq!(ids(&found.fixed), "a::fixed");
        assert_eq!(ids(&found.newly_skipped), "a::muted a::off");
        assert_eq!(ids(&found.added), "a::new");
        assert_eq!(ids(&found.removed), "");
    }

    #[test]
    fn a_renamed_test_keeps_its_past() {
        let before = report(&[
            ("a.py::test_login", Failed, 0.0),
            ("a.py::test_slow", Passed, 1.0),
        ]);
        let now = report(&[
            ("a.py::test_logins", Failed, 0.0),
            ("b.py::test_slow", Passed, 3.0),
        ]);
        let found = compare(&now, &baseline(&before), true);
        assert_eq!(found.renamed.len(), 2);
        assert_eq!(
            (found.new_failures.len(), found.known_failures.len()),
            (0, 1)
        );
        assert_eq!((found.added.len(), found.removed.len()), (0, 0));
        assert_eq!(found.slower.len(), 1);
    }

    #[test]
    fn what_was_lost_was_not_removed() {
        let before = report(&[("a", Passed, 0.0), ("b", Passed, 0.0)]);
        let now = report(&[("a", Passed, 0.0)]);
        assert_eq!(compare(&now, &baseline(&before), true).removed.len(), 1);
        assert_eq!(compare(&now, &baseline(&before), false).removed.len(), 0);
    }

    #[test]
    fn slow_downs_are_more_than_noise_and_the_greatest_is_first() {
        let times = |times: [f64; 5]| {
            let ids = ["a", "b", "c", "d", "e"];
            let outcomes = [Passed, Passed, Passed, Passed, Xfailed];
            let tests: Vec<_> = (0..5).map(|n| (ids[n], outcomes[n], times[n])).collect();
            report(&tests)
        };
        let before = times([0.01, 1.0, 10.0, 2.0, 1.0]);
        let now = times([0.4, 1.6, 14.0, 5.0, 9.0]);
        let found = compare(&now, &baseline(&before), true);
        let ids: Vec<&str> = found
            .slower
            .iter()
            .map(|slower| slower.id.as_str())
            .collect();
        assert_eq!(ids, ["d", "b"]);
    }

    fn any_report() -> impl Strategy<Value = Report> {
        let outcome = proptest::sample::select(Outcome::ALL.to_vec());
        let test = (0_u8..3, 0_u8..12, outcome);
        proptest::collection::vec(test, 0..30).prop_map(|tests| {
            let unique: BTreeMap<String, Outcome> = tests
                .into_iter()
                .map(|(file, name, outcome)| (format!("f{file}.py::test_{name}"), outcome))
                .collect();
            let rows: Vec<_> = unique
                .iter()
                .map(|(id, outcome)| (id.as_str(), *outcome, 0.0))
                .collect();
            report(&rows)
        })
    }

    proptest! {
        #[test]
        fn a_run_does_not_differ_from_itself(run in any_report()) {
            let found = compare(&run, &baseline(&run), true);
            prop_assert!(!found.has_changes(run.totals()));
            let failed = run.cases.iter().filter(|case| case.outcome().is_failure()).count();
            prop_assert_eq!(found.known_failures.len(), failed);
        }

        #[test]
        fn every_failure_is_new_or_known_and_every_other_id_is_explained(now in any_report(), before in any_report()) {
            let base = baseline(&before);
            let found = compare(&now, &base, true);
            let failed = now.cases.iter().filter(|case| case.outcome().is_failure()).count();
            prop_assert_eq!(found.new_failures.len() + found.known_failures.len(), failed);
            let common = now.cases.iter().filter(|case| base.tests.contains_key(&NodeId::new(case.id()))).count();
            prop_assert_eq!(common + found.added.len() + found.renamed.len(), now.cases.len());
            prop_assert_eq!(common + found.removed.len() + found.renamed.len(), before.cases.len());
        }
    }
}
