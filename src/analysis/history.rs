//! What a finished run adds to the history.
//!
//! Only what went its normal way teaches anything: tests that ran once and passed, in shards that
//! came to their end. Runners differ in speed, so each shard's times are first brought to the pace
//! of the run: by how much slower or faster than ever its known tests were, against the other shards.

use std::collections::{BTreeMap, BTreeSet};

use super::merge::{ShardResult, exit_status};
use crate::model::case::{Outcome, TestCase};
use crate::model::history::{End, Ends, Estimate, FileHistory, HISTORY_VERSION, History};
use crate::model::node_id::NodeId;
use crate::model::renames::{self, function_of};
use crate::pytest::lessons::{Fixture, Lessons};

/// A test that so many runs did not have is forgotten; so is a file, after more.
const FORGET_TEST_AFTER: u32 = 10;
const FORGET_FILE_AFTER: u32 = 50;

/// So many known tests, in a tenth of a second or more each or all together, tell a runner's speed.
const MIN_COMPARED: usize = 8;
const MIN_COMPARED_SECONDS: f64 = 0.5;

/// No runner is so much faster or slower: other reasons are.
const MAX_SPEED: f64 = 4.0;

/// Shorter tests do not tell how much runs at once.
const MIN_BUSY_SECONDS: f64 = 1.0;

/// What a history is told of a run as a whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run<'a> {
    pub(crate) suite: &'a str,
    /// How many shards the plan has.
    pub(crate) total: usize,
    /// The commit, where it is known.
    pub(crate) commit: Option<&'a str>,
}

/// Folds a run into the history.
pub(crate) fn fold(mut history: History, run: Run<'_>, results: &[ShardResult]) -> History {
    let Run {
        suite,
        total,
        commit,
    } = run;
    history.version = HISTORY_VERSION;
    suite.clone_into(&mut history.suite);
    let shards: Vec<ShardLessons<'_>> = results.iter().filter_map(ShardLessons::of).collect();
    if shards.is_empty() {
        return history;
    }
    let whole = shards.len() == total;
    if whole {
        let cases = || shards.iter().flat_map(|shard| &shard.all);
        let mut present: renames::Functions<'_> = BTreeMap::new();
        for (file, name) in cases().filter_map(|case| place(case)) {
            present.entry(file).or_default().push(function_of(name));
        }
        renames::follow(&mut history, &present);
    }
    let speeds = speeds(&history, &shards);
    let mut heard = Heard::default();
    for (shard, speed) in shards.iter().zip(speeds) {
        heard.listen(shard, speed);
    }
    let again = commit.is_some() && history.commit.as_deref() == commit;
    remember_ends(&mut history, &shards, again);
    history.commit = commit.map(str::to_owned);
    heard.teach(&mut history);
    if whole {
        forget(&mut history, &shards);
    }
    history
}

/// Of tests that always pass nothing is kept. `again`: the run before was of the same commit.
fn remember_ends(history: &mut History, shards: &[ShardLessons<'_>], again: bool) {
    let finished = shards.iter().flat_map(|shard| shard.finished);
    for case in finished {
        let end = match case.outcome {
            Outcome::Passed | Outcome::Xfailed | Outcome::Xpassed => End::Passed,
            Outcome::Flaky => End::Flaky,
            Outcome::Failed | Outcome::Error => End::Failed,
            Outcome::Skipped | Outcome::Lost => continue,
        };
        if end == End::Passed && !history.ends.contains_key(&case.id) {
            continue;
        }
        let known = place(case)
            .and_then(|(file, name)| history.files.get(file)?.tests.get(name))
            .map_or(0, |test| test.cost.runs());
        let new = || Ends::after(known);
        let ends = history.ends.entry(case.id.clone()).or_insert_with(new);
        if again {
            ends.add_again(end);
        } else {
            ends.add(end);
        }
    }
    history
        .ends
        .retain(|_, ends| ends.count(End::Passed) < ends.runs());
}

/// A shard that came to its normal end.
struct ShardLessons<'a> {
    lessons: &'a Lessons,
    /// Tests that teach what they cost.
    clean: BTreeMap<&'a NodeId, &'a TestCase>,
    all: Vec<&'a TestCase>,
    finished: &'a [TestCase],
}

