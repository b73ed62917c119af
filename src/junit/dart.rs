//! The JSON events of `dart test` and `flutter test`
//! (<https://github.com/dart-lang/test/blob/master/pkgs/test/doc/json_reporter.md>).

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use serde::Deserialize;

use super::collect::Collected;
use super::decode::Decoded;
use super::dialect::{LOST, Program, RawCase};
use super::found::ReadEnd;
use super::visible::visible;
use super::xml::MAX_TOKEN;

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Event {
    Suite {
        suite: Suite,
    },
    TestStart {
        test: Test,
        time: f64,
    },
    #[serde(rename_all = "camelCase")]
    TestDone {
        #[serde(rename = "testID")]
        test: u64,
        result: String,
        #[serde(default)]
        skipped: bool,
        #[serde(default)]
        hidden: bool,
        time: f64,
    },
    #[serde(rename_all = "camelCase")]
    Error {
        #[serde(rename = "testID")]
        test: u64,
        error: String,
        #[serde(default)]
        stack_trace: String,
        #[serde(default)]
        is_failure: bool,
    },
    #[serde(rename_all = "camelCase")]
    Print {
        #[serde(rename = "testID")]
        test: u64,
        message: String,
        #[serde(default)]
        message_type: String,
    },
    Done,
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Suite {
    id: u64,
    #[serde(default)]
    path: Option<String>,
}

#[derive(Deserialize)]
struct Test {
    id: u64,
    name: String,
    #[serde(rename = "suiteID")]
    suite: u64,
}

/// A test that has begun.
struct Running {
    case: RawCase,
    /// In milliseconds.
    started: f64,
    reason: String,
}

pub(super) fn read(mut input: Decoded<impl Read>, collected: &mut Collected) -> ReadEnd {
    let mut reader = DartReader::default();
    let mut at = 0;
    let mut number = 0_u64;
    let end = loop {
        number += 1;
        let broken = |message: String| ReadEnd::Broken {
            element: format!("line {number}"),
            at,
            message,
        };
        let line = match input.line(MAX_TOKEN) {
            Ok(Some(line)) => line,
            Ok(None) => break ReadEnd::Truncated { at },
            Err(error) => break broken(error.to_string()),
        };
        // Between the events stands what programs print themselves.
        if line.trim_start().starts_with('{') {
            match serde_json::from_str(&line) {
                Ok(Event::Done) => break ReadEnd::Complete,
                Ok(event) => reader.event(event, collected),
                Err(error) if error.is_eof() => {}
                Err(error) => break broken(error.to_string()),
            }
        }
        at += line.len() as u64 + 1;
    };
    for (_, mut running) in reader.running {
        running.case.mark("error", "it began and never ended", "");
        running.case.mark_type(LOST);
        collected.add(&mut running.case, Program::Unknown);
    }
    end
}

#[derive(Default)]
struct DartReader {
    suites: HashMap<u64, String>,
    running: BTreeMap<u64, Running>,
}

impl DartReader {
    fn event(&mut self, event: Event, collected: &mut Collected) {
        match event {
            Event::Suite { suite } => {
                self.suites.insert(suite.id, suite.path.unwrap_or_default());
            }
            Event::TestStart { test, time } => {
                let class = self.suites.get(&test.suite).map_or("", String::as_str);
                let case = RawCase::made(&visible(class), &visible(&test.name), "");
                let running = Running {
                    case,
                    started: time,
                    reason: String::new(),
                };
                self.running.insert(test.id, running);
            }
            Event::Error {
                test,
                error,
                stack_trace,
                is_failure,
            } => {
                if let Some(running) = self.running.get_mut(&test) {
                    let mark = if is_failure { "failure" } else { "error" };
                    running
                        .case
                        .mark(mark, &visible(&error), &visible(&stack_trace));
                }
            }
            Event::Print {
                test,
                message,
                message_type,
            } => {
                if let Some(running) = self.running.get_mut(&test) {
                    if message_type == "skip" {
                        let reason = message.strip_prefix("Skip: ").unwrap_or(&message);
                        running.reason = visible(reason).into_owned();
                    } else {
                        running.case.stdout.push_str(&visible(&message));
                        running.case.stdout.push('\n');
                    }
                }
            }
            Event::TestDone {
                test,
                result,
                skipped,
                hidden,
                time,
            } => {
                let Some(mut running) = self.running.remove(&test) else {
                    return;
                };
                let passed = result == "success";
                if skipped {
                    running.case.mark("skipped", &running.reason, "");
                } else if !passed && running.case.marks.is_empty() {
                    running.case.mark("failure", &visible(&result), "");
                }
                let seconds = ((time - running.started) / 1000.0).to_string();
                running.case.set_time(&seconds);
                // Hidden is the loading of a file, which is told of if it fails.
                if !hidden || !passed {
                    collected.add(&mut running.case, Program::Unknown);
                }
            }
            Event::Done | Event::Other => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::found::{JunitRead, ReadEnd};
    use super::super::read::read;
    use crate::model::case::Outcome;

    #[test]
    fn a_run_that_was_stopped_keeps_what_ended_and_names_what_did_not() {
        let whole = include_str!("../../tests/fixtures/junit/producers/dart.json");
        let cut = whole.find("{\"testID\":6,\"result\"").expect("an event") + 12;
        let JunitRead { cases, end, .. } = read(&whole.as_bytes()[..cut]);
        assert!(matches!(end, ReadEnd::Truncated { .. }), "{end:?}");
        let outcomes: Vec<Outcome> = cases.briefs().map(|case| case.outcome).collect();
        assert_eq!(
            outcomes,
            [
                Outcome::Passed,
                Outcome::Failed,
                Outcome::Skipped,
                Outcome::Lost
            ]
        );
    }

    #[test]
    fn says_where_an_event_is_none() {
        let report = "{\"protocolVersion\":\"0.1.1\",\"type\":\"start\"}\n{\"type\":\"testStart\",\"test\":1}\n";
        insta::assert_snapshot!(read(report.as_bytes()).end, @"it cannot be read at byte 43, in <line 2>: invalid type: integer `1`, expected struct Test");
    }
}
