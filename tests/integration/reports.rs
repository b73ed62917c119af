//! Reports of programs that are no pytest, published and merged without a plan.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

const GREEN: i32 = 0;
const TESTS_FAILED: i32 = 1;
const USAGE: i32 = 2;
const TESTS_LOST: i32 = 3;

/// One of every format, with what a person counts in it: passed and flaky, failed, errors, skipped
/// and expected to fail.
const FORMATS: [(&str, [u64; 4]); 8] = [
    ("googletest.xml", [1, 1, 0, 2]),
    ("nunit2.xml", [1, 1, 1, 1]),
    ("nunit3.xml", [1, 1, 2, 2]),
    ("xunit-net.xml", [1, 1, 1, 1]),
    ("vstest.trx", [2, 2, 1, 1]),
    ("node.tap", [3, 1, 0, 2]),
    ("dart.json", [1, 1, 1, 1]),
    ("mocha.json", [2, 1, 1, 1]),
];

struct Project(tempfile::TempDir);

impl Project {
    /// A checkout with reports in `out`, and no Python anywhere.
    fn with(reports: &[&str]) -> Self {
        let project = Self(tempfile::tempdir().expect("a folder"));
        let out = project.path().join("out");
        fs::create_dir(&out).expect("a folder");
        for report in reports {
            fs::copy(fixture(report), out.join(report)).expect("a copy");
        }
        project
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// The exit status, and what was said on stderr.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::cargo_bin("parallel-pytest").expect("the program");
        command.env_clear().current_dir(self.path()).args(arguments);
        let output = command.output().expect("an end");
        let said = String::from_utf8(output.stderr).expect("text");
        (output.status.code().expect("a status"), said)
    }

    /// Passed and flaky, failed, errors, skipped, as the result has them.
    fn counts(&self) -> [u64; 4] {
        let text = fs::read(self.path().join("report/result.json")).expect("a result");
        let result: Value = serde_json::from_slice(&text).expect("JSON");
        let count = |name: &str| result["totals"][name].as_u64().expect("a number");
        [
            count("passed") + count("flaky"),
            count("failed"),
            count("error"),
            count("skipped") + count("xfailed"),
        ]
    }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/junit/producers")
        .join(name)
}

#[test]
fn every_format_is_published_for_itself() {
    for (report, expected) in FORMATS {
        let project = Project::with(&[report]);
        let (status, said) = project.run(&["publish", "--junit", "out/*"]);
        assert_eq!(
            (status, project.counts()),
            (TESTS_FAILED, expected),
            "{report}: {said}"
        );
        let page = fs::read_to_string(project.path().join("report/report.html"));
        assert!(page.expect("a page").len() > 10_000, "{report}");
    }
}

#[test]
fn formats_are_published_and_merged_together() {
    let reports: Vec<&str> = FORMATS.iter().map(|(report, _)| *report).collect();
    let project = Project::with(&reports);
    // Two of NUnit and one each of xUnit.net and TRX tell of the same tests.
    let same = ["!out/nunit2.xml", "!out/xunit*", "!out/*.trx"];
    let patterns = [&["publish", "--junit", "out/*"][..], &same].concat();
    assert_eq!(project.run(&patterns).0, TESTS_FAILED);
    let others = FORMATS.iter().filter(|(report, _)| {
        [
            "googletest.xml",
            "nunit3.xml",
            "node.tap",
            "dart.json",
            "mocha.json",
        ]
        .contains(report)
    });
    let sum = others.fold([0; 4], |sum: [u64; 4], (_, counts)| {
        std::array::from_fn(|at| sum[at] + counts[at])
    });
    assert_eq!(project.counts(), sum);

    let patterns = [
        &["merge", "--output", "merged", "--junit", "out/*"][..],
        &same,
    ]
    .concat();
    assert_eq!(project.run(&patterns).0, GREEN);
    let again = project.run(&["publish", "--junit", "merged/junit.xml"]);
    assert_eq!(
        (again.0, project.counts()),
        (TESTS_FAILED, sum),
        "{}",
        again.1
    );
}

#[test]
fn a_cut_report_of_any_format_is_never_green() {
    for (report, _) in FORMATS {
        let project = Project::with(&[]);
        let text = fs::read(fixture(report)).expect("a report");
        fs::write(project.path().join("out/cut"), &text[..text.len() * 3 / 4]).expect("a file");
        let (status, said) = project.run(&["publish", "--junit", "out/cut"]);
        assert_eq!(status, TESTS_LOST, "{report}: {said}");
    }
}

#[test]
fn patterns_that_leave_nothing_are_the_users_to_mend() {
    let project = Project::with(&["dart.json"]);
    for patterns in [&["nowhere/*"][..], &["out/*", "!out/dart.json"]] {
        let arguments = [&["publish", "--junit"][..], patterns].concat();
        let (status, said) = project.run(&arguments);
        assert_eq!(status, USAGE, "{said}");
    }
}
