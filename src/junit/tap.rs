//! TAP, versions 12 to 14 (<https://testanything.org/tap-version-14-specification.html>).
//!
//! Of a test with subtests the subtests count. What TAP says does not name a test: descriptions may
//! repeat, and then get a number.

use std::collections::HashMap;
use std::io::Read;

use super::collect::Collected;
use super::decode::Decoded;
use super::dialect::{Program, RawCase, XFAIL};
use super::found::ReadEnd;
use super::visible::visible;
use super::xml::{MAX_DEPTH, MAX_TOKEN};

/// Of one level of subtests, in blanks.
const INDENT: usize = 4;

pub(super) fn read(mut input: Decoded<impl Read>, collected: &mut Collected) -> ReadEnd {
    let mut reader = TapReader::default();
    let mut at = 0;
    for number in 1_u64.. {
        let broken = |message: String| ReadEnd::Broken {
            element: format!("line {number}"),
            at,
            message,
        };
        let end = match input.line(MAX_TOKEN) {
            Ok(Some(line)) => {
                let end = reader.line(&line).err().map(broken);
                at += line.len() as u64 + 1;
                end
            }
            Ok(None) => Some(reader.end(at)),
            Err(error) => Some(broken(error.to_string())),
        };
        if let Some(end) = end {
            reader.hand_over(collected);
            return end;
        }
    }
    ReadEnd::Complete
}

#[derive(Default)]
struct TapReader {
    /// The test points of each level that is open, the outermost first.
    levels: Vec<Level>,
    /// The YAML block behind a test point, as far as it is read, and its indentation.
    block: Option<(usize, String)>,
}

#[derive(Default)]
struct Level {
    points: Vec<Point>,
    /// Test points of this level itself, without those of levels in it.
    number: usize,
    plan: Option<usize>,
}

/// A test point, with the descriptions of those around it.
struct Point {
    class: Vec<String>,
    name: String,
    passed: bool,
    directive: Option<(Directive, String)>,
    details: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Directive {
    Skip,
    Todo,
}

impl TapReader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let text = line.trim_start_matches(' ');
        let indent = line.len() - text.len();
        if let Some((start, block)) = &mut self.block {
            if indent >= *start && text.trim_end() == "..." {
                self.end_block();
            } else if block.len() + line.len() > MAX_TOKEN {
                return Err("a block of more than 16 MiB".to_owned());
            } else {
                block.push_str(line.get(*start..).unwrap_or(text));
                block.push('\n');
            }
            return Ok(());
        }
        let depth = indent / INDENT;
        if text.trim_end() == "---" && self.has_point() {
            self.block = Some((indent, String::new()));
        } else if let Some(point) = point(text) {
            self.add(depth, point)?;
        } else if let Some(plan) = plan(text) {
            if depth < MAX_DEPTH {
                self.level(depth).plan = Some(plan);
            }
        } else if let Some(reason) = text.strip_prefix("Bail out!") {
            return Err(format!("the tests gave up: {}", visible(reason.trim())));
        }
        Ok(())
    }

    fn has_point(&self) -> bool {
        let last = self.levels.iter().rev().find(|level| level.number > 0);
        last.is_some()
    }

    fn level(&mut self, depth: usize) -> &mut Level {
        if self.levels.len() <= depth {
            self.levels.resize_with(depth + 1, Level::default);
        }
        &mut self.levels[depth]
    }

    fn add(&mut self, depth: usize, mut point: Point) -> Result<(), String> {
        if depth >= MAX_DEPTH {
            return Err(format!(
                "its subtests are nested more than {MAX_DEPTH} deep"
            ));
        }
        // What was open deeper are subtests of this one.
        let mut inner = Vec::new();
        while self.levels.len() > depth + 1 {
            let level = self.levels.pop().unwrap_or_default();
            inner.splice(0..0, level.points);
        }
        let level = self.level(depth);
        level.number += 1;
        if point.name.is_empty() {
            point.name = format!("test {}", level.number);
        }
        let told = inner.iter().any(|inner| !inner.passed) || point.passed;
        for inner in &mut inner {
            inner.class.insert(0, point.name.clone());
        }
        // Its own result says nothing new, unless it failed and they did not.
        if inner.is_empty() || !told {
            inner.push(point);
        }
        level.points.append(&mut inner);
        Ok(())
    }

    fn end_block(&mut self) {
        let block = self.block.take().map(|(_, block)| block);
        let point = self
            .levels
            .iter_mut()
            .rev()
            .find_map(|level| level.points.last_mut());
        if let (Some(block), Some(point)) = (block, point)
            // That of a test with subtests only sums them up.
            && (point.details.is_empty())
        {
            point.details = block;
        }
    }

    /// Whether all came that was planned.
    fn end(&mut self, at: u64) -> ReadEnd {
        if self.block.is_some() {
            self.end_block();
            return ReadEnd::Truncated { at };
        }
        let whole = |level: &Level| level.plan.is_some_and(|plan| level.number >= plan);
        match self.levels.as_slice() {
            [only] if whole(only) => ReadEnd::Complete,
            _ => ReadEnd::Truncated { at },
        }
    }

    fn hand_over(self, collected: &mut Collected) {
        let mut known: HashMap<(String, String), usize> = HashMap::new();
        for point in self.levels.into_iter().flat_map(|level| level.points) {
            let class = point.class.join(" > ");
            let times = known
                .entry((class.clone(), point.name.clone()))
                .or_default();
            *times += 1;
            let name = match times {
                1 => point.name.clone(),
                times => format!("{} ({times})", point.name),
            };
            collected.add(&mut point.case(&class, &name), Program::Unknown);
        }
    }
}

