//! The stories for programs.

use crate::render::result_json::{ResultJson, result_json};

#[test]
fn result_json_is_a_contract() {
    let mut story = super::one_failure();
    story.report.cases.whole_mut().drain(..3);
    story.report.warnings.push("something odd".to_owned());
    let text = serde_json::to_string_pretty(&result_json(&story.view(), 1)).expect("JSON");
    insta::assert_snapshot!(text, @r#"
    {
      "version": 1,
      "suite": "tests",
      "verdict": "red",
      "exit_code": 1,
      "commit": "0123abcd4567",
      "reasons": [
        "1 test failed"
      ],
      "muted": [],
      "totals": {
        "passed": 1,
        "skipped": 0,
        "xfailed": 0,
        "xpassed": 0,
        "flaky": 0,
        "failed": 1,
        "error": 0,
        "lost": 0,
        "all": 2
      },
      "seconds": {
        "wall": 4.0,
        "tests": 0.46
      },
      "coverage": null,
      "patch": null,
      "comparison": null,
      "quarantined": [],
      "shards": [
        {
          "shard": "1/2",
          "attempt": 1,
          "seconds": 3.2,
          "predicted_seconds": 60.0,
          "exit_status": 0,
          "totals": {
            "passed": 2,
            "skipped": 0,
            "xfailed": 0,
            "xpassed": 0,
            "flaky": 0,
            "failed": 0,
            "error": 0,
            "lost": 0,
            "all": 2
          }
        },
        {
          "shard": "2/2",
          "attempt": 1,
          "seconds": 4.0,
          "predicted_seconds": 60.0,
          "exit_status": 0,
          "totals": {
            "passed": 2,
            "skipped": 0,
            "xfailed": 0,
            "xpassed": 0,
            "flaky": 0,
            "failed": 1,
            "error": 0,
            "lost": 0,
            "all": 3
          }
        }
      ],
      "tests": [
        {
          "id": "tests/test_a.py::test_04",
          "outcome": "passed",
          "seconds": 0.04,
          "shard": "2/2",
          "attempts": 1
        },
        {
          "id": "tests/test_shop.py::test_total[a|b]",
          "outcome": "failed",
          "seconds": 0.42,
          "shard": "2/2",
          "attempts": 1
        }
      ],
      "warnings": [
        "something odd"
      ]
    }
    "#);
}

#[test]
fn result_json_is_read_back_as_it_was_written() {
    for story in [
        super::all_green_with_coverage(),
        super::a_missing_shard(),
        super::nothing_ran(),
        super::a_regression(),
    ] {
        let written = serde_json::to_string(&result_json(&story.view(), 3)).expect("JSON");
        let read: ResultJson = serde_json::from_str(&written).expect("ours");
        assert_eq!(serde_json::to_string(&read).expect("JSON"), written);
    }
}