impl<'a> ShardLessons<'a> {
    fn of(result: &'a ShardResult) -> Option<Self> {
        let log = result.log.as_ref()?;
        let stopped = result
            .manifest
            .as_ref()
            .is_some_and(|manifest| manifest.interrupted.is_some());
        // Passed, failed, or nothing collected: anything else broke off.
        let ended = matches!(exit_status(Some(result)), Some(0 | 1 | 5));
        if stopped || !ended || !log.is_closed() || !log.interruptions.is_empty() {
            return None;
        }
        let ran = log.finished.iter().filter(|case| {
            let normal = matches!(
                case.outcome,
                Outcome::Passed | Outcome::Xfailed | Outcome::Xpassed
            );
            normal && case.attempts == 1 && case.file.is_some()
        });
        Some(Self {
            lessons: &log.lessons,
            clean: ran.map(|case| (&case.id, case)).collect(),
            all: log.finished.iter().chain(&log.not_run).collect(),
            finished: &log.finished,
        })
    }

    /// The tests that teach, with what they took.
    fn costs(&self) -> impl Iterator<Item = (&'a TestCase, f64)> {
        self.clean.values().filter_map(|case| {
            let seconds = self.lessons.tests.get(case.id.as_str())?;
            Some((*case, *seconds))
        })
    }
}

/// The file and the part of the id after it.
fn place(case: &TestCase) -> Option<(&str, &str)> {
    let (_, name) = case.id.as_str().split_once("::")?;
    Some((case.file.as_deref()?, name))
}

/// How much slower than the run as a whole each shard was; 1 where that cannot be told.
fn speeds(history: &History, shards: &[ShardLessons<'_>]) -> Vec<f64> {
    let own: Vec<Option<f64>> = shards
        .iter()
        .map(|shard| {
            let known = shard.costs().filter_map(|(case, seconds)| {
                let (file, name) = place(case)?;
                let known = history.files.get(file)?.tests.get(name)?.cost.value()?;
                (known > 0.0).then_some((seconds / known, known))
            });
            let known: Vec<(f64, f64)> = known.collect();
            let compared: f64 = known.iter().map(|it| it.1).sum();
            let enough = known.len() >= MIN_COMPARED && compared >= MIN_COMPARED_SECONDS;
            weighted_median(known).filter(|_| enough)
        })
        .collect();
    let run = weighted_median(own.iter().flatten().map(|speed| (*speed, 1.0)).collect());
    let relative = |speed: Option<f64>| match (speed, run) {
        (Some(speed), Some(run)) if run > 0.0 => (speed / run).clamp(1.0 / MAX_SPEED, MAX_SPEED),
        _ => 1.0,
    };
    own.into_iter().map(relative).collect()
}

/// The value in the middle of the weights.
fn weighted_median(mut values: Vec<(f64, f64)>) -> Option<f64> {
    values.sort_by(|one, other| one.0.total_cmp(&other.0));
    let half = values.iter().map(|it| it.1).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    let middle = values.iter().find(|it| {
        sum += it.1;
        sum >= half
    });
    middle.map(|it| it.0)
}

fn median(values: Vec<f64>) -> Option<f64> {
    weighted_median(values.into_iter().map(|value| (value, 1.0)).collect())
}

/// All shards of one run, brought to one pace.
#[derive(Default)]
struct Heard<'a> {
    tests: Vec<HeardTest<'a>>,
    /// By file and class; several where a file is cut.
    fixtures: BTreeMap<(&'a str, &'a str), Vec<f64>>,
    packages: BTreeMap<String, Vec<f64>>,
    session: Vec<f64>,
    imports: BTreeMap<&'a str, Vec<f64>>,
    start_up: Vec<f64>,
    pace: Vec<f64>,
}

struct HeardTest<'a> {
    file: &'a str,
    name: &'a str,
    seconds: f64,
    line: u32,
    groups: Vec<String>,
}

