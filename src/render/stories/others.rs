//! Check runs and annotations of the stories.

use std::fmt::Write as _;

use super::Story;
use crate::render::annotations::annotations;
use crate::render::check::{Conclusion, check_output};
use crate::render::workflow_command::annotation_line;

fn titles(stories: &[Story]) -> String {
    let mut text = String::new();
    for story in stories {
        let check = check_output(&story.view());
        let _ = writeln!(text, "{}: {}", check.conclusion.name(), check.title);
    }
    text
}

#[test]
fn the_title_of_a_check_has_the_numbers() {
    let mut flaky_and_failed = super::a_flaky_test();
    flaky_and_failed
        .report
        .cases
        .whole_mut()
        .extend(super::one_failure().report.cases.whole_mut().pop());
    flaky_and_failed.verdict = super::one_failure().verdict;
    let mut below = super::all_green_with_coverage();
    below
        .verdict
        .reasons
        .push(crate::model::verdict::Reason::BelowThreshold {
            what: "coverage is 79.20 %, below the 80 % of --cov-fail-under".to_owned(),
        });
    insta::assert_snapshot!(
        titles(&[
            super::all_green_with_coverage(),
            super::one_failure(),
            super::a_missing_shard(),
            super::a_crashed_shard(),
            super::a_flaky_test(),
            super::a_collection_error(),
            super::nothing_ran(),
            flaky_and_failed,
            below,
            super::many_failures(5000, "x"),
        ]),
        @r"
    success: 12 tests passed, 1 skipped in 2m 3s (4 shards)
    failure: 1 failed of 5 tests in 4.0s
    failure: 4 tests passed in 4.0s, but shard 2/3 gave no results
    failure: 2 lost of 6 tests in 3.2s; shard 2/2 crashed
    success: 4 tests passed, 1 flaky in 3.2s (2 shards)
    failure: 4 tests passed in 1.5s, but `tests/test_shop.py` could not be collected
    failure: no test ran
    failure: 1 failed of 6 tests in 3.2s
    failure: 12 tests passed, 1 skipped in 2m 3s, but coverage is 79.20 %, below the 80 % of --cov-fail-under
    failure: 5,000 failed of 5,000 tests in 2.0s
    "
    );
}

#[test]
fn a_check_is_green_only_for_a_green_verdict() {
    assert_eq!(
        check_output(&super::all_green_with_coverage().view()).conclusion,
        Conclusion::Success
    );
    assert_eq!(
        check_output(&super::nothing_ran().view()).conclusion,
        Conclusion::Failure
    );
}

#[test]
fn annotations_stand_where_it_happened() {
    let lines = |story: &Story| {
        annotations(&story.view())
            .iter()
            .map(annotation_line)
            .collect::<Vec<_>>()
            .join("\n")
    };
    let stories = [
        super::one_failure(),
        super::a_crashed_shard(),
        super::a_flaky_test(),
        super::a_collection_error(),
    ];
    insta::assert_snapshot!(stories.each_ref().map(lines).join("\n"), @r"
    ::error file=tests/test_shop.py,line=14,title=test_total[a|b] failed::assert 7 == 8
    ::error file=tests/test_big.py,line=10,title=test_eats_memory was lost::it was to run in shard 2/2 and never came to its end
    ::error file=tests/test_big.py,line=10,title=test_next was lost::it was to run in shard 2/2 and never came to its end
    ::warning file=tests/test_shop.py,line=7,title=test_fetch is flaky%3A it passed after 3 attempts::TimeoutError: no answer
    ::error file=tests/test_shop.py,line=1,title=could not collect `tests/test_shop.py`::ImportError: cannot import name 'Cart' from 'shop'%0Amore
    ");
    assert!(annotations(&super::all_green_with_coverage().view()).is_empty());
}

#[test]
fn an_annotation_has_the_traceback_behind_its_fold() {
    let story = super::one_failure();
    let annotation = annotations(&story.view()).remove(0);
    assert_eq!(annotation.message, "assert 7 == 8");
    assert!(
        annotation
            .details
            .ends_with("tests/test_shop.py:14: AssertionError")
    );
}

#[test]
fn new_lines_that_nothing_runs_can_be_marked() {
    let story = super::a_change();
    let marks = crate::render::annotations::uncovered(&story.view(), 0);
    let lines: Vec<String> = marks.iter().map(annotation_line).collect();
    insta::assert_snapshot!(lines.join("\n"), @"::warning file=src/price.py,line=2,title=not covered::lines 2 to 3 are new and no test runs them");
}
