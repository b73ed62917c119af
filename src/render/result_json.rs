//! `result.json`, version 1: the result for other programs.
//!
//! Its structs are a contract of their own, apart from the model. Times are seconds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use crate::model::case::{Outcome, Totals};
use crate::model::case_table::Case;
use crate::model::cases::Cases;
use crate::model::comparison::{Baseline, BaselineTest, Comparison};
use crate::model::coverage::CoverageTotals;
use crate::model::node_id::NodeId;

use super::environments::EnvironmentRow;
use super::explanation::Explanation;
use super::patch_view::{PatchFile, PatchView};
use super::view::{ShardRow, View};

pub(crate) const RESULT_VERSION: u32 = 1;

/// The tests are a list where it is read, and are made one by one where it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ResultJson<Tests = Vec<TestJson>> {
    pub(crate) version: u32,
    pub(crate) suite: String,
    /// `green` or `red`.
    pub(crate) verdict: String,
    pub(crate) exit_code: u8,
    /// The commit that was tested, where it is known.
    #[serde(default)]
    pub(crate) commit: Option<String>,
    /// Why it is red, a sentence each.
    pub(crate) reasons: Vec<String>,
    /// What would be a reason, if the settings had it count.
    #[serde(default)]
    pub(crate) muted: Vec<String>,
    pub(crate) totals: TotalsJson,
    pub(crate) seconds: SecondsJson,
    pub(crate) coverage: Option<CoverageJson>,
    /// Of the lines a change adds; `null` where no change is known.
    #[serde(default)]
    pub(crate) patch: Option<PatchJson>,
    /// With the baseline; `null` without one.
    #[serde(default)]
    pub(crate) comparison: Option<ComparisonJson>,
    /// Failed tests that do not count, by their ids.
    #[serde(default)]
    pub(crate) quarantined: Vec<String>,
    pub(crate) shards: Vec<ShardJson>,
    /// Empty where there is only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) environments: Vec<EnvironmentJson>,
    pub(crate) tests: Tests,
    pub(crate) warnings: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TotalsJson {
    pub(crate) passed: usize,
    pub(crate) skipped: usize,
    pub(crate) xfailed: usize,
    pub(crate) xpassed: usize,
    pub(crate) flaky: usize,
    pub(crate) failed: usize,
    pub(crate) error: usize,
    pub(crate) lost: usize,
    pub(crate) all: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SecondsJson {
    /// From the first shard's start to the last one's end; `null` if no shard reported.
    pub(crate) wall: Option<f64>,
    /// What the tests took one after another.
    pub(crate) tests: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CoverageJson {
    pub(crate) percent: f64,
    pub(crate) statements: usize,
    pub(crate) covered: usize,
    pub(crate) branches: usize,
    pub(crate) covered_branches: usize,
}

/// Coverage of a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PatchJson {
    /// What it is compared with.
    pub(crate) against: String,
    pub(crate) totals: CoverageJson,
    /// By path, the new lines that nothing ran.
    pub(crate) missing: BTreeMap<String, Vec<u32>>,
}

/// Tests by their ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ComparisonJson {
    /// The baseline's.
    pub(crate) commit: Option<String>,
    pub(crate) new_failures: Vec<String>,
    pub(crate) known_failures: Vec<String>,
    pub(crate) fixed: Vec<String>,
    pub(crate) newly_skipped: Vec<String>,
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
    /// The old id and the new one.
    pub(crate) renamed: Vec<(String, String)>,
    pub(crate) slower: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct EnvironmentJson {
    pub(crate) name: String,
    pub(crate) totals: TotalsJson,
    /// From its first shard's start to the last one's end; `null` if none reported.
    pub(crate) seconds: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ShardJson {
    /// Such as `3/6`.
    pub(crate) shard: String,
    /// Where the run has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) environment: Option<String>,
    pub(crate) attempt: u32,
    /// `null` if it gave no results.
    pub(crate) seconds: Option<f64>,
    pub(crate) predicted_seconds: Option<f64>,
    pub(crate) exit_status: Option<i32>,
    pub(crate) totals: TotalsJson,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TestJson {
    pub(crate) id: String,
    pub(crate) outcome: Outcome,
    pub(crate) seconds: f64,
    pub(crate) shard: Option<String>,
    pub(crate) attempts: u32,
    /// Its outcome in each environment that has it, where there are several: the other fields are of
    /// the one where it went worst.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) environments: BTreeMap<String, Outcome>,
}

/// Every one as a [`TestJson`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestsJson<'a>(&'a Cases);

impl Serialize for TestsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(TestJson::from))
    }
}

