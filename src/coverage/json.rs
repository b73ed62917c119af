//! coverage.py's `coverage.json`, format 3 and the older ones
//! (`coverage/jsonreport.py` of coverage.py 7.17): relative paths, excluded lines and signed arcs
//! make it the best of the report formats to merge from.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::{Deserialize, Serialize};

use crate::model::coverage::{Arc, Coverage, CoverageTotals, FileCoverage, Line};

/// What we write. Regions (`functions`, `classes`) are left out: they need the sources.
const FORMAT: u32 = 3;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("it is not coverage.py's JSON report (`coverage json` writes one): {0}")]
    Json(#[from] serde_json::Error),
}

/// Reads a report. Paths are taken as they are.
pub(crate) fn read(input: impl io::Read) -> Result<Coverage, ReadError> {
    let report: Report = serde_json::from_reader(io::BufReader::new(input))?;
    let branch = report.meta.branch_coverage;
    let files = report
        .files
        .into_iter()
        .map(|(path, file)| (path.into(), file.into_model(branch)));
    Ok(Coverage {
        branch,
        files: files.collect(),
    })
}

/// Writes a report in format 3. `version` names the program that made it, `timestamp` is ISO 8601.
pub(crate) fn write(
    coverage: &Coverage,
    version: &str,
    timestamp: &str,
    out: impl io::Write,
) -> io::Result<()> {
    let Coverage { branch, files } = coverage;
    let written = |file: &FileCoverage| {
        let FileCoverage {
            executed,
            missing,
            excluded,
            executed_arcs,
            missing_arcs,
            waived_branches: _, // the summary counts them
        } = file;
        File {
            executed_lines: executed.clone(),
            summary: Summary::new(file.totals(), excluded.len(), *branch),
            missing_lines: missing.clone(),
            excluded_lines: excluded.clone(),
            executed_branches: branch.then(|| executed_arcs.clone()),
            missing_branches: branch.then(|| missing_arcs.clone()),
        }
    };
    let excluded = files.values().map(|file| file.excluded.len()).sum();
    let report = Report {
        meta: Meta {
            format: FORMAT,
            version: version.into(),
            timestamp: timestamp.into(),
            branch_coverage: *branch,
            show_contexts: false,
        },
        files: files
            .iter()
            .map(|(path, file)| (path.as_str().into(), written(file)))
            .collect(),
        totals: Some(Summary::new(coverage.totals(), excluded, *branch)),
    };
    serde_json::to_writer(out, &report).map_err(io::Error::from)
}

#[derive(Deserialize, Serialize)]
struct Report {
    meta: Meta,
    files: BTreeMap<String, File>,
    #[serde(skip_deserializing)]
    totals: Option<Summary>,
}

#[derive(Deserialize, Serialize)]
struct Meta {
    #[serde(default)]
    format: u32,
    #[serde(default)]
    version: String,
    #[serde(default)]
    timestamp: String,
    #[serde(default)]
    branch_coverage: bool,
    #[serde(default)]
    show_contexts: bool,
}

#[derive(Deserialize, Serialize)]
struct File {
    executed_lines: BTreeSet<Line>,
    summary: Summary,
    missing_lines: BTreeSet<Line>,
    #[serde(default)]
    excluded_lines: BTreeSet<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    executed_branches: Option<BTreeSet<Arc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_branches: Option<BTreeSet<Arc>>,
}

/// Only the number of branches is read: all else follows from the lines and arcs.
#[derive(Deserialize, Serialize)]
struct Summary {
    #[serde(skip_deserializing)]
    covered_lines: usize,
    #[serde(skip_deserializing)]
    num_statements: usize,
    #[serde(skip_deserializing)]
    percent_covered: f64,
    #[serde(skip_deserializing)]
    percent_covered_display: String,
    #[serde(skip_deserializing)]
    missing_lines: usize,
    #[serde(skip_deserializing)]
    excluded_lines: usize,
    #[serde(skip_deserializing)]
    percent_statements_covered: f64,
    #[serde(skip_deserializing)]
    percent_statements_covered_display: String,
    #[serde(flatten)]
    branches: Option<BranchSummary>,
}

#[derive(Deserialize, Serialize)]
struct BranchSummary {
    num_branches: u32,
    #[serde(skip_deserializing)]
    num_partial_branches: usize,
    #[serde(skip_deserializing)]
    covered_branches: usize,
    #[serde(skip_deserializing)]
    missing_branches: usize,
    #[serde(skip_deserializing)]
    percent_branches_covered: f64,
    #[serde(skip_deserializing)]
    percent_branches_covered_display: String,
}

impl File {
    fn into_model(self, branch: bool) -> FileCoverage {
        let executed = self.executed_lines;
        let executed_arcs = self
            .executed_branches
            .filter(|_| branch)
            .unwrap_or_default();
        let mut file = FileCoverage {
            missing: &self.missing_lines - &executed,
            excluded: self.excluded_lines,
            missing_arcs: &self.missing_branches.filter(|_| branch).unwrap_or_default()
                - &executed_arcs,
            executed,
            executed_arcs,
            waived_branches: 0,
        };
        if let Some(BranchSummary { num_branches, .. }) = self.summary.branches.filter(|_| branch) {
            let counted = num_branches as usize;
            if counted < file.branches() {
                // The ways out into excluded lines are listed once they ran, and never counted.
                let FileCoverage {
                    excluded,
                    executed_arcs,
                    ..
                } = &mut file;
                executed_arcs
                    .retain(|arc| !u32::try_from(arc.1).is_ok_and(|to| excluded.contains(&to)));
            }
            file.waived_branches = counted.saturating_sub(file.branches());
        }
        file
    }
}

