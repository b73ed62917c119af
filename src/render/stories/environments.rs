//! A suite in two environments, one of them with a failure and without a shard.

use super::Story;
use crate::analysis::environments::unite;
use crate::model::case::Outcome;
use crate::model::verdict::Reason;
use crate::render::result_json::{ResultJson, result_json};
use crate::render::style::{Options, Style};
use crate::render::{comment, terminal};

fn two_environments() -> Story {
    let mut one = super::one_failure().report;
    for case in one.cases.whole_mut() {
        case.outcome = Outcome::Passed;
        case.problems.clear();
    }
    one.cases.whole_mut().pop();
    let mut two = super::one_failure().report;
    two.cases.whole_mut().remove(0);
    two.shards[0].started = None;
    two.warnings.push("odd".to_owned());
    let nothing = Story::new(&[], Vec::new()).report;
    let all = [("3.11", one), ("python_3.12", two), ("3.13", nothing)];
    let all = all.map(|(name, report)| (name.into(), report));
    let report = unite("tests", all.into());
    let missing = Reason::ShardMissing {
        shard: super::shard(1, 2),
        job_result: None,
    };
    let reasons = [
        Reason::In {
            environment: "python_3.12".into(),
            reason: Box::new(missing),
        },
        Reason::EnvironmentMissing {
            environment: "3.13".into(),
            job_result: Some("test: failure".to_owned()),
        },
        Reason::TestsFailed {
            failed: 1,
            errors: 0,
        },
    ];
    let story = Story::new(&[], Vec::new()).because(reasons);
    Story { report, ..story }
}

#[test]
fn the_comment_has_a_row_per_environment_and_a_column_per_failure() {
    let story = two_environments();
    let text = comment::comment(&story.view());
    let end = text.find("<details><summary>4 shards").expect("the shards");
    insta::assert_snapshot!(text[..end], @r"
    <!-- parallel-pytest:tests -->
    ## ❌ 1 failed of 5 tests in 3 environments in 4.0s; in `python_3.12`: shard 1/2 gave no results, and 1 more problem

    | tests | passed | failed | wall time | test time |
    |---:|---:|---:|---:|---:|
    | 5 | 4 | 1 | 4.0s | 520ms |

    | environment | tests | passed | failed | wall time |
    |---|---:|---:|---:|---:|
    | `3.11` | 4 | 4 |  | 4.0s |
    | `python_3.12` | 4 | 3 | 1 | 4.0s |
    | `3.13` | 0 | 0 |  | no results |

    ### Why it is red

    - in `python_3.12`: shard 1/2 gave no results<br>see the end of the log of its job, then run that job again: the others keep their results
    - nothing ran in `3.13`, which the plan has; the result of a job is `test: failure`<br>give every job of the matrix `--environment`, and see the logs of its jobs
    - 1 test failed

    ### ❌ 1 failed test

    - `tests/test_shop.py::test_total[a|b]` (in `python_3.12`)<br>[`tests/test_shop.py:14`](https://github.com/o/r/blob/0123abcd/tests/test_shop.py#L14): `assert 7 == 8`

    <details><summary>Traceback</summary>

    ```text
        def test_total():
            cart = Cart([3, 4])
    >       assert cart.total() == 8
    E       assert 7 == 8
    E        +  where 7 = total()

    tests/test_shop.py:14: AssertionError
    ```

    </details>


    ### By environment

    | test | `3.11` | `python_3.12` | `3.13` |
    |---|---|---|---|
    | `tests/test_shop.py::test_total[a\|b]` |  | ❌ failed |  |
    ");
    assert!(text[end..].contains("| 1/2 in `python_3.12` | 2 |  | no results |"));
    assert!(text[end..].contains("- in `python_3.12:` odd"));
}

#[test]
fn the_terminal_says_where() {
    let options = Options {
        width: 80,
        style: Style::Plain,
        report: None,
    };
    let story = two_environments();
    let text = terminal::report(&story.view(), options);
    assert!(text.contains("test_total[a|b] (in python_3.12)"));
    assert!(text.contains("\n         2/2 in 3.11  "));
    let begin = text.find("Environments").expect("the section");
    insta::assert_snapshot!(text[begin..], @r"
    Environments
      3.11         4 tests, 4.0s
      python_3.12  4 tests, 1 failed, 4.0s
      3.13         0 tests

    Warnings
      in python_3.12: odd

    Why it is red
      in `python_3.12`: shard 1/2 gave no results
        see the end of the log of its job, then run that job again: the others keep their results
      nothing ran in `3.13`, which the plan has; the result of a job is `test: failure`
        give every job of the matrix `--environment`, and see the logs of its jobs
      1 test failed

    1 failed of 5 tests in 3 environments in 4.0s; in `python_3.12`: shard 1/2 gave no results, and 1 more problem
    ");
}

#[test]
fn the_page_has_the_same_columns() {
    let story = two_environments();
    let page = super::page(&story.view(), None);
    let begin = page.find("<h2>Environments</h2>").expect("the section");
    let text = &page[begin..];
    let text = &text[..text.find("</section>").expect("its end")];
    assert_eq!(text.matches("<tr>").count(), 1 + 3 + 1 + 1);
    assert!(text.contains("<i class=\"dot failed\"></i>failed"));
    assert!(page.contains("<span>in python_3.12</span>"));
    assert!(page.contains(r#""environments":[["python_3.12","failed"]]"#));
}

#[test]
fn reports_of_other_programs_have_no_columns_for_shards() {
    let mut story = two_environments();
    story.report.shards.clear();
    for case in story.report.cases.whole_mut() {
        case.shard = None;
    }
    let text = comment::comment(&story.view());
    assert!(
        !text.contains("wall time") && !text.contains("no results |"),
        "{text}"
    );
    assert!(text.contains("| test | time |\n|---|---:|\n"), "{text}");
    assert!(!super::page(&story.view(), None).contains(">Wall time<"));
}

#[test]
fn other_programs_get_the_outcome_in_each() {
    let story = two_environments();
    let text = serde_json::to_string(&result_json(&story.view(), 3)).expect("JSON");
    let result: ResultJson = serde_json::from_str(&text).expect("ours");
    let failed = result
        .tests
        .iter()
        .find(|test| test.outcome == Outcome::Failed);
    let environments = &failed.expect("a failed test").environments;
    assert_eq!(
        serde_json::to_string(environments).expect("JSON"),
        r#"{"python_3.12":"failed"}"#
    );
    let passed = serde_json::to_string(&result.tests[1].environments);
    assert_eq!(
        passed.expect("JSON"),
        r#"{"3.11":"passed","python_3.12":"passed"}"#
    );
    let totals: Vec<usize> = result.environments.iter().map(|it| it.totals.all).collect();
    assert_eq!(totals, [4, 4, 0]);
    let shards: Vec<_> = result
        .shards
        .iter()
        .map(|it| (it.shard.as_str(), it.environment.as_deref()))
        .collect();
    assert_eq!(shards[2], ("1/2", Some("python_3.12")));
}