/// The exit code is handed in: it belongs to the program, not to the view.
pub(crate) fn result_json<'a>(view: &View<'a>, exit_code: u8) -> ResultJson<TestsJson<'a>> {
    ResultJson {
        version: RESULT_VERSION,
        suite: view.suite.to_owned(),
        verdict: view.verdict.word().to_owned(),
        exit_code,
        commit: view.links.sha.clone(),
        reasons: view.reasons.iter().map(Explanation::plain).collect(),
        muted: view.muted.iter().map(Explanation::plain).collect(),
        totals: view.totals.into(),
        seconds: SecondsJson {
            wall: view.wall_seconds.map(microseconds),
            tests: microseconds(view.test_seconds),
        },
        coverage: view.coverage.as_ref().map(|it| it.totals.into()),
        patch: view.patch.as_ref().map(PatchJson::from),
        comparison: view.comparison.map(ComparisonJson::from),
        quarantined: view
            .quarantined
            .iter()
            .map(|(case, _)| case.id.to_string())
            .collect(),
        shards: view.shards.iter().map(ShardJson::from).collect(),
        environments: view
            .environments
            .iter()
            .map(EnvironmentJson::from)
            .collect(),
        tests: TestsJson(view.cases),
        warnings: view.warnings.to_vec(),
    }
}

impl ResultJson {
    /// The run as the baseline of a later one.
    pub(crate) fn baseline(self) -> Baseline {
        let test = |test: TestJson| {
            let known = BaselineTest {
                outcome: test.outcome,
                seconds: test.seconds,
            };
            (NodeId::new(test.id), known)
        };
        Baseline {
            commit: self.commit,
            totals: Totals::of_outcomes(self.tests.iter().map(|test| test.outcome)),
            test_seconds: self.seconds.tests,
            coverage: self.coverage.map(CoverageTotals::from),
            tests: self.tests.into_iter().map(test).collect(),
        }
    }
}

impl From<&Comparison> for ComparisonJson {
    fn from(comparison: &Comparison) -> Self {
        let ids = |ids: &[NodeId]| ids.iter().map(ToString::to_string).collect();
        Self {
            commit: comparison.commit.clone(),
            new_failures: ids(&comparison.new_failures),
            known_failures: ids(&comparison.known_failures),
            fixed: ids(&comparison.fixed),
            newly_skipped: ids(&comparison.newly_skipped),
            added: ids(&comparison.added),
            removed: ids(&comparison.removed),
            renamed: comparison
                .renamed
                .iter()
                .map(|(old, new)| (old.to_string(), new.to_string()))
                .collect(),
            slower: comparison
                .slower
                .iter()
                .map(|slower| slower.id.to_string())
                .collect(),
        }
    }
}

impl From<CoverageJson> for CoverageTotals {
    fn from(json: CoverageJson) -> Self {
        // More is a lie, and would not add up.
        let statements = json.statements.min(1 << 40);
        let branches = json.branches.min(1 << 40);
        Self {
            statements,
            covered: json.covered.min(statements),
            branches,
            covered_branches: json.covered_branches.min(branches),
            partial_branches: 0,
        }
    }
}

impl From<Totals> for TotalsJson {
    fn from(totals: Totals) -> Self {
        let Totals {
            passed,
            skipped,
            xfailed,
            xpassed,
            flaky,
            failed,
            error,
            lost,
        } = totals;
        Self {
            passed,
            skipped,
            xfailed,
            xpassed,
            flaky,
            failed,
            error,
            lost,
            all: totals.all(),
        }
    }
}

impl From<&PatchView<'_>> for PatchJson {
    fn from(patch: &PatchView<'_>) -> Self {
        let missing = |file: &PatchFile<'_>| {
            let lines: Vec<u32> = file.new.missing.iter().copied().collect();
            (!lines.is_empty()).then(|| (file.path.to_string(), lines))
        };
        Self {
            against: patch.against.to_owned(),
            totals: patch.totals.into(),
            missing: patch.files.iter().filter_map(missing).collect(),
        }
    }
}

impl From<CoverageTotals> for CoverageJson {
    fn from(totals: CoverageTotals) -> Self {
        Self {
            percent: totals.percent(),
            statements: totals.statements,
            covered: totals.covered,
            branches: totals.branches,
            covered_branches: totals.covered_branches,
        }
    }
}

impl From<&EnvironmentRow<'_>> for EnvironmentJson {
    fn from(row: &EnvironmentRow<'_>) -> Self {
        Self {
            name: row.name.to_owned(),
            totals: row.totals.into(),
            seconds: row.wall_seconds.map(microseconds),
        }
    }
}

impl From<&ShardRow> for ShardJson {
    fn from(row: &ShardRow) -> Self {
        Self {
            shard: row.run.shard.to_string(),
            environment: row.run.environment.as_ref().map(ToString::to_string),
            attempt: row.run.attempt,
            seconds: row.seconds.map(microseconds),
            predicted_seconds: row.run.predicted_seconds.map(microseconds),
            exit_status: row.run.exit_status,
            totals: row.run.totals.into(),
        }
    }
}

impl From<Case<'_>> for TestJson {
    fn from(case: Case<'_>) -> Self {
        let told = case.told();
        let environments = told.into_iter().flat_map(|case| &case.environments);
        Self {
            id: case.id().into_owned(),
            outcome: case.outcome(),
            seconds: microseconds(case.duration().as_secs_f64()),
            shard: case.shard().map(|shard| shard.to_string()),
            attempts: told.map_or(1, |case| case.attempts),
            environments: environments
                .map(|(name, outcome)| (name.to_string(), *outcome))
                .collect(),
        }
    }
}

/// The difference of two times since 1970 has no digits beyond.
fn microseconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}
