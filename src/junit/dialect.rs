//! What the elements of a report mean, which depends on the program that wrote it. Every decision
//! about a dialect is made here.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use camino::{Utf8Component, Utf8Path};

use super::xml::Element;
use crate::model::brief::Brief;
use crate::model::case::{Location, Outcome, Phase, Problem, ProblemKind, TestCase};

/// What we say about a case in properties.
pub(super) const OUR_PROPERTIES: [&str; 4] = ["nodeid", "shard", "outcome", "attempts"];

/// The property of a suite by which we know our own reports.
pub(super) const GENERATOR: (&str, &str) = ("generator", "parallel-pytest");
/// `type` of the `<error>` of a test that never reported.
pub(super) const LOST: &str = "lost";
/// `type` of a `<skipped>` that is an expected failure, as pytest has it.
pub(super) const XFAIL: &str = "pytest.xfail";
/// What pytest writes of a test that passed where it should fail, before it knew strictness.
const XPASS_MESSAGE: &str = "xfail-marked test passes unexpectedly";
/// A time beyond it is a mistake, and would overflow a sum.
const MAX_SECONDS: f64 = 1e9;

/// Who wrote the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Ours,
    Pytest,
    Unknown,
}

/// What a `<testcase>` holds, as it is written.
pub(super) struct RawCase {
    pub(super) element: Element,
    pub(super) properties: Vec<(String, String)>,
    pub(super) marks: Vec<Mark>,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// What the same test may run in several of: a browser, a host.
    pub(super) environment: Option<Rc<str>>,
}

/// An element that tells how a test went.
pub(super) struct Mark {
    pub(super) element: Element,
    pub(super) text: String,
}

impl Program {
    pub(super) fn of_root(root: &Element) -> Self {
        // Since pytest 8.
        if root.attribute("name") == Some("pytest tests") {
            Self::Pytest
        } else {
            Self::Unknown
        }
    }

    pub(super) fn of_suite(self, suite: &Element) -> Self {
        match self {
            Self::Unknown if suite.attribute("name") == Some("pytest") => Self::Pytest,
            known => known,
        }
    }

    pub(super) fn with_properties(self, properties: &[(String, String)]) -> Self {
        let (name, value) = GENERATOR;
        let ours = properties
            .iter()
            .any(|known| known.0 == name && known.1 == value);
        if ours { Self::Ours } else { self }
    }

    /// Of a suite with a name of the user's choice.
    pub(super) fn of_case(self, case: &RawCase) -> Self {
        let is_python = |file: &str| Utf8Path::new(file).extension() == Some("py");
        match self {
            Self::Unknown if case.element.attribute("file").is_some_and(is_python) => Self::Pytest,
            known => known,
        }
    }
}

impl RawCase {
    pub(super) fn new(element: Element) -> Self {
        Self {
            element,
            properties: Vec::new(),
            marks: Vec::new(),
            stdout: String::new(),
            stderr: String::new(),
            environment: None,
        }
    }

    /// A case of a report that is not `JUnit`'s, in the words of one that is.
    pub(super) fn made(class: &str, name: &str, seconds: &str) -> Self {
        let attributes = [("classname", class), ("name", name), ("time", seconds)];
        Self::new(Element::made("testcase", &attributes))
    }

    /// Tells how it went by a mark such as `failure`.
    pub(super) fn mark(&mut self, mark: &str, message: &str, details: &str) {
        let (message, details) = (message.trim(), details.trim_end());
        let text = match (details, message.contains('\n')) {
            ("", false) => String::new(),
            ("", true) => message.to_owned(),
            _ if message.is_empty() || details.contains(message) => details.to_owned(),
            _ => format!("{message}\n{details}"),
        };
        let element = Element::made(mark, &[("message", message)]);
        self.marks.push(Mark { element, text });
    }

    /// Says of the last mark what kind it is.
    pub(super) fn mark_type(&mut self, kind: &str) {
        if let Some(mark) = self.marks.last_mut() {
            mark.element.add("type", kind);
        }
    }

    pub(super) fn set_time(&mut self, seconds: &str) {
        let names = ["classname", "name"].map(|name| self.element.text(name));
        self.element = Self::made(&names[0], &names[1], seconds).element;
    }

