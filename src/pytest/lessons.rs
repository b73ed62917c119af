//! What the event log of one shard teaches about costs.
//!
//! Times are taken from the clock of the log and not from pytest's phases, so that what pytest and
//! its plugins do between the phases counts too.

use std::collections::{BTreeMap, HashMap};

use super::events::Event;

/// Seconds everywhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Lessons {
    /// From start to finish, without the shared fixtures that were set up meanwhile; by node id.
    pub(crate) tests: HashMap<String, f64>,
    /// What ties a test to others; by node id, only tests that have something.
    pub(crate) groups: BTreeMap<String, Vec<String>>,
    pub(crate) fixtures: Vec<Fixture>,
    /// Import and collection of each file but the first: that one pays for the libraries of all.
    pub(crate) imports: BTreeMap<String, f64>,
    /// What is neither import nor test: before the first test and after the last.
    pub(crate) start_up: f64,
    /// From the first start to the last finish.
    pub(crate) elapsed: f64,
    /// All tests one after another, their fixtures included; more than `elapsed` where several ran
    /// at once.
    pub(crate) busy: f64,
}

/// The setup of a fixture that several tests share.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fixture {
    /// `class`, `module`, `package` or `session`.
    pub(crate) scope: String,
    pub(crate) node: String,
    pub(crate) seconds: f64,
    /// The test in whose setup it happened.
    pub(crate) test: String,
}

/// Hears the events one by one.
#[derive(Default)]
pub(super) struct Teacher {
    lessons: Lessons,
    running: HashMap<String, f64>,
    session: Session,
}

#[derive(Default)]
struct Session {
    began: Option<f64>,
    /// The first file pays for the libraries of all.
    has_imported: bool,
    imported: f64,
    /// What was imported after the first test had begun.
    imported_meanwhile: f64,
    first_start: Option<f64>,
    last_finish: Option<f64>,
}

impl Teacher {
    pub(super) fn hear(&mut self, event: &Event) {
        match event {
            Event::Session { at, .. } => {
                self.session = Session {
                    began: Some(*at),
                    ..Session::default()
                };
            }
            Event::Items { items, imports, .. } => {
                let tied = items.iter().filter(|item| !item.groups.is_empty());
                let tied = tied.map(|item| (item.id.clone(), item.groups.clone()));
                self.lessons.groups.extend(tied);
                self.imports(imports);
            }
            Event::Start { id, at, .. } => {
                self.session.first_start.get_or_insert(*at);
                self.running.insert(id.clone(), *at);
            }
            Event::Finish { id, at } => {
                self.session.last_finish = Some(*at);
                if let Some(began) = self.running.remove(id) {
                    let took = duration(at - began);
                    self.lessons.busy += took;
                    *self.lessons.tests.entry(id.clone()).or_default() += took;
                }
            }
            Event::Fixture {
                scope,
                node,
                seconds,
                test,
                ..
            } if !test.is_empty() => {
                let seconds = duration(*seconds);
                *self.lessons.tests.entry(test.clone()).or_default() -= seconds;
                self.lessons.fixtures.push(Fixture {
                    scope: scope.clone(),
                    node: node.clone(),
                    seconds,
                    test: test.clone(),
                });
            }
            Event::End { at, .. } => self.end(*at),
            _ => {}
        }
    }

    fn imports(&mut self, imports: &[(String, f64)]) {
        let Some((_, others)) = imports.split_first() else {
            return;
        };
        let is_first = !std::mem::replace(&mut self.session.has_imported, true);
        let others = if is_first { others } else { imports };
        let mut seconds: Vec<f64> = others.iter().map(|it| duration(it.1)).collect();
        for ((file, _), seconds) in others.iter().zip(&seconds) {
            self.lessons.imports.insert(file.clone(), *seconds);
        }
        let sum = seconds.iter().sum::<f64>();
        if self.session.first_start.is_some() {
            self.session.imported_meanwhile += sum;
        } else {
            self.session.imported += sum;
        }
        if is_first {
            seconds.sort_by(f64::total_cmp);
            self.session.imported += seconds.get(seconds.len() / 2).copied().unwrap_or(0.0);
        }
    }

