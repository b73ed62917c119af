//! What every sink shows of a run, computed once: sorted, counted, and in words.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;

use crate::coverage::diff::Patch;
use crate::model::case::{Location, Outcome, TestCase, Totals};
use crate::model::case_table::Case;
use crate::model::cases::Cases;
use crate::model::comparison::Comparison;
use crate::model::coverage::{Coverage, CoverageTotals};
use crate::model::history::{End, Ends};
use crate::model::node_id::NodeId;
use crate::model::quarantine::Quarantined;
use crate::model::report::{Report, ShardRun};
use crate::model::verdict::{Reason, Verdict};

use super::environments::{self, EnvironmentRow};
use super::explanation::Explanation;
use super::patch_view::PatchView;
use super::percent;
use super::sentence::Sentence;
use super::words;

/// How many of the slowest tests and of the least covered files are shown.
const MOST_ROWS: usize = 10;

/// Where the result can be looked up; all of it optional, since there is a world beside GitHub.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Links {
    /// The page of the CI run.
    pub(crate) run_url: Option<String>,
    /// The page where the report folder can be had.
    pub(crate) report: Option<String>,
    /// `https://host/owner/repository/blob/<sha>`, without a slash at the end.
    pub(crate) blob_base: Option<String>,
    pub(crate) sha: Option<String>,
    pub(crate) workflow: Option<String>,
}

impl Links {
    /// The page of a line; `None` for a path that leaves the repository.
    pub(crate) fn line(&self, location: &Location) -> Option<String> {
        let page = self.file(&location.path)?;
        Some(if location.line > 0 {
            format!("{page}#L{}", location.line)
        } else {
            page
        })
    }

    pub(crate) fn file(&self, path: &Utf8Path) -> Option<String> {
        let base = self.blob_base.as_ref()?;
        let inside = !path.as_str().is_empty()
            && path
                .as_str()
                .split('/')
                .all(|part| !matches!(part, "" | "." | ".."));
        inside.then(|| format!("{base}/{}", percent::encoded(path.as_str(), b"/-._")))
    }
}

pub(crate) struct ViewInput<'a> {
    /// Names the result where a repository has several; `None` where the suite is the only one.
    pub(crate) title: Option<&'a str>,
    pub(crate) report: &'a Report,
    pub(crate) verdict: &'a Verdict,
    pub(crate) coverage: Option<&'a Coverage>,
    pub(crate) comparison: Option<&'a Comparison>,
    /// Why there is none, where one was looked for.
    pub(crate) not_compared: Option<&'a str>,
    pub(crate) patch: Option<&'a Patch>,
    pub(crate) quarantined: &'a [Quarantined],
    pub(crate) ends: &'a BTreeMap<NodeId, Ends>,
    pub(crate) links: Links,
}

pub(crate) struct View<'a> {
    pub(crate) suite: &'a str,
    pub(crate) title: Option<&'a str>,
    pub(crate) links: Links,
    pub(crate) green: bool,
    /// The verdict in one line, with the numbers.
    pub(crate) headline: Sentence,
    pub(crate) totals: Totals,
    /// From the first start to the last end; `None` if no shard reported.
    pub(crate) wall_seconds: Option<f64>,
    /// What the tests took one after another.
    pub(crate) test_seconds: f64,
    pub(crate) reasons: Vec<Explanation>,
    /// What the settings do not let count.
    pub(crate) muted: Vec<Explanation>,
    /// In the order of their node ids, as all lists of tests but the slowest.
    pub(crate) failed: Vec<&'a TestCase>,
    /// Failed tests that do not count, which are not among the others.
    pub(crate) quarantined: Vec<(&'a TestCase, &'a Quarantined)>,
    /// How tests that do not always pass ended before, this run included.
    pub(crate) ends: &'a BTreeMap<NodeId, Ends>,
    /// Of the failed ones, those that failed in the baseline too.
    pub(crate) known: BTreeSet<&'a NodeId>,
    /// What is different from an earlier run; `None` without one.
    pub(crate) comparison: Option<&'a Comparison>,
    /// Why there is none, where one was looked for; completes "not compared: …".
    pub(crate) not_compared: Option<&'a str>,
    pub(crate) lost: Vec<&'a TestCase>,
    pub(crate) flaky: Vec<&'a TestCase>,
    /// The slowest first.
    pub(crate) slowest: Vec<TestCase>,
    pub(crate) shards: Vec<ShardRow>,
    /// Empty where there is only one.
    pub(crate) environments: Vec<EnvironmentRow<'a>>,
    pub(crate) coverage: Option<CoverageView<'a>>,
    /// Only with coverage, and where a change is known.
    pub(crate) patch: Option<PatchView<'a>>,
    pub(crate) warnings: &'a [String],
    pub(crate) cases: &'a Cases,
    pub(crate) verdict: &'a Verdict,
}

