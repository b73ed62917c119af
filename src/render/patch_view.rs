//! The coverage of a change as every sink sees it.

use std::cmp::Reverse;

use camino::Utf8Path;

use crate::coverage::diff::Patch;
use crate::coverage::table;
use crate::model::coverage::{Coverage, CoverageTotals, FileCoverage, Line};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PatchView<'a> {
    /// What the change is compared with.
    pub(crate) against: &'a str,
    pub(crate) branch: bool,
    pub(crate) totals: CoverageTotals,
    /// Those with most that is missing first.
    pub(crate) files: Vec<PatchFile<'a>>,
}

/// A changed file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PatchFile<'a> {
    pub(crate) path: &'a Utf8Path,
    /// Of the lines that are new.
    pub(crate) new: &'a FileCoverage,
    /// Of the whole file.
    pub(crate) whole: CoverageTotals,
}

impl<'a> PatchView<'a> {
    pub(super) fn new(patch: &'a Patch, all: &'a Coverage) -> Self {
        let file = |(path, new): (&'a camino::Utf8PathBuf, &'a FileCoverage)| PatchFile {
            path,
            new,
            whole: all
                .files
                .get(path)
                .map(FileCoverage::totals)
                .unwrap_or_default(),
        };
        let mut files: Vec<PatchFile<'_>> = patch.coverage.files.iter().map(file).collect();
        files.sort_by_key(|file| (Reverse(file.missing()), file.path));
        Self {
            against: &patch.against,
            branch: all.branch,
            totals: patch.coverage.totals(),
            files,
        }
    }
}

impl PatchFile<'_> {
    /// Statements and branches that are new and not covered.
    pub(crate) fn missing(&self) -> usize {
        let totals = self.new.totals();
        totals.missing() + totals.branches - totals.covered_branches
    }

    /// `3-4, 7->exit`, or nothing.
    pub(crate) fn missing_lines(&self) -> String {
        table::missing(self.new)
    }

    /// Where the new lines are that nothing ran.
    pub(crate) fn stretches(&self) -> Vec<(Line, Line)> {
        table::stretches(self.new)
    }
}
