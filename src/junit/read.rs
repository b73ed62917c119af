//! Any program's `JUnit` XML into test cases: streaming, tolerant, with bounds.
//!
//! Counting is from the cases. A report's own numbers are only a cross-check, as they lie often
//! enough. Nothing that came before a mistake is lost by it.

use std::io::Read;
use std::rc::Rc;

use super::collect::{Add, Collected};
use super::decode::Decoded;
use super::dialect::{self, Mark, Program, RawCase};
use super::format::Format;
use super::found::{JunitRead, ReadEnd};
use super::visible::shortened;
use super::xml::{Element, Elements, Stop, Token};
use super::{dart, mocha, nunit, tap, trx, xunit_net};

impl From<Stop> for ReadEnd {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Truncated { at } => Self::Truncated { at },
            Stop::Broken {
                element,
                at,
                message,
            } => Self::Broken {
                element,
                at,
                message,
            },
        }
    }
}

/// Reads a report of any format that is known here, told apart by content.
pub(crate) fn read(input: impl Read) -> JunitRead {
    let mut input = Decoded::new(input);
    let mut collected = Collected::default();
    let end = match Format::of(input.peek()) {
        Format::Xml => read_xml(input, &mut collected),
        Format::Tap => tap::read(input, &mut collected),
        Format::Dart => dart::read(input, &mut collected),
        Format::Mocha => mocha::read(input, &mut collected),
    };
    collected.finish(end)
}

fn read_xml(input: Decoded<impl Read>, collected: &mut Collected) -> ReadEnd {
    let mut reader = ReportReader {
        elements: Elements::new(input),
        collected,
        environment: None,
    };
    let end = reader.document();
    if let Some(encoding) = reader.elements.unknown_encoding() {
        let encoding = shortened(encoding);
        collected.warn(|| format!("its encoding `{encoding}` is not known: it was read as UTF-8"));
    }
    end.map_or_else(ReadEnd::from, |()| ReadEnd::Complete)
}

struct ReportReader<'a, R> {
    elements: Elements<R>,
    collected: &'a mut Collected,
    /// The host of the suite, which is the browser in reports of Playwright.
    environment: Option<Rc<str>>,
}

/// What a suite really holds, that of the suites in it too.
#[derive(Default)]
struct Tally {
    cases: usize,
    /// Without those that only continue another one.
    tests: usize,
    marks: usize,
    failures: Count,
    errors: Count,
}

#[derive(Default)]
struct Count {
    cases: usize,
    marks: usize,
}

