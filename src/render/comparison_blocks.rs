//! What is different from the baseline, in Markdown.

use crate::model::comparison::{Comparison, SlowDown};
use crate::model::node_id::NodeId;

use super::amount::Amount;
use super::budget::{Block, Item, folded_table};
use super::markdown::{inline_code, row, table_head};
use super::test_blocks::name;
use super::view::View;
use super::words;

/// Names in one list, and rows of slow-downs.
const LIST: usize = 100;
const SLOW_DOWNS: usize = 10;

/// In the order of what people should look at.
pub(super) fn comparison(view: &View<'_>, amount: Amount) -> Vec<Block> {
    let Some(found) = view.comparison else {
        return Vec::new();
    };
    let blocks = [
        names("✅", "fixed", "fixed test", &found.fixed, amount),
        names(
            "⚠️",
            "newly skipped",
            "newly skipped test",
            &found.newly_skipped,
            amount,
        ),
        slower(found),
        renewed(found, amount),
    ];
    blocks.into_iter().flatten().collect()
}

/// The baseline in words: `the baseline`, or its commit.
pub(super) fn baseline(found: &Comparison) -> String {
    match &found.commit {
        Some(commit) => inline_code(&commit.chars().take(8).collect::<String>()),
        None => "the baseline".to_owned(),
    }
}

fn names(mark: &str, word: &str, noun: &str, ids: &[NodeId], amount: Amount) -> Option<Block> {
    if ids.is_empty() {
        return None;
    }
    let most = LIST.min(amount.tests);
    Some(Block {
        closed: format!("**{mark} {} {word}**\n\n", words::number(ids.len())),
        head: format!("### {mark} {}\n\n", words::count(ids.len(), noun)),
        items: ids
            .iter()
            .take(most)
            .map(|id| Item(vec![format!("- {}\n", name(id))]))
            .collect(),
        hidden: ids.len().saturating_sub(most),
        foot: "\n".to_owned(),
    })
}

fn slower(found: &Comparison) -> Option<Block> {
    if found.slower.is_empty() {
        return None;
    }
    let item = |slower: &SlowDown| {
        Item(vec![row(&[
            name(&slower.id),
            words::duration(slower.before),
            words::duration(slower.now),
        ])])
    };
    let summary = words::count(found.slower.len(), "slower test");
    Some(Block {
        closed: format!("**{summary}**\n\n"),
        hidden: found.slower.len().saturating_sub(SLOW_DOWNS),
        ..folded_table(
            String::new(),
            &summary,
            &table_head(&["test", "before", "now"], 2),
            found.slower.iter().take(SLOW_DOWNS).map(item).collect(),
        )
    })
}

/// Tests that came, went, or changed their names: one fold for all.
fn renewed(found: &Comparison, amount: Amount) -> Option<Block> {
    let counts = [
        (found.added.len(), "added"),
        (found.removed.len(), "removed"),
        (found.renamed.len(), "renamed"),
    ];
    let told = counts.iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> = told
        .map(|(count, word)| format!("{} {word}", words::number(*count)))
        .collect();
    if told.is_empty() {
        return None;
    }
    let summary = format!("Tests: {}", words::list(&told));
    let added = found
        .added
        .iter()
        .map(|id| format!("- added {}\n", name(id)));
    let removed = found
        .removed
        .iter()
        .map(|id| format!("- removed {}\n", name(id)));
    let renamed = found
        .renamed
        .iter()
        .map(|(old, new)| format!("- renamed {} to {}\n", name(old), name(new)));
    let most = LIST.min(amount.tests);
    let lines: Vec<String> = removed.chain(renamed).chain(added).collect();
    Some(Block {
        closed: format!("**{summary}**\n\n"),
        head: format!("<details><summary>{summary}</summary>\n\n"),
        hidden: lines.len().saturating_sub(most),
        items: lines
            .into_iter()
            .take(most)
            .map(|line| Item(vec![line]))
            .collect(),
        foot: "\n</details>\n\n".to_owned(),
    })
}

/// What would be red, if it counted.
pub(super) fn muted(view: &View<'_>) -> Option<Block> {
    if view.muted.is_empty() {
        return None;
    }
    let what: Vec<String> = view
        .muted
        .iter()
        .map(|explanation| super::markdown::sentence(&explanation.brief))
        .collect();
    let why = if view.quarantined.is_empty() {
        "setting `fail-on`"
    } else {
        "settings"
    };
    Some(Block::text(format!(
        "Does not count here, by the {why}: {}\n\n",
        words::list(&what)
    )))
}