/// How one shard stands among the others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ShardRow {
    pub(crate) run: ShardRun,
    /// Wall time; `None` if the shard gave no results.
    pub(crate) seconds: Option<f64>,
    /// Of the longest shard, 0 to 1: the length of its bar.
    pub(crate) share: f64,
}

impl ShardRow {
    /// The predicted time, and how far the real one is from it: `1m 0s (+12%)`.
    pub(crate) fn predicted(&self) -> Option<String> {
        let predicted = words::duration(self.run.predicted_seconds?);
        Some(match self.off() {
            Some(off) => format!("{predicted} ({off})"),
            None => predicted,
        })
    }

    /// The real time against the predicted one, such as `+12%`.
    pub(crate) fn off(&self) -> Option<String> {
        let (real, predicted) = self.seconds.zip(self.run.predicted_seconds)?;
        (predicted > 0.0).then(|| format!("{:+.0}%", 100.0 * (real / predicted - 1.0)))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CoverageView<'a> {
    pub(crate) branch: bool,
    pub(crate) totals: CoverageTotals,
    pub(crate) files: usize,
    /// Files with something missing, the least covered first.
    pub(crate) lowest: Vec<(&'a Utf8Path, CoverageTotals)>,
    pub(crate) all: &'a Coverage,
}

impl<'a> View<'a> {
    pub(crate) fn new(input: ViewInput<'a>) -> Self {
        let ViewInput {
            title,
            report,
            verdict,
            coverage,
            comparison,
            not_compared,
            patch,
            quarantined,
            ends,
            links,
        } = input;
        let muted: BTreeMap<&NodeId, &Quarantined> =
            quarantined.iter().map(|test| (&test.id, test)).collect();
        let totals = report.totals();
        let wall_seconds = report.wall_seconds();
        let reasons: Vec<Explanation> = verdict.reasons.iter().map(Explanation::from).collect();
        let with = |wanted: fn(Outcome) -> bool| told(report, wanted);
        Self {
            suite: &report.suite,
            title,
            links,
            green: verdict.is_green(),
            headline: headline(report, verdict, &reasons),
            totals,
            wall_seconds,
            test_seconds: report
                .cases
                .iter()
                .map(|case| case.duration().as_secs_f64())
                .sum(),
            reasons,
            muted: verdict.muted.iter().map(Explanation::from).collect(),
            known: comparison
                .map(|found| found.known_failures.iter().collect())
                .unwrap_or_default(),
            comparison,
            not_compared,
            failed: {
                let mut failed = with(Outcome::is_failure);
                failed.retain(|case| !muted.contains_key(&case.id));
                failed
            },
            quarantined: with(Outcome::is_failure)
                .into_iter()
                .filter_map(|case| Some((case, *muted.get(&case.id)?)))
                .collect(),
            ends,
            lost: with(|outcome| outcome == Outcome::Lost),
            flaky: with(|outcome| outcome == Outcome::Flaky),
            slowest: slowest(&report.cases),
            shards: shard_rows(report),
            environments: environments::rows(report),
            coverage: coverage.map(CoverageView::new),
            patch: patch
                .zip(coverage)
                .map(|(patch, all)| PatchView::new(patch, all)),
            warnings: &report.warnings,
            cases: &report.cases,
            verdict,
        }
    }

    /// The reasons to tell: none where failed tests, which are listed, are the only one.
    pub(crate) fn reasons_to_tell(&self) -> &[Explanation] {
        match self.verdict.reasons.as_slice() {
            [Reason::TestsFailed { .. }] => &[],
            _ => &self.reasons,
        }
    }

    /// Whether a test, an outcome or the coverage is another than in the baseline, as far as people see.
    pub(crate) fn has_changes(&self) -> bool {
        let Some(found) = self.comparison else {
            return true;
        };
        let coverage = self.coverage.as_ref().map(|coverage| coverage.totals);
        let shown = |totals: CoverageTotals| words::percent(totals.percent());
        found.has_changes(self.totals) || coverage.map(shown) != found.coverage.map(shown)
    }

    /// `flaky in 3 of the last 20 runs`; `None` where there was one run only.
    pub(crate) fn rate(&self, case: &TestCase) -> Option<String> {
        let ends = self.ends.get(&case.id)?;
        (ends.runs() > 1).then(|| {
            let flaky = words::number(ends.count(End::Flaky));
            format!(
                "flaky in {flaky} of the last {} runs",
                words::number(ends.runs())
            )
        })
    }

    /// The failed tests that the baseline knows, or those that it does not.
    pub(crate) fn failed_before(&self, before: bool) -> Vec<&'a TestCase> {
        let mut failed = self.failed.clone();
        failed.retain(|case| self.known.contains(&case.id) == before);
        failed
    }

    /// Whether a row of the table of shards has a prediction or a second attempt to show.
    pub(crate) fn has_predictions(&self) -> bool {
        self.shards
            .iter()
            .any(|row| row.run.predicted_seconds.is_some())
    }

    pub(crate) fn has_attempts(&self) -> bool {
        self.shards.iter().any(|row| row.run.attempt > 1)
    }
}

impl<'a> CoverageView<'a> {
    fn new(coverage: &'a Coverage) -> Self {
        let mut lowest: Vec<(&Utf8Path, CoverageTotals)> = coverage
            .files
            .iter()
            .map(|(path, file)| (path.as_path(), file.totals()))
            .filter(|(_, totals)| totals.percent() < 100.0)
            .collect();
        lowest.sort_by(|(_, a), (_, b)| {
            a.percent()
                .total_cmp(&b.percent())
                .then_with(|| b.missing().cmp(&a.missing()))
        });
        lowest.truncate(MOST_ROWS);
        Self {
            branch: coverage.branch,
            totals: coverage.totals(),
            files: coverage.files.len(),
            lowest,
            all: coverage,
        }
    }