    /// For a failure that belongs to a suite as a whole.
    pub(super) fn of_suite(suite: &Element) -> Self {
        Self::new(Element::made(
            "testcase",
            &[("name", suite.attribute("name").unwrap_or_default())],
        ))
    }

    /// Whether its brief is all that it has to tell.
    pub(super) fn is_brief(&self) -> bool {
        let in_brief = |(name, _): &(String, String)| matches!(name.as_str(), "nodeid" | "shard");
        self.marks.is_empty()
            && self.properties.iter().all(in_brief)
            && self.stdout.is_empty()
            && self.stderr.is_empty()
    }

    fn property(&self, name: &str) -> Option<&str> {
        let found = self
            .properties
            .iter()
            .find(|(known, value)| known == name && !value.is_empty());
        found.map(|(_, value)| value.as_str())
    }
}

/// Whether an element inside a `<testcase>` tells how the test went. The reruns are Surefire's
/// (<https://maven.apache.org/surefire/maven-surefire-plugin/xsd/surefire-test-report.xsd>).
pub(super) fn is_mark(name: &str) -> bool {
    matches!(name, "failure" | "error" | "skipped" | "disabled") || is_rerun(name)
}

/// A failed attempt of a test that was run again.
pub(super) fn is_rerun(name: &str) -> bool {
    matches!(
        name,
        "rerunFailure" | "rerunError" | "flakyFailure" | "flakyError"
    )
}

/// What it has to tell as every test has; [`interpret`] tells all.
pub(super) fn brief(raw: &RawCase, program: Program) -> Brief<'_> {
    let text = |name| Cow::Borrowed(raw.element.attribute(name).unwrap_or_default());
    let time = raw.element.attribute("time");
    Brief {
        exact: raw.property("nodeid").map(Cow::Borrowed),
        classname: text("classname"),
        name: text("name"),
        location: location(&raw.element, program),
        shard: raw.property("shard").and_then(|shard| shard.parse().ok()),
        outcome: outcome(raw),
        duration: time.map(duration).unwrap_or_default(),
    }
}

pub(super) fn interpret(raw: &mut RawCase, program: Program) -> TestCase {
    let mut case = TestCase::from(brief(raw, program));
    let marks = std::mem::take(&mut raw.marks);
    let reruns = marks.iter().filter(|mark| is_rerun(mark.element.name()));
    case.attempts = 1 + u32::try_from(reruns.count()).unwrap_or(u32::MAX - 1);
    if program == Program::Ours {
        let known = |name: &str| {
            Outcome::ALL
                .into_iter()
                .find(|outcome| outcome.name() == name)
        };
        case.outcome = raw
            .property("outcome")
            .and_then(known)
            .unwrap_or(case.outcome);
        let told = raw.property("attempts");
        case.attempts = told
            .and_then(|number| number.parse().ok())
            .unwrap_or(case.attempts);
    }
    let problems = marks.into_iter();
    case.problems = problems.filter_map(|mark| problem(mark, program)).collect();
    let properties = std::mem::take(&mut raw.properties).into_iter();
    case.properties = properties
        .filter(|(name, _)| !OUR_PROPERTIES.contains(&name.as_str()))
        .collect();
    case.stdout = std::mem::take(&mut raw.stdout);
    case.stderr = std::mem::take(&mut raw.stderr);
    case
}

/// The worst that any mark says.
fn outcome(case: &RawCase) -> Outcome {
    let status = case.element.attribute("status").unwrap_or_default();
    let is_skipped = ["skipped", "disabled", "notrun", "ignored"]
        .iter()
        .any(|skipped| status.eq_ignore_ascii_case(skipped));
    let without_marks = if is_skipped {
        Outcome::Skipped
    } else {
        Outcome::Passed
    };
    case.marks
        .iter()
        .map(Mark::outcome)
        .max()
        .unwrap_or(without_marks)
}

impl Mark {
    fn outcome(&self) -> Outcome {
        let kind = self.element.attribute("type");
        match self.element.name() {
            "error" if kind == Some(LOST) => Outcome::Lost,
            "error" => Outcome::Error,
            "failure" => Outcome::Failed,
            "flakyFailure" | "flakyError" => Outcome::Flaky,
            "skipped" if kind == Some(XFAIL) => Outcome::Xfailed,
            "skipped" if self.element.attribute("message") == Some(XPASS_MESSAGE) => {
                Outcome::Xpassed
            }
            "skipped" | "disabled" => Outcome::Skipped,
            // The mark of the last attempt says how the test ended.
            _ => Outcome::Passed,
        }
    }
}