    fn end(&mut self, at: f64) {
        let Session {
            began,
            has_imported: _,
            imported,
            imported_meanwhile,
            first_start,
            last_finish,
        } = std::mem::take(&mut self.session);
        let (Some(began), Some(first), Some(last)) = (began, first_start, last_finish) else {
            return;
        };
        self.lessons.start_up += duration(first - began - imported) + duration(at - last);
        self.lessons.elapsed += duration(last - first - imported_meanwhile);
    }

    pub(super) fn finish(mut self) -> Lessons {
        for seconds in self.lessons.tests.values_mut() {
            *seconds = duration(*seconds);
        }
        self.lessons
    }
}

/// A test can write any number into its own log: what lasts longer than a day is no time.
fn duration(seconds: f64) -> f64 {
    const DAY: f64 = 86_400.0;
    if (0.0..=DAY).contains(&seconds) {
        seconds
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pytest::events;

    fn lessons(log: &str) -> Lessons {
        let mut teacher = Teacher::default();
        events::read(log.as_bytes(), |event| teacher.hear(&event)).expect("readable");
        teacher.finish()
    }

    const LOG: &str = r#"{"e":"session","version":1,"shard":"1/1","digest":"d","at":10.0}
{"e":"items","at":14,"seconds":4,"items":[{"id":"a.py::x","file":"a.py"},{"id":"b.py::y","file":"b.py","groups":["g:db"]}],"imports":[["a.py",2.5],["b.py",0.25],["c.py",0.5]]}
{"e":"start","id":"a.py::x","at":15}
{"e":"fixture","scope":"session","name":"db","node":"","seconds":1.5,"test":"a.py::x"}
{"e":"finish","id":"a.py::x","at":17}
{"e":"start","id":"b.py::y","at":17}
{"e":"finish","id":"b.py::y","at":20}
{"e":"end","exit":0,"at":20.75}
"#;

    #[test]
    fn a_fixture_is_no_part_of_the_test_that_happens_to_set_it_up() {
        let lessons = lessons(LOG);
        assert_eq!(
            (lessons.tests["a.py::x"], lessons.tests["b.py::y"]),
            (0.5, 3.0)
        );
        let fixtures = lessons.fixtures.iter();
        assert_eq!(fixtures.map(|it| it.seconds).collect::<Vec<_>>(), [1.5]);
        assert_eq!((lessons.busy, lessons.elapsed), (5.0, 5.0));
        assert_eq!(lessons.groups["b.py::y"], ["g:db"]);
    }

    #[test]
    fn the_first_file_pays_for_the_libraries_of_all() {
        let lessons = lessons(LOG);
        let imports: Vec<_> = lessons.imports.into_iter().collect();
        assert_eq!(imports, [("b.py".into(), 0.25), ("c.py".into(), 0.5)]);
        // Five seconds to the first test, of which the first file may have as much as its like.
        assert!((lessons.start_up - (5.0 - 0.75 - 0.5 + 0.75)).abs() < 1e-9);
    }

    #[test]
    fn what_is_imported_between_tests_is_no_test() {
        let meanwhile = r#"{"e":"items","at":20,"seconds":2,"items":[],"imports":[["d.py",2]]}
{"e":"start","id":"d.py::z","at":22}
{"e":"finish","id":"d.py::z","at":23}
{"e":"end""#;
        let lessons = lessons(
            &LOG.replace(r#"{"e":"end""#, meanwhile)
                .replace("20.75", "23.75"),
        );
        assert_eq!((lessons.busy, lessons.elapsed), (6.0, 6.0));
        assert_eq!(lessons.imports.get("d.py"), Some(&2.0));
        assert!((lessons.start_up - (5.0 - 0.75 - 0.5 + 0.75)).abs() < 1e-9);
    }

    #[test]
    fn impossible_numbers_teach_nothing() {
        let log = LOG
            .replace("1.5,", "1e300,")
            .replace(r#""at":20}"#, r#""at":-1e300}"#);
        let lessons = lessons(&log);
        assert_eq!(
            (lessons.tests["a.py::x"], lessons.tests["b.py::y"]),
            (2.0, 0.0)
        );
        assert!(lessons.start_up.is_finite() && lessons.elapsed >= 0.0);
    }
}