    /// `87.4% (1,234 of 1,400 statements, 30 of 40 branches)`.
    pub(crate) fn figures(&self) -> String {
        figures(self.totals, self.branch)
    }
}

pub(super) fn figures(totals: CoverageTotals, with_branches: bool) -> String {
    let CoverageTotals {
        statements,
        covered,
        branches,
        covered_branches,
        ..
    } = totals;
    let part = |some, all, noun| format!("{} of {}", words::number(some), words::count(all, noun));
    let mut parts = vec![part(covered, statements, "statement")];
    if with_branches {
        // English makes this one plural irregular.
        let noun = if branches == 1 { "branch" } else { "branches" };
        let (some, all) = (words::number(covered_branches), words::number(branches));
        parts.push(format!("{some} of {all} {noun}"));
    }
    format!(
        "{} ({})",
        words::percent(totals.percent()),
        parts.join(", ")
    )
}

fn told(report: &Report, wanted: impl Fn(Outcome) -> bool) -> Vec<&TestCase> {
    let wanted = report.cases.told().filter(|case| wanted(case.outcome));
    wanted.collect()
}

/// Among equals those that come first.
fn slowest(cases: &Cases) -> Vec<TestCase> {
    let mut slowest: Vec<Case<'_>> = Vec::new();
    for case in cases.iter().filter(|case| !case.duration().is_zero()) {
        let at = slowest.partition_point(|known| known.duration() >= case.duration());
        if at < MOST_ROWS {
            slowest.truncate(MOST_ROWS - 1);
            slowest.insert(at, case);
        }
    }
    slowest.into_iter().map(Case::to_whole).collect()
}

fn shard_rows(report: &Report) -> Vec<ShardRow> {
    let longest = report
        .shards
        .iter()
        .filter_map(ShardRun::seconds)
        .fold(0.0, f64::max);
    let row = |run: &ShardRun| {
        let seconds = run.seconds();
        let share = if longest > 0.0 {
            seconds.unwrap_or(0.0) / longest
        } else {
            0.0
        };
        ShardRow {
            run: run.clone(),
            seconds,
            share,
        }
    };
    report.shards.iter().map(row).collect()
}

/// Green: `1,602 tests passed, 3 skipped in 2m 3s (4 shards)`. Red: `3 failed, 1 lost of 1,602 tests
/// in 2m 3s; shard 3/6 gave no results`.
fn headline(report: &Report, verdict: &Verdict, reasons: &[Explanation]) -> Sentence {
    let totals = report.totals();
    let time = report
        .wall_seconds()
        .map(|seconds| format!(" in {}", words::duration(seconds)))
        .unwrap_or_default();
    let environments = environments::count(report.environments.len());
    if verdict.is_green() {
        let shards = match report.shards.len() {
            0 => String::new(),
            shards => format!(" ({}{environments})", words::count(shards, "shard")),
        };
        return Sentence::words(format!("{}{time}{shards}", passed(totals)));
    }
    let bad = named_counts(totals, &[Outcome::Failed, Outcome::Error, Outcome::Lost]);
    let rest: Vec<&Explanation> = verdict
        .reasons
        .iter()
        .zip(reasons)
        .filter(|(reason, _)| match reason.anywhere() {
            Reason::TestsFailed { .. } | Reason::TestsLost { .. } => bad.is_empty(),
            // A job fails with its tests and with its shards.
            Reason::JobFailed { .. } => bad.is_empty() && reasons.len() == 1,
            _ => true,
        })
        .map(|(_, explanation)| explanation)
        .collect();
    let counts = if !bad.is_empty() {
        Some(format!(
            "{} of {}{environments}{time}",
            bad.join(", "),
            words::count(totals.all(), "test")
        ))
    } else if totals.all() > 0 {
        Some(format!("{}{time}", passed(totals)))
    } else {
        None
    };
    let joint = if bad.is_empty() { ", but " } else { "; " };
    match (counts, rest.as_slice()) {
        (Some(counts), []) => Sentence::words(counts),
        (Some(counts), [first, others @ ..]) => Sentence::words(counts + joint)
            .join(first.brief.clone())
            .and(more(others.len())),
        (None, [first, others @ ..]) => first.brief.clone().and(more(others.len())),
        (None, []) => Sentence::words("no result"),
    }
}

fn more(problems: usize) -> String {
    match problems {
        0 => String::new(),
        _ => format!(", and {}", words::count(problems, "more problem")),
    }
}

fn passed(totals: Totals) -> String {
    let mut parts = vec![format!("{} passed", words::count(totals.passed, "test"))];
    let others = [
        // In a green run these do not count, and are told all the same.
        Outcome::Failed,
        Outcome::Error,
        Outcome::Flaky,
        Outcome::Skipped,
        Outcome::Xfailed,
        Outcome::Xpassed,
    ];
    parts.extend(named_counts(totals, &others));
    parts.join(", ")
}

/// `3 failed`, `2 errors`: only what there is.
pub(crate) fn named_counts(totals: Totals, outcomes: &[Outcome]) -> Vec<String> {
    let named = |outcome: &Outcome| match (totals.get(*outcome), outcome) {
        (0, _) => None,
        (some, Outcome::Error) => Some(words::count(some, "error")),
        (some, outcome) => Some(format!("{} {}", words::number(some), outcome.name())),
    };
    outcomes.iter().filter_map(named).collect()
}