impl<R: Read> ReportReader<'_, R> {
    fn document(&mut self) -> Result<(), Stop> {
        let mut empty = true;
        while let Some(root) = self.elements.root()? {
            empty = false;
            let mut tally = Tally::default();
            match root.name() {
                "testsuites" => {
                    let program = Program::of_root(&root);
                    self.suites(program, &mut tally)?;
                    self.check(&root, &tally);
                }
                "testsuite" => self.suite(&root, Program::Unknown, &mut tally)?,
                "testcase" => self.case(root, Program::Unknown, &mut tally)?,
                "test-run" => self.foreign(&root, "total", nunit::read_3)?,
                "test-results" => self.foreign(&root, "", nunit::read_2)?,
                "assemblies" | "assembly" => self.foreign(&root, "", xunit_net::read)?,
                "TestRun" => self.foreign(&root, "", trx::read)?,
                other => return Err(self.elements.broken(dialect::foreign(other))),
            }
        }
        if empty {
            Err(self.elements.broken("there is no XML element in it"))
        } else {
            Ok(())
        }
    }

    /// A report of another kind, with the attribute that tells how many tests it holds.
    fn foreign(
        &mut self,
        root: &Element,
        total: &str,
        read: fn(&mut Elements<R>, Add<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut number = 0;
        read(&mut self.elements, &mut |mut case| {
            number += 1;
            self.collected.add(&mut case, Program::Unknown);
        })?;
        // More may be there: what went wrong outside of a test.
        if let Some(told) = root.attribute(total).and_then(dialect::number)
            && told > number
        {
            self.collected
                .warn(|| format!("it says {total}=\"{told}\", but holds {number}"));
        }
        Ok(())
    }

    fn suites(&mut self, program: Program, tally: &mut Tally) -> Result<(), Stop> {
        while let Some(child) = self.elements.child()? {
            match child.name() {
                "testsuite" | "testsuites" => self.suite(&child, program, tally)?,
                "testcase" => self.case(child, program, tally)?,
                _ => self.elements.skip()?,
            }
        }
        Ok(())
    }

    fn suite(&mut self, suite: &Element, program: Program, outer: &mut Tally) -> Result<(), Stop> {
        if self.collected.suite.is_none() {
            self.collected.suite = suite
                .attribute("name")
                .filter(|name| !name.is_empty())
                .map(ToOwned::to_owned);
        }
        let around = self.environment.clone();
        if let Some(host) = suite.attribute("hostname") {
            self.environment = (!host.is_empty()).then(|| host.into());
        }
        let mut program = program.of_suite(suite);
        let mut tally = Tally::default();
        let mut nested = false;
        while let Some(child) = self.elements.child()? {
            match child.name() {
                "testsuite" => {
                    nested = true;
                    self.suite(&child, program, &mut tally)?;
                }
                "testcase" => self.case(child, program, &mut tally)?,
                "properties" => program = program.with_properties(&self.properties()?),
                "failure" | "error" => {
                    let mut case = RawCase::of_suite(suite);
                    self.mark(child, &mut case)?;
                    self.add(&mut case, program, &mut tally);
                }
                _ => self.elements.skip()?,
            }
        }
        // Programs do not agree on whether an outer suite counts what the inner ones hold.
        if !nested {
            self.check(suite, &tally);
        }
        self.environment = around;
        outer.add(&tally);
        Ok(())
    }

    fn case(&mut self, element: Element, program: Program, tally: &mut Tally) -> Result<(), Stop> {
        let mut case = RawCase::new(element);
        case.environment.clone_from(&self.environment);
        if let Err(stop) = self.fill(&mut case) {
            let name = shortened(&case.element.text("name"));
            self.collected
                .warn(|| format!("what it says of the test `{name}` is incomplete and left out"));
            return Err(stop);
        }
        self.add(&mut case, program, tally);
        self.elements.recycle(case.element);
        Ok(())
    }

    fn fill(&mut self, case: &mut RawCase) -> Result<(), Stop> {
        while let Some(child) = self.elements.child()? {
            match child.name() {
                "properties" => case.properties.extend(self.properties()?),
                "system-out" => case.stdout.push_str(&self.elements.text()?),
                "system-err" => case.stderr.push_str(&self.elements.text()?),
                name if dialect::is_mark(name) => self.mark(child, case)?,
                _ => self.elements.skip()?,
            }
        }
        Ok(())
    }

    fn mark(&mut self, element: Element, case: &mut RawCase) -> Result<(), Stop> {
        let mut text = String::new();
        let mut parts = Vec::new();
        loop {
            match self.elements.content()? {
                Token::Text => self.elements.append(&mut text)?,
                Token::Open(part) => match part.name() {
                    "system-out" => case.stdout.push_str(&self.elements.text()?),
                    "system-err" => case.stderr.push_str(&self.elements.text()?),
                    _ => parts.push(self.elements.text()?),
                },
                Token::Close => break,
            }
        }
        if !parts.is_empty() {
            // Then the text around them is layout.
            parts.insert(0, text.trim().to_owned());
            parts.retain(|part| !part.is_empty());
            text = parts.join("\n");
        }
        case.marks.push(Mark { element, text });
        Ok(())
    }

    /// Names and values; a value is an attribute or the text of the element.
    fn properties(&mut self) -> Result<Vec<(String, String)>, Stop> {
        let mut properties = Vec::new();
        while let Some(property) = self.elements.child()? {
            let text = self.elements.text()?;
            let value = property.attribute("value").map_or(text, ToOwned::to_owned);
            properties.push((property.text("name"), value));
        }
        Ok(properties)
    }

    fn add(&mut self, case: &mut RawCase, program: Program, tally: &mut Tally) {
        let number = |name: &str| {
            let named = case.marks.iter().filter(|mark| mark.element.name() == name);
            named.count()
        };
        let (failures, errors) = (number("failure"), number("error"));
        tally.failures.marks += failures;
        tally.errors.marks += errors;
        // A test that failed in two ways counts once, as the worse.
        tally.failures.cases += usize::from(failures > 0 && errors == 0);
        tally.errors.cases += usize::from(errors > 0);
        tally.cases += 1;
        tally.marks += case.marks.len();
        let program = program.of_case(case);
        let is_new = self.collected.add(case, program);
        tally.tests += usize::from(is_new);
    }

    /// Compares the numbers in a suite's tag with what is there. Programs count differently: cases,
    /// tests, or each failure of a test.
    fn check(&mut self, suite: &Element, tally: &Tally) {
        let Tally {
            cases,
            tests,
            marks,
            failures,
            errors,
        } = tally;
        let told = |name: &str| suite.attribute(name).and_then(dialect::number);
        // Mocha calls every failure an error.
        let sum = told("failures")
            .zip(told("errors"))
            .map(|(one, two)| one + two);
        let both = failures.cases + errors.cases..=failures.marks + errors.marks;
        let swapped = sum.is_some_and(|sum| both.contains(&sum));
        for (name, least, most) in [
            ("tests", *tests, cases + marks),
            ("failures", failures.cases, failures.marks),
            ("errors", errors.cases, errors.marks),
        ] {
            if swapped && name != "tests" {
                continue;
            }
            let Some(told) = suite.attribute(name) else {
                continue;
            };
            let fits = dialect::number(told).is_some_and(|told| least <= told && told <= most);
            if !fits {
                self.collected.warn(|| {
                    let (suite, told) = (shortened(&suite.text("name")), shortened(told));
                    format!("the suite `{suite}` says {name}=\"{told}\", but holds {least}")
                });
            }
        }
    }
}

