//! Writes a report in format 3, with functions and classes where the sources are known.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::super::percent::display;
use crate::model::coverage::{
    Arc, Coverage, CoverageTotals, FileCoverage, Line, Region, RegionKind,
};

const FORMAT: u32 = 3;

#[derive(Clone, Debug)]
pub(crate) struct JsonOptions {
    /// Who wrote the report.
    pub(crate) version: String,
    /// ISO 8601.
    pub(crate) timestamp: String,
    /// Digits behind the point of the percentages that are shown.
    pub(crate) precision: usize,
    pub(crate) pretty: bool,
}

pub(crate) fn write(
    coverage: &Coverage,
    options: &JsonOptions,
    mut out: impl Write,
) -> io::Result<()> {
    let Coverage { branch, files } = coverage;
    let shape = Shape {
        branch: *branch,
        precision: options.precision,
    };
    let excluded = files.values().map(|file| file.excluded.len()).sum();
    let report = Report {
        meta: Meta {
            format: FORMAT,
            version: &options.version,
            timestamp: &options.timestamp,
            branch_coverage: *branch,
            show_contexts: false,
        },
        files: Pairs(
            files
                .iter()
                .map(|(path, file)| (path.to_string(), shape.file(file)))
                .collect(),
        ),
        totals: shape.summary(coverage.totals(), excluded),
    };
    if options.pretty {
        let layout = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        report.serialize(&mut serde_json::Serializer::with_formatter(
            &mut out, layout,
        ))?;
    } else {
        serde_json::to_writer(&mut out, &report)?;
    }
    out.flush()
}

/// An object whose members have an order.
struct Pairs<T>(Vec<(String, T)>);

impl<T: Serialize> Serialize for Pairs<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[derive(serde::Serialize)]
struct Report<'a> {
    meta: Meta<'a>,
    files: Pairs<File>,
    totals: Summary,
}

#[derive(serde::Serialize)]
struct Meta<'a> {
    format: u32,
    version: &'a str,
    timestamp: &'a str,
    branch_coverage: bool,
    show_contexts: bool,
}

#[derive(serde::Serialize)]
struct File {
    #[serde(flatten)]
    part: Part,
    #[serde(skip_serializing_if = "Option::is_none")]
    functions: Option<Pairs<Part>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    classes: Option<Pairs<Part>>,
}

/// A file, or a function or class of it.
#[derive(serde::Serialize)]
struct Part {
    executed_lines: Vec<Line>,
    summary: Summary,
    missing_lines: Vec<Line>,
    excluded_lines: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_line: Option<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    executed_branches: Option<Vec<Arc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing_branches: Option<Vec<Arc>>,
}

#[derive(serde::Serialize)]
struct Summary {
    covered_lines: usize,
    num_statements: usize,
    percent_covered: f64,
    percent_covered_display: String,
    missing_lines: usize,
    excluded_lines: usize,
    percent_statements_covered: f64,
    percent_statements_covered_display: String,
    #[serde(flatten)]
    branches: Option<BranchSummary>,
}

#[derive(serde::Serialize)]
struct BranchSummary {
    num_branches: usize,
    num_partial_branches: usize,
    covered_branches: usize,
    missing_branches: usize,
    percent_branches_covered: f64,
    percent_branches_covered_display: String,
}

/// What all parts of a report have in common.
#[derive(Clone, Copy)]
struct Shape {
    branch: bool,
    precision: usize,
}

impl Shape {
    fn file(self, file: &FileCoverage) -> File {
        let known = !file.regions.is_empty();
        File {
            functions: known.then(|| self.regions(file, RegionKind::Function)),
            classes: known.then(|| self.regions(file, RegionKind::Class)),
            part: self.part(file, None),
        }
    }

    /// All functions, or classes, by name, and what is outside of them. Of several of one name the
    /// first one with statements has it; to others their line is added.
    fn regions(self, file: &FileCoverage, kind: RegionKind) -> Pairs<Part> {
        let mut regions: Vec<&Region> = file
            .regions
            .iter()
            .filter(|region| region.kind == kind)
            .collect();
        regions.sort_by_key(|region| (region.name.is_empty(), region.start));
        let parts = regions
            .into_iter()
            .map(|region| (region, file.within(&region.lines)));
        let parts: Vec<(&Region, FileCoverage)> = parts.collect();
        let has_statements = |part: &FileCoverage| part.totals().statements > 0;
        let taken: BTreeSet<&str> = parts
            .iter()
            .filter(|(_, part)| has_statements(part))
            .map(|(region, _)| region.name.as_str())
            .collect();
        let mut used = BTreeSet::new();
        let mut pairs: Vec<(String, Part)> = Vec::new();
        for (region, part) in &parts {
            let Region { name, start, .. } = region;
            let unnamed = name.is_empty();
            let other =
                used.contains(name) || (taken.contains(name.as_str()) && !has_statements(part));
            let name = if other && !unnamed {
                format!("{name}@{start}")
            } else {
                name.clone()
            };
            if used.insert(name.clone()) {
                pairs.push((name, self.part(part, Some(*start))));
            }
        }
        Pairs(pairs)
    }

    fn part(self, file: &FileCoverage, start_line: Option<Line>) -> Part {
        let FileCoverage {
            executed,
            missing,
            excluded,
            executed_arcs,
            missing_arcs,
            uncounted_arcs,
            waived: _, // the summary counts them
            exits: _,
            regions: _,
        } = file;
        let all = |lines: &BTreeSet<Line>| lines.iter().copied().collect();
        let taken = executed_arcs.union(uncounted_arcs).copied();
        Part {
            executed_lines: all(executed),
            summary: self.summary(file.totals(), excluded.len()),
            missing_lines: all(missing),
            excluded_lines: all(excluded),
            start_line,
            executed_branches: self.branch.then(|| taken.collect()),
            missing_branches: self.branch.then(|| missing_arcs.iter().copied().collect()),
        }
    }

    fn summary(self, totals: CoverageTotals, excluded: usize) -> Summary {
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
        let display = |percent| display(percent, self.precision);
        Summary {
            covered_lines: covered,
            num_statements: statements,
            percent_covered: totals.percent(),
            percent_covered_display: display(totals.percent()),
            missing_lines: totals.missing(),
            excluded_lines: excluded,
            percent_statements_covered: of_statements,
            percent_statements_covered_display: display(of_statements),
            branches: self.branch.then(|| BranchSummary {
                num_branches: branches,
                num_partial_branches: partial_branches,
                covered_branches,
                missing_branches: branches - covered_branches,
                percent_branches_covered: of_branches,
                percent_branches_covered_display: display(of_branches),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::super::fixtures::{BRANCH, LINE, read};
    use super::*;

    /// A report without what is not ours to write: who wrote it when, and what takes the sources.
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

    fn written(coverage: &Coverage, pretty: bool) -> Vec<u8> {
        let options = JsonOptions {
            version: "1.0".into(),
            timestamp: "2026-01-01T00:00:00".into(),
            precision: 0,
            pretty,
        };
        let mut out = Vec::new();
        write(coverage, &options, &mut out).expect("no error of a vector");
        out
    }

    #[test]
    fn writes_every_number_as_coverage_py_does() {
        for recording in [BRANCH, LINE] {
            for text in recording.shards.into_iter().chain([recording.json]) {
                let coverage = read(text);
                for pretty in [false, true] {
                    assert_eq!(
                        comparable(&written(&coverage, pretty)),
                        comparable(text.as_bytes())
                    );
                }
            }
        }
    }
}
