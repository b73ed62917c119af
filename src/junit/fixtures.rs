//! What the reader makes of real reports of pytest: see `tests/fixtures/junit/make`.

use std::fmt::Write as _;

use super::read::{JunitRead, ReadEnd, read};
use crate::model::report::TestCase;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../tests/fixtures/junit/", $name))
    };
}

fn cases(report: &str) -> Vec<TestCase> {
    let JunitRead {
        cases,
        warnings,
        end,
        suite,
    } = read(report.as_bytes());
    assert_eq!(
        (end, warnings, suite.as_deref()),
        (ReadEnd::Complete, Vec::new(), Some("pytest"))
    );
    cases
}

/// Every case with its problems, a line each.
fn listing(report: &str) -> Vec<String> {
    let described = |case: TestCase| {
        let mut text = format!("{} x{} {}", case.outcome.name(), case.attempts, case.id);
        for problem in case.problems {
            let at = problem
                .location
                .map(|at| format!(" ({}:{})", at.path, at.line));
            let (at, message) = (at.unwrap_or_default(), problem.message);
            let _ = write!(
                text,
                "\n  {:?} in {:?}: {message}{at}",
                problem.kind, problem.phase
            );
        }
        text
    };
    cases(report).into_iter().map(described).collect()
}

/// Without what pytest 8 and older do not write.
fn without_summaries(listing: &[String]) -> Vec<String> {
    let summary = "\n  Failure in Call: contains 2 failed subtests";
    listing
        .iter()
        .map(|case| case.replace(summary, ""))
        .collect()
}

#[test]
fn reads_what_pytest_9_writes() {
    let listing = listing(fixture!("pytest9-xunit2.xml"));
    insta::assert_snapshot!(listing.join("\n"), @"");
}

#[test]
fn older_pytests_and_other_families_say_the_same() {
    let expected = without_summaries(&listing(fixture!("pytest9-xunit2.xml")));
    assert_eq!(listing(fixture!("pytest84-xunit2.xml")), expected);
    assert_eq!(listing(fixture!("pytest84-legacy.xml")), expected);
}

#[test]
fn pytest_7_does_not_tell_of_reruns() {
    let rerun = "\n  Rerun in Call: an earlier attempt failed; the report does not say why";
    let untold = |case: &String| {
        case.replace(rerun, "")
            .replace("flaky x2", "passed x1")
            .replace("x2", "x1")
    };
    let newer = without_summaries(&listing(fixture!("pytest9-xunit2.xml")));
    let expected: Vec<String> = newer.iter().map(untold).collect();
    assert_eq!(listing(fixture!("pytest7-xunit1.xml")), expected);
    assert_eq!(listing(fixture!("pytest7-xunit2.xml")), expected);
}

#[test]
fn a_property_gives_the_exact_id_also_from_the_workers_of_xdist() {
    let dotted = |case: &String| {
        case.replacen(
            "tests/test_sample.py::TestClass::TestNested",
            "tests.test_sample.TestClass.TestNested",
            1,
        )
        .replacen(
            "tests/test_sample.py::TestInherits",
            "tests.test_sample.TestInherits",
            1,
        )
        .replacen("tests/test_sample.py::", "tests.test_sample::", 1)
    };
    let expected = listing(fixture!("pytest9-xunit2.xml"));
    let in_order = listing(fixture!("pytest9-nodeid.xml"));
    assert!(
        in_order
            .iter()
            .all(|case| case.contains(" tests/test_sample.py::")
                || case.contains("tests.test_broken"))
    );
    assert_eq!(in_order.iter().map(dotted).collect::<Vec<_>>(), expected);
    let mut of_workers: Vec<String> = listing(fixture!("pytest9-xdist.xml"))
        .iter()
        .map(dotted)
        .collect();
    of_workers.sort();
    let mut expected = expected;
    expected.sort();
    assert_eq!(of_workers, expected);
}

#[test]
fn knows_where_tests_are_defined_and_what_they_printed() {
    let cases = cases(fixture!("pytest9-nodeid.xml"));
    let case = |name: &str| cases.iter().find(|case| case.name == name).expect("a case");
    let place = |name: &str| {
        case(name)
            .location
            .as_ref()
            .map(|at| format!("{}:{}", at.path, at.line))
    };
    assert_eq!(
        place("test_passes").as_deref(),
        Some("tests/test_sample.py:11")
    );
    assert_eq!(place("test_inherited").as_deref(), Some("tests/base.py:5"));
    let case = case("test_prints_and_fails");
    assert!(case.stdout.contains("to stdout <&>") && case.stderr.contains("to stderr"));
    assert_eq!(case.duration().as_millis(), 125);
}

#[test]
fn a_cut_report_keeps_every_complete_case() {
    let report = fixture!("pytest9-xunit2.xml").as_bytes();
    let whole = cases(fixture!("pytest9-xunit2.xml"));
    let mut most = 0;
    for end in (0..report.len()).step_by(37) {
        let cut = read(&report[..end]);
        assert_ne!(cut.end, ReadEnd::Complete, "{end}");
        let known = cut.cases.len().saturating_sub(1);
        // The last one may have had more to say.
        assert_eq!(cut.cases[..known], whole[..known]);
        assert!(cut.cases.len() >= most);
        most = cut.cases.len();
    }
    assert_eq!(most, whole.len());
}

#[test]
fn the_encoding_does_not_matter() {
    let report = fixture!("pytest9-xunit2.xml");
    let utf16: Vec<u8> = report.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(utf16.as_slice()), read(report.as_bytes()));
}