impl<'a> Heard<'a> {
    fn listen(&mut self, shard: &ShardLessons<'a>, speed: f64) {
        let lessons = shard.lessons;
        for (case, seconds) in shard.costs() {
            let Some((file, name)) = place(case) else {
                continue;
            };
            let groups = lessons.groups.get(case.id.as_str());
            self.tests.push(HeardTest {
                file,
                name,
                seconds: seconds / speed,
                line: case.location.as_ref().map_or(0, |at| at.line),
                groups: groups.cloned().unwrap_or_default(),
            });
        }
        // Set up again and again, for its parameters, a fixture costs all of it.
        let mut fixtures: BTreeMap<Place<'a>, f64> = BTreeMap::new();
        for fixture in &lessons.fixtures {
            if let Some(case) = shard.clean.get(&NodeId::new(&*fixture.test))
                && let Some(place) = Place::of(fixture, case)
            {
                *fixtures.entry(place).or_default() += fixture.seconds / speed;
            }
        }
        if !shard.clean.is_empty() {
            self.session
                .push(fixtures.remove(&Place::Session).unwrap_or(0.0));
        }
        for (place, seconds) in fixtures {
            match place {
                Place::Session => {}
                Place::Package(folder) => {
                    self.packages.entry(folder).or_default().push(seconds);
                }
                Place::File(file, class) => {
                    self.fixtures
                        .entry((file, class))
                        .or_default()
                        .push(seconds);
                }
            }
        }
        for (file, seconds) in &lessons.imports {
            self.imports.entry(file).or_default().push(seconds / speed);
        }
        if !shard.all.is_empty() {
            self.start_up.push(lessons.start_up / speed);
        }
        if lessons.busy >= MIN_BUSY_SECONDS {
            self.pace.push(lessons.elapsed / lessons.busy);
        }
    }

    fn teach(self, history: &mut History) {
        let teach = |estimate: &mut Estimate, values: Vec<f64>| {
            if let Some(value) = median(values) {
                estimate.add(value);
            }
        };
        teach(&mut history.start_up, self.start_up);
        teach(&mut history.session, self.session);
        teach(&mut history.pace, self.pace);
        for (folder, values) in &self.packages {
            let known = history.packages.entry(folder.clone()).or_default();
            teach(known, values.clone());
        }
        let inside = |folder: &str| {
            let mut tests = self.tests.iter();
            tests.any(|it| {
                it.file
                    .strip_prefix(folder)
                    .is_some_and(|it| it.starts_with('/'))
            })
        };
        history.packages.retain(|folder, known| {
            if !self.packages.contains_key(folder) && inside(folder) {
                known.add(0.0);
            }
            known.value() != Some(0.0)
        });
        let mut seen: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for heard in &self.tests {
            let file = history.files.entry(heard.file.to_owned()).or_default();
            let test = file.tests.entry(heard.name.to_owned()).or_default();
            test.cost.add(heard.seconds);
            test.line = heard.line;
            test.groups.clone_from(&heard.groups);
            let classes = seen.entry(heard.file).or_default();
            classes.insert("");
            let function = function_of(heard.name);
            classes.extend(function.match_indices("::").map(|(at, _)| &function[..at]));
        }
        for (path, values) in self.imports {
            if let Some(file) = history.files.get_mut(path) {
                teach(&mut file.import, values);
            }
        }
        for (path, classes) in seen {
            let Some(file) = history.files.get_mut(path) else {
                continue;
            };
            for class in classes {
                match self.fixtures.get(&(path, class)) {
                    Some(values) => {
                        let known = file.fixtures.entry(class.to_owned()).or_default();
                        teach(known, values.clone());
                    }
                    None => no_fixture(file, class),
                }
            }
        }
    }
}

/// It was not set up although its tests ran: once is chance, often means that it is gone.
fn no_fixture(file: &mut FileHistory, class: &str) {
    if let Some(known) = file.fixtures.get_mut(class) {
        known.add(0.0);
        if known.value() == Some(0.0) {
            file.fixtures.remove(class);
        }
    }
}

/// What a shared fixture is set up for.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Place<'a> {
    Session,
    /// A folder.
    Package(String),
    /// A file and a class in it, or no class.
    File(&'a str, &'a str),
}

