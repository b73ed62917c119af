//! A hundred thousand hostile strings as ids of tests and as what they say, each a different one, through
//! a parser of GitHub's Markdown, one of HTML, and the runner's rules for a log.

use std::collections::{BTreeMap, HashSet};

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

use super::limits::assert_is_ours;
use super::{Story, compared, problem, shard, test};
use crate::model::case::{Outcome, ProblemKind};
use crate::model::comparison::SlowDown;
use crate::model::node_id::NodeId;
use crate::model::verdict::Reason;
use crate::render::annotations::annotations;
use crate::render::comment::comment;
use crate::render::gfm::{Parsed, hostile};
use crate::render::html::tests::assert_is_our_page;
use crate::render::summary::{JOB_SUMMARY_BYTES, summary};
use crate::render::visible;
use crate::render::workflow_command::{annotation_line, has_command};

const STRINGS: usize = 100_000;
/// An id and a message of each test of a document.
const TESTS: usize = 500;

fn strings() -> Vec<String> {
    let (mut runner, all) = (TestRunner::deterministic(), hostile());
    let mut seen = HashSet::new();
    while seen.len() < STRINGS {
        let found = all.new_tree(&mut runner).expect("a string").current();
        // What nothing is shown of proves nothing.
        if !visible::first_line(&found).trim().is_empty() {
            seen.insert(found);
        }
    }
    let mut strings: Vec<String> = seen.into_iter().collect();
    strings.sort();
    // Neighbours should have nothing in common.
    let step = 7_919;
    (0..STRINGS)
        .map(|at| std::mem::take(&mut strings[at * step % STRINGS]))
        .collect()
}

/// Failed tests with these ids and messages, the second half known from the baseline and slower.
fn saying(strings: &[String]) -> Story {
    let cases = strings.chunks(2).map(|pair| {
        let mut case = test(&pair[0], Outcome::Failed, 5, shard(1, 2));
        case.location = None;
        let mut trouble = problem(ProblemKind::Failure, &pair[1], &format!("x {}", pair[1]), 3);
        trouble.location = None;
        case.problems = vec![trouble];
        case.stdout = format!("x {}", pair[1]);
        case
    });
    let mut story = Story::new(&[Some(1.0), Some(2.0)], cases.collect()).because([
        Reason::TestsFailed {
            failed: strings.len() / 2,
            errors: 0,
        },
        Reason::JobFailed {
            job: strings[0].clone(),
            result: strings[1].clone(),
        },
    ]);
    let mut found = compared(&story, [&strings[0], &strings[1], &strings[2]]);
    let ids = || story.report.cases.iter().map(|case| NodeId::new(case.id()));
    (found.added, found.removed) = (ids().take(40).collect(), ids().skip(40).take(40).collect());
    found.slower = ids()
        .map(|id| SlowDown {
            id,
            before: 1.0,
            now: 2.0,
        })
        .collect();
    found.known_failures = ids().skip(TESTS / 2).collect();
    story.comparison = Some(found);
    story
}

/// How often each kind of node is there. Code in text, and a line break before a message, are there for
/// what is not blank; [`assert_is_ours`] has looked at them.
fn structure(seen: &Parsed) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for kind in seen
        .kinds
        .iter()
        .filter(|kind| !["code", "html"].contains(kind))
    {
        *counts.entry(*kind).or_default() += 1;
    }
    counts
}

fn document(story: &Story) -> Parsed {
    assert_is_ours(&summary(&story.view(), JOB_SUMMARY_BYTES))
}

#[test]
fn a_hundred_thousand_hostile_strings_stay_strings() {
    let strings = strings();
    assert_eq!(strings.iter().collect::<HashSet<_>>().len(), STRINGS);
    let words: Vec<String> = (0..2 * TESTS).map(|at| format!("word{at}")).collect();
    let tame = structure(&document(&saying(&words)));
    assert!(tame["item"] >= TESTS && tame["fence"] >= 2 * TESTS && tame["row"] > 10);
    let (mut ids, mut messages, mut commands) = (0, 0, 0);
    for strings in strings.chunks(2 * TESTS) {
        let story = saying(strings);
        let seen = document(&story);
        assert_eq!(structure(&seen), tame);
        let code: HashSet<&str> = seen.code.iter().map(String::as_str).collect();
        let fences: HashSet<&str> = seen.fences.iter().map(|code| code.trim_end()).collect();
        for pair in strings.chunks(2) {
            ids += usize::from(code.contains(&*visible::line(&pair[0])));
            let shown = format!("x {}", pair[1]);
            messages += usize::from(fences.contains(visible::lines(&shown).trim_end()));
        }
        assert_eq!(assert_is_ours(&comment(&story.view())).count("link"), 2);
        for mark in annotations(&story.view()) {
            let line = annotation_line(&mark);
            // Its own command is the first thing in the line, and there is no second line.
            assert!(
                line.starts_with("::error file=") && !line.contains(['\n', '\r']),
                "{line}"
            );
            assert!(!has_command(&line[2..]) || line.contains("##["), "{line}");
            commands += 1;
        }
        assert_is_our_page(&story);
    }
    assert_eq!((ids, messages), (STRINGS / 2, STRINGS / 2));
    assert!(commands >= STRINGS / TESTS / 2 * 100, "{commands}");
}