impl Summary {
    fn new(totals: CoverageTotals, excluded: usize, branch: bool) -> Self {
        let CoverageTotals {
            statements,
            covered,
            branches,
            covered_branches,
            partial_branches,
        } = totals;
        let of_statements = CoverageTotals {
            statements,
            covered,
            ..CoverageTotals::default()
        }
        .percent();
        let of_branches = CoverageTotals {
            branches,
            covered_branches,
            ..CoverageTotals::default()
        }
        .percent();
        Self {
            covered_lines: covered,
            num_statements: statements,
            percent_covered: totals.percent(),
            percent_covered_display: display(totals.percent()),
            missing_lines: totals.missing(),
            excluded_lines: excluded,
            percent_statements_covered: of_statements,
            percent_statements_covered_display: display(of_statements),
            branches: branch.then(|| BranchSummary {
                num_branches: u32::try_from(branches).unwrap_or(u32::MAX),
                num_partial_branches: partial_branches,
                covered_branches,
                missing_branches: branches - covered_branches,
                percent_branches_covered: of_branches,
                percent_branches_covered_display: display(of_branches),
            }),
        }
    }
}

/// A percentage without decimals; 0 and 100 only for exactly that (`display_covered` in
/// `coverage/results.py`).
fn display(percent: f64) -> String {
    let shown = match percent {
        low if 0.0 < low && low < 1.0 => 1.0,
        high if 99.0 < high && high < 100.0 => 99.0,
        other => other.round_ties_even(),
    };
    format!("{shown:.0}")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::fixtures::{BRANCH, LINE, read as read_fixture};
    use super::*;

    /// A report without what we do not write: the regions, and who wrote it when.
    fn comparable(text: &[u8]) -> Value {
        let mut report: Value = serde_json::from_slice(text).expect("JSON");
        report["meta"]["version"] = json!("any");
        report["meta"]["timestamp"] = json!("any");
        for file in report["files"].as_object_mut().expect("files").values_mut() {
            let file = file.as_object_mut().expect("a file");
            file.remove("functions");
            file.remove("classes");
        }
        report
    }

    fn written(coverage: &Coverage) -> Vec<u8> {
        let mut out = Vec::new();
        write(coverage, "1.0", "2026-01-01T00:00:00", &mut out).expect("no error of a vector");
        out
    }

    #[test]
    fn writes_every_number_as_coverage_py_does() {
        for recording in [BRANCH, LINE] {
            for text in recording.shards.into_iter().chain([recording.json]) {
                let coverage = read_fixture(text);
                assert_eq!(comparable(&written(&coverage)), comparable(text.as_bytes()));
            }
        }
    }

    #[test]
    fn counts_a_line_without_branch_as_taken() {
        let coverage = read_fixture(BRANCH.json);
        let flow = &coverage.files[camino::Utf8Path::new("pkg/flow.py")];
        assert_eq!(
            (
                flow.executed_arcs.len(),
                flow.missing_arcs.len(),
                flow.waived_branches
            ),
            (15, 4, 1)
        );
    }

    #[test]
    fn reads_a_report_of_an_older_format() {
        let text = r#"{"meta": {"version": "5.0"}, "files": {"a.py": {
            "executed_lines": [1], "missing_lines": [2], "summary": {"covered_lines": 1}}},
            "totals": {}}"#;
        let coverage = read(text.as_bytes()).expect("a report");
        let totals = coverage.totals();
        assert_eq!(
            (coverage.branch, totals.statements, totals.covered),
            (false, 2, 1)
        );
    }

    #[test]
    fn leaves_out_ways_into_excluded_lines() {
        let text = r#"{"meta": {"branch_coverage": true}, "files": {"a.py": {
            "executed_lines": [1, 2], "missing_lines": [], "excluded_lines": [4],
            "executed_branches": [[1, 2], [1, 3], [1, 4]], "missing_branches": [],
            "summary": {"num_branches": 2}}}}"#;
        let totals = read(text.as_bytes()).expect("a report").totals();
        assert_eq!((totals.branches, totals.covered_branches), (2, 2));
    }

    #[test]
    fn says_what_else_a_file_is() {
        let message = |text: &str| read(text.as_bytes()).expect_err("no report").to_string();
        insta::assert_snapshot!(message("<coverage/>"), @"it is not coverage.py's JSON report (`coverage json` writes one): expected value at line 1 column 1");
        insta::assert_snapshot!(message(r#"{"meta": {}}"#), @"it is not coverage.py's JSON report (`coverage json` writes one): missing field `files` at line 1 column 12");
        assert!(message(r#"{"meta":{},"files":{"a":{"executed_lines":[-1]}}}"#).contains("line 1"));
    }

    #[test]
    fn rounds_to_0_and_100_only_what_is() {
        let shown: Vec<String> = [0.0, 0.1, 0.5, 1.5, 2.5, 98.6, 99.6, 99.99, 100.0]
            .map(display)
            .into();
        assert_eq!(shown, ["0", "1", "1", "2", "2", "99", "99", "99", "100"]);
    }
}
