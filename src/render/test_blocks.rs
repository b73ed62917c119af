//! The lists of tests in Markdown: each test from its name alone to its traceback.

use std::fmt::Write as _;

use crate::model::case::{Location, Phase, Problem, ProblemKind, TestCase};
use crate::model::node_id::NodeId;
use crate::model::quarantine::Quarantined;

use super::amount::{Amount, MESSAGE_BYTES, NAME_BYTES};
use super::budget::{Block, Item};
use super::environment_blocks;
use super::markdown::{fence, fold, inline_code, link, sentence, text};
use super::sentence::Sentence;
use super::view::View;
use super::visible;
use super::words;

/// Subtests and attempts of one test.
const MOST_PROBLEMS: usize = 10;

pub(super) fn failures(view: &View<'_>, amount: Amount) -> Option<Block> {
    let item = |case: &TestCase| detailed_item(view, case, amount);
    let (word, noun) = match view.comparison {
        Some(_) => ("new", "new failure"),
        None => ("failed", "failed test"),
    };
    test_list("❌", word, noun, &view.failed_before(false), amount, item)
}

pub(super) fn known_failures(view: &View<'_>, amount: Amount) -> Option<Block> {
    let item = |case: &TestCase| detailed_item(view, case, amount);
    let known = view.failed_before(true);
    test_list("❌", "known", "known failure", &known, amount, item)
}

pub(super) fn lost(view: &View<'_>, amount: Amount) -> Option<Block> {
    let item = |case: &TestCase| Item(brief_versions(view, case));
    test_list("❌", "lost", "lost test", &view.lost, amount, item)
}

/// Failed tests that do not count, with what is to become of them.
pub(super) fn quarantined(view: &View<'_>, amount: Amount) -> Option<Block> {
    if view.quarantined.is_empty() {
        return None;
    }
    let item = |(case, why): &(&TestCase, &Quarantined)| {
        let shown =
            |said: &str| visible::cut(&visible::first_line(said), MESSAGE_BYTES).into_owned();
        let shard = environment_blocks::place(view, case).map(|it| format!(" ({})", text(&it)));
        let short = format!("- {} failed{}\n", name(&case.id), shard.unwrap_or_default());
        let (reason, owner) = (text(&shown(&why.reason)), inline_code(&shown(&why.owner)));
        let expires = text(&shown(&why.expires));
        let full = format!("{}: {reason}; {owner}, until {expires}\n", short.trim_end());
        Item(vec![short, full])
    };
    let all = view.quarantined.len();
    Some(Block {
        closed: format!("**🔇 {} quarantined**\n\n", words::number(all)),
        head: format!("### 🔇 {}\n\n", words::count(all, "quarantined test")),
        items: view
            .quarantined
            .iter()
            .take(amount.tests)
            .map(item)
            .collect(),
        hidden: all.saturating_sub(amount.tests),
        foot: "\n".to_owned(),
    })
}

pub(super) fn flaky(view: &View<'_>, amount: Amount) -> Option<Block> {
    let item = |case: &TestCase| {
        let Item(mut versions) = detailed_item(view, case, amount);
        if let Some(rate) = view.rate(case) {
            for version in &mut versions {
                let end = version.find('\n').unwrap_or(version.len());
                version.insert_str(end, &format!(", {rate}"));
            }
        }
        Item(versions)
    };
    test_list("⚠️", "flaky", "flaky test", &view.flaky, amount, item)
}

fn detailed_item(view: &View<'_>, case: &TestCase, amount: Amount) -> Item {
    let mut versions = brief_versions(view, case);
    let details = details(case, amount);
    if !details.is_empty() {
        let has_output = !(case.stdout.is_empty() && case.stderr.is_empty());
        let summary = if amount.output && has_output {
            "Traceback and output"
        } else {
            "Traceback"
        };
        let brief = versions.last().cloned().unwrap_or_default();
        versions.push(format!("{brief}\n{}\n", fold(summary, &details)));
    }
    Item(versions)
}

