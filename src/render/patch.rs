//! The coverage of a change, for every sink: what it adds and no test runs.

use crate::model::case::Location;
use crate::model::coverage::Line;

use super::amount::NAME_BYTES;
use super::budget::{Block, Item, folded_table};
use super::markdown::{inline_code, link, row, table_head};
use super::patch_view::{PatchFile, PatchView};
use super::view::{Links, View, figures};
use super::visible;
use super::words;

/// Files in the table, and stretches of lines in one of its cells.
const FILES: usize = 50;
const STRETCHES: usize = 12;

impl PatchView<'_> {
    /// `87.5% (7 of 8 statements)`, or that there is nothing to cover.
    pub(crate) fn figures(&self) -> String {
        if self.files.is_empty() {
            return "nothing to cover".to_owned();
        }
        figures(self.totals, self.branch)
    }
}

impl PatchFile<'_> {
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
