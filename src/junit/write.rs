//! Our report as `JUnit` XML, for every program that reads it.
//!
//! One suite holds all tests whatever shard they ran in: for most readers a test's identity is suite,
//! class and name, and the next plan may put it into another shard. The shard is a property of the
//! test. Several environments are a suite each, with the environment as its host. Reruns are written as Surefire does
//! (<https://maven.apache.org/surefire/maven-surefire-plugin/xsd/surefire-test-report.xsd>).
//!
//! [`read`](super::read::read) gives back the id, class, name, location, shard, outcome, attempts,
//! output and problems of every case, but for:
//! - times: only the sum of setup, call and teardown, to the microsecond;
//! - `file`, which becomes that of the node id;
//! - of a problem the location (found again in the traceback where there is one) and the phase of a
//!   skip or an expected failure; a subtest's name stands before its message; the skip of a subtest is
//!   left out, as others would take the whole test for skipped;
//! - characters XML cannot hold or that deceive the eye, which become visible ones.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::iter::Sum;
use std::time::Duration;

use rayon::prelude::*;

use super::dialect::{GENERATOR, LOST, OUR_PROPERTIES, XFAIL, is_rerun, phase_type};
use super::visible::{every, visible};
use crate::model::brief::Brief;
use crate::model::case::{Outcome, Phase, Problem, ProblemKind, Totals};
use crate::model::case_table::Case;
use crate::model::cases::Cases;
use crate::model::report::{EnvironmentRun, Report};

const SKIP: &str = "pytest.skip";
/// So many cases are made text by one thread at a time.
const PIECE: usize = 512;

pub(crate) fn write(report: &Report, mut out: impl Write + Send) -> io::Result<()> {
    let suite = &report.suite;
    let parts = parts(report);
    let numbers: Vec<Numbers> = parts.iter().map(|(_, cases)| Numbers::of(cases)).collect();
    out.write_all(b"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<testsuites")?;
    let mut head = String::new();
    push_attribute("name", suite, &mut head);
    numbers.iter().sum::<Numbers>().push(&mut head);
    writeln!(out, "{head}>")?;
    let mut warnings = report.warnings.join("\n");
    for ((environment, cases), numbers) in parts.into_iter().zip(numbers) {
        let mut head = "<testsuite".to_owned();
        match environment {
            None => push_attribute("name", suite, &mut head),
            Some(environment) => {
                push_attribute("name", &format!("{suite} in {environment}"), &mut head);
                // Readers that know of no environments keep tests of different hosts apart.
                push_attribute("hostname", environment, &mut head);
            }
        }
        numbers.push(&mut head);
        let (name, value) = GENERATOR;
        let _ = writeln!(
            head,
            ">\n<properties><property name=\"{name}\" value=\"{value}\"/></properties>"
        );
        write_cases(head, cases, &mut out)?;
        let mut foot = String::new();
        push_element("system-err", &std::mem::take(&mut warnings), &mut foot);
        writeln!(out, "{foot}</testsuite>")?;
    }
    out.write_all(b"</testsuites>\n")?;
    out.flush()
}

/// The cases, by environment where there are several.
fn parts(report: &Report) -> Vec<(Option<&str>, &Cases)> {
    if report.environments.is_empty() {
        return vec![(None, &report.cases)];
    }
    let runs = report.environments.iter();
    runs.map(|EnvironmentRun { name, cases }| (Some(&**name), cases))
        .collect()
}

/// While some cases are written the next ones are made text.
fn write_cases(head: String, cases: &Cases, mut out: impl Write + Send) -> io::Result<()> {
    let pieces = 2 * rayon::current_num_threads();
    let mut ready = vec![head];
    let mut next = Vec::new();
    for start in (0..cases.len()).step_by(pieces * PIECE) {
        next.resize(pieces, String::new());
        let (written, ()) = rayon::join(
            || write_all(&ready, &mut out),
            || {
                let pieces = next.par_iter_mut().enumerate();
                pieces.for_each(|(piece, text)| {
                    text.clear();
                    let start = start + piece * PIECE;
                    for index in start..cases.len().min(start + PIECE) {
                        push_case(cases.get(index), text);
                    }
                });
            },
        );
        written?;
        std::mem::swap(&mut ready, &mut next);
    }
    write_all(&ready, &mut out)
}

