//! Limits and structure, whatever the tests say.

use proptest::prelude::*;

use super::{Story, compared, many_failures, problem, shard, test};
use crate::coverage::diff::Patch;
use crate::model::case::{Location, Outcome, ProblemKind};
use crate::model::node_id::NodeId;
use crate::model::quarantine::Quarantined;
use crate::model::verdict::Reason;
use crate::render::amount::Amount;
use crate::render::annotations::{self, annotations};
use crate::render::blocks::blocks;
use crate::render::budget::fit;
use crate::render::check::check_output;
use crate::render::comment::{COMMENT_BYTES, comment};
use crate::render::gfm::{Parsed, assert_no_reference, hostile, parsed};
use crate::render::style::{Options, Style};
use crate::render::summary::{CHECK_SUMMARY_BYTES, JOB_SUMMARY_BYTES, summary};
use crate::render::terminal;
use crate::render::visible;

/// Everything that may stand in a document of ours, and nothing else.
pub(super) fn assert_is_ours(document: &str) -> Parsed {
    let seen = parsed(document);
    assert_eq!(seen.count("other"), 0, "{seen:?}");
    for html in &seen.html {
        let ours = html == "<br>"
            || html.trim() == "</details>"
            || (html.starts_with("<details><summary>")
                && html.trim_end().ends_with("</summary>")
                && html.matches('<').count() == 3)
            || (html.starts_with("<!-- parallel-pytest:")
                && html.trim_end().ends_with(" -->")
                && html.matches('>').count() == 1);
        assert!(ours, "{html:?} in {document}");
    }
    let opened = seen
        .html
        .iter()
        .filter(|html| html.starts_with("<details>"))
        .count();
    let closed = seen
        .html
        .iter()
        .filter(|html| html.trim() == "</details>")
        .count();
    assert_eq!(opened, closed, "{document}");
    for url in &seen.urls {
        assert!(url.starts_with("https://github.com/o/r/"), "{url}");
        assert!(!url.contains("/../"), "{url}");
    }
    assert_no_reference(&seen.text);
    seen
}

#[test]
fn five_thousand_failures_fit_everywhere() {
    let long = "AssertionError: `\u{1b}[31m|@octocat😀</details>\n".repeat(60);
    for text in ["assert 1 == 2", long.as_str()] {
        let story = many_failures(5000, text);
        let view = story.view();
        for (document, bytes) in [
            (comment(&view), COMMENT_BYTES),
            (summary(&view, JOB_SUMMARY_BYTES), JOB_SUMMARY_BYTES),
            (summary(&view, CHECK_SUMMARY_BYTES), CHECK_SUMMARY_BYTES),
            (check_output(&view).summary, CHECK_SUMMARY_BYTES),
        ] {
            assert!(document.len() <= bytes);
            let seen = assert_is_ours(&document);
            assert!(document.contains("5,000 failed of 5,000 tests"));
            assert!(document.contains("… and 4,"), "the rest is counted");
            assert!(seen.count("item") >= 50, "names are listed");
            assert!(!seen.fences.is_empty(), "the first ones have tracebacks");
        }
        let all = annotations(&view);
        assert_eq!(all.len(), annotations::MOST);
        for annotation in all {
            assert!(annotation.title.len() <= 255);
            assert!(annotation.message.len() <= 64_000 && !annotation.message.is_empty());
            assert!(annotation.details.len() <= 64_000);
            assert!(!annotation.message.contains('😀'));
        }
    }
}

#[test]
fn the_job_summary_uses_its_room() {
    let story = many_failures(400, &"E   some line of a traceback\n".repeat(400));
    let document = summary(&story.view(), JOB_SUMMARY_BYTES);
    assert!(
        document.len() > JOB_SUMMARY_BYTES - 40_000,
        "{} bytes",
        document.len()
    );
}

#[test]
fn one_endless_traceback_leaves_room_for_the_others() {
    let mut story = many_failures(60, "assert 1 == 2");
    story.report.cases.whole_mut()[0].problems[0].text = "é 😀 ` x\n".repeat(1_000_000);
    story.report.cases.whole_mut()[1].problems[0].text = "é😀".repeat(1_000_000);
    for document in [
        comment(&story.view()),
        summary(&story.view(), CHECK_SUMMARY_BYTES),
    ] {
        assert!(document.len() <= CHECK_SUMMARY_BYTES + 1);
        assert!(assert_is_ours(&document).fences.len() >= 40);
    }
}

#[test]
fn titles_and_messages_are_cut_at_their_exact_limit() {
    for (length, cut) in [(64_000, false), (64_001, true)] {
        let text = "x".repeat(length);
        let story = many_failures(1, &text);
        let annotation = annotations(&story.view()).remove(0);
        assert_eq!(annotation.message != text, cut);
        assert_eq!(annotation.details != text, cut);
        assert_eq!(annotation.message.len(), 64_000);
    }
    let mut story = super::nothing_ran();
    for (letters, cut) in [(127, false), (128, true)] {
        let what = "é".repeat(letters);
        story.verdict.reasons = vec![Reason::BelowThreshold { what: what.clone() }];
        let title = check_output(&story.view()).title;
        assert_eq!(title != what, cut);
        assert!(title.len() <= 255);
    }
    let mut story = many_failures(1, "x");
    for (letters, cut) in [(248, false), (249, true)] {
        let name = "n".repeat(letters);
        story.report.cases.whole_mut()[0].id = NodeId::new(format!("a.py::{name}"));
        let title = annotations(&story.view()).remove(0).title;
        assert_eq!(title.ends_with('…'), cut);
        assert!(title.len() <= 255);
    }
}

