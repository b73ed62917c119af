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

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use super::dialect::{GENERATOR, LOST, OUR_PROPERTIES, XFAIL, is_rerun, phase_type};
use super::visible::visible;
use crate::model::report::{
    EnvironmentRun, Outcome, Phase, Problem, ProblemKind, Report, TestCase, Totals,
};

const SKIP: &str = "pytest.skip";

pub(crate) fn write(report: &Report, mut out: impl Write) -> io::Result<()> {
    let Report {
        suite,
        cases,
        shards: _,
        environments,
        warnings,
    } = report;
    let all = environments.iter().flat_map(|it| &it.cases);
    let all = if environments.is_empty() {
        Numbers::of(cases)
    } else {
        Numbers::of(all)
    };
    writeln!(out, "<?xml version=\"1.0\" encoding=\"utf-8\"?>")?;
    writeln!(out, "<testsuites name={} {all}>", Attribute(suite))?;
    let mut said = warnings.join("\n");
    if environments.is_empty() {
        let head = format!("name={} {all}", Attribute(suite));
        write_suite(&head, cases, &said, &mut out)?;
    }
    for EnvironmentRun { name, cases } in environments {
        let suite = format!("{suite} in {name}");
        let (suite, host) = (Attribute(&suite), Attribute(name));
        // Readers that know of no environments keep tests of different hosts apart.
        let head = format!("name={suite} hostname={host} {}", Numbers::of(cases));
        write_suite(&head, cases, &std::mem::take(&mut said), &mut out)?;
    }
    writeln!(out, "</testsuites>")?;
    out.flush()
}

/// What a suite says of its tests.
#[derive(Default)]
struct Numbers {
    totals: Totals,
    time: Duration,
}

impl Numbers {
    fn of<'a>(cases: impl IntoIterator<Item = &'a TestCase> + Clone) -> Self {
        Self {
            totals: Totals::of(cases.clone()),
            time: cases.into_iter().map(TestCase::duration).sum(),
        }
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals {
            passed: _,
            skipped,
            xfailed,
            xpassed: _,
            flaky: _,
            failed,
            error,
            lost,
        } = self.totals;
        write!(
            out,
            "tests=\"{}\" failures=\"{failed}\" errors=\"{}\" skipped=\"{}\" time=\"{}\"",
            self.totals.all(),
            error + lost,
            skipped + xfailed,
            Seconds(self.time),
        )
    }
}

fn write_suite(head: &str, cases: &[TestCase], said: &str, out: &mut impl Write) -> io::Result<()> {
    let (name, value) = GENERATOR;
    writeln!(out, "<testsuite {head}>")?;
    writeln!(
        out,
        "<properties><property name=\"{name}\" value=\"{value}\"/></properties>"
    )?;
    for case in cases {
        write_case(case, out)?;
    }
    if !said.is_empty() {
        writeln!(out, "<system-err>{}</system-err>", Text(said))?;
    }
    writeln!(out, "</testsuite>")
}

