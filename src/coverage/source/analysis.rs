//! A source and what a run recorded of it: the coverage of a file.

use std::collections::{BTreeMap, BTreeSet};

use fancy_regex::Regex;

use super::super::numbits::Numbits;
use super::super::settings::Settings;
use super::arcs::Arcs;
use super::exclusion::{Definitions, matching, suites};
use super::regions::regions;
use super::statements::lines_with_code;
use super::text::{Lines, decode};
use crate::model::coverage::{Arc, FileCoverage, Line, Region};

/// Larger sources are refused, in bytes.
const MAX_SOURCE: usize = 16 << 20;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum SourceError {
    #[error("line {line} is not Python: {what}")]
    Syntax { line: Line, what: String },
    #[error("it has {0} bytes: more than {MAX_SOURCE} are not analysed")]
    TooLarge(usize),
}

/// The user's expressions for what does not count.
#[derive(Debug)]
pub(crate) struct Patterns {
    exclude: Option<Regex>,
    partial: Option<Regex>,
}

impl Patterns {
    /// # Errors
    /// An expression that is not valid: which, and why.
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        Ok(Self {
            exclude: joined(&settings.exclude)?,
            partial: joined(&settings.partial)?,
        })
    }
}

fn joined(expressions: &[String]) -> Result<Option<Regex>, String> {
    let compile = |text: &str| Regex::new(&format!("(?m){text}"));
    for expression in expressions {
        compile(&python(expression))
            .map_err(|error| format!("coverage's expression `{expression}`: {error}"))?;
    }
    if expressions.is_empty() {
        return Ok(None);
    }
    let all: Vec<String> = expressions
        .iter()
        .map(|expression| format!("(?:{})", python(expression)))
        .collect();
    compile(&all.join("|"))
        .map(Some)
        .map_err(|error| format!("coverage's expressions together: {error}"))
}

/// What Python's `re` writes in another way.
fn python(expression: &str) -> String {
    expression.replace(r"\Z", r"\z")
}

/// What can run in a source.
pub(crate) struct Source {
    lines: Lines,
    statements: BTreeSet<Line>,
    excluded: BTreeSet<Line>,
    /// All lines a tracer may speak of.
    with_code: BTreeSet<Line>,
    arcs: Arcs,
    /// Lines whose missing branches are waived.
    partial: BTreeSet<Line>,
    regions: Vec<Region>,
}

impl Source {
    /// # Errors
    /// Not Python, or too much of it.
    pub(crate) fn parse(bytes: &[u8], patterns: &Patterns) -> Result<Self, SourceError> {
        if bytes.len() > MAX_SOURCE {
            return Err(SourceError::TooLarge(bytes.len()));
        }
        let text = decode(bytes);
        let parsed = ruff_python_parser::parse_module(&text).map_err(|error| {
            let before = text
                .as_bytes()
                .iter()
                .take(error.location.start().to_usize());
            let lines = before.filter(|byte| **byte == b'\n').count();
            SourceError::Syntax {
                line: Line::try_from(lines + 1).unwrap_or(Line::MAX),
                what: error.error.to_string(),
            }
        })?;
        let (tokens, body) = (parsed.tokens(), parsed.suite());
        let lines = Lines::new(&text, tokens);
        let marked = |pattern: &Option<Regex>| match pattern {
            Some(pattern) => matching(&text, pattern, &lines),
            None => BTreeSet::new(),
        };
        let with_code = lines_with_code(body, &lines);
        let mut definitions = Definitions {
            lines: &lines,
            with_code: &with_code,
            excluded: suites(&marked(&patterns.exclude), tokens, &lines),
            docstrings: BTreeSet::new(),
        };
        definitions.module(body);
        let Definitions {
            excluded,
            docstrings,
            ..
        } = definitions;
        let counts = |line: &&Line| !excluded.contains(line) && !docstrings.contains(line);
        let statements = with_code.iter().filter(counts).copied().collect();
        let partial = marked(&patterns.partial);
        let arcs = Arcs::new(body, &with_code, &lines);
        let regions = regions(body, &lines);
        Ok(Self {
            lines,
            statements,
            excluded,
            with_code,
            arcs,
            partial,
            regions,
        })
    }

    /// What of it ran: the lines, and the arcs where branches were measured.
    pub(crate) fn measure(&self, ran: &Numbits, arcs: Option<&[Arc]>) -> FileCoverage {
        let ran: BTreeSet<Line> = ran.lines().map(|line| self.lines.first(line)).collect();
        let mut file = FileCoverage {
            executed: &self.statements & &ran,
            missing: &self.statements - &ran,
            excluded: self.excluded.clone(),
            regions: self.regions.clone(),
            ..FileCoverage::default()
        };
        if let Some(arcs) = arcs {
            self.measure_branches(arcs, &mut file);
        }
        file
    }

    /// How many of those lines a run of this source cannot have seen. A tracer that saw many ran
    /// another source.
    pub(crate) fn strangers(&self, ran: &Numbits) -> usize {
        let known = |line: Line| {
            let line = self.lines.first(line);
            // An empty module runs on a line it does not have.
            line == 1 || self.with_code.contains(&line) || self.excluded.contains(&line)
        };
        ran.lines()
            .filter(|line| *line > self.lines.last().max(1) || !known(*line))
            .count()
    }

    fn measure_branches(&self, arcs: &[Arc], file: &mut FileCoverage) {
        let is_excluded =
            |end: i32| u32::try_from(end).is_ok_and(|line| self.excluded.contains(&line));
        let mut targets: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
        for (from, to) in &self.arcs.possible {
            targets.entry(*from).or_default().push(*to);
        }
        // `(n, n)` says that line n ran, and so the only way out of it was taken.
        let seen = self.arcs.straight(arcs.iter().copied(), &self.lines);
        let resolved =
            seen.into_iter()
                .filter_map(|(from, to)| match targets.get(&from).map(Vec::as_slice) {
                    _ if from != to => Some((from, to)),
                    Some([only]) => Some((from, *only)),
                    _ => None,
                });
        let executed = self.arcs.straight(resolved, &self.lines);
        for (from, targets) in targets {
            let counted = targets.iter().filter(|to| !is_excluded(**to)).count();
            let Some(line) = u32::try_from(from)
                .ok()
                .filter(|_| counted > 1 && !is_excluded(from))
            else {
                continue;
            };
            let waived = self.partial.contains(&line);
            for to in targets {
                let arc = (from, to);
                match (executed.contains(&arc), is_excluded(to)) {
                    (true, false) => {
                        file.executed_arcs.insert(arc);
                    }
                    (true, true) => {
                        file.uncounted_arcs.insert(arc);
                    }
                    (false, false) if waived => *file.waived.entry(line).or_default() += 1,
                    (false, false) => {
                        file.missing_arcs.insert(arc);
                    }
                    (false, true) => continue,
                }
                if let Some(exit) = self.arcs.exits.get(&arc) {
                    file.exits.insert(arc, exit.clone());
                }
            }
        }
    }
}
