//! What is wrong is said in one line, with the right exit status, and takes nothing away.

use std::fs;
use std::path::Path;

use assert_cmd::Command;

const USAGE: i32 = 2;
const TESTS_LOST: i32 = 3;

struct Project(tempfile::TempDir);

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let project = Self(tempfile::tempdir().expect("a folder"));
        for (name, text) in files {
            let path = project.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        project
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs the program and returns its exit status and what it said on stderr.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::cargo_bin("parallel-pytest").expect("the program");
        for (name, _) in std::env::vars() {
            if [
                "GITHUB_",
                "INPUT_",
                "ACTIONS_",
                "PARALLEL_PYTEST_",
                "CI_NODE",
            ]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            {
                command.env_remove(name);
            }
        }
        let output = command
            .current_dir(self.path())
            .args(arguments)
            .output()
            .expect("an end");
        let said = String::from_utf8(output.stderr).expect("text");
        (output.status.code().expect("a status"), said)
    }

    fn planned() -> Self {
        let project = Self::new(&[("test_a.py", "def test_it(): pass\n")]);
        assert_eq!(project.run(&["plan", "--shards", "2"]).0, 0);
        project
    }
}

fn one_line(said: &str) -> &str {
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 1, "{said}");
    lines[0]
}

#[test]
fn a_shard_that_cannot_be_is_refused() {
    let project = Project::planned();
    for (shard, why) in [
        ("7/6", "7/6"),
        ("0/3", "0/3"),
        ("a/b", "a/b"),
        ("1", "'1'"),
        ("1/3", "has 2 shards"),
    ] {
        let (status, said) = project.run(&["run", "--shard", shard, "--", "pytest"]);
        assert_eq!(status, USAGE, "{said}");
        assert!(one_line(&said).contains(why), "{said}");
    }
    let (status, said) = project.run(&["run", "--", "pytest"]);
    assert_eq!(status, USAGE);
    assert!(one_line(&said).contains("--shard"), "{said}");
}

#[test]
fn a_number_of_shards_that_cannot_be_is_refused() {
    let project = Project::new(&[]);
    for shards in ["0", "257", "many"] {
        let (status, said) = project.run(&["plan", "--shards", shards]);
        assert_eq!(status, USAGE, "{said}");
        assert!(one_line(&said).contains("--shards"), "{said}");
    }
}

#[test]
fn without_a_plan_there_is_nothing_to_run_or_to_publish() {
    let project = Project::new(&[("empty/x", "")]);
    for arguments in [
        &["run", "--shard", "1/2", "--", "pytest"][..],
        &["publish", "--reports", "empty"],
        &["publish", "--reports", "nowhere"],
    ] {
        let (status, said) = project.run(arguments);
        assert_eq!(status, USAGE, "{said}");
        assert!(
            one_line(&said).contains("plan") || said.contains("nowhere"),
            "{said}"
        );
    }
}

#[test]
fn a_plan_of_another_suite_or_version_or_a_changed_one_is_refused() {
    let project = Project::planned();
    let plan = project.path().join(".parallel-pytest/plan.json");
    let right = fs::read_to_string(&plan).expect("a plan");
    for (from, to, why) in [
        ("\"version\": 1", "\"version\": 2", "version"),
        ("\"suite\": \"pytest\"", "\"suite\": \"other\"", "digest"),
        ("{", "", "plan.json"),
    ] {
        fs::write(&plan, right.replacen(from, to, 1)).expect("written");
        let (status, said) = project.run(&["run", "--shard", "1/2", "--", "pytest"]);
        assert_eq!(status, USAGE, "{said}");
        assert!(one_line(&said).contains(why), "{said}");
    }
    fs::write(&plan, right).expect("written");
    let (status, said) =
        project.run(&["run", "--suite", "other", "--shard", "1/2", "--", "pytest"]);
    assert_eq!(status, USAGE);
    assert!(one_line(&said).contains("`other`"), "{said}");
}

#[test]
fn an_unknown_setting_names_the_nearest() {
    let project = Project::new(&[("pyproject.toml", "[tool.parallel-pytest]\nshrads = 2\n")]);
    let (status, said) = project.run(&["plan"]);
    assert_eq!(status, USAGE);
    assert!(one_line(&said).contains("did you mean `shards`?"), "{said}");
    let (status, said) = Project::new(&[]).run(&["plan", "--shrads", "2"]);
    assert_eq!(status, USAGE);
    assert!(one_line(&said).contains("--shards"), "{said}");
}

#[test]
fn a_wrong_value_tells_where_it_stands() {
    let project = Project::new(&[("pyproject.toml", "[tool.parallel-pytest]\nshards = 'x'\n")]);
    let (status, said) = project.run(&["plan"]);
    assert_eq!(status, USAGE);
    assert!(one_line(&said).contains("pyproject.toml"), "{said}");
}

#[test]
fn a_report_that_cannot_be_read_is_named_and_the_rest_is_merged() {
    let good = "<testsuite><testcase classname='a' name='one'/></testsuite>";
    let project = Project::new(&[
        ("good.xml", good),
        ("foreign.xml", "<coverage/>"),
        ("text.xml", "no XML at all"),
        (
            "truncated.xml",
            "<testsuite><testcase classname='b' name='two'/><testcase cl",
        ),
        ("empty.xml", ""),
    ]);
    let (status, said) = project.run(&["merge", "--junit", "*.xml"]);
    assert_eq!(status, TESTS_LOST, "{said}");
    for name in ["foreign.xml", "text.xml", "truncated.xml", "empty.xml"] {
        assert_eq!(
            said.lines().filter(|line| line.contains(name)).count(),
            1,
            "{said}"
        );
    }
    let merged = fs::read_to_string(project.path().join("report/junit.xml")).expect("a report");
    assert!(
        merged.contains("name=\"one\"") && merged.contains("name=\"two\""),
        "{merged}"
    );
}

#[test]
fn prepare_belongs_into_a_github_job() {
    let project = Project::planned();
    let (status, said) = project.run(&["prepare", "--shard", "1/2"]);
    assert_eq!(status, USAGE);
    assert!(one_line(&said).contains("run --shard"), "{said}");
}

#[test]
fn a_dry_run_prints_the_commands_and_runs_nothing() {
    let project = Project::planned();
    let mut command = Command::cargo_bin("parallel-pytest").expect("the program");
    let arguments = [
        "local",
        "--shards",
        "2",
        "--dry-run",
        "--",
        "pytest",
        "-k",
        "a b",
    ];
    let output = command.current_dir(project.path()).args(arguments).output();
    let output = output.expect("an end");
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).expect("text");
    assert_eq!(printed.lines().count(), 2, "{printed}");
    for (line, shard) in printed.lines().zip(["1/2", "2/2"]) {
        assert!(
            line.contains(&format!("PARALLEL_PYTEST_SHARD={shard}")),
            "{line}"
        );
        assert!(line.ends_with("pytest -k 'a b'"), "{line}");
    }
    assert!(!project.path().join("report").exists());
    assert!(
        !project
            .path()
            .join(".parallel-pytest/shard-1-of-2")
            .exists()
    );
}