impl Tally {
    fn add(&mut self, inner: &Self) {
        let Self {
            cases,
            tests,
            marks,
            failures,
            errors,
        } = inner;
        self.cases += cases;
        self.tests += tests;
        self.marks += marks;
        for (count, inner) in [(&mut self.failures, failures), (&mut self.errors, errors)] {
            count.cases += inner.cases;
            count.marks += inner.marks;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::collect::MAX_WARNINGS;
    use super::*;
    use crate::model::case::TestCase;
    use crate::model::case::{Outcome, ProblemKind};

    fn whole(report: &str) -> Vec<TestCase> {
        let JunitRead {
            cases,
            warnings,
            end,
            ..
        } = read(report.as_bytes());
        assert_eq!((end, warnings), (ReadEnd::Complete, Vec::new()), "{report}");
        cases.into_whole().collect()
    }

    /// Outcome, attempts and id of every case.
    fn outcomes(report: &str) -> Vec<String> {
        let line =
            |case: TestCase| format!("{} x{} {}", case.outcome.name(), case.attempts, case.id);
        whole(report).into_iter().map(line).collect()
    }

    #[test]
    fn finds_cases_wherever_they_are() {
        let case = "<testcase classname='c' name='n'/>";
        for report in [
            case.to_owned(),
            format!("<testsuite>{case}</testsuite>"),
            format!("<testsuites>{case}</testsuites>"),
            format!(
                "<testsuites><testsuite><testsuite>{case}</testsuite></testsuite></testsuites>"
            ),
            format!(
                "<testsuites xmlns='urn:x' xmlns:j='urn:y'><testsuite>{case}</testsuite></testsuites>"
            ),
            format!(
                "<j:testsuite xmlns:j='urn:y'>{}</j:testsuite>",
                case.replace('<', "<j:")
            ),
            format!(
                "\u{feff}<?xml version='1.0'?>\n<!-- c --><testsuite><unknown>{case}</unknown>{case}</testsuite>"
            ),
            format!(
                "<testsuite tests='1.0' failures='' time='a'>{}</testsuite>",
                case.replace("/>", " time='-1' line='x'/>")
            )
            .replace(" failures=''", ""),
        ] {
            assert_eq!(outcomes(&report), ["passed x1 c::n"], "{report}");
        }
        assert_eq!(
            outcomes(&format!("<testsuite/>{case}")),
            ["passed x1 c::n"],
            "one report behind another"
        );
        assert_eq!(outcomes("<testsuites/>"), [""; 0]);
    }

    #[test]
    fn knows_the_ways_to_tell_how_a_test_went() {
        let outcome = |content: &str| {
            outcomes(&format!("<testcase name='n'>{content}</testcase>"))[0].clone()
        };
        for (content, expected) in [
            ("<skipped/>", "skipped x1 n"),
            ("<disabled/>", "skipped x1 n"),
            ("<skipped type='pytest.xfail' message='m'/>", "xfailed x1 n"),
            (
                "<skipped message='xfail-marked test passes unexpectedly'/>",
                "xpassed x1 n",
            ),
            ("<failure/><skipped/>", "failed x1 n"),
            ("<failure/><error/>", "error x1 n"),
            ("<error type='lost' message='lost: x'/>", "lost x1 n"),
            ("<flakyFailure message='m'/><flakyError/>", "flaky x3 n"),
            ("<failure/><rerunFailure/>", "failed x2 n"),
            ("<system-out>&lt;failure/></system-out>", "passed x1 n"),
        ] {
            assert_eq!(outcome(content), expected, "{content}");
        }
        assert_eq!(
            outcomes("<testcase name='n' status='disabled'/>"),
            ["skipped x1 n"]
        );
        assert_eq!(
            outcomes("<testsuite name='s'><error message='m'/></testsuite>"),
            ["error x1 s"]
        );
    }

    #[test]
    fn a_repeated_test_is_a_rerun_only_where_one_is_known() {
        let suite = |name: &str, contents: [&str; 2]| {
            let cases = contents.map(|content| format!("<testcase name='n'>{content}</testcase>"));
            read(format!("<testsuite name='{name}'>{}</testsuite>", cases.concat()).as_bytes())
        };
        let outcome = |name: &str, contents| {
            let JunitRead {
                cases, warnings, ..
            } = suite(name, contents);
            assert_eq!(cases.len(), 1);
            (cases.get(0).outcome(), warnings.len())
        };
        let failure = "<failure message='m'/>";
        assert_eq!(outcome("pytest", ["", ""]), (Outcome::Flaky, 0));
        assert_eq!(outcome("jest", ["", ""]), (Outcome::Passed, 1));
        for program in ["pytest", "jest"] {
            assert_eq!(outcome(program, [failure, ""]).0, Outcome::Flaky);
            assert_eq!(outcome(program, ["", failure]).0, Outcome::Failed);
            assert_eq!(outcome(program, [failure, failure]).0, Outcome::Failed);
            assert_eq!(outcome(program, [failure, "<skipped/>"]).0, Outcome::Failed);
        }
        let mut cases = suite("jest", [failure, ""]).cases;
        let case = cases.told_mut(0);
        assert_eq!(
            (case.attempts, case.problems[0].kind),
            (2, ProblemKind::Rerun)
        );
    }

    #[test]
    fn tests_of_one_name_in_two_files_are_two() {
        let report = "<testsuite><testcase name='n' file='a.js'/><testcase name='n' file='b.js'/></testsuite>";
        let JunitRead {
            cases, warnings, ..
        } = read(report.as_bytes());
        assert_eq!(cases.len(), 2);
        insta::assert_snapshot!(warnings.join("\n"), @"the test `n` is there in several files: they are counted as different tests");
    }

    #[test]
    fn tests_of_one_name_on_two_hosts_are_two_and_a_host_is_that_of_its_suite() {
        let suite = |host: &str| format!("<testsuite {host}><testcase name='n'/></testsuite>");
        let [one, two, none] = ["hostname='a'", "hostname='b'", ""].map(suite);
        let ids = |report: String| {
            let cases = read(format!("<testsuites>{report}</testsuites>").as_bytes()).cases;
            cases
                .into_whole()
                .map(|case| case.id.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(format!("{one}{two}{one}")), ["n [a]", "n [b]"]);
        assert_eq!(ids(format!("{one}{none}")), ["n"]);
    }

    #[test]
    fn a_failure_tells_what_it_can() {
        let case = &whole(
            "<testcase name='n' time='1,234.5'>\
             <failure type='java.lang.X'>\n  <stackTrace>line one\nline two</stackTrace>\n <system-out>out</system-out></failure>\
             <failure type='Only.Type'/><failure message='first&#10;second'/>\
             <system-err>err</system-err></testcase>",
        )[0];
        let told: Vec<(&str, &str)> = case
            .problems
            .iter()
            .map(|problem| (problem.message.as_str(), problem.text.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("line one", "line one\nline two"),
                ("Only.Type", ""),
                ("first", "first\nsecond")
            ]
        );
        assert_eq!((case.stdout.as_str(), case.stderr.as_str()), ("out", "err"));
        assert!((case.duration().as_secs_f64() - 1234.5).abs() < 1e-9);
    }

    #[test]
    fn takes_the_id_from_a_property_if_there_is_one() {
        let case = &whole(
            "<testcase classname='a' name='t'><properties><property name='nodeid'>a.py::t</property>\
             <property name='shard' value='3/6'/><property name='outcome' value='failed'/></properties></testcase>",
        )[0];
        assert_eq!(
            (case.id.as_str(), case.file.as_deref()),
            ("a.py::t", Some("a.py"))
        );
        assert_eq!(
            (case.shard, case.outcome),
            ("3/6".parse().ok(), Outcome::Passed)
        );
    }

    #[test]
    fn numbers_that_lie_are_said_and_change_nothing() {
        let report = "<testsuites tests='7'><testsuite name='s' tests='100' failures='0' errors='x'>\
                      <testcase name='n'><failure/></testcase></testsuite></testsuites>";
        let JunitRead {
            cases, warnings, ..
        } = read(report.as_bytes());
        assert_eq!((cases.len(), cases.get(0).outcome()), (1, Outcome::Failed));
        insta::assert_snapshot!(warnings.join("\n"), @r#"
        the suite `s` says tests="100", but holds 1
        the suite `s` says failures="0", but holds 1
        the suite `s` says errors="x", but holds 0
        the suite `` says tests="7", but holds 1
        "#);
        let many = "<testsuite tests='9'/>".repeat(1000);
        assert_eq!(
            read(format!("<testsuites>{many}</testsuites>").as_bytes())
                .warnings
                .len(),
            MAX_WARNINGS + 1
        );
    }

    #[test]
    fn says_what_else_a_file_is() {
        let end = |report: &str| read(report.as_bytes()).end.to_string();
        insta::assert_snapshot!(end("<coverage version='7'/>"), @"it cannot be read at byte 23, in <coverage>: its root element is <coverage>, so it is a coverage report: give it as coverage, not as tests");
        insta::assert_snapshot!(end("<x/>"), @"it cannot be read at byte 4, in <x>: its root element is <x>, so it is not a JUnit report");
        insta::assert_snapshot!(end(""), @"it cannot be read at byte 0: there is no XML element in it");
        insta::assert_snapshot!(end("{}"), @"it cannot be read at byte 2: there is no XML element in it");
        insta::assert_snapshot!(end("<!DOCTYPE x><testsuite/>"), @"it cannot be read at byte 12: it has a document type (<!DOCTYPE …>), which no report needs and which is refused as it can hide anything");
        insta::assert_snapshot!(end("<testsuite><testcase name='a'/></testsuites>"), @"it cannot be read at byte 44, in <testsuite>: ill-formed document: expected `</testsuite>`, but `</testsuites>` was found");
    }
}