fn write_all(texts: &[String], out: &mut impl Write) -> io::Result<()> {
    texts
        .iter()
        .try_for_each(|text| out.write_all(text.as_bytes()))
}

/// What a suite says of its tests.
#[derive(Default)]
struct Numbers {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    time: Duration,
}

impl Numbers {
    fn of(cases: &Cases) -> Self {
        let Totals {
            passed: _,
            skipped,
            xfailed,
            xpassed: _,
            flaky: _,
            failed,
            error,
            lost,
        } = cases.totals();
        Self {
            tests: cases.len(),
            failures: failed,
            errors: error + lost,
            skipped: skipped + xfailed,
            time: cases.time(),
        }
    }

    fn push(&self, out: &mut String) {
        let Self {
            tests,
            failures,
            errors,
            skipped,
            time,
        } = self;
        let _ = write!(
            out,
            " tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\""
        );
        push_time(*time, out);
    }
}

impl<'a> Sum<&'a Self> for Numbers {
    fn sum<I: Iterator<Item = &'a Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            tests: sum.tests + one.tests,
            failures: sum.failures + one.failures,
            errors: sum.errors + one.errors,
            skipped: sum.skipped + one.skipped,
            time: sum.time + one.time,
        })
    }
}

fn push_case(case: Case<'_>, out: &mut String) {
    let whole = case.told();
    let Brief {
        exact,
        classname,
        name,
        location,
        shard,
        outcome,
        duration,
    } = &case.brief();
    out.push_str("<testcase");
    push_attribute("classname", classname, out);
    push_attribute("name", name, out);
    if let Some((path, line)) = location {
        push_attribute("file", path, out);
        let _ = write!(out, " line=\"{line}\"");
    }
    push_time(*duration, out);
    let tag_ends = out.len();
    out.push_str(">\n");
    let inside = out.len();

    let problems = whole.map_or(&[][..], |case| &case.problems);
    let marks = marks(problems, *outcome);
    let told = marks
        .iter()
        .map(|mark| mark.outcome)
        .max()
        .unwrap_or(Outcome::Passed);
    let reruns = marks.iter().filter(|mark| is_rerun(mark.element)).count();
    let attempts = whole.map_or(1, |case| case.attempts);
    let mut properties = Properties::default();
    if let Some(id) = exact {
        properties.push("nodeid", id, out);
    }
    if let Some(shard) = shard {
        properties.push("shard", &shard.to_string(), out);
    }
    if told != *outcome {
        properties.push("outcome", outcome.name(), out);
    }
    if usize::try_from(attempts).ok() != Some(1 + reruns) {
        properties.push("attempts", &attempts.to_string(), out);
    }
    for (name, value) in whole.map_or(&[][..], |case| &case.properties) {
        // A test must not speak in our name.
        if OUR_PROPERTIES.contains(&name.as_str()) {
            properties.push(&format!("user:{name}"), value, out);
        } else {
            properties.push(name, value, out);
        }
    }
    properties.end(out);

    for Mark {
        element,
        kind,
        message,
        text,
        outcome: _,
    } in marks
    {
        let _ = write!(out, "<{element} type=\"{kind}\"");
        push_attribute("message", &message, out);
        if text.is_empty() {
            out.push_str("/>\n");
        } else {
            out.push('>');
            escape(text, false, out);
            let _ = writeln!(out, "</{element}>");
        }
    }
    if let Some(case) = whole {
        push_element("system-out", &case.stdout, out);
        push_element("system-err", &case.stderr, out);
    }
    if out.len() == inside {
        out.truncate(tag_ends);
        out.push_str("/>\n");
    } else {
        out.push_str("</testcase>\n");
    }
}

