//! Coverage of a suite: which lines and branches of which files ran.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

/// A line, counted from 1.
pub(crate) type Line = u32;

/// From one line to another. As in coverage.py a negative end is the entry into, or the exit from,
/// the code object that starts at that line.
pub(crate) type Arc = (i32, i32);

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
    /// Branches that count as taken though no arc tells of them: coverage.py waives the missing arcs
    /// of a line marked `# pragma: no branch`, but goes on to count them.
    pub(crate) waived_branches: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CoverageTotals {
    pub(crate) statements: usize,
    pub(crate) covered: usize,
    pub(crate) branches: usize,
    pub(crate) covered_branches: usize,
    /// Missing arcs of lines that did run.
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
        self.executed_arcs.len() + self.missing_arcs.len() + self.waived_branches
    }

    pub(crate) fn totals(&self) -> CoverageTotals {
        let ran = |arc: &&Arc| u32::try_from(arc.0).is_ok_and(|line| self.executed.contains(&line));
        CoverageTotals {
            statements: self.executed.len() + self.missing.len(),
            covered: self.executed.len(),
            branches: self.branches(),
            covered_branches: self.executed_arcs.len() + self.waived_branches,
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
