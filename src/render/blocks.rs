//! The view as blocks of Markdown, shared by the job summary, the check run and the comment.

use std::fmt::Write as _;

use camino::Utf8Path;

use crate::model::case::{Outcome, TestCase, Totals};
use crate::model::coverage::CoverageTotals;

use super::amount::{Amount, MESSAGE_BYTES, NAME_BYTES};
use super::bar;
use super::budget::{Block, Item, folded_table};
use super::comparison_blocks::{baseline, comparison, muted};
use super::environment_blocks;
use super::explanation::Explanation;
use super::gantt::gantt;
use super::markdown::{inline_code, link, row, sentence, table_head, text};
use super::patch;
use super::test_blocks::{failures, flaky, known_failures, lost, name, place, quarantined};
use super::view::{CoverageView, ShardRow, View, named_counts};
use super::visible;
use super::words;

const BAR_COLUMNS: usize = 20;

/// The whole document, the verdict in its first line.
pub(crate) fn blocks(view: &View<'_>, amount: Amount) -> Vec<Block> {
    let first = [
        Some(heading(view)),
        totals(view),
        environment_blocks::totals(view),
        reasons(view, amount),
        muted(view),
        failures(view, amount),
        lost(view, amount),
        known_failures(view, amount),
        quarantined(view, amount),
        flaky(view, amount),
        environment_blocks::matrix(view, amount.tests),
    ];
    let last = [
        view.coverage
            .as_ref()
            .map(|coverage| coverage_block(coverage, view)),
        patch::block(view),
        amount.diagrams.then(|| gantt(view)).flatten(),
        shards(view),
        slowest(view),
        warnings(view, amount),
        origin(view),
    ];
    let first = first.into_iter().flatten();
    first
        .chain(comparison(view, amount))
        .chain(last.into_iter().flatten())
        .collect()
}

fn heading(view: &View<'_>) -> Block {
    let mark = if view.green { "✅" } else { "❌" };
    let title = match view.title {
        Some(title) => format!("{}: ", inline_code(&visible::cut(title, NAME_BYTES))),
        None => String::new(),
    };
    Block::text(format!("## {mark} {title}{}\n\n", sentence(&view.headline)))
}

fn totals(view: &View<'_>) -> Option<Block> {
    let all = view.totals.all();
    if all == 0 {
        return None;
    }
    let mut heads = vec!["tests".to_owned(), "passed".to_owned()];
    let before = view.comparison.map(|found| found.totals);
    let change = |now: usize, of: fn(Totals) -> usize| {
        before.map_or_else(String::new, |before| words::change(of(before), now))
    };
    let mut cells = vec![
        words::number(all) + &change(all, Totals::all),
        words::number(view.totals.passed) + &change(view.totals.passed, |before| before.passed),
    ];
    let others = [
        (Outcome::Failed, "failed"),
        (Outcome::Error, "errors"),
        (Outcome::Lost, "lost"),
        (Outcome::Flaky, "flaky"),
        (Outcome::Skipped, "skipped"),
        (Outcome::Xfailed, "xfailed"),
        (Outcome::Xpassed, "xpassed"),
    ];
    for (outcome, head) in others {
        let count = view.totals.get(outcome);
        let earlier = before.map_or(count, |before| before.get(outcome));
        if count > 0 || earlier > 0 {
            heads.push(head.to_owned());
            cells.push(words::number(count) + &words::change(earlier, count));
        }
    }
    if let Some(seconds) = view.wall_seconds {
        heads.push("wall time".to_owned());
        cells.push(words::duration(seconds));
    }
    heads.push("test time".to_owned());
    cells.push(words::duration(view.test_seconds));
    Some(Block::text(format!(
        "{}{}\n",
        table_head(&heads, heads.len()),
        row(&cells)
    )))
}

fn reasons(view: &View<'_>, amount: Amount) -> Option<Block> {
    let reasons = view.reasons_to_tell();
    if reasons.is_empty() {
        return None;
    }
    let item = |explanation: &Explanation| {
        let what = sentence(&explanation.what);
        let place = explanation
            .location
            .as_ref()
            .map(|location| format!(" at {}", place(view, location)));
        let short = format!("- {what}{}\n", place.as_deref().unwrap_or_default());
        match &explanation.advice {
            Some(advice) => {
                let full = format!("{}<br>{}\n", short.trim_end(), sentence(advice));
                Item(vec![short, full])
            }
            None => Item(vec![short]),
        }
    };
    Some(Block {
        closed: format!(
            "**{} against green**\n\n",
            words::count(reasons.len(), "reason")
        ),
        head: "### Why it is red\n\n".to_owned(),
        items: reasons.iter().take(amount.tests).map(item).collect(),
        hidden: reasons.len().saturating_sub(amount.tests),
        foot: "\n".to_owned(),
    })
}