#[derive(Default)]
struct Properties {
    any: bool,
}

impl Properties {
    fn push(&mut self, name: &str, value: &str, out: &mut String) {
        if !self.any {
            out.push_str("<properties>");
        }
        self.any = true;
        out.push_str("<property");
        push_attribute("name", name, out);
        push_attribute("value", value, out);
        out.push_str("/>");
    }

    fn end(&self, out: &mut String) {
        if self.any {
            out.push_str("</properties>\n");
        }
    }
}

/// Nothing for no text.
fn push_element(name: &str, text: &str, out: &mut String) {
    if !text.is_empty() {
        let _ = write!(out, "<{name}>");
        escape(text, false, out);
        let _ = writeln!(out, "</{name}>");
    }
}

/// An element that tells how the test went.
struct Mark<'a> {
    element: &'static str,
    kind: &'static str,
    message: String,
    text: &'a str,
    /// What it says of the test.
    outcome: Outcome,
}

/// One for every problem, and one for an outcome that no problem tells of.
fn marks(problems: &[Problem], outcome: Outcome) -> Vec<Mark<'_>> {
    let mut marks: Vec<Mark> = problems
        .iter()
        .filter_map(|problem| mark(problem, outcome))
        .collect();
    if marks.iter().all(|mark| mark.outcome != outcome) {
        let (element, kind, message) = match outcome {
            Outcome::Passed | Outcome::Xpassed => return marks,
            Outcome::Skipped => ("skipped", SKIP, ""),
            Outcome::Xfailed => ("skipped", XFAIL, ""),
            Outcome::Flaky => ("flakyFailure", phase_type(Phase::Call), ""),
            Outcome::Failed => ("failure", phase_type(Phase::Call), ""),
            Outcome::Error => ("error", phase_type(Phase::Call), ""),
            Outcome::Lost => ("error", LOST, "lost: planned or started, never finished"),
        };
        marks.push(Mark {
            element,
            kind,
            message: message.into(),
            text: "",
            outcome,
        });
    }
    marks
}

fn mark(problem: &Problem, of_case: Outcome) -> Option<Mark<'_>> {
    let Problem {
        phase,
        kind,
        message,
        text,
        location: _,
        subtest,
    } = problem;
    let (element, kind, outcome) = match kind {
        ProblemKind::Skip if subtest.is_some() => return None,
        ProblemKind::Skip => ("skipped", SKIP, Outcome::Skipped),
        ProblemKind::Xfail => ("skipped", XFAIL, Outcome::Xfailed),
        ProblemKind::Failure => ("failure", phase_type(*phase), Outcome::Failed),
        ProblemKind::Error => ("error", phase_type(*phase), Outcome::Error),
        ProblemKind::Rerun => match (of_case, phase) {
            (Outcome::Flaky, Phase::Call) => ("flakyFailure", phase_type(*phase), Outcome::Flaky),
            (Outcome::Flaky, _) => ("flakyError", phase_type(*phase), Outcome::Flaky),
            (_, Phase::Call) => ("rerunFailure", phase_type(*phase), Outcome::Passed),
            _ => ("rerunError", phase_type(*phase), Outcome::Passed),
        },
    };
    let message = match subtest {
        Some(subtest) => format!("{subtest} {message}"),
        None => message.clone(),
    };
    Some(Mark {
        element,
        kind,
        message,
        text,
        outcome,
    })
}

fn push_attribute(name: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape(value, true, out);
    out.push('"');
}

/// In seconds to the microsecond, as durations of tests are added up.
fn push_time(time: Duration, out: &mut String) {
    out.push_str(" time=\"");
    out.push_str(itoa::Buffer::new().format(time.as_secs()));
    out.push('.');
    // The first digit keeps the zeros.
    let digits = 1_000_000 + time.subsec_micros();
    out.push_str(&itoa::Buffer::new().format(digits)[1..]);
    out.push('"');
}