fn problem(mark: Mark, program: Program) -> Option<Problem> {
    let kind = match mark.outcome() {
        Outcome::Lost | Outcome::Xpassed => return None,
        Outcome::Error => ProblemKind::Error,
        Outcome::Failed => ProblemKind::Failure,
        Outcome::Xfailed => ProblemKind::Xfail,
        Outcome::Skipped => ProblemKind::Skip,
        Outcome::Flaky | Outcome::Passed => ProblemKind::Rerun,
    };
    let Mark { element, mut text } = mark;
    let whole = element.text("message");
    if program == Program::Ours {
        let phase = told_phase(&element).unwrap_or(default_phase(kind));
        // We mark an outcome that no problem explains by an element that says nothing.
        let says_something = !whole.is_empty() || !text.is_empty();
        return says_something.then(|| Problem {
            phase,
            kind,
            location: location_in(&text),
            message: whole,
            text,
            subtest: None,
        });
    }
    let (phase, message) = match kind {
        ProblemKind::Error => error_phase(&whole),
        _ => (default_phase(kind), whole.as_str()),
    };
    let message = first_line(message)
        .or_else(|| error_line(&text))
        .or_else(|| first_line(&text))
        .or(element.attribute("type"))
        .unwrap_or_default()
        .to_owned();
    if text.is_empty() && whole.trim().contains('\n') {
        text = whole;
    }
    Some(Problem {
        phase,
        kind,
        message,
        location: location_in(&text),
        text,
        subtest: None,
    })
}

/// `type` of our failures and errors: `pytest.setup`.
pub(super) fn phase_type(phase: Phase) -> &'static str {
    match phase {
        Phase::Collect => "pytest.collect",
        Phase::Setup => "pytest.setup",
        Phase::Call => "pytest.call",
        Phase::Teardown => "pytest.teardown",
    }
}

fn told_phase(element: &Element) -> Option<Phase> {
    let told = element.attribute("type")?;
    [Phase::Collect, Phase::Setup, Phase::Call, Phase::Teardown]
        .into_iter()
        .find(|phase| phase_type(*phase) == told)
}

/// A skip is most often a mark, which pytest looks at before the setup.
fn default_phase(kind: ProblemKind) -> Phase {
    match kind {
        ProblemKind::Skip => Phase::Setup,
        ProblemKind::Failure | ProblemKind::Error | ProblemKind::Xfail | ProblemKind::Rerun => {
            Phase::Call
        }
    }
}

/// pytest says in the message in which phase an error happened (`append_error` and
/// `append_collect_error` in `_pytest/junitxml.py`).
fn error_phase(message: &str) -> (Phase, &str) {
    for (start, phase) in [
        ("failed on setup with \"", Phase::Setup),
        ("failed on teardown with \"", Phase::Teardown),
    ] {
        if let Some(reason) = message.strip_prefix(start) {
            return (phase, reason.strip_suffix('"').unwrap_or(reason));
        }
    }
    match message {
        // The reason is in the text.
        "collection failure" => (Phase::Collect, ""),
        other => (Phase::Call, other),
    }
}

/// The innermost error of pytest's report of a failed collection.
fn error_line(text: &str) -> Option<&str> {
    let errors = text.lines().filter_map(|line| line.strip_prefix("E   "));
    errors.map(str::trim).rfind(|line| !line.is_empty())
}

fn first_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty())
}

/// Where the test is defined: path and line. pytest counts lines from 0.
fn location(element: &Element, program: Program) -> Option<(Cow<'_, str>, u32)> {
    let told = element.attribute("file")?;
    let path = if told.contains('\\') {
        Cow::Owned(told.replace('\\', "/"))
    } else {
        Cow::Borrowed(told)
    };
    let line = match element.attribute("line").and_then(number) {
        Some(line) if program == Program::Pytest => line.saturating_add(1),
        Some(line) => line.max(1),
        None => 1,
    };
    is_inside(&path).then_some((path, u32::try_from(line).ok()?))
}