fn coverage_block(coverage: &CoverageView<'_>, view: &View<'_>) -> Block {
    let before = view.comparison.and_then(|found| found.coverage);
    let change = before.map_or_else(String::new, |before| {
        let change = words::percent_change(before.percent(), coverage.totals.percent());
        if change.is_empty() {
            ", unchanged".to_owned()
        } else {
            change
        }
    });
    let closed = format!("### Coverage: {}{change}\n\n", coverage.figures());
    let file = |(path, totals): &(&Utf8Path, CoverageTotals)| {
        let name = inline_code(&visible::cut(path.as_str(), NAME_BYTES));
        let mut cells = vec![
            link(&name, view.links.file(path).as_deref()),
            words::percent(totals.percent()),
            words::number(totals.missing()),
        ];
        if coverage.branch {
            cells.push(words::number(totals.branches - totals.covered_branches));
        }
        Item(vec![row(&cells)])
    };
    let mut heads = vec!["file", "coverage", "missing statements"];
    if coverage.branch {
        heads.push("missing branches");
    }
    let summary = format!(
        "The least covered of {}",
        words::count(coverage.files, "file")
    );
    folded_table(
        closed,
        &summary,
        &table_head(&heads, heads.len() - 1),
        coverage.lowest.iter().map(file).collect(),
    )
}

fn shards(view: &View<'_>) -> Option<Block> {
    if view.shards.len() < 2 {
        return None;
    }
    let (predictions, attempts) = (view.has_predictions(), view.has_attempts());
    let mut heads = vec!["", "shard", "tests", "problems", "time"];
    if predictions {
        heads.push("predicted");
    }
    if attempts {
        heads.push("attempt");
    }
    let item = |shard: &ShardRow| {
        let totals = shard.run.totals;
        let bad = named_counts(
            totals,
            &[
                Outcome::Failed,
                Outcome::Error,
                Outcome::Lost,
                Outcome::Flaky,
            ],
        );
        let mut cells = vec![
            bar::bar(shard.share, BAR_COLUMNS),
            text(&shard.run.name()),
            words::number(totals.all()),
            bad.join(", "),
            shard
                .seconds
                .map_or_else(|| "no results".to_owned(), words::duration),
        ];
        if predictions {
            cells.push(shard.predicted().unwrap_or_default());
        }
        if attempts {
            cells.push(shard.run.attempt.to_string());
        }
        Item(vec![row(&cells)])
    };
    Some(folded_table(
        String::new(),
        &format!("{} side by side", words::count(view.shards.len(), "shard")),
        &table_head(&heads, heads.len() - 1),
        view.shards.iter().map(item).collect(),
    ))
}

fn slowest(view: &View<'_>) -> Option<Block> {
    if view.slowest.is_empty() {
        return None;
    }
    let has_shards = view.slowest.iter().any(|case| case.shard.is_some());
    let item = |case: &TestCase| {
        let url = case
            .location
            .as_ref()
            .and_then(|location| view.links.line(location));
        let mut cells = vec![
            link(&name(&case.id), url.as_deref()),
            words::duration(case.duration().as_secs_f64()),
        ];
        let shard = || case.shard.map(|shard| shard.to_string());
        cells.extend(has_shards.then(|| shard().unwrap_or_default()));
        Item(vec![row(&cells)])
    };
    let heads = ["test", "time", "shard"];
    let heads = &heads[..if has_shards { 3 } else { 2 }];
    Some(folded_table(
        String::new(),
        &match view.slowest.len() {
            1 => "The slowest test".to_owned(),
            several => format!("The {several} slowest tests"),
        },
        &table_head(heads, heads.len() - 1),
        view.slowest.iter().map(item).collect(),
    ))
}

fn warnings(view: &View<'_>, amount: Amount) -> Option<Block> {
    if view.warnings.is_empty() {
        return None;
    }
    let item = |warning: &String| {
        let line = visible::first_line(warning);
        Item(vec![format!(
            "- {}\n",
            text(&visible::cut(&line, MESSAGE_BYTES))
        )])
    };
    Some(Block {
        closed: format!(
            "**⚠️ {}**\n\n",
            words::count(view.warnings.len(), "warning")
        ),
        head: format!(
            "### ⚠️ {}\n\n",
            words::count(view.warnings.len(), "warning")
        ),
        items: view.warnings.iter().take(amount.tests).map(item).collect(),
        hidden: view.warnings.len().saturating_sub(amount.tests),
        foot: "\n".to_owned(),
    })
}

/// Which commit and run it is about.
fn origin(view: &View<'_>) -> Option<Block> {
    let links = &view.links;
    let mut said = String::new();
    if let Some(sha) = &links.sha {
        let short: String = sha.chars().take(8).collect();
        let _ = write!(said, "For commit {}", inline_code(&short));
    }
    if links.run_url.is_some() {
        let label = match &links.workflow {
            Some(workflow) => inline_code(&visible::cut(workflow, NAME_BYTES)),
            None => "this run".to_owned(),
        };
        said += if said.is_empty() { "By " } else { ", by " };
        said += &link(&label, links.run_url.as_deref());
    }
    if let Some(found) = view.comparison {
        said += if said.is_empty() {
            "Compared"
        } else {
            ", compared"
        };
        let _ = write!(said, " with {}", baseline(found));
    } else if let Some(reason) = view.not_compared {
        said += if said.is_empty() { "Not" } else { "; not" };
        let reason = visible::cut(&visible::first_line(reason), MESSAGE_BYTES).into_owned();
        let _ = write!(said, " compared: {}", text(&reason));
    }
    if let Some(report) = &links.report {
        said += if said.is_empty() { "" } else { "; " };
        said += &link("the whole report", Some(report));
    }
    (!said.is_empty()).then(|| Block::text(format!("{said}\n")))
}