#[test]
fn an_annotation_always_has_what_the_api_asks_for() {
    let mut story = many_failures(1, "");
    let case = &mut story.report.cases.whole_mut()[0];
    case.id = NodeId::new("");
    case.problems[0].location = Some(Location {
        path: "".into(),
        line: u32::MAX,
    });
    let annotation = annotations(&story.view()).remove(0);
    assert_eq!(
        annotation.location,
        Location {
            path: ".github".into(),
            line: 2_147_483_647
        }
    );
    assert_eq!(annotation.message, annotation.title);
}

#[test]
fn every_budget_is_kept_to_the_byte() {
    let story = many_failures(30, "assert 'é' == '😀'");
    let view = story.view();
    let amount = Amount {
        tests: 20,
        traceback_bytes: 200,
        output: true,
        diagrams: true,
    };
    let blocks = blocks(&view, amount);
    let full = fit(&blocks, usize::MAX);
    assert_eq!(fit(&blocks, full.len()), full);
    assert!(fit(&blocks, full.len() - 1).len() < full.len());
    let smallest = blocks[0].closed.len();
    for bytes in (smallest..full.len()).step_by(7) {
        let document = fit(&blocks, bytes);
        assert!(document.len() <= bytes);
        assert_is_ours(&document);
    }
}

fn hostile_story() -> impl Strategy<Value = Story> {
    let outcome = proptest::sample::select(Outcome::ALL.to_vec());
    let case = (
        hostile(),
        hostile(),
        hostile(),
        hostile(),
        outcome,
        any::<u32>(),
        1_u32..3,
    );
    let cases = proptest::collection::vec(case, 0..6);
    (cases, hostile(), hostile(), hostile(), hostile(), hostile()).prop_map(
        |(cases, suite, a, b, c, warning)| {
            let cases = cases
                .into_iter()
                .map(|(id, path, message, text, outcome, line, attempts)| {
                    let mut case = test(&id, outcome, 5, shard(1, 2));
                    let mut trouble = problem(ProblemKind::Failure, &message, &text, line);
                    trouble.location = Some(Location {
                        path: path.clone().into(),
                        line,
                    });
                    trouble.subtest = Some(path);
                    case.problems = vec![trouble.clone(), trouble];
                    case.stdout = message;
                    case.attempts = attempts;
                    case
                })
                .collect();
            let mut story = Story::new(&[Some(1.0), None], cases).because([
                Reason::ShardMissing {
                    shard: shard(2, 2),
                    job_result: Some(a.clone()),
                },
                Reason::ShardCrashed {
                    shard: shard(1, 2),
                    detail: b.clone(),
                    running: vec![NodeId::new(&*c)],
                    not_run: 1,
                },
                Reason::RunTwice {
                    id: NodeId::new(&*a),
                    shards: vec![shard(1, 2), shard(2, 2)],
                },
                Reason::CollectionFailed {
                    shard: shard(1, 2),
                    what: b.clone(),
                    message: c.clone(),
                    location: None,
                },
                Reason::PytestFailed {
                    shard: shard(1, 2),
                    exit_status: 4,
                    detail: a.clone(),
                },
                Reason::JobFailed {
                    job: c.clone(),
                    result: a.clone(),
                },
                Reason::BelowThreshold { what: b.clone() },
            ]);
            story.report.suite = suite;
            story.report.warnings = vec![warning];
            story.comparison = Some(compared(&story, [&a, &b, &c]));
            let failed = story
                .report
                .cases
                .told()
                .find(|case| case.outcome.is_failure());
            story.quarantined = failed.map_or_else(Vec::new, |case| {
                vec![Quarantined {
                    id: case.id.clone(),
                    reason: a.clone(),
                    owner: b.clone(),
                    expires: c.clone(),
                }]
            });
            story.coverage = super::all_green_with_coverage()
                .coverage
                .map(|mut coverage| {
                    let file = coverage.files.values().next().cloned().unwrap_or_default();
                    coverage.files.insert(c.clone().into(), file);
                    coverage
                });
            story.patch = story.coverage.clone().map(|coverage| Patch {
                against: b.clone(),
                coverage,
            });
            story
        },
    )
}

fn many() -> ProptestConfig {
    ProptestConfig {
        cases: 1500,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn hostile_text_breaks_neither_structure_nor_budget(story in hostile_story(), bytes in 600_usize..9000) {
        let mut view = story.view();
        view.title = Some(&story.report.suite);
        if bytes % 2 == 0 {
            view.comparison = None;
            view.not_compared = Some(&story.report.suite);
        }
        let document = comment(&view);
        prop_assert!(document.len() <= COMMENT_BYTES);
        let seen = assert_is_ours(&document);
        prop_assert_eq!(seen.count("heading"), document.lines().filter(|line| line.starts_with('#')).count()
            - seen.fences.iter().flat_map(|code| code.lines()).filter(|line| line.starts_with('#')).count());
        for limit in [bytes, CHECK_SUMMARY_BYTES, JOB_SUMMARY_BYTES] {
            let document = summary(&view, limit);
            prop_assert!(document.len() <= limit);
            if limit > 3000 {
                assert_is_ours(&document);
            }
        }
        let check = check_output(&view);
        prop_assert!(check.title.len() <= 255 && check.summary.len() <= CHECK_SUMMARY_BYTES);
        prop_assert!(!check.title.contains(char::is_control));
    }

    #[test]
    fn hostile_text_never_reaches_the_terminal(story in hostile_story(), width in 0_usize..200) {
        let text = terminal::report(&story.view(), Options { width, style: Style::Plain, report: None });
        let harmless = |character: char| character == '\n' || !character.is_control();
        prop_assert!(text.chars().all(harmless), "{:?}", text);
        prop_assert_eq!(visible::lines(&text), text);
    }
}