impl Point {
    fn case(&self, class: &str, name: &str) -> RawCase {
        let milliseconds: Option<f64> = self
            .detail("duration_ms")
            .and_then(|text| text.parse().ok());
        let seconds = milliseconds.map(|number| (number / 1000.0).to_string());
        let mut case = RawCase::made(class, name, &seconds.unwrap_or_default());
        let reason = |reason: &str| visible(reason).into_owned();
        match (&self.directive, self.passed) {
            (Some((Directive::Skip, why)), _) => case.mark("skipped", &reason(why), ""),
            (Some((Directive::Todo, why)), false) => {
                case.mark("skipped", &reason(why), "");
                case.mark_type(XFAIL);
            }
            (_, true) => {}
            (None, false) => {
                let message = self.detail("error").or_else(|| self.detail("message"));
                case.mark(
                    "failure",
                    &reason(message.unwrap_or_default()),
                    &visible(&self.details),
                );
            }
        }
        case
    }

    /// A value of the YAML block that stands in one line.
    fn detail(&self, key: &str) -> Option<&str> {
        let line = self
            .details
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        let value = line.trim().trim_matches(['\'', '"']);
        (!value.is_empty() && !value.starts_with(['|', '>'])).then_some(value)
    }
}

/// `ok 1 - name # SKIP reason`
fn point(text: &str) -> Option<Point> {
    let (passed, rest) = match text.strip_prefix("not ok") {
        Some(rest) => (false, rest),
        None => (true, text.strip_prefix("ok")?),
    };
    if !rest.is_empty() && !rest.starts_with([' ', '\t']) {
        return None;
    }
    let rest = rest
        .trim_start()
        .trim_start_matches(|digit: char| digit.is_ascii_digit());
    let rest = rest.trim_start();
    let rest = rest.strip_prefix("- ").unwrap_or(rest);
    let (name, directive) = directive(rest);
    let name = name
        .trim()
        .trim_end_matches('{')
        .trim_end()
        .replace("\\#", "#");
    Some(Point {
        class: Vec::new(),
        name: visible(&name).into_owned(),
        passed,
        directive,
        details: String::new(),
    })
}

/// What stands before and behind `# SKIP` or `# TODO`.
fn directive(text: &str) -> (&str, Option<(Directive, String)>) {
    for (at, _) in text.match_indices('#') {
        if text[..at].ends_with('\\') {
            continue;
        }
        let rest = text[at + 1..].trim_start();
        for (word, directive) in [("SKIP", Directive::Skip), ("TODO", Directive::Todo)] {
            if rest
                .get(..4)
                .is_some_and(|start| start.eq_ignore_ascii_case(word))
            {
                let reason = rest[4..].trim_start_matches(|c: char| c.is_alphabetic() || c == ':');
                return (&text[..at], Some((directive, reason.trim().to_owned())));
            }
        }
    }
    (text, None)
}

/// `1..4`
fn plan(text: &str) -> Option<usize> {
    let number = text.strip_prefix("1..")?;
    number
        .split([' ', '\t', '#'])
        .next()?
        .trim_end()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::super::found::{JunitRead, ReadEnd};
    use super::super::read::read;

    fn names(report: &str) -> (Vec<String>, ReadEnd) {
        let JunitRead { cases, end, .. } = read(report.as_bytes());
        let line =
            |case: crate::model::case::TestCase| format!("{} {}", case.outcome.name(), case.id);
        (cases.into_whole().map(line).collect(), end)
    }

    #[test]
    fn what_was_planned_and_never_came_is_missing() {
        let (cases, end) = names("TAP version 13\n1..3\nok 1\nnot ok 2 - b\n");
        assert_eq!(cases, ["passed test 1", "failed b"]);
        assert!(matches!(end, ReadEnd::Truncated { at: 38 }), "{end:?}");
        assert!(matches!(
            names("ok 1 - no plan\n").1,
            ReadEnd::Truncated { .. }
        ));
        assert_eq!(names("1..0 # SKIP nothing\n"), (vec![], ReadEnd::Complete));
        let (cases, end) = names("ok 1 - a\nBail out! no database\n");
        assert_eq!(cases, ["passed a"]);
        insta::assert_snapshot!(end, @"it cannot be read at byte 9, in <line 2>: the tests gave up: no database");
    }

    #[test]
    fn a_test_that_fails_behind_its_subtests_is_told() {
        let (cases, end) = names("1..1\n    ok 1 - a\n    1..1\nnot ok 1 - outer\n");
        assert_eq!(cases, ["passed outer::a", "failed outer"]);
        assert_eq!(end, ReadEnd::Complete);
    }
}
