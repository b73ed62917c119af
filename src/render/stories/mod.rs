//! Runs that people meet, and what each sink tells about them.

mod data;
mod environments;
mod golden;
mod hostile;
mod limits;
mod markdown;
mod others;
mod terminal;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::analysis::compare::compare;
use crate::coverage::diff::{self, Patch};
use crate::model::case::{Location, Outcome, Phase, Problem, ProblemKind, TestCase, Totals};
use crate::model::comparison::{Baseline, BaselineTest, Comparison, SlowDown};
use crate::model::coverage::{Coverage, FileCoverage};
use crate::model::history::Ends;
use crate::model::node_id::NodeId;
use crate::model::quarantine::Quarantined;
use crate::model::report::{Report, ShardRun};
use crate::model::shard::Shard;
use crate::model::verdict::{Reason, Verdict};

use super::html::page::{self, Sources};
use super::view::{Links, View, ViewInput};

/// A run with everything a view is made from.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) report: Report,
    pub(super) verdict: Verdict,
    pub(super) coverage: Option<Coverage>,
    pub(super) comparison: Option<Comparison>,
    pub(super) patch: Option<Patch>,
    pub(super) quarantined: Vec<Quarantined>,
    pub(super) ends: BTreeMap<NodeId, Ends>,
}

impl Story {
    /// Every test in the shard it names; shards start together and take as long as they are told.
    pub(super) fn new(shard_seconds: &[Option<f64>], mut cases: Vec<TestCase>) -> Self {
        cases.sort_by(|one, two| one.id.cmp(&two.id));
        let total = u16::try_from(shard_seconds.len()).expect("few shards");
        let shards = Shard::all(total)
            .zip(shard_seconds)
            .map(|(shard, seconds)| ShardRun {
                shard,
                environment: None,
                attempt: 1,
                predicted_seconds: Some(60.0),
                started: seconds.map(|_| 1000.0),
                ended: seconds.map(|seconds| 1000.0 + seconds),
                exit_status: seconds.map(|_| 0),
                totals: Totals::of(cases.iter().filter(|case| case.shard == Some(shard))),
            })
            .collect();
        let report = Report {
            suite: "tests".to_owned(),
            cases: cases.into(),
            shards,
            environments: Vec::new(),
            warnings: Vec::new(),
        };
        Self {
            report,
            verdict: Verdict::default(),
            coverage: None,
            comparison: None,
            patch: None,
            quarantined: Vec::new(),
            ends: BTreeMap::new(),
        }
    }

    pub(super) fn because(mut self, reasons: impl IntoIterator<Item = Reason>) -> Self {
        self.verdict.reasons.extend(reasons);
        self
    }

    pub(super) fn view(&self) -> View<'_> {
        View::new(ViewInput {
            title: None,
            report: &self.report,
            verdict: &self.verdict,
            coverage: self.coverage.as_ref(),
            comparison: self.comparison.as_ref(),
            not_compared: None,
            patch: self.patch.as_ref(),
            quarantined: &self.quarantined,
            ends: &self.ends,
            links: Links {
                run_url: Some("https://github.com/o/r/actions/runs/42".to_owned()),
                report: Some("https://github.com/o/r/actions/runs/42/artifacts/7".to_owned()),
                blob_base: Some("https://github.com/o/r/blob/0123abcd".to_owned()),
                sha: Some("0123abcd4567".to_owned()),
                workflow: Some("CI".to_owned()),
            },
        })
    }
}

/// The page, where every measured file has that text.
pub(super) fn page(view: &View<'_>, source: Option<&str>) -> String {
    page_of(view, &|_| source.map(ToOwned::to_owned))
}

pub(super) fn page_of(view: &View<'_>, sources: Sources<'_>) -> String {
    let mut page = Vec::new();
    page::page(view, sources, &mut page).expect("a page");
    String::from_utf8(page).expect("UTF-8")
}

pub(super) fn shard(index: u16, total: u16) -> Shard {
    Shard::new(index, total).expect("a shard")
}

pub(super) fn test(id: &str, outcome: Outcome, milliseconds: u64, shard: Shard) -> TestCase {
    TestCase {
        outcome,
        call: Duration::from_millis(milliseconds),
        shard: Some(shard),
        location: Some(Location {
            path: NodeId::new(id).file().into(),
            line: 10,
        }),
        ..TestCase::new(NodeId::new(id))
    }
}

pub(super) fn problem(kind: ProblemKind, message: &str, text: &str, line: u32) -> Problem {
    Problem {
        phase: Phase::Call,
        kind,
        message: message.to_owned(),
        text: text.to_owned(),
        location: Some(Location {
            path: "tests/test_shop.py".into(),
            line,
        }),
        subtest: None,
    }
}