fn test_list(
    mark: &str,
    word: &str,
    noun: &str,
    cases: &[&TestCase],
    amount: Amount,
    item: impl Fn(&TestCase) -> Item,
) -> Option<Block> {
    if cases.is_empty() {
        return None;
    }
    Some(Block {
        closed: format!("**{mark} {} {word}**\n\n", words::number(cases.len())),
        head: format!("### {mark} {}\n\n", words::count(cases.len(), noun)),
        items: cases
            .iter()
            .take(amount.tests)
            .map(|case| item(case))
            .collect(),
        hidden: cases.len().saturating_sub(amount.tests),
        foot: "\n".to_owned(),
    })
}

/// The name alone; the name with its shard, place and message.
fn brief_versions(view: &View<'_>, case: &TestCase) -> Vec<String> {
    let url = case
        .best_location()
        .and_then(|location| view.links.line(location));
    let short = format!("- {}\n", link(&name(&case.id), url.as_deref()));
    let mut full = format!("- {}", name(&case.id));
    let mut facts = Vec::new();
    facts.extend(environment_blocks::place(view, case).map(|it| text(&it)));
    if case.attempts > 1 {
        facts.push(words::count(
            usize::try_from(case.attempts).unwrap_or(usize::MAX),
            "attempt",
        ));
    }
    if !facts.is_empty() {
        let _ = write!(full, " ({})", facts.join(", "));
    }
    let place = case.best_location().map(|location| place(view, location));
    let message = case
        .main_problem()
        .map(|problem| visible::first_line(&problem.message))
        .filter(|line| !line.is_empty())
        .map(|line| inline_code(&visible::cut(&line, MESSAGE_BYTES)));
    let facts: Vec<String> = [place, message].into_iter().flatten().collect();
    if !facts.is_empty() {
        let _ = write!(full, "<br>{}", facts.join(": "));
    }
    full.push('\n');
    vec![short, full]
}

pub(super) fn name(id: &NodeId) -> String {
    inline_code(&visible::cut(id.as_str(), NAME_BYTES))
}

pub(super) fn place(view: &View<'_>, location: &Location) -> String {
    let shown = format!(
        "{}:{}",
        visible::cut(location.path.as_str(), NAME_BYTES),
        location.line
    );
    link(&inline_code(&shown), view.links.line(location).as_deref())
}

fn details(case: &TestCase, amount: Amount) -> String {
    let mut parts = Vec::new();
    let told = |problem: &&Problem| {
        matches!(
            problem.kind,
            ProblemKind::Failure | ProblemKind::Error | ProblemKind::Rerun
        ) && !problem.text.trim().is_empty()
    };
    for problem in case.problems.iter().filter(told).take(MOST_PROBLEMS) {
        if let Some(place) = part_of_the_test(problem) {
            parts.push(format!("{}\n", sentence(&place)));
        }
        parts.push(fence(&visible::excerpt(
            &problem.text,
            amount.traceback_bytes,
        )));
    }
    if amount.output {
        for (name, output) in [
            ("Captured stdout", &case.stdout),
            ("Captured stderr", &case.stderr),
        ] {
            if !output.trim().is_empty() {
                parts.push(format!("{name}:\n"));
                parts.push(fence(&visible::excerpt(output, amount.traceback_bytes)));
            }
        }
    }
    parts.join("\n")
}

/// Where in the test it happened, unless it is simply its body.
fn part_of_the_test(problem: &Problem) -> Option<Sentence> {
    let phase = match (problem.kind, problem.phase) {
        (ProblemKind::Rerun, _) => "An attempt that was repeated",
        (_, Phase::Setup) => "In its setup",
        (_, Phase::Teardown) => "In its teardown",
        (_, Phase::Collect) => "In its collection",
        (_, Phase::Call) if problem.subtest.is_some() => "In a subtest",
        (_, Phase::Call) => return None,
    };
    Some(match &problem.subtest {
        Some(subtest) => Sentence::words(format!("{phase}, "))
            .name(visible::cut(subtest, NAME_BYTES))
            .and(":"),
        None => Sentence::words(format!("{phase}:")),
    })
}