impl<'a> Place<'a> {
    fn of(fixture: &'a Fixture, case: &'a TestCase) -> Option<Self> {
        let file = case.file.as_deref()?;
        match fixture.scope.as_str() {
            "session" => Some(Self::Session),
            "package" => {
                let node = fixture.node.trim_end_matches("/__init__.py");
                let mut above = file.match_indices('/').map(|(at, _)| &file[..at]);
                let folder = above.rfind(|folder| {
                    folder.strip_suffix(node).is_some_and(|before| {
                        !node.is_empty() && (before.is_empty() || before.ends_with('/'))
                    })
                });
                Some(folder.map_or(Self::Session, |folder| Self::Package(folder.to_owned())))
            }
            _ => {
                let class = fixture.node.split_once("::").map_or("", |it| it.1);
                Some(Self::File(file, class))
            }
        }
    }
}

/// Only a run of most of the suite tells what is gone.
fn forget(history: &mut History, shards: &[ShardLessons<'_>]) {
    let ran = shards.iter().flat_map(|shard| &shard.all);
    let ran: BTreeSet<(&str, &str)> = ran.filter_map(|case| place(case)).collect();
    let known: usize = history.files.values().map(|file| file.tests.len()).sum();
    if 2 * ran.len() < known {
        return;
    }
    let all = shards.iter().flat_map(|shard| &shard.all);
    let ids: BTreeSet<&NodeId> = all.map(|case| &case.id).collect();
    history.ends.retain(|id, _| ids.contains(id));
    let files: BTreeSet<&str> = ran.iter().map(|it| it.0).collect();
    history.files.retain(|path, file| {
        if !files.contains(path.as_str()) {
            file.unseen += 1;
            return file.unseen < FORGET_FILE_AFTER;
        }
        file.unseen = 0;
        file.tests.retain(|name, test| {
            test.unseen = if ran.contains(&(path.as_str(), name.as_str())) {
                0
            } else {
                test.unseen + 1
            };
            test.unseen < FORGET_TEST_AFTER
        });
        !file.tests.is_empty()
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::shard::Shard;
    use crate::pytest::log::ShardLog;

    fn run(suite: &str, total: usize) -> Run<'_> {
        Run {
            suite,
            total,
            commit: None,
        }
    }

    #[test]
    fn rates_are_kept_of_tests_that_did_not_always_pass() {
        let ran = |history: History, outcomes: [&str; 2], commit: &str| {
            let mut story = Story::new(1, &[]);
            for (name, outcome) in ["test_a", "test_b"].into_iter().zip(outcomes) {
                story.test(("a.py", name, 1.0), outcome, "");
            }
            let run = Run {
                commit: Some(commit),
                ..run("web", 1)
            };
            fold(history, run, &[story.told(0)])
        };
        let mut history = History::default();
        for commit in ["1", "2", "3"] {
            history = ran(history, ["passed", "passed"], commit);
        }
        assert!(history.ends.is_empty());
        history = ran(history, ["failed", "passed"], "4");
        let ends = |history: &History| {
            let ends = history.ends.iter();
            let ends = ends.map(|(id, ends)| format!("{id} {}", String::from(ends.clone())));
            ends.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(ends(&history), "a.py::test_a ...F");
        // Both outcomes at one commit: that is what flaky means.
        history = ran(history, ["passed", "passed"], "4");
        assert_eq!(ends(&history), "a.py::test_a ...R");
        history = ran(history, ["passed", "failed"], "5");
        assert_eq!(ends(&history), "a.py::test_a ...R., a.py::test_b .....F");
        for commit in 6..60 {
            history = ran(history, ["passed", "passed"], &commit.to_string());
        }
        assert_eq!(ends(&history), "");
    }

    /// A test as a shard saw it: file, name, seconds.
    type Ran<'a> = (&'a str, &'a str, f64);

    struct Story {
        index: u16,
        items: Vec<String>,
        lines: Vec<String>,
        at: f64,
    }

    impl Story {
        fn new(index: u16, tests: &[Ran<'_>]) -> Self {
            let mut story = Self {
                index,
                items: Vec::new(),
                lines: Vec::new(),
                at: 2.0,
            };
            for ran in tests {
                story.test(*ran, "passed", "");
            }
            story
        }

        fn test(&mut self, (file, name, seconds): Ran<'_>, outcome: &str, fixtures: &str) {
            let (id, start, end) = (format!("{file}::{name}"), self.at, self.at + seconds);
            self.at = end;
            self.items
                .push(format!(r#"{{"id":"{id}","file":"{file}","line":7}}"#));
            self.lines.push(format!(
                r#"{{"e":"start","id":"{id}","at":{start}}}
{fixtures}
{{"e":"phase","id":"{id}","when":"call","outcome":"{outcome}","at":{start},"seconds":{seconds}}}
{{"e":"finish","id":"{id}","at":{end}}}"#
            ));
        }

        fn told(&self, exit: i32) -> ShardResult {
            let end = format!(r#"{{"e":"end","exit":{exit},"at":{}}}"#, self.at + 0.5);
            self.broken_off(&end)
        }

        fn broken_off(&self, end: &str) -> ShardResult {
            let text = format!(
                r#"{{"e":"session","version":1,"shard":"1/2","digest":"d","at":0}}
{{"e":"items","at":1,"seconds":1,"items":[{}],"imports":[["first.py",0.5],["a.py",0.25]]}}
{}
{end}
"#,
                self.items.join(","),
                self.lines.join("\n")
            );
            ShardResult {
                shard: Shard::new(self.index, 2).expect("a shard"),
                manifest: None,
                log: Some(ShardLog::read(text.as_bytes()).expect("readable")),
                last_words: String::new(),
            }
        }
    }

    fn value(history: &History, file: &str, name: &str) -> Option<f64> {
        history.files.get(file)?.tests.get(name)?.cost.value()
    }

    #[test]
    fn learns_tests_imports_fixtures_and_what_is_paid_beside_them() {
        let mut story = Story::new(1, &[("a.py", "test_1", 1.0)]);
        let fixture = |scope: &str, node: &str, seconds: f64| {
            format!(
                r#"{{"e":"fixture","scope":"{scope}","name":"f","node":"{node}","seconds":{seconds},"test":"pkg/a.py::TestX::test_2"}}"#
            )
        };
        let fixtures = [
            fixture("session", "", 2.0),
            fixture("package", "pkg/__init__.py", 1.0),
            fixture("module", "pkg/a.py", 0.5),
            fixture("class", "pkg/a.py::TestX", 0.25),
            fixture("class", "pkg/a.py::TestX", 0.25),
        ];
        story.test(
            ("pkg/a.py", "TestX::test_2", 5.0),
            "passed",
            &fixtures.join("\n"),
        );
        let history = fold(History::default(), run("web", 1), &[story.told(0)]);
        assert_eq!(
            (history.suite.as_str(), history.version),
            ("web", HISTORY_VERSION)
        );
        assert_eq!(value(&history, "a.py", "test_1"), Some(1.0));
        assert_eq!(value(&history, "pkg/a.py", "TestX::test_2"), Some(1.0));
        let file = &history.files["pkg/a.py"];
        assert_eq!(file.tests["TestX::test_2"].line, 7);
        let fixtures = ["", "TestX"].map(|class| file.fixtures[class].value());
        assert_eq!(fixtures, [Some(0.5), Some(0.5)]);
        assert_eq!(history.packages["pkg"].value(), Some(1.0));
        assert_eq!(history.session.value(), Some(2.0));
        assert_eq!(history.files["a.py"].import.value(), Some(0.25));
        // Two seconds to the first test without two imports, half a second after the last.
        assert_eq!(history.start_up.value(), Some(2.0));
        assert_eq!(history.pace.value(), Some(1.0));
    }

    #[test]
    fn what_did_not_go_its_normal_way_teaches_nothing() {
        let mut story = Story::new(1, &[("a.py", "test_1", 1.0)]);
        for (name, outcome) in [
            ("failed", "failed"),
            ("skipped", "skipped"),
            ("retried", "rerun"),
        ] {
            story.test(("a.py", name, 9.0), outcome, "");
        }
        story.test(("a.py", "retried", 9.0), "passed", "");
        let names = |result: ShardResult| -> Vec<String> {
            let history = fold(History::default(), run("pytest", 1), &[result]);
            let files = history.files.into_values();
            files.flat_map(|file| file.tests.into_keys()).collect()
        };
        assert_eq!(names(story.told(1)), ["test_1"]);
        for end in [
            "",
            r#"{"e":"end","exit":2,"at":50}"#,
            r#"{"e":"end","exit":3,"at":50}"#,
        ] {
            assert_eq!(names(story.broken_off(end)), [""; 0], "{end}");
        }
        let stopped = r#"{"e":"interrupted","text":"Ctrl-C"}
{"e":"end","exit":1,"at":50}"#;
        assert_eq!(names(story.broken_off(stopped)), [""; 0]);
    }

    #[test]
    fn a_slow_runner_does_not_make_its_tests_slow() {
        let names: Vec<String> = (0..20).map(|number| format!("test_{number}")).collect();
        let ran = |file: &'static str, seconds: f64| -> Vec<(&str, &str, f64)> {
            names
                .iter()
                .map(|name| (file, name.as_str(), seconds))
                .collect()
        };
        let run = |history: History, first: f64, second: f64| {
            let shards = [
                Story::new(1, &ran("a.py", first)).told(0),
                Story::new(2, &ran("b.py", second)).told(0),
            ];
            fold(history, run("pytest", 2), &shards)
        };
        let mut history = run(History::default(), 1.0, 1.0);
        for _ in 0..3 {
            history = run(history, 1.0, 2.0);
        }
        assert_eq!(
            value(&history, "a.py", "test_1"),
            value(&history, "b.py", "test_1")
        );
        // All of them slower: that is how long it takes now.
        let mut history = run(History::default(), 1.0, 1.0);
        for _ in 0..3 {
            history = run(history, 2.0, 2.0);
        }
        assert_eq!(value(&history, "a.py", "test_1"), Some(2.0));
    }

    #[test]
    fn what_is_gone_is_forgotten_in_time_and_what_moved_is_not() {
        let names = ["test_1", "test_2", "test_3"];
        let ran = |file: &'static str, names: &[&'static str]| {
            let tests: Vec<_> = names.iter().map(|name| (file, *name, 1.0)).collect();
            Story::new(1, &tests).told(0)
        };
        let mut history = fold(History::default(), run("pytest", 1), &[ran("a.py", &names)]);
        history = fold(history, run("pytest", 1), &[ran("b/a.py", &names)]);
        assert!(history.files.keys().eq(["b/a.py"]));
        assert_eq!(history.files["b/a.py"].tests["test_1"].cost.runs(), 2);
        for round in 1..=FORGET_TEST_AFTER {
            assert!(
                history.files["b/a.py"].tests.contains_key("test_3"),
                "{round}"
            );
            history = fold(history, run("pytest", 1), &[ran("b/a.py", &names[..2])]);
        }
        assert!(history.files["b/a.py"].tests.keys().eq(&names[..2]));
        // A run of a small part of the suite says nothing about the others.
        history = fold(history, run("pytest", 9), &[ran("b/a.py", &names[..1])]);
        assert_eq!(history.files["b/a.py"].tests["test_2"].unseen, 0);
    }

    #[test]
    fn a_fixture_that_is_gone_is_forgotten() {
        let ran = |with: bool| {
            let mut story = Story::new(1, &[]);
            let fixture = r#"{"e":"fixture","scope":"module","name":"f","node":"a.py","seconds":3,"test":"a.py::x"}"#;
            story.test(
                ("a.py", "x", 4.0),
                "passed",
                if with { fixture } else { "" },
            );
            story.told(0)
        };
        let mut history = fold(History::default(), run("pytest", 1), &[ran(true)]);
        assert!(history.files["a.py"].fixtures.contains_key(""));
        for _ in 0..2 {
            history = fold(history, run("pytest", 1), &[ran(false)]);
        }
        assert!(history.files["a.py"].fixtures.is_empty());
    }
}
