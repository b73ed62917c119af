//! What the reader makes of real reports of pytest: see `tests/fixtures/junit/make`.

use std::fmt::Write as _;

use super::found::{JunitRead, ReadEnd};
use super::read::read;
use crate::model::case::TestCase;

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
    cases.into_whole().collect()
}

/// Every case with its problems, a line each.
#[expect(
    clippy::use_debug,
    reason = "the names of the variants are what is listed"
)]
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
    insta::assert_snapshot!(listing.join("\n"), @r#"
    error x1 tests.test_broken
      Error in Collect: ModuleNotFoundError: No module named 'a_module_that_does_not_exist' (tests/test_broken.py:1)
    passed x1 tests.test_sample::test_passes
    failed x1 tests.test_sample::test_fails
      Failure in Call: AssertionError: sums are hard (tests/test_sample.py:16)
    failed x1 tests.test_sample::test_prints_and_fails
      Failure in Call: ValueError: control #x1B[31mred#x1B[0m and ]]> and é (tests/test_sample.py:22)
    skipped x1 tests.test_sample::test_skipped_by_mark
      Skip in Setup: not on this <platform>
    skipped x1 tests.test_sample::test_skipped_inside
      Skip in Setup: no database
    xfailed x1 tests.test_sample::test_xfails
      Xfail in Call: known & filed
    passed x1 tests.test_sample::test_xpasses
    failed x1 tests.test_sample::test_xpasses_strictly
      Failure in Call: [XPASS(strict)] must fail
    error x1 tests.test_sample::test_setup_error
      Error in Setup: RuntimeError: no setup (tests/test_sample.py:51)
    error x1 tests.test_sample::test_teardown_error
      Error in Teardown: RuntimeError: no teardown (tests/test_sample.py:57)
    error x1 tests.test_sample::test_fails_and_teardown_error
      Failure in Call: assert [1, 2] == [1, 3] (tests/test_sample.py:69)
      Error in Teardown: RuntimeError: no teardown (tests/test_sample.py:57)
    passed x1 tests.test_sample.TestClass.TestNested::test_parameters[a::b[0]]
    passed x1 tests.test_sample.TestClass.TestNested::test_parameters[<&"'>]
    passed x1 tests.test_sample.TestClass.TestNested::test_parameters[\xe9]
    passed x1 tests.test_sample.TestClass.TestNested::test_parameters[\x1b[31m]
    passed x1 tests.test_sample.TestClass.TestNested::test_parameters[a\nb]
    failed x1 tests.test_sample.TestClass.TestNested::test_parameters[plain]
      Failure in Call: AssertionError: assert 'plain' != 'plain' (tests/test_sample.py:76)
    failed x1 tests.test_sample.TestInherits::test_inherited
      Failure in Call: AssertionError (tests/base.py:6)
    flaky x2 tests.test_sample::test_passes_at_the_second_attempt
      Rerun in Call: an earlier attempt failed; the report does not say why
    failed x2 tests.test_sample::test_fails_at_every_attempt
      Rerun in Call: an earlier attempt failed; the report does not say why
      Failure in Call: AssertionError: assert 2 == 0 (tests/test_sample.py:98)
    error x2 tests.test_sample::test_fails_at_every_attempt_with_teardown_error
      Rerun in Call: an earlier attempt failed; the report does not say why
      Failure in Call: AssertionError: assert 2 == 0 (tests/test_sample.py:103)
      Error in Teardown: RuntimeError: no teardown (tests/test_sample.py:57)
    failed x1 tests.test_sample::test_subtests
      Failure in Call: assert (1 % 2) == 0 (tests/test_sample.py:109)
      Failure in Call: assert (3 % 2) == 0 (tests/test_sample.py:109)
      Failure in Call: contains 2 failed subtests
    failed x1 tests.test_sample::test_subtests_and_itself
      Failure in Call: AssertionError: assert 'first' == '' (tests/test_sample.py:114)
      Skip in Setup: not today
      Failure in Call: AssertionError: assert 'itself' == '' (tests/test_sample.py:117)
    passed x1 tests.test_sample::test_subtests_pass
    "#);
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
        let cut: Vec<TestCase> = cut.cases.into_whole().collect();
        let known = cut.len().saturating_sub(1);
        // The last one may have had more to say.
        assert_eq!(cut[..known], whole[..known]);
        assert!(cut.len() >= most);
        most = cut.len();
    }
    assert_eq!(most, whole.len());
}

#[test]
fn the_encoding_does_not_matter() {
    let report = fixture!("pytest9-xunit2.xml");
    let utf16: Vec<u8> = report.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(utf16.as_slice()), read(report.as_bytes()));
}
