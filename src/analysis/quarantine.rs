//! The list of quarantined tests: a TOML file of the repository.
//!
//! ```toml
//! [[test]]
//! id = "tests/test_net.py::test_fetch*"   # `*` stands for anything
//! reason = "the test server drops connections"
//! owner = "@network"
//! expires = 2026-12-31                    # the last day
//! ```

use jiff::civil::Date;
use serde::Deserialize;

use crate::model::quarantine::Quarantined;
use crate::model::report::Report;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Quarantine {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    id: String,
    reason: String,
    owner: String,
    expires: Date,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    test: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    id: String,
    reason: String,
    owner: String,
    expires: toml::Value,
}

/// What the list means for one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Found {
    /// Failed tests that do not count, in the order of the report.
    pub(crate) tests: Vec<Quarantined>,
    /// Entries to mend or to remove.
    pub(crate) warnings: Vec<String>,
}

impl Quarantine {
    /// # Errors
    /// The place and what is wrong there.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let document: Document = toml::from_str(text).map_err(|error| {
            let message = error.message();
            let before = error.span().map_or(0, |span| span.start.min(text.len()));
            let before = text.get(..before).unwrap_or_default();
            let line = 1 + before.matches('\n').count();
            format!("line {line}: {message}")
        })?;
        let entry = |test: Test| {
            let Test {
                id,
                reason,
                owner,
                expires,
            } = test;
            let written = match &expires {
                toml::Value::String(text) => text.clone(),
                toml::Value::Datetime(day) => day.to_string(),
                _ => String::new(),
            };
            let expires = written.trim().parse().map_err(|_| {
                format!("`{id}`: expires is `{written}`, no day such as 2026-12-31")
            })?;
            for (name, value) in [("id", &id), ("reason", &reason), ("owner", &owner)] {
                if value.trim().is_empty() {
                    return Err(format!("`{id}`: {name} is empty"));
                }
            }
            if id.trim_matches(['*', ':']).is_empty() {
                return Err(format!(
                    "`{id}` is every test: name the ones that are flaky"
                ));
            }
            Ok(Entry {
                id,
                reason,
                owner,
                expires,
            })
        };
        let entries: Result<Vec<Entry>, String> = document.test.into_iter().map(entry).collect();
        Ok(Self { entries: entries? })
    }

    /// Which failed tests do not count on this day. An entry whose time is up mutes nothing and is told
    /// of; so is one that no test of the run has, if `whole` says that the run is the whole suite.
    pub(crate) fn find(&self, report: &Report, today: Date, whole: bool) -> Found {
        let mut found = Found::default();
        for entry in &self.entries {
            if entry.expires < today {
                found.warnings.push(format!(
                    "the quarantine of {} ended on {}, so it counts again: {} was to mend it ({})",
                    entry.id, entry.expires, entry.owner, entry.reason
                ));
            } else if whole && !report.cases.iter().any(|case| entry.covers(&case.id())) {
                found.warnings.push(format!(
                    "the quarantine names {}, and there is no such test: remove it",
                    entry.id
                ));
            }
        }
        let open: Vec<&Entry> = self
            .entries
            .iter()
            .filter(|entry| entry.expires >= today)
            .collect();
        for case in report.cases.told().filter(|case| case.outcome.is_failure()) {
            if let Some(entry) = open.iter().find(|entry| entry.covers(case.id.as_str())) {
                found.tests.push(Quarantined {
                    id: case.id.clone(),
                    reason: entry.reason.clone(),
                    owner: entry.owner.clone(),
                    expires: entry.expires.to_string(),
                });
            }
        }
        found
    }
}

impl Entry {
    /// The id itself, or that of a function, class or file with all that is in it.
    fn covers(&self, id: &str) -> bool {
        if self.id.contains('*') {
            return fits(&self.id, id);
        }
        let rest = id.strip_prefix(self.id.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || rest.starts_with('['))
    }
}