fn write_case(case: &TestCase, out: &mut impl Write) -> io::Result<()> {
    let TestCase {
        id,
        classname,
        name,
        file: _,
        location,
        shard,
        outcome,
        setup: _,
        call: _,
        teardown: _,
        attempts,
        environments: _,
        problems,
        properties: recorded,
        stdout,
        stderr,
    } = case;
    write!(
        out,
        "<testcase classname={} name={}",
        Attribute(classname),
        Attribute(name)
    )?;
    if let Some(at) = location {
        write!(
            out,
            " file={} line=\"{}\"",
            Attribute(at.path.as_str()),
            at.line
        )?;
    }
    writeln!(out, " time=\"{}\">", Seconds(case.duration()))?;

    let marks = marks(problems, *outcome);
    let told = marks
        .iter()
        .map(|mark| mark.outcome)
        .max()
        .unwrap_or(Outcome::Passed);
    let reruns = marks.iter().filter(|mark| is_rerun(mark.element)).count();
    let mut properties = vec![("nodeid", id.to_string())];
    properties.extend(shard.map(|shard| ("shard", shard.to_string())));
    if told != *outcome {
        properties.push(("outcome", outcome.name().to_owned()));
    }
    if usize::try_from(*attempts).ok() != Some(1 + reruns) {
        properties.push(("attempts", attempts.to_string()));
    }
    write!(out, "<properties>")?;
    for (name, value) in properties {
        let value = Attribute(&value);
        write!(out, "<property name=\"{name}\" value={value}/>")?;
    }
    for (name, value) in recorded {
        // A test must not speak in our name.
        let name = if OUR_PROPERTIES.contains(&name.as_str()) {
            format!("user:{name}")
        } else {
            name.clone()
        };
        let (name, value) = (Attribute(&name), Attribute(value));
        write!(out, "<property name={name} value={value}/>")?;
    }
    writeln!(out, "</properties>")?;

    for Mark {
        element,
        kind,
        message,
        text,
        outcome: _,
    } in marks
    {
        write!(
            out,
            "<{element} type=\"{kind}\" message={}",
            Attribute(&message)
        )?;
        if text.is_empty() {
            writeln!(out, "/>")?;
        } else {
            writeln!(out, ">{}</{element}>", Text(text))?;
        }
    }
    for (element, text) in [("system-out", stdout), ("system-err", stderr)] {
        if !text.is_empty() {
            writeln!(out, "<{element}>{}</{element}>", Text(text))?;
        }
    }
    writeln!(out, "</testcase>")
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

/// The only way of a string into the document.
fn escape(text: &str, in_attribute: bool, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let text = visible(text);
    let mut rest = text.as_ref();
    let special = |c: char| {
        matches!(c, '&' | '<' | '>' | '"' | '\r') || in_attribute && matches!(c, '\n' | '\t')
    };
    while let Some(at) = rest.find(special) {
        let (clean, special) = rest.split_at(at);
        out.write_str(clean)?;
        out.write_str(match special.as_bytes()[0] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\r' => "&#13;",
            b'\n' => "&#10;",
            _ => "&#9;",
        })?;
        rest = &special[1..];
    }
    out.write_str(rest)
}

struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(self.0, false, out)
    }
}

/// With its quotation marks.
struct Attribute<'a>(&'a str);

impl fmt::Display for Attribute<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("\"")?;
        escape(self.0, true, out)?;
        out.write_str("\"")
    }
}

/// To the microsecond, as durations of tests are added up.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{:06}", self.0.as_secs(), self.0.subsec_micros())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::found::{JunitRead, ReadEnd};
    use super::super::read::read;
    use super::*;
    use crate::model::node_id::NodeId;
    use crate::model::report::Location;

    fn report(cases: Vec<TestCase>) -> Report {
        Report {
            suite: "unit <&>".into(),
            cases,
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
            cases: vec![case(outcome)],
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
        let ids = back
            .cases
            .iter()
            .map(|case| (case.id.as_str(), case.outcome));
        let ids: Vec<_> = ids.collect();
        assert_eq!(
            ids,
            [
                ("a.py::x [3.11]", Outcome::Passed),
                ("a.py::x [3.12]", Outcome::Lost)
            ]
        );
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
            file: Some(id.file().to_owned()),
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
            id in "[a-z]{1,2}\\.py::.{0,20}",
            (classname, name) in (any::<String>(), any::<String>()),
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
            TestCase {
                id: NodeId::new(id), classname, name, file: None,
                location: line.map(|line| Location { path: "tests/a.py".into(), line }),
                shard: shard.and_then(|index| format!("{index}/6").parse().ok()),
                outcome, setup, call, teardown, attempts, environments: Vec::new(), problems, properties, stdout, stderr,
            }
        }
    }

    proptest! {
        #[test]
        fn reading_gives_back_what_was_written(case in any_case()) {
            let JunitRead { mut cases, end, suite, warnings } = read(written(&report(vec![case.clone()])).as_bytes());
            prop_assert_eq!((end, suite.as_deref(), warnings), (ReadEnd::Complete, Some("unit <&>"), Vec::new()));
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
