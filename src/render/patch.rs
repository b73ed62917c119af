//! The coverage of a change, for every sink: what it adds and no test runs.

use std::cmp::Reverse;

use camino::Utf8Path;

use crate::coverage::diff::Patch;
use crate::coverage::table;
use crate::model::coverage::{Coverage, CoverageTotals, FileCoverage, Line};
use crate::model::report::Location;

use super::blocks::{NAME_BYTES, folded_table, table_head};
use super::budget::{Block, Item};
use super::markdown::{inline_code, link, row};
use super::view::{Links, View, figures};
use super::visible;
use super::words;

/// Files in the table, and stretches of lines in one of its cells.
const FILES: usize = 50;
const STRETCHES: usize = 12;

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

    /// `87.5% (7 of 8 statements)`, or that there is nothing to cover.
    pub(crate) fn figures(&self) -> String {
        if self.files.is_empty() {
            return "nothing to cover".to_owned();
        }
        figures(self.totals, self.branch)
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

    fn cell(&self, links: &Links) -> String {
        let stretches = self.stretches();
        let mut cells: Vec<String> = stretches
            .iter()
            .take(STRETCHES)
            .map(|(first, last)| self.stretch(links, *first, *last))
            .collect();
        match stretches.len().saturating_sub(STRETCHES) {
            0 => {}
            more => cells.push(format!("{more} more")),
        }
        let ways = self.new.totals().partial_branches;
        if ways > 0 {
            cells.push(match ways {
                1 => "1 branch".to_owned(),
                ways => format!("{} branches", words::number(ways)),
            });
        }
        cells.join(", ")
    }

    fn stretch(&self, links: &Links, first: Line, last: Line) -> String {
        let at = Location {
            path: self.path.to_owned(),
            line: first,
        };
        let url = links.line(&at);
        if first == last {
            return link(&first.to_string(), url.as_deref());
        }
        let url = url.map(|url| format!("{url}-L{last}"));
        link(&format!("{first}–{last}"), url.as_deref())
    }
}

/// The changed files with what is new and not covered; `None` without a change.
pub(super) fn block(view: &View<'_>) -> Option<Block> {
    let patch = view.patch.as_ref()?;
    let against = inline_code(&visible::cut(patch.against, NAME_BYTES));
    let closed = format!(
        "**Coverage of the change: {}**, since {against}\n\n",
        patch.figures()
    );
    if patch.files.is_empty() {
        return Some(Block::text(closed));
    }
    let item = |file: &PatchFile<'_>| {
        let name = inline_code(&visible::cut(file.path.as_str(), NAME_BYTES));
        let new = file.new.totals();
        Item(vec![row(&[
            link(&name, view.links.file(file.path).as_deref()),
            file.cell(&view.links),
            words::number(new.statements),
            words::percent(new.percent()),
            words::percent(file.whole.percent()),
        ])])
    };
    let summary = format!(
        "{} with new statements",
        words::count(patch.files.len(), "changed file")
    );
    let heads = [
        "file",
        "new lines that are missing",
        "new statements",
        "covered",
        "whole file",
    ];
    Some(Block {
        hidden: patch.files.len().saturating_sub(FILES),
        ..folded_table(
            closed,
            &summary,
            &table_head(&heads, 3),
            patch.files.iter().take(FILES).map(item).collect(),
        )
    })
}