/// `*` stands for anything; brackets are those of parameters.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::case::{Outcome, TestCase};
    use crate::model::node_id::NodeId;

    fn report(tests: &[(&str, Outcome)]) -> Report {
        let case = |(id, outcome): &(&str, Outcome)| TestCase {
            outcome: *outcome,
            ..TestCase::new(NodeId::new(*id))
        };
        Report {
            suite: "s".to_owned(),
            cases: tests.iter().map(case).collect(),
            shards: Vec::new(),
            environments: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn entry(id: &str, expires: &str) -> String {
        format!(
            "[[test]]\nid = \"{id}\"\nreason = \"slow\"\nowner = \"@us\"\nexpires = {expires}\n"
        )
    }

    fn day(text: &str) -> Date {
        text.parse().expect("a day")
    }

    #[test]
    fn a_failure_of_a_known_flaky_test_does_not_count_until_its_last_day() {
        let text = entry("a.py::test_x", "2026-12-31") + &entry("b.py*net*", "\"2026-01-31\"");
        let list = Quarantine::parse(&text).expect("a list");
        let run = report(&[
            ("a.py::test_x[1]", Outcome::Failed),
            ("a.py::test_x[2]", Outcome::Passed),
            ("a.py::test_xy", Outcome::Failed),
            ("a.py::test_x", Outcome::Lost),
            ("b.py::T::test_net[a*b]", Outcome::Error),
        ]);
        let ids = |today: &str| {
            let found = list.find(&run, day(today), true);
            let ids: Vec<String> = found.tests.iter().map(|it| it.id.to_string()).collect();
            (ids.join(" "), found.warnings)
        };
        assert_eq!(
            ids("2026-01-31"),
            (
                "a.py::test_x[1] b.py::T::test_net[a*b]".to_owned(),
                Vec::new()
            )
        );
        let (muted, warnings) = ids("2026-02-01");
        assert_eq!(muted, "a.py::test_x[1]");
        insta::assert_snapshot!(warnings.join("\n"), @"the quarantine of b.py*net* ended on 2026-01-31, so it counts again: @us was to mend it (slow)");
        assert_eq!(ids("2027-01-01").0, "");
    }

    #[test]
    fn an_entry_without_a_test_is_told_of_a_whole_run_only() {
        let list = Quarantine::parse(&entry("gone.py", "2026-12-31")).expect("a list");
        let run = report(&[("a.py::test_x", Outcome::Passed)]);
        assert_eq!(list.find(&run, day("2026-01-01"), false).warnings.len(), 0);
        assert_eq!(list.find(&run, day("2026-01-01"), true).warnings.len(), 1);
    }

    #[test]
    fn what_a_list_must_not_say_is_refused_with_its_place() {
        let refused = |text: &str| Quarantine::parse(text).expect_err("refused");
        insta::assert_snapshot!(refused(&entry("*::*", "2026-12-31")), @"`*::*` is every test: name the ones that are flaky");
        insta::assert_snapshot!(refused(&entry("a", "\"soon\"")), @"`a`: expires is `soon`, no day such as 2026-12-31");
        insta::assert_snapshot!(refused("\n[[test]]\nid = \"a\"\nreason = \"b\"\n"), @"line 2: missing field `owner`");
        assert!(refused("[[tests]]\n").contains("unknown field"));
        assert_eq!(Quarantine::parse(""), Ok(Quarantine::default()));
    }

    #[test]
    fn a_pattern_is_of_the_whole_id() {
        for (pattern, text, is) in [
            ("a*", "ba", false),
            ("*a", "ab", false),
            ("a*a", "a", false),
            ("a*b*a", "aba", true),
            ("*[a*b]", "x[a*b]", true),
            ("a**b", "ab", true),
        ] {
            assert_eq!(fits(pattern, text), is, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_fits_what_it_was_made_from(parts in proptest::collection::vec("[a-c:]{0,3}", 1..5), fill in "[a-c*]{0,4}") {
            prop_assert!(fits(&parts.join("*"), &parts.join(&fill)));
        }
    }
}