fn passing(count: usize, shards: u16) -> Vec<TestCase> {
    let numbers = 1..=u16::try_from(count).expect("few tests");
    numbers
        .map(|n| {
            let id = format!("tests/test_a.py::test_{n:02}");
            test(
                &id,
                Outcome::Passed,
                u64::from(n) * 10,
                shard((n - 1) % shards + 1, shards),
            )
        })
        .collect()
}

pub(super) fn all_green_with_coverage() -> Story {
    let mut cases = passing(12, 4);
    cases.push(test(
        "tests/test_b.py::test_skip",
        Outcome::Skipped,
        0,
        shard(1, 4),
    ));
    let mut story = Story::new(&[Some(123.0), Some(110.5), Some(60.0), Some(98.2)], cases);
    let file = |executed: &[u32], missing: &[u32]| FileCoverage {
        executed: executed.iter().copied().collect(),
        missing: missing.iter().copied().collect(),
        executed_arcs: [(1, 2)].into(),
        missing_arcs: [(1, 3)].into(),
        ..FileCoverage::default()
    };
    story.coverage = Some(Coverage {
        branch: true,
        files: [
            ("src/cart.py".into(), file(&[1, 2, 3], &[4])),
            ("src/price.py".into(), file(&[1], &[2, 3])),
        ]
        .into(),
    });
    story
}

const TRACEBACK: &str = "    def test_total():
        cart = Cart([3, 4])
>       assert cart.total() == 8
E       assert 7 == 8
E        +  where 7 = total()

tests/test_shop.py:14: AssertionError
";

pub(super) fn one_failure() -> Story {
    let mut cases = passing(4, 2);
    let mut failed = test(
        "tests/test_shop.py::test_total[a|b]",
        Outcome::Failed,
        420,
        shard(2, 2),
    );
    failed.problems = vec![problem(
        ProblemKind::Failure,
        "assert 7 == 8",
        TRACEBACK,
        14,
    )];
    failed.stdout = "adding 3\nadding 4\n".to_owned();
    cases.push(failed);
    Story::new(&[Some(3.2), Some(4.0)], cases).because([Reason::TestsFailed {
        failed: 1,
        errors: 0,
    }])
}

pub(super) fn a_missing_shard() -> Story {
    Story::new(
        &[Some(3.2), None, Some(4.0)],
        passing(6, 3)
            .into_iter()
            .filter(|case| case.shard != Some(shard(2, 3)))
            .collect(),
    )
    .because([
        Reason::ShardMissing {
            shard: shard(2, 3),
            job_result: Some("test: cancelled".to_owned()),
        },
        Reason::JobFailed {
            job: "test".to_owned(),
            result: "cancelled".to_owned(),
        },
    ])
}

pub(super) fn a_crashed_shard() -> Story {
    let mut cases = passing(4, 2);
    let ids = [
        "tests/test_big.py::test_eats_memory",
        "tests/test_big.py::test_next",
    ];
    cases.extend(ids.map(|id| test(id, Outcome::Lost, 0, shard(2, 2))));
    Story::new(&[Some(3.2), Some(1.5)], cases).because([Reason::ShardCrashed {
        shard: shard(2, 2),
        detail: "it was ended by signal 9".to_owned(),
        running: vec![NodeId::new(ids[0])],
        not_run: 1,
    }])
}

pub(super) fn a_flaky_test() -> Story {
    let mut cases = passing(4, 2);
    let mut flaky = test(
        "tests/test_net.py::test_fetch",
        Outcome::Flaky,
        900,
        shard(1, 2),
    );
    flaky.attempts = 3;
    flaky.problems = vec![problem(
        ProblemKind::Rerun,
        "TimeoutError: no answer",
        "E  TimeoutError",
        7,
    )];
    cases.push(flaky);
    Story::new(&[Some(3.2), Some(1.5)], cases)
}

pub(super) fn a_collection_error() -> Story {
    Story::new(&[Some(0.6), Some(1.5)], passing(4, 2)).because([Reason::CollectionFailed {
        shard: shard(1, 2),
        what: "tests/test_shop.py".to_owned(),
        message: "ImportError: cannot import name 'Cart' from 'shop'\nmore".to_owned(),
        location: Some(Location {
            path: "tests/test_shop.py".into(),
            line: 1,
        }),
    }])
}

pub(super) fn nothing_ran() -> Story {
    Story::new(&[Some(0.3)], Vec::new()).because([Reason::NothingRan])
}

