//! In which environments a test did not pass.

use super::amount::NAME_BYTES;
use super::budget::{Block, Item};
use super::environments::EnvironmentRow;
use super::markdown::{inline_code, row, table_head};
use super::view::View;
use super::{visible, words};
use crate::model::case::{Outcome, TestCase};

/// `shard 3/6`, or where there are several environments those in which it became what it is: `in 3.12`,
/// `in 3.11 and 3.12`, `in all environments`.
pub(super) fn place(view: &View<'_>, case: &TestCase) -> Option<String> {
    if case.environments.is_empty() {
        return case.shard.map(|shard| format!("shard {shard}"));
    }
    let here = case.environments.iter();
    let here = here.filter(|(_, outcome)| is_alike(*outcome, case.outcome));
    let names: Vec<&str> = here.map(|(name, _)| &**name).collect();
    Some(if names.len() == view.environments.len() {
        "in all environments".to_owned()
    } else {
        format!("in {}", words::list(&names))
    })
}

/// A failure here and an error there are one thing to people.
fn is_alike(one: Outcome, other: Outcome) -> bool {
    one == other || one.is_failure() && other.is_failure()
}

/// The tests that failed, were lost or flaky somewhere.
pub(super) fn uneven<'a>(view: &View<'a>) -> Vec<&'a TestCase> {
    let quarantined = view.quarantined.iter().map(|(case, _)| case);
    let all = view.failed.iter().chain(&view.lost);
    let all = all.chain(quarantined).chain(&view.flaky);
    all.copied().collect()
}

/// `None` where the environment does not have the test.
pub(super) fn outcome_in(case: &TestCase, environment: &str) -> Option<Outcome> {
    let mut here = case.environments.iter();
    here.find(|(name, _)| &**name == environment)
        .map(|(_, outcome)| *outcome)
}

/// A row per environment.
pub(super) fn totals(view: &View<'_>) -> Option<Block> {
    if view.environments.is_empty() {
        return None;
    }
    let others: Vec<Outcome> = [
        Outcome::Failed,
        Outcome::Error,
        Outcome::Lost,
        Outcome::Flaky,
        Outcome::Skipped,
        Outcome::Xfailed,
        Outcome::Xpassed,
    ]
    .into_iter()
    .filter(|outcome| {
        view.environments
            .iter()
            .any(|it| it.totals.get(*outcome) > 0)
    })
    .collect();
    let mut heads = vec!["environment", "tests", "passed"];
    heads.extend(others.iter().map(|outcome| outcome.name()));
    // Reports of other programs have no shards.
    let has_shards = !view.shards.is_empty();
    heads.extend(has_shards.then_some("wall time"));
    let item = |it: &EnvironmentRow<'_>| {
        let mut cells = vec![
            inline_code(it.name),
            words::number(it.totals.all()),
            words::number(it.totals.passed),
        ];
        cells.extend(others.iter().map(|outcome| match it.totals.get(*outcome) {
            0 => String::new(),
            some => words::number(some),
        }));
        let wall = it.wall_seconds.map(words::duration);
        cells.extend(has_shards.then(|| wall.unwrap_or_else(|| "no results".to_owned())));
        Item(vec![row(&cells)])
    };
    Some(Block {
        head: table_head(&heads, heads.len() - 1),
        items: view.environments.iter().map(item).collect(),
        foot: "\n".to_owned(),
        ..Block::default()
    })
}

/// A column per environment, for the tests that did not simply pass in all of them.
pub(super) fn matrix(view: &View<'_>, most: usize) -> Option<Block> {
    let cases = uneven(view);
    if view.environments.is_empty() || cases.is_empty() {
        return None;
    }
    let mut heads = vec!["test".to_owned()];
    heads.extend(view.environments.iter().map(|it| inline_code(it.name)));
    let item = |case: &&TestCase| {
        let mut cells = vec![inline_code(&visible::cut(case.id.as_str(), NAME_BYTES))];
        let outcomes = view.environments.iter().map(|it| outcome_in(case, it.name));
        cells.extend(outcomes.map(|outcome| outcome.map_or_else(String::new, cell)));
        Item(vec![row(&cells)])
    };
    Some(Block {
        head: format!("### By environment\n\n{}", table_head(&heads, 0)),
        items: cases.iter().take(most).map(item).collect(),
        hidden: cases.len().saturating_sub(most),
        foot: "\n".to_owned(),
        ..Block::default()
    })
}

fn cell(outcome: Outcome) -> String {
    let mark = match outcome {
        Outcome::Passed | Outcome::Xfailed | Outcome::Xpassed => "✅ ",
        Outcome::Failed | Outcome::Error | Outcome::Lost => "❌ ",
        Outcome::Flaky => "⚠️ ",
        Outcome::Skipped => "",
    };
    format!("{mark}{}", outcome.name())
}
