//! The ten stories of a project, each as its job summary, its comment, its annotations and the words of
//! its report.html: files of `tests/stories`, which `GOLDEN=write cargo test golden` writes anew.

use std::fmt::Write as _;

use camino::Utf8PathBuf;
use fs_err as fs;
use scraper::{ElementRef, Html};

use super::{Story, page, shard, test};
use crate::model::case::Outcome;
use crate::render::annotations::annotations;
use crate::render::comment::comment;
use crate::render::shared_comment::compose::compose;
use crate::render::shared_comment::section::Own;
use crate::render::summary::{JOB_SUMMARY_BYTES, summary};
use crate::render::view::View;
use crate::render::workflow_command::annotation_line;

/// Lines of a golden file that are worth reading.
const MOST_LINES: usize = 150;

fn tell(name: &str, view: &View<'_>) {
    tell_with(name, view, &comment(view));
}

fn tell_with(name: &str, view: &View<'_>, comment: &str) {
    let page = page(view, Some("one = 1\ntwo = 2\nthree = 3\nfour = 4\n"));
    let marks = annotations(view);
    let log: String = marks
        .iter()
        .map(|mark| annotation_line(mark) + "\n")
        .collect();
    for (file, text) in [
        ("summary.md", summary(view, JOB_SUMMARY_BYTES)),
        ("comment.md", comment.to_owned()),
        ("annotations.txt", log),
        ("report.txt", words(&page)),
    ] {
        agree(name, file, &shortened(&text));
    }
}

/// The beginning of what is very long.
fn shortened(text: &str) -> String {
    let count = text.lines().count();
    let mut shown: String = text.split_inclusive('\n').take(MOST_LINES).collect();
    if count > MOST_LINES {
        let _ = writeln!(
            shown,
            "[{} lines more, {} bytes in all]",
            count - MOST_LINES,
            text.len()
        );
    }
    shown
}

fn agree(name: &str, file: &str, text: &str) {
    let folder = Utf8PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/stories")
        .join(name);
    let path = folder.join(file);
    if std::env::var("GOLDEN").is_ok_and(|what| what == "write") {
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(&path, text).expect("a file");
    }
    let golden = fs::read_to_string(&path).expect("a golden file");
    assert_eq!(text, golden, "{path}");
}

/// What a page says before its script runs, an element a line.
fn words(page: &str) -> String {
    let page = Html::parse_document(page);
    let mut said = String::new();
    for element in page
        .root_element()
        .descendants()
        .filter_map(ElementRef::wrap)
    {
        let value = element.value();
        if ["script", "style", "template"].contains(&value.name()) {
            continue;
        }
        let texts = element.children().filter_map(|node| node.value().as_text());
        let text: Vec<&str> = texts.flat_map(|text| text.split_whitespace()).collect();
        if !text.is_empty() {
            let class = value
                .attr("class")
                .map(|class| format!(".{}", class.replace(' ', ".")));
            let _ = writeln!(
                said,
                "{}{}: {}",
                value.name(),
                class.unwrap_or_default(),
                text.join(" ")
            );
        }
    }
    said
}

fn without_comparison(mut story: Story) -> Story {
    story.comparison = None;
    story
}

/// All that was broken in the baseline passes.
fn everything_is_fixed() -> Story {
    let mut story = super::a_regression();
    for case in story.report.cases.whole_mut() {
        if case.outcome == Outcome::Failed {
            case.outcome = Outcome::Passed;
            case.problems.clear();
        }
    }
    story.verdict.reasons.clear();
    let found = story.comparison.as_mut().expect("a comparison");
    found.fixed.append(&mut found.known_failures);
    found.new_failures.clear();
    story
}

fn one_regression() -> Story {
    let mut story = super::a_regression();
    story.coverage = super::all_green_with_coverage().coverage;
    story.patch = super::a_change().patch;
    story
}

fn a_shard_that_was_run_again() -> Story {
    let mut story = super::all_green_with_coverage();
    story.report.shards[2].attempt = 2;
    story
}

#[test]
fn golden_first_run() {
    let story = without_comparison(super::one_failure());
    let mut view = story.view();
    view.not_compared = Some("no run of this repository has left a result for this suite");
    tell("first-run", &view);
}

#[test]
fn golden_all_green() {
    tell("all-green", &super::all_green_with_coverage().view());
}

#[test]
fn golden_one_regression() {
    tell("one-regression", &one_regression().view());
}

#[test]
fn golden_fixed() {
    tell("fixed", &everything_is_fixed().view());
}

#[test]
fn golden_flaky() {
    tell("flaky", &super::a_flaky_test().view());
}

#[test]
fn golden_lost_shard() {
    tell("lost-shard", &super::a_missing_shard().view());
}

#[test]
fn golden_run_again() {
    tell("run-again", &a_shard_that_was_run_again().view());
}

/// Published by the workflow that may write: the links are of the stranger's commit, and in the stranger's
/// own run the summary and the annotations of the log are all there is.
#[test]
fn golden_fork() {
    let mut story = super::one_failure();
    story.report.cases.whole_mut()[0].stdout = "::set-output name=x::@octocat\n".to_owned();
    story.report.cases.whole_mut()[4].problems[0].message =
        "::error::</details> @octocat [x](http://e)".to_owned();
    let mut view = story.view();
    view.not_compared = Some("the run of a fork leaves nothing");
    view.links.workflow = Some("publish (of a fork)".to_owned());
    tell("fork", &view);
}

#[test]
fn golden_monorepo() {
    let (red, green, flaky) = (
        super::one_failure(),
        super::all_green_with_coverage(),
        super::a_flaky_test(),
    );
    let mut text = String::new();
    for (suite, story) in [("web", &green), ("api", &red), ("cli", &flaky)] {
        let mut view = story.view();
        (view.suite, view.title) = (suite, Some(suite));
        let own = Own::new(&view, (42, 1), None);
        let now: Vec<&str> = [text.as_str()]
            .into_iter()
            .filter(|now| !now.is_empty())
            .collect();
        text = compose(&now, &own, "all").text;
    }
    let mut view = red.view();
    (view.suite, view.title) = ("api", Some("api"));
    tell_with("monorepo", &view, &text);
}

#[test]
fn golden_five_thousand_failures() {
    let mut story = super::many_failures(5000, "assert 7 == 8\nE   assert 7 == 8\n");
    story.report.cases.whole_mut().push(test(
        "tests/test_a.py::test_b",
        Outcome::Passed,
        5,
        shard(2, 2),
    ));
    tell("five-thousand-failures", &story.view());
}