/// Of five tests of the baseline one broke, one was fixed, one was renamed and one is gone.
pub(super) fn a_regression() -> Story {
    let mut cases = passing(3, 2);
    let failing = |id: &str| {
        let mut case = test(id, Outcome::Failed, 420, shard(2, 2));
        case.problems = vec![problem(
            ProblemKind::Failure,
            "assert 7 == 8",
            TRACEBACK,
            14,
        )];
        case
    };
    cases.push(failing("tests/test_shop.py::test_total"));
    cases.push(failing("tests/test_shop.py::test_stock"));
    cases.push(test(
        "tests/test_shop.py::test_carts",
        Outcome::Passed,
        4200,
        shard(1, 2),
    ));
    cases.push(test(
        "tests/test_shop.py::test_import",
        Outcome::Skipped,
        0,
        shard(1, 2),
    ));
    let mut story = Story::new(&[Some(3.2), Some(4.0)], cases).because([Reason::TestsFailed {
        failed: 2,
        errors: 0,
    }]);
    let before = [
        ("tests/test_a.py::test_01", Outcome::Failed, 0.01),
        ("tests/test_a.py::test_02", Outcome::Passed, 0.02),
        ("tests/test_shop.py::test_cart", Outcome::Passed, 1.5),
        ("tests/test_shop.py::test_import", Outcome::Passed, 1.0),
        ("tests/test_shop.py::test_old|way", Outcome::Passed, 0.0),
        ("tests/test_shop.py::test_stock", Outcome::Error, 0.4),
        ("tests/test_shop.py::test_total", Outcome::Passed, 0.4),
    ];
    let tests =
        before.map(|(id, outcome, seconds)| (NodeId::new(id), BaselineTest { outcome, seconds }));
    let baseline = Baseline {
        commit: Some("fedcba9876543210".to_owned()),
        totals: Totals::of_outcomes(before.map(|(_, outcome, _)| outcome)),
        test_seconds: 3.3,
        coverage: None,
        tests: tests.into(),
    };
    story.comparison = Some(compare(&story.report, &baseline, true));
    story
}

/// The same, where only new failures count and none is new.
pub(super) fn known_failures_only() -> Story {
    let mut story = a_regression();
    story
        .report
        .cases
        .whole_mut()
        .retain(|case| case.id.as_str() != "tests/test_shop.py::test_total");
    let found = story.comparison.as_mut().expect("a comparison");
    found.new_failures.clear();
    story.verdict = Verdict::default();
    story.verdict.muted = vec![Reason::TestsFailed {
        failed: 1,
        errors: 0,
    }];
    story
}

/// Every list of a comparison with a hostile name in it, and the first failure known.
pub(super) fn compared(story: &Story, [a, b, c]: [&String; 3]) -> Comparison {
    let ids = || vec![NodeId::new(a), NodeId::new(b)];
    let slower = SlowDown {
        id: NodeId::new(c),
        before: 1.0,
        now: 2.0,
    };
    Comparison {
        commit: Some(c.clone()),
        known_failures: story
            .report
            .cases
            .iter()
            .take(1)
            .map(|case| NodeId::new(case.id()))
            .collect(),
        fixed: ids(),
        newly_skipped: ids(),
        added: ids(),
        removed: ids(),
        renamed: vec![(NodeId::new(b), NodeId::new(c))],
        slower: vec![slower],
        ..Comparison::default()
    }
}

pub(super) fn many_failures(count: u32, text: &str) -> Story {
    let cases = (0..count)
        .map(|n| {
            let id = format!("tests/test_many.py::test_{n:05}");
            let mut case = test(&id, Outcome::Failed, 1, shard(1, 2));
            case.problems = vec![problem(ProblemKind::Failure, text, text, 3)];
            case.stdout = text.to_owned();
            case
        })
        .collect();
    let failed = usize::try_from(count).expect("few");
    Story::new(&[Some(1.0), Some(2.0)], cases).because([Reason::TestsFailed { failed, errors: 0 }])
}

/// Of the lines that a change adds two are not covered, and one way out of a line that is.
pub(super) fn a_change() -> Story {
    let mut story = all_green_with_coverage();
    let coverage = story.coverage.as_ref().expect("coverage");
    let added = [
        ("README.md".into(), [1].into()),
        ("src/cart.py".into(), [1, 2].into()),
        ("src/price.py".into(), [1, 2, 3].into()),
    ];
    story.patch = Some(Patch {
        against: "fedcba98".to_owned(),
        coverage: diff::patch(coverage, &added.into()),
    });
    story
}

/// Its only failure is known to be flaky.
pub(super) fn a_quarantined_failure() -> Story {
    let mut story = one_failure();
    story.verdict.muted = std::mem::take(&mut story.verdict.reasons);
    story.quarantined = vec![Quarantined {
        id: NodeId::new("tests/test_shop.py::test_total[a|b]"),
        reason: "waits for the new scheduler".to_owned(),
        owner: "@shop".to_owned(),
        expires: "2026-12-31".to_owned(),
    }];
    story
}
