//! Coverage of a suite: which lines and branches of which files ran.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

/// A line, counted from 1.
pub(crate) type Line = u32;

/// From one line to another. As in coverage.py a negative end is the entry into, or the exit from,
/// the code object that starts at that line.
pub(crate) type Arc = (i32, i32);

/// Targets of arcs for formats that do not say where a branch leads.
pub(crate) mod unnamed {
    const EXIT: i32 = i32::MIN;
    const WAY: i32 = i32::MIN / 2;

    /// One of several ways out of a function.
    pub(crate) fn exit(index: usize) -> i32 {
        EXIT + i32::try_from(index).unwrap_or(0)
    }

    /// One of several ways of which nothing is known.
    pub(crate) fn way(index: usize) -> i32 {
        WAY + i32::try_from(index).unwrap_or(0)
    }

    pub(crate) fn is_exit(target: i32) -> bool {
        target < WAY
    }

    pub(crate) fn is_way(target: i32) -> bool {
        (WAY..WAY / 2).contains(&target)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coverage {
    /// Whether branches were measured.
    pub(crate) branch: bool,
    /// By path relative to the repository, with `/`.
    pub(crate) files: BTreeMap<Utf8PathBuf, FileCoverage>,
}

/// The statements of one file. `executed` and `missing` are disjoint; together they are all
/// statements that count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileCoverage {
    pub(crate) executed: BTreeSet<Line>,
    pub(crate) missing: BTreeSet<Line>,
    pub(crate) excluded: BTreeSet<Line>,
    /// Only arcs out of lines with more than one way to go.
    pub(crate) executed_arcs: BTreeSet<Arc>,
    pub(crate) missing_arcs: BTreeSet<Arc>,
    /// Ways into excluded lines that were taken: they are told of, but do not count.
    pub(crate) uncounted_arcs: BTreeSet<Arc>,
    /// By line, branches that count as taken though no arc tells of them; line 0 for those of which
    /// the line is not known. coverage.py waives the missing arcs of a line marked
    /// `# pragma: no branch`, but goes on to count them; other formats tell only of what is missing.
    pub(crate) waived: BTreeMap<Line, usize>,
    /// What a way out of a function, class or module is, for those with more than one way to go:
    /// such as `return from function 'f'`.
    pub(crate) exits: BTreeMap<Arc, String>,
    /// Functions and classes in the order of the text, then what is outside of either, without a
    /// name; nothing at all if the source was not at hand.
    pub(crate) regions: Vec<Region>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RegionKind {
    Function,
    Class,
}

/// A function or class: its lines without those of functions, or classes, in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Region {
    pub(crate) kind: RegionKind,
    /// With the names around it: `Class.method`.
    pub(crate) name: String,
    /// The line of `def` or `class`.
    pub(crate) start: Line,
    /// First and last line of each stretch, ascending.
    pub(crate) lines: Vec<(Line, Line)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CoverageTotals {
    pub(crate) statements: usize,
    pub(crate) covered: usize,
    pub(crate) branches: usize,
    pub(crate) covered_branches: usize,
    /// Missing arcs of lines that are not missing themselves.
    pub(crate) partial_branches: usize,
}

impl CoverageTotals {
    /// coverage.py's figure: statements and branches together; 100 for nothing at all.
    pub(crate) fn percent(self) -> f64 {
        let whole = self.statements + self.branches;
        if whole == 0 {
            return 100.0;
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "counts of lines fit into an f64"
        )]
        let percent = 100.0 * (self.covered + self.covered_branches) as f64 / whole as f64;
        percent
    }

    pub(crate) fn missing(self) -> usize {
        self.statements - self.covered
    }
}

impl std::ops::AddAssign for CoverageTotals {
    fn add_assign(&mut self, other: Self) {
        self.statements += other.statements;
        self.covered += other.covered;
        self.branches += other.branches;
        self.covered_branches += other.covered_branches;
        self.partial_branches += other.partial_branches;
    }
}

impl FileCoverage {
    /// Whether a line is a statement that counts.
    pub(crate) fn has_statement(&self, line: Line) -> bool {
        self.executed.contains(&line) || self.missing.contains(&line)
    }

    pub(crate) fn branches(&self) -> usize {
        self.executed_arcs.len() + self.missing_arcs.len() + self.waived_branches()
    }

    pub(crate) fn waived_branches(&self) -> usize {
        self.waived.values().sum()
    }

    /// The part of it in some stretches of lines, each with its first and last one.
    pub(crate) fn within(&self, stretches: &[(Line, Line)]) -> Self {
        let lines = |lines: &BTreeSet<Line>| {
            let parts = stretches
                .iter()
                .flat_map(|(first, last)| lines.range(first..=last));
            parts.copied().collect()
        };
        let arcs = |arcs: &BTreeSet<Arc>| {
            let parts = stretches.iter().flat_map(|(first, last)| {
                arcs.range((first.cast_signed(), i32::MIN)..=(last.cast_signed(), i32::MAX))
            });
            parts.copied().collect()
        };
        let waived = stretches
            .iter()
            .flat_map(|(first, last)| self.waived.range(first..=last));
        Self {
            executed: lines(&self.executed),
            missing: lines(&self.missing),
            excluded: lines(&self.excluded),
            executed_arcs: arcs(&self.executed_arcs),
            missing_arcs: arcs(&self.missing_arcs),
            uncounted_arcs: arcs(&self.uncounted_arcs),
            waived: waived.map(|(line, number)| (*line, *number)).collect(),
            exits: BTreeMap::new(),
            regions: Vec::new(),
        }
    }

    pub(crate) fn totals(&self) -> CoverageTotals {
        // A line that is no statement, as that of a function with nothing but a docstring, cannot be
        // missing either.
        let ran = |arc: &&Arc| u32::try_from(arc.0).is_ok_and(|line| !self.missing.contains(&line));
        CoverageTotals {
            statements: self.executed.len() + self.missing.len(),
            covered: self.executed.len(),
            branches: self.branches(),
            covered_branches: self.executed_arcs.len() + self.waived_branches(),
            partial_branches: self.missing_arcs.iter().filter(ran).count(),
        }
    }
}

impl Coverage {
    /// The same coverage seen from a folder above: paths get `prefix` in front.
    pub(crate) fn below(mut self, prefix: &Utf8Path) -> Self {
        if !prefix.as_str().is_empty() {
            let files = std::mem::take(&mut self.files);
            let moved = files
                .into_iter()
                .map(|(path, file)| (prefix.join(path), file));
            self.files = moved.collect();
        }
        self
    }

    pub(crate) fn totals(&self) -> CoverageTotals {
        let mut totals = CoverageTotals::default();
        for file in self.files.values() {
            totals += file.totals();
        }
        totals
    }
}
