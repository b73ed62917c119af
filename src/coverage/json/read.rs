//! Reads a report; all but the lines, the arcs and the number of branches follows from these.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::Deserialize;

use super::super::bounded::Bounded;
use super::super::report::{Part, ReadError};
use crate::model::coverage::{Arc, Coverage, FileCoverage, Line};

/// Of the whole report, in bytes.
const MAX_BYTES: usize = 256 << 20;

/// Reads a report. Paths are taken as they are.
///
/// # Errors
/// Not a whole report of coverage.py.
pub(crate) fn read(input: impl io::Read) -> Result<Part, ReadError> {
    let mut input = Bounded::new(io::BufReader::new(input));
    input.allow(MAX_BYTES);
    let report: Report = serde_json::from_reader(input)?;
    let branch = report.meta.branch_coverage;
    let files = report
        .files
        .into_iter()
        .map(|(path, file)| (path.into(), file.into_model(branch)));
    Ok(Part {
        coverage: Coverage {
            branch,
            files: files.collect(),
        },
        ..Part::default()
    })
}

#[derive(Deserialize)]
struct Report {
    meta: Meta,
    files: BTreeMap<String, File>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default)]
    branch_coverage: bool,
}

#[derive(Deserialize)]
struct File {
    executed_lines: BTreeSet<Line>,
    summary: Summary,
    missing_lines: BTreeSet<Line>,
    #[serde(default)]
    excluded_lines: BTreeSet<Line>,
    executed_branches: Option<BTreeSet<Arc>>,
    missing_branches: Option<BTreeSet<Arc>>,
}

#[derive(Deserialize)]
struct Summary {
    num_branches: Option<u32>,
}

impl File {
    fn into_model(self, branch: bool) -> FileCoverage {
        let executed = self.executed_lines;
        let listed = self
            .executed_branches
            .filter(|_| branch)
            .unwrap_or_default();
        let mut missing_arcs = self.missing_branches.filter(|_| branch).unwrap_or_default();
        missing_arcs.retain(|arc| !listed.contains(arc));
        let excluded = self.excluded_lines;
        let counts = |arc: &Arc| !Line::try_from(arc.1).is_ok_and(|to| excluded.contains(&to));
        let (executed_arcs, uncounted_arcs) = listed.into_iter().partition(counts);
        let mut file = FileCoverage {
            missing: &self.missing_lines - &executed,
            excluded,
            missing_arcs,
            executed,
            executed_arcs,
            uncounted_arcs,
            ..FileCoverage::default()
        };
        if let Some(num_branches) = self.summary.num_branches.filter(|_| branch) {
            file.waived = waived(&file, num_branches as usize);
        }
        file
    }
}

/// Where the branches belong that are counted and not listed. A line with one way out is no branch,
/// so a second one was waived there; of others the line is not known.
fn waived(file: &FileCoverage, counted: usize) -> BTreeMap<Line, usize> {
    let mut open = counted.saturating_sub(file.branches());
    let mut ways: BTreeMap<Line, usize> = BTreeMap::new();
    for (from, _) in file.executed_arcs.iter().chain(&file.missing_arcs) {
        *ways.entry(Line::try_from(*from).unwrap_or(0)).or_default() += 1;
    }
    let alone = ways.into_iter().filter(|(_, ways)| *ways == 1);
    let mut waived: BTreeMap<Line, usize> = alone.map(|(line, _)| (line, 1)).take(open).collect();
    open -= waived.len();
    if open > 0 {
        *waived.entry(0).or_default() += open;
    }
    waived
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures::{BRANCH, read as read_fixture};
    use super::*;

    #[test]
    fn counts_a_line_without_branch_as_taken() {
        let coverage = read_fixture(BRANCH.json);
        let flow = &coverage.files[camino::Utf8Path::new("pkg/flow.py")];
        assert_eq!(
            (
                flow.executed_arcs.len(),
                flow.missing_arcs.len(),
                flow.waived_branches()
            ),
            (15, 4, 1)
        );
    }

    #[test]
    fn reads_a_report_of_an_older_format() {
        let text = r#"{"meta": {"version": "5.0"}, "files": {"a.py": {
            "executed_lines": [1], "missing_lines": [2], "summary": {"covered_lines": 1}}},
            "totals": {}}"#;
        let coverage = read(text.as_bytes()).expect("a report").coverage;
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
        let totals = read(text.as_bytes()).expect("a report").coverage.totals();
        assert_eq!((totals.branches, totals.covered_branches), (2, 2));
    }

    #[test]
    fn says_what_else_a_file_is() {
        let message = |text: &str| read(text.as_bytes()).expect_err("no report").to_string();
        insta::assert_snapshot!(message("<coverage/>"), @"it is not coverage.py's JSON report (`coverage json` writes one): expected value at line 1 column 1");
        insta::assert_snapshot!(message(r#"{"meta": {}}"#), @"it is not coverage.py's JSON report (`coverage json` writes one): missing field `files` at line 1 column 12");
        assert!(message(r#"{"meta":{},"files":{"a":{"executed_lines":[-1]}}}"#).contains("line 1"));
    }
}
