//! The JSON report of Mocha (<https://mochajs.org/#json>).

use std::collections::HashSet;
use std::fmt;
use std::io::{BufReader, Read};

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::collect::Collected;
use super::decode::Decoded;
use super::dialect::{Program, RawCase};
use super::found::ReadEnd;
use super::visible::visible;

/// Of the whole report, in bytes.
const MAX_BYTES: usize = 256 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    title: String,
    full_title: String,
    #[serde(default)]
    file: Option<String>,
    /// In milliseconds; a test that did not run has none.
    duration: Option<f64>,
    #[serde(default)]
    current_retry: u32,
    #[serde(default)]
    err: Problem,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Problem {
    message: Option<String>,
    stack: Option<String>,
}

#[derive(Deserialize)]
struct Stats {
    tests: usize,
}

pub(super) fn read(mut input: Decoded<impl Read>, collected: &mut Collected) -> ReadEnd {
    input.allow(MAX_BYTES);
    let mut at = 0;
    let input = Counted {
        input: BufReader::with_capacity(1, input),
        at: &mut at,
    };
    let mut report = Report {
        known: HashSet::new(),
        told: None,
        collected,
        place: String::new(),
    };
    let mut json = serde_json::Deserializer::from_reader(input);
    let end = report.deserialize_in(&mut json);
    let (known, told, place) = (report.known.len(), report.told, report.place);
    match end {
        Ok(()) => {
            if told.is_some_and(|told| told > known) {
                let told = told.unwrap_or_default();
                collected.warn(|| format!("it says tests={told}, but holds {known}"));
            }
            ReadEnd::Complete
        }
        Err(error) if error.is_eof() => ReadEnd::Truncated { at },
        Err(error) => ReadEnd::Broken {
            element: place,
            at,
            message: visible(&error.to_string()).into_owned(),
        },
    }
}

struct Counted<'a, R> {
    input: R,
    at: &'a mut u64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.input.read(buffer)?;
        *self.at += read as u64;
        Ok(read)
    }
}

/// Takes tests as they come, so that those before a mistake are not lost by it.
struct Report<'a> {
    known: HashSet<(String, String)>,
    told: Option<usize>,
    collected: &'a mut Collected,
    /// Where reading is.
    place: String,
}

impl Report<'_> {
    fn deserialize_in<'de>(
        &mut self,
        json: impl Deserializer<'de, Error = serde_json::Error>,
    ) -> serde_json::Result<()> {
        json.deserialize_map(self)
    }

    fn add(&mut self, test: Test, only_new: bool) {
        let key = (
            test.file.clone().unwrap_or_default(),
            test.full_title.clone(),
        );
        if !self.known.insert(key) && only_new {
            return;
        }
        let (full, title) = (visible(&test.full_title), visible(&test.title));
        let class = full.strip_suffix(title.as_ref()).unwrap_or_default().trim();
        let seconds = test.duration.unwrap_or_default() / 1000.0;
        let mut case = RawCase::made(class, &title, &seconds.to_string());
        let Problem { message, stack } = test.err;
        if message.is_some() || stack.is_some() {
            // Only a hook is told of nowhere else.
            let mark = if only_new { "error" } else { "failure" };
            let (message, stack) = (message.unwrap_or_default(), stack.unwrap_or_default());
            case.mark(mark, &visible(&message), &visible(&stack));
        } else if test.duration.is_none() {
            case.mark("skipped", "", "");
        } else {
            for _ in 0..test.current_retry.min(100) {
                case.mark("flakyFailure", "", "");
            }
        }
        self.collected.add(&mut case, Program::Unknown);
    }
}

impl<'de> Visitor<'de> for &mut Report<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a report of Mocha")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            self.place.clear();
            self.place.push_str(&visible(&key));
            match key.as_str() {
                "stats" => self.told = Some(map.next_value::<Stats>()?.tests),
                "tests" | "failures" => map.next_value_seed(Tests {
                    only_new: key == "failures",
                    report: self,
                })?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct Tests<'a, 'b> {
    report: &'a mut Report<'b>,
    only_new: bool,
}

impl<'de> DeserializeSeed<'de> for Tests<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Tests<'_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of tests")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let key = self.report.place.clone();
        for index in 0_usize.. {
            self.report.place = format!("{key}/{index}");
            match list.next_element()? {
                Some(test) => self.report.add(test, self.only_new),
                None => break,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::found::{JunitRead, ReadEnd};
    use super::super::read::read;

    #[test]
    fn a_cut_report_keeps_every_complete_test() {
        let whole = include_str!("../../tests/fixtures/junit/producers/mocha.json");
        let cut = whole.find("\"Cart ships\"").expect("a test");
        let JunitRead { cases, end, .. } = read(&whole.as_bytes()[..cut]);
        let names: Vec<_> = cases.briefs().map(|case| case.name).collect();
        assert_eq!(names, ["adds", "pays"]);
        assert!(
            matches!(end, ReadEnd::Truncated { at } if at == cut as u64),
            "{end:?}"
        );
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let report = "{\"stats\": {\"tests\": 1}, \"tests\": [{\"title\": 1}]}";
        insta::assert_snapshot!(read(report.as_bytes()).end, @"it cannot be read at byte 48, in <tests/0>: invalid type: integer `1`, expected a string at line 1 column 46");
        let deep = format!(
            "{{\"stats\": {{\"tests\": 1}}, \"x\": {}",
            "[".repeat(1 << 20)
        );
        insta::assert_snapshot!(read(deep.as_bytes()).end, @"it is cut off after 1048605 bytes: tests after that are missing");
    }
}