/// The only way of a string into the document.
fn escape(text: &str, in_attribute: bool, out: &mut String) {
    let special = |byte: u8| {
        matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\r')
            | in_attribute & matches!(byte, b'\n' | b'\t')
    };
    let is_plain = |byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t') & !special(byte);
    if every(text, is_plain) {
        out.push_str(text);
        return;
    }
    let text = visible(text);
    let mut rest = text.as_ref();
    while let Some(at) = rest.bytes().position(special) {
        let (clean, special) = rest.split_at(at);
        out.push_str(clean);
        out.push_str(match special.as_bytes()[0] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\r' => "&#13;",
            b'\n' => "&#10;",
            _ => "&#9;",
        });
        rest = &special[1..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::found::{JunitRead, ReadEnd};
    use super::super::read::read;
    use super::*;
    use crate::model::case::{Location, TestCase};
    use crate::model::node_id::NodeId;

    fn report(cases: Vec<TestCase>) -> Report {
        Report {
            suite: "unit <&>".into(),
            cases: cases.into(),
            shards: Vec::new(),
            environments: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn written(report: &Report) -> String {
        let mut out = Vec::new();
        write(report, &mut out).expect("no error of a vector");
        String::from_utf8(out).expect("UTF-8")
    }

    fn problem(kind: ProblemKind, phase: Phase, message: &str, text: &str) -> Problem {
        Problem {
            phase,
            kind,
            message: message.into(),
            text: text.into(),
            location: None,
            subtest: None,
        }
    }

    #[test]
    fn each_environment_is_a_suite_and_its_tests_stay_apart() {
        let case = |outcome| TestCase {
            outcome,
            ..TestCase::new(NodeId::new("a.py::x"))
        };
        let run = |name: &str, outcome| EnvironmentRun {
            name: name.into(),
            cases: vec![case(outcome)].into(),
        };
        let report = Report {
            suite: "unit".into(),
            environments: vec![run("3.11", Outcome::Passed), run("3.12", Outcome::Lost)],
            warnings: vec!["odd".into()],
            ..report(vec![case(Outcome::Lost)])
        };
        let xml = written(&report);
        insta::assert_snapshot!(xml, @r#"
        <?xml version="1.0" encoding="utf-8"?>
        <testsuites name="unit" tests="2" failures="0" errors="1" skipped="0" time="0.000000">
        <testsuite name="unit in 3.11" hostname="3.11" tests="1" failures="0" errors="0" skipped="0" time="0.000000">
        <properties><property name="generator" value="parallel-pytest"/></properties>
        <testcase classname="a" name="x" time="0.000000">
        <properties><property name="nodeid" value="a.py::x"/></properties>
        </testcase>
        <system-err>odd</system-err>
        </testsuite>
        <testsuite name="unit in 3.12" hostname="3.12" tests="1" failures="0" errors="1" skipped="0" time="0.000000">
        <properties><property name="generator" value="parallel-pytest"/></properties>
        <testcase classname="a" name="x" time="0.000000">
        <properties><property name="nodeid" value="a.py::x"/></properties>
        <error type="lost" message="lost: planned or started, never finished"/>
        </testcase>
        </testsuite>
        </testsuites>
        "#);
        let back = read(xml.as_bytes());
        let cases = back.cases.briefs();
        let ids: Vec<_> = cases
            .map(|case| (case.id().to_string(), case.outcome))
            .collect();
        let one = ("a.py::x [3.11]".to_owned(), Outcome::Passed);
        assert_eq!(ids, [one, ("a.py::x [3.12]".to_owned(), Outcome::Lost)]);
        assert_eq!((back.end, back.warnings), (ReadEnd::Complete, Vec::new()));
    }

    #[test]
    fn writes_what_others_read() {
        let flaky = TestCase {
            outcome: Outcome::Flaky,
            attempts: 2,
            call: Duration::from_micros(1_500_001),
            location: Some(Location {
                path: "tests/test_a.py".into(),
                line: 12,
            }),
            shard: "3/6".parse().ok(),
            problems: vec![problem(
                ProblemKind::Rerun,
                Phase::Call,
                "assert 1 == 2",
                "E  assert 1 == 2\n",
            )],
            ..TestCase::new(NodeId::new(
                "tests/test_a.py::TestX::test_flaky[<&\"\x1b\n>]",
            ))
        };
        let failed = TestCase {
            outcome: Outcome::Error,
            stdout: "out ]]>\r\n".into(),
            problems: vec![
                Problem {
                    subtest: Some("[i=1]".into()),
                    ..problem(ProblemKind::Failure, Phase::Call, "no", "")
                },
                problem(ProblemKind::Error, Phase::Teardown, "RuntimeError", ""),
            ],
            ..TestCase::new(NodeId::new("tests/test_a.py::test_failed"))
        };
        let of = |id: &str, outcome| TestCase {
            outcome,
            ..TestCase::new(NodeId::new(id))
        };
        let all = report(vec![
            flaky,
            failed,
            of("a.py::x", Outcome::Xpassed),
            of("a.py::l", Outcome::Lost),
            of("a.py::p", Outcome::Passed),
        ]);
        insta::assert_snapshot!(written(&Report { warnings: vec!["odd".into()], ..all }), @r#"
        <?xml version="1.0" encoding="utf-8"?>
        <testsuites name="unit &lt;&amp;&gt;" tests="5" failures="0" errors="2" skipped="0" time="1.500001">
        <testsuite name="unit &lt;&amp;&gt;" tests="5" failures="0" errors="2" skipped="0" time="1.500001">
        <properties><property name="generator" value="parallel-pytest"/></properties>
        <testcase classname="tests.test_a.TestX" name="test_flaky[&lt;&amp;&quot;\x1b&#10;&gt;]" file="tests/test_a.py" line="12" time="1.500001">
        <properties><property name="nodeid" value="tests/test_a.py::TestX::test_flaky[&lt;&amp;&quot;\x1b&#10;&gt;]"/><property name="shard" value="3/6"/></properties>
        <flakyFailure type="pytest.call" message="assert 1 == 2">E  assert 1 == 2
        </flakyFailure>
        </testcase>
        <testcase classname="tests.test_a" name="test_failed" time="0.000000">
        <properties><property name="nodeid" value="tests/test_a.py::test_failed"/></properties>
        <failure type="pytest.call" message="[i=1] no"/>
        <error type="pytest.teardown" message="RuntimeError"/>
        <system-out>out ]]&gt;&#13;
        </system-out>
        </testcase>
        <testcase classname="a" name="x" time="0.000000">
        <properties><property name="nodeid" value="a.py::x"/><property name="outcome" value="xpassed"/></properties>
        </testcase>
        <testcase classname="a" name="l" time="0.000000">
        <properties><property name="nodeid" value="a.py::l"/></properties>
        <error type="lost" message="lost: planned or started, never finished"/>
        </testcase>
        <testcase classname="a" name="p" time="0.000000">
        <properties><property name="nodeid" value="a.py::p"/></properties>
        </testcase>
        <system-err>odd</system-err>
        </testsuite>
        </testsuites>
        "#);
    }

    /// What a report can hold, see the module's documentation.
    fn as_held(case: TestCase) -> TestCase {
        let shown = |text: &str| visible(text).into_owned();
        let id = NodeId::new(shown(case.id.as_str()));
        let problems = case.problems.into_iter().filter_map(|problem| {
            let Problem {
                phase,
                kind,
                message,
                text,
                location: _,
                subtest,
            } = problem;
            let phase = match kind {
                ProblemKind::Skip if subtest.is_some() => return None,
                ProblemKind::Skip => Phase::Setup,
                ProblemKind::Xfail => Phase::Call,
                _ => phase,
            };
            let message = subtest.map_or(message.clone(), |subtest| format!("{subtest} {message}"));
            Some(Problem {
                phase,
                kind,
                message: shown(&message),
                text: shown(&text),
                location: None,
                subtest: None,
            })
        });
        TestCase {
            classname: shown(&case.classname),
            name: shown(&case.name),
            file: case.file.is_some().then(|| id.file().to_owned()),
            id,
            setup: Duration::ZERO,
            call: case.setup + case.call + case.teardown,
            teardown: Duration::ZERO,
            problems: problems.collect(),
            properties: case
                .properties
                .iter()
                .map(|(name, value)| (shown(name), shown(value)))
                .collect(),
            stdout: shown(&case.stdout),
            stderr: shown(&case.stderr),
            ..case
        }
    }

    fn any_phase() -> impl Strategy<Value = Phase> {
        prop::sample::select(vec![
            Phase::Collect,
            Phase::Setup,
            Phase::Call,
            Phase::Teardown,
        ])
    }

    fn any_kind() -> impl Strategy<Value = ProblemKind> {
        use ProblemKind::{Error, Failure, Rerun, Skip, Xfail};
        prop::sample::select(vec![Failure, Error, Skip, Xfail, Rerun])
    }

    prop_compose! {
        fn any_problem()(
            kind in any_kind(),
            phase in any_phase(),
            message in ".{1,20}",
            text in any::<String>(),
            subtest in prop::option::of("[a-z\\[\\]]{1,5}"),
        ) -> Problem {
            Problem { subtest, ..problem(kind, phase, &message, &text) }
        }
    }

    prop_compose! {
        fn any_case()(
            exact in prop::option::of("[a-z]{1,2}\\.py::.{0,20}"),
            (classname, name) in prop_oneof![
                (any::<String>(), any::<String>()),
                ("[a:]{0,5}", "[a:]{0,5}"),
            ],
            line in prop::option::of(1..u32::MAX),
            shard in prop::option::of(1..7_u16),
            outcome in prop::sample::select(Outcome::ALL.to_vec()),
            micros in prop::array::uniform3(0..10_000_000_000_u64),
            attempts in 1..5_u32,
            problems in prop::collection::vec(any_problem(), 0..4),
            properties in prop::collection::vec(("[a-d<\"]{1,4}", any::<String>()), 0..3),
            (stdout, stderr) in (any::<String>(), any::<String>()),
        ) -> TestCase {
            let mut problems = problems;
            problems.retain(|problem| match problem.kind {
                ProblemKind::Failure => matches!(outcome, Outcome::Failed | Outcome::Error | Outcome::Lost),
                ProblemKind::Error => matches!(outcome, Outcome::Error | Outcome::Lost),
                _ => true,
            });
            let [setup, call, teardown] = micros.map(Duration::from_micros);
            let file = exact.as_ref().map(|_| "any".to_owned());
            let joined = if classname.is_empty() { name.clone() } else { format!("{classname}::{name}") };
            TestCase {
                id: NodeId::new(exact.unwrap_or(joined)), classname, name, file,
                location: line.map(|line| Location { path: "tests/a.py".into(), line }),
                shard: shard.and_then(|index| format!("{index}/6").parse().ok()),
                outcome, setup, call, teardown, attempts, environments: Vec::new(), problems, properties, stdout, stderr,
            }
        }
    }

    proptest! {
        #[test]
        fn reading_gives_back_what_was_written(case in any_case()) {
            let JunitRead { cases, end, suite, warnings } = read(written(&report(vec![case.clone()])).as_bytes());
            prop_assert_eq!((end, suite.as_deref(), warnings), (ReadEnd::Complete, Some("unit <&>"), Vec::new()));
            let mut cases: Vec<TestCase> = cases.into_whole().collect();
            cases[0].problems.iter_mut().for_each(|problem| problem.location = None);
            prop_assert_eq!(&cases, &vec![as_held(case)]);
        }

        #[test]
        fn a_failing_test_never_looks_green(case in any_case()) {
            let xml = written(&report(vec![case.clone()]));
            let red = xml.contains("<failure") || xml.contains("<error");
            prop_assert!(red || !matches!(case.outcome, Outcome::Failed | Outcome::Error | Outcome::Lost));
        }
    }
}