/// The last `tests/test_a.py:12: AssertionError` of a traceback.
fn location_in(text: &str) -> Option<Location> {
    text.lines().rev().find_map(|line| {
        let (place, _) = line.split_once(": ")?;
        let (path, line) = place.rsplit_once(':')?;
        let has_kind = Utf8Path::new(path).extension().is_some();
        (has_kind && is_inside(path)).then_some(Location {
            path: path.into(),
            line: line.parse().ok().filter(|line| *line > 0)?,
        })
    })
}

/// Only a path inside the repository can be shown to people.
fn is_inside(path: &str) -> bool {
    let is_inside =
        |part: Utf8Component<'_>| matches!(part, Utf8Component::Normal(_) | Utf8Component::CurDir);
    let clean = !path.is_empty() && !path.contains([':', ' ', '\t']);
    clean && Utf8Path::new(path).components().all(is_inside)
}

/// `12`, `12.0`, `1,234`: anything that can be meant as a whole number.
pub(super) fn number(text: &str) -> Option<usize> {
    let text = text.trim().replace(',', "");
    let whole = text
        .split_once('.')
        .map_or(text.as_str(), |(whole, zeros)| {
            if zeros.bytes().all(|digit| digit == b'0') {
                whole
            } else {
                ""
            }
        });
    whole.parse().ok()
}

/// `1.5`, `1,234.5`, `1,5`: seconds, or nothing for what cannot be a time.
fn duration(text: &str) -> Duration {
    let text = text.trim();
    if let Some(duration) = decimal(text) {
        return duration;
    }
    let commas = text.matches(',').count();
    let plain = match commas {
        // Alone it is the decimal comma of many languages.
        1 if !text.contains('.') => text.replace(',', "."),
        _ => text.replace(',', ""),
    };
    let seconds = plain
        .parse::<f64>()
        .ok()
        .filter(|seconds| *seconds <= MAX_SECONDS);
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or_default()
}

/// What nearly every program writes: no more than nine digits, and as many behind the point.
fn decimal(text: &str) -> Option<Duration> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| {
        let is_short = (1..=9).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
        is_short.then(|| {
            text.bytes()
                .fold(0, |sum, c| sum * 10 + u32::from(c - b'0'))
        })
    };
    let zeros = 9_u32.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let nanoseconds = digits(fraction)? * 10_u32.pow(zeros);
    Some(Duration::new(digits(seconds)?.into(), nanoseconds))
}

/// What a report is that has another root element than `JUnit`'s.
pub(super) fn foreign(root: &str) -> String {
    let what = match root {
        "coverage" => "a coverage report: give it as coverage, not as tests",
        "report" => "perhaps a JaCoCo coverage report",
        "html" => "a web page",
        _ => "not a JUnit report",
    };
    let root: String = root.chars().take(40).collect();
    format!("its root element is <{root}>, so it is {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_any_number_that_is_meant_as_one() {
        assert_eq!(
            ["12", " 12 ", "12.0", "1,234"].map(number),
            [Some(12), Some(12), Some(12), Some(1234)]
        );
        assert_eq!(
            ["", "-1", "1.5", "NaN", "1e3", "99999999999999999999"].map(number),
            [None; 6]
        );
    }

    #[test]
    fn takes_any_time_that_is_meant_as_one() {
        for (text, milliseconds) in [
            ("1.5", 1500),
            (" 0.25", 250),
            ("1,234.5", 1_234_500),
            ("1,5", 1500),
            ("1,234,567", 1_234_567_000),
            ("1e1", 10_000),
        ] {
            assert_eq!(
                duration(text),
                Duration::from_millis(milliseconds),
                "{text}"
            );
        }
        for text in ["", "-1", "NaN", "inf", "1e308", "a", "0x10"] {
            assert_eq!(duration(text), Duration::ZERO, "{text}");
        }
    }

    #[test]
    fn finds_the_innermost_line_of_a_traceback() {
        let place = |text: &str| location_in(text).map(|at| format!("{}:{}", at.path, at.line));
        let text = "tests/a.py:3: in test\n    b()\nsrc/b.py:7: ValueError\n/usr/lib/c.py:9: x\n../d.py:1: y";
        assert_eq!(place(text).as_deref(), Some("src/b.py:7"));
        for nothing in [
            "",
            "E   note: 3: x",
            "C:/a.py:3: x",
            "12:30: x",
            "a b.py:3: x",
            "a.py:0: x",
            "a.py:3",
        ] {
            assert_eq!(place(nothing), None, "{nothing}");
        }
    }
}
