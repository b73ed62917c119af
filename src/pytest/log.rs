//! From the events of one shard to its test cases and to what went wrong around them.

use std::collections::{BTreeMap, HashMap};
use std::io::BufRead;
use std::time::Duration;

use camino::Utf8PathBuf;

use super::events::{self, Event, Item, PhaseEvent, PhaseOutcome};
use super::lessons::{Lessons, Teacher};
use crate::model::case::{Location, Outcome, Phase, Problem, ProblemKind, TestCase};
use crate::model::node_id::NodeId;

/// All that one shard's event log says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ShardLog {
    /// One per time pytest was started with our plugin in it.
    pub(crate) sessions: Vec<Session>,
    /// Tests that came to an end, in the order they started.
    pub(crate) finished: Vec<TestCase>,
    /// Started, never finished.
    pub(crate) unfinished: Vec<TestCase>,
    /// Collected for this shard, never started.
    pub(crate) not_run: Vec<TestCase>,
    /// Units of the plan's queue that it ran to their end; their tests are in the lists above.
    pub(crate) units: Vec<usize>,
    /// Those it did not, or not so that they count; their tests are only here.
    pub(crate) broken: Vec<Broken>,
    pub(crate) collect_errors: Vec<CollectError>,
    pub(crate) internal_errors: Vec<String>,
    pub(crate) interruptions: Vec<String>,
    /// Lines that could not be read, such as the last one of a killed process.
    pub(crate) unreadable_lines: usize,
    /// What a plan can learn from it.
    pub(crate) lessons: Lessons,
    /// The largest `--cov-fail-under` that a session was asked for, in percent.
    pub(crate) coverage_fail_under: Option<f64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Session {
    pub(crate) digest: String,
    pub(crate) shard: String,
    pub(crate) pytest: String,
    pub(crate) python: String,
    /// Seconds since 1970.
    pub(crate) started: f64,
    /// When and with which exit status it ended; `None` if it was killed.
    pub(crate) end: Option<(f64, i32)>,
    pub(crate) collection_seconds: f64,
    /// It took units from the plan's queue.
    pub(crate) dynamic: bool,
    /// It did not come to its end, and others have run all it had not finished.
    pub(crate) replaced: bool,
    /// Which retry in a fresh environment it was, counted from 1; 0 for the run itself.
    pub(crate) retry: u32,
}

/// A unit whose shard died on it, or died with the coverage that it had measured there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Broken {
    pub(crate) unit: usize,
    /// Which session of the log it was, counted from 0, and when it took the unit, in seconds since 1970.
    pub(crate) session: usize,
    pub(crate) at: f64,
    pub(crate) finished: Vec<TestCase>,
    pub(crate) unfinished: Vec<TestCase>,
    pub(crate) not_run: Vec<TestCase>,
}

impl Broken {
    pub(crate) fn cases(&self) -> impl Iterator<Item = &TestCase> {
        let all = [&self.finished, &self.unfinished, &self.not_run];
        all.into_iter().flatten()
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CollectError {
    pub(crate) what: String,
    pub(crate) message: String,
    pub(crate) text: String,
    pub(crate) location: Option<Location>,
}

impl CollectError {
    /// As pytest's JUnit does, what could not be collected stands among the tests as an error.
    fn case(&self) -> TestCase {
        let mut case = TestCase::new(NodeId::new(&*self.what));
        case.outcome = Outcome::Error;
        case.location.clone_from(&self.location);
        case.problems.push(Problem {
            phase: Phase::Collect,
            kind: ProblemKind::Error,
            message: self.message.clone(),
            text: self.text.clone(),
            location: self.location.clone(),
            subtest: None,
        });
        case
    }
}

impl ShardLog {
    pub(crate) fn read(input: impl BufRead) -> std::io::Result<Self> {
        let mut reader = LogReader::default();
        let unreadable_lines = events::read(input, |event| reader.take(event))?;
        Ok(Self {
            unreadable_lines,
            ..reader.finish()
        })
    }

    /// The exit status that explains the shard best: the first one that is not a success, of the
    /// last retry if there was one.
    pub(crate) fn exit_status(&self) -> Option<i32> {
        let last = self.sessions.iter().map(|session| session.retry).max();
        let sessions = self.sessions.iter();
        let sessions = sessions.filter(|session| Some(session.retry) == last);
        let mut ends = sessions.filter_map(|session| session.end);
        ends.clone()
            .map(|(_, exit)| exit)
            .find(|exit| *exit != 0)
            .or(ends.next().map(|_| 0))
    }

    /// Nobody ran this unit again: what became of its tests here is what became of them.
    pub(crate) fn take_back(&mut self, broken: Broken) {
        self.finished.extend(broken.finished);
        self.unfinished.extend(broken.unfinished);
        self.not_run.extend(broken.not_run);
    }

    /// What a retry in a fresh environment says of the tests that failed; all else stays.
    fn correct(&mut self, retry: Self) {
        let mut failed: HashMap<NodeId, &mut TestCase> = (self.finished.iter_mut())
            .filter(|case| case.outcome.is_failure())
            .map(|case| (case.id.clone(), case))
            .collect();
        for mut again in retry.finished {
            let Some(case) = failed.get_mut(&again.id) else {
                continue;
            };
            again.setup += case.setup;
            again.call += case.call;
            again.teardown += case.teardown;
            again.stdout.insert_str(0, &case.stdout);
            again.stderr.insert_str(0, &case.stderr);
            let before = std::mem::replace(*case, again);
            case.comes_after(before);
        }
        self.sessions.extend(retry.sessions);
        self.collect_errors.extend(retry.collect_errors);
        self.internal_errors.extend(retry.internal_errors);
        self.interruptions.extend(retry.interruptions);
    }

    /// Whether every session came to its end.
    pub(crate) fn is_closed(&self) -> bool {
        let closed = |session: &Session| session.end.is_some() || session.replaced;
        !self.sessions.is_empty() && self.sessions.iter().all(closed)
    }

    /// Whether any of its sessions took units from the plan's queue.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.sessions.iter().any(|session| session.dynamic)
    }
}

#[derive(Default)]
struct LogReader {
    log: ShardLog,
    teacher: Teacher,
    cases: Vec<RunningCase>,
    index: HashMap<String, usize>,
    items: BTreeMap<String, Item>,
    /// The unit that runs: its tests so far are those above.
    open: Option<Stretch>,
    stretches: Vec<Stretch>,
    /// Of the current session.
    measures: bool,
    /// A line of the session is missing, and nobody knows what it said: what ends in it has no proof.
    torn: bool,
    /// Sessions that are retries in a fresh environment, the last one still open if it is one.
    retries: Vec<Self>,
    in_retry: bool,
    first_round: Option<u32>,
}

/// A unit in one session.
struct Stretch {
    broken: Broken,
    is_done: bool,
    /// What it measured is lost if its session does not end.
    measures: bool,
}

struct RunningCase {
    case: TestCase,
    done: bool,
    phases: Phases,
}

/// What the phases of one test have said so far.
#[expect(
    clippy::struct_excessive_bools,
    reason = "phases say several of these, the worst counts"
)]
#[derive(Default)]
struct Phases {
    failed: bool,
    error: bool,
    skipped: bool,
    xfailed: bool,
    xpassed: bool,
    reruns: u32,
    /// The last attempt was said not to count, and no other has begun.
    awaits_retry: bool,
    /// How many problems there were when the attempt began.
    attempt_from: usize,
}

impl Phases {
    /// What the subtests of an attempt said before it was known not to count.
    fn forgive(&mut self, problems: &mut [Problem]) {
        (self.failed, self.error) = (false, false);
        for problem in problems.iter_mut().skip(self.attempt_from) {
            if matches!(problem.kind, ProblemKind::Failure | ProblemKind::Error) {
                problem.kind = ProblemKind::Rerun;
            }
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self { error: true, .. } => Outcome::Error,
            Self { failed: true, .. } => Outcome::Failed,
            Self { xfailed: true, .. } => Outcome::Xfailed,
            Self { xpassed: true, .. } => Outcome::Xpassed,
            Self { skipped: true, .. } => Outcome::Skipped,
            Self { reruns, .. } if *reruns > 0 => Outcome::Flaky,
            _ => Outcome::Passed,
        }
    }
}

/// A test can write any number into its own log: what lasts longer than a day is no time.
fn duration(seconds: f64) -> Duration {
    const DAY: f64 = 86_400.0;
    Duration::try_from_secs_f64(seconds.min(DAY)).unwrap_or_default()
}

impl LogReader {
    fn take(&mut self, event: Event) {
        if let Event::Session { retry, .. } = event {
            // The log of a retry alone begins with one.
            self.in_retry = retry > *self.first_round.get_or_insert(retry);
            if self.in_retry {
                self.retries.push(Self::default());
            }
        }
        match self.retries.last_mut().filter(|_| self.in_retry) {
            Some(retry) => retry.hear(event),
            None => self.hear(event),
        }
    }

    fn hear(&mut self, event: Event) {
        self.teacher.hear(&event);
        match event {
            Event::Session {
                shard,
                digest,
                at,
                pytest,
                python,
                cov_fail_under,
                dynamic,
                measures,
                retry,
                ..
            } => {
                self.close_unit(false);
                self.measures = measures;
                self.torn = false;
                let wanted = [self.log.coverage_fail_under, cov_fail_under];
                self.log.coverage_fail_under = wanted.into_iter().flatten().reduce(f64::max);
                self.log.sessions.push(Session {
                    digest,
                    shard,
                    pytest,
                    python,
                    started: at,
                    end: None,
                    collection_seconds: 0.0,
                    dynamic,
                    replaced: false,
                    retry,
                });
            }
            Event::CollectError {
                what,
                message,
                text,
                path,
                line,
            } => {
                let location = location(path, line);
                self.log.collect_errors.push(CollectError {
                    what,
                    message,
                    text,
                    location,
                });
            }
            Event::Items { seconds, items, .. } => {
                if let Some(session) = self.log.sessions.last_mut() {
                    session.collection_seconds += seconds;
                }
                self.items
                    .extend(items.into_iter().map(|item| (item.id.clone(), item)));
            }
            Event::Unit { unit, at } => {
                self.close_unit(false);
                self.open = Some(Stretch {
                    broken: Broken {
                        unit,
                        session: self.log.sessions.len().saturating_sub(1),
                        at,
                        ..Broken::default()
                    },
                    is_done: false,
                    measures: self.measures,
                });
            }
            Event::UnitEnd { .. } => self.close_unit(!self.torn),
            Event::Start { id, .. } => self.start(&id),
            Event::Phase(phase) => self.phase(*phase),
            Event::Finish { id, .. } => {
                let case = self.case(&id);
                case.done = true;
            }
            Event::InternalError { text } => self.log.internal_errors.push(text),
            Event::Interrupted { text } => self.log.interruptions.push(text),
            Event::End { exit, at } => {
                let session = self.log.sessions.last_mut();
                if let Some(session) = session.filter(|_| !self.torn) {
                    session.end = Some((at, exit));
                }
            }
            Event::Torn => self.torn = true,
            Event::Fixture { .. } | Event::Unknown => {}
        }
    }

    fn start(&mut self, id: &str) {
        let again = self.index.contains_key(id);
        let case = self.case(id);
        if again {
            // Newer versions of pytest-rerunfailures start every attempt, older ones only the first.
            case.case.attempts += u32::from(!case.phases.awaits_retry);
            case.done = false;
        }
    }

    fn case(&mut self, id: &str) -> &mut RunningCase {
        let index = *self.index.entry(id.to_owned()).or_insert_with(|| {
            self.cases.push(RunningCase {
                case: TestCase::new(NodeId::new(id)),
                done: false,
                phases: Phases::default(),
            });
            self.cases.len() - 1
        });
        &mut self.cases[index]
    }

    fn phase(&mut self, event: PhaseEvent) {
        let running = self.case(&event.id);
        let (phases, case) = (&mut running.phases, &mut running.case);
        if phases.awaits_retry && event.when != Phase::Teardown {
            phases.awaits_retry = false;
            phases.attempt_from = case.problems.len();
        }
        // A subtest's time is part of the call it happens in.
        if event.subtest.is_none() {
            let seconds = duration(event.seconds);
            match event.when {
                Phase::Collect | Phase::Setup => case.setup += seconds,
                Phase::Call => case.call += seconds,
                Phase::Teardown => case.teardown += seconds,
            }
        }
        let kind = match (event.outcome, &event.xfail) {
            // The report of its test says that the attempt does not count.
            (PhaseOutcome::Rerun, _) if event.subtest.is_some() => Some(ProblemKind::Rerun),
            (PhaseOutcome::Rerun, _) => {
                // Call and teardown of one attempt may both have failed.
                case.attempts += u32::from(!phases.awaits_retry);
                phases.reruns += 1;
                phases.awaits_retry = true;
                phases.forgive(&mut case.problems);
                (!event.text.is_empty()).then_some(ProblemKind::Rerun)
            }
            (PhaseOutcome::Failed, _) if event.when == Phase::Call => {
                phases.failed = true;
                Some(ProblemKind::Failure)
            }
            (PhaseOutcome::Failed, _) => {
                phases.error = true;
                Some(ProblemKind::Error)
            }
            (PhaseOutcome::Skipped, Some(_)) => {
                phases.xfailed = true;
                Some(ProblemKind::Xfail)
            }
            // A test that skips one of its subtests is not a skipped test.
            (PhaseOutcome::Skipped, None) => {
                phases.skipped |= event.subtest.is_none();
                Some(ProblemKind::Skip)
            }
            (PhaseOutcome::Passed, Some(_)) if event.when == Phase::Call => {
                phases.xpassed = true;
                None
            }
            (PhaseOutcome::Passed, _) => None,
        };
        if !event.properties.is_empty() {
            case.properties = event.properties;
        }
        case.stdout.push_str(&event.out);
        case.stderr.push_str(&event.err);
        if let Some(kind) = kind {
            let reason = event
                .xfail
                .filter(|reason| kind == ProblemKind::Xfail && !reason.is_empty());
            case.problems.push(Problem {
                phase: event.when,
                kind,
                message: reason.unwrap_or(event.message),
                text: event.text,
                location: location(event.path, event.line),
                subtest: event.subtest,
            });
        }
    }

    /// The tests so far are those of the open unit.
    fn close_unit(&mut self, is_done: bool) {
        let Some(mut stretch) = self.open.take() else {
            return;
        };
        self.drain(&mut stretch.broken);
        stretch.is_done = is_done;
        self.stretches.push(stretch);
    }

    /// Moves the tests so far to where they belong.
    fn drain(&mut self, to: &mut Broken) {
        self.index.clear();
        let mut items = std::mem::take(&mut self.items);
        for RunningCase {
            mut case,
            done,
            phases,
        } in self.cases.drain(..)
        {
            if let Some(item) = items.remove(case.id.as_str()) {
                place(&mut case, item);
            }
            if done && !phases.awaits_retry {
                case.outcome = phases.outcome();
                to.finished.push(case);
            } else {
                case.outcome = Outcome::Lost;
                to.unfinished.push(case);
            }
        }
        for (id, item) in items {
            let mut case = TestCase::new(NodeId::new(id));
            place(&mut case, item);
            case.outcome = Outcome::Lost;
            to.not_run.push(case);
        }
    }

    fn finish(mut self) -> ShardLog {
        self.close_unit(false);
        let mut rest = Broken::default();
        self.drain(&mut rest);
        let Self {
            mut log,
            teacher,
            stretches,
            retries,
            ..
        } = self;
        log.lessons = teacher.finish();
        log.take_back(rest);
        for stretch in stretches {
            let Broken { unit, session, .. } = stretch.broken;
            let has_ended = log.sessions.get(session).is_some_and(|it| it.end.is_some());
            if stretch.is_done && (has_ended || !stretch.measures) {
                log.units.push(unit);
                log.take_back(stretch.broken);
            } else {
                log.broken.push(stretch.broken);
            }
        }
        let errors = log.collect_errors.iter().map(CollectError::case);
        log.finished.extend(errors);
        for retry in retries {
            log.correct(retry.finish());
        }
        log
    }
}

fn place(case: &mut TestCase, item: Item) {
    case.location = location(item.path.or_else(|| Some(item.file.clone())), item.line);
    case.file = Some(item.file);
}

/// Only a path inside the project can be shown to people: an absolute or climbing one is dropped.
fn location(path: Option<String>, line: Option<u32>) -> Option<Location> {
    let path = Utf8PathBuf::from(path?);
    let inside = path.components().all(|part| {
        matches!(
            part,
            camino::Utf8Component::Normal(_) | camino::Utf8Component::CurDir
        )
    });
    (inside && !path.as_str().is_empty()).then(|| Location {
        path,
        line: line.unwrap_or(1).max(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = r#"{"e":"session","version":1,"shard":"1/2","digest":"d","at":1.0}
{"e":"items","at":1.1,"seconds":0.1,"items":[{"id":"a.py::one","file":"a.py","path":"a.py","line":3},{"id":"a.py::two","file":"a.py"}]}
"#;

    fn log(lines: &str) -> ShardLog {
        ShardLog::read(format!("{SESSION}{lines}").as_bytes()).expect("readable")
    }

    fn outcome(phases: &str) -> Outcome {
        let lines = format!(
            "{{\"e\":\"start\",\"id\":\"a.py::one\",\"at\":2}}\n{phases}\n{{\"e\":\"finish\",\"id\":\"a.py::one\",\"at\":3}}\n"
        );
        log(&lines).finished[0].outcome
    }

    fn phase(when: &str, outcome: &str, more: &str) -> String {
        format!(
            r#"{{"e":"phase","id":"a.py::one","when":"{when}","outcome":"{outcome}","at":2,"seconds":0.5{more}}}"#
        )
    }

    #[test]
    fn tells_what_became_of_a_test() {
        let call = |result: &str, more: &str| {
            outcome(
                &[
                    phase("setup", "passed", ""),
                    phase("call", result, more),
                    phase("teardown", "passed", ""),
                ]
                .join("\n"),
            )
        };
        assert_eq!(call("passed", ""), Outcome::Passed);
        assert_eq!(call("failed", ""), Outcome::Failed);
        assert_eq!(call("skipped", ""), Outcome::Skipped);
        assert_eq!(call("skipped", r#","xfail":"later""#), Outcome::Xfailed);
        assert_eq!(call("passed", r#","xfail":"""#), Outcome::Xpassed);
        assert_eq!(outcome(&phase("setup", "failed", "")), Outcome::Error);
        let rerun = [phase("call", "rerun", ""), phase("call", "passed", "")].join("\n");
        assert_eq!(outcome(&rerun), Outcome::Flaky);
        let rerun = [phase("call", "rerun", ""), phase("call", "failed", "")].join("\n");
        assert_eq!(outcome(&rerun), Outcome::Failed);
        let subtest = phase("call", "failed", r#","subtest":"[a]""#);
        let rerun = [
            subtest.clone(),
            phase("call", "rerun", ""),
            phase("call", "passed", ""),
        ]
        .join("\n");
        assert_eq!(outcome(&rerun), Outcome::Flaky);
        let rerun = [
            phase("call", "rerun", ""),
            subtest,
            phase("call", "passed", ""),
        ]
        .join("\n");
        assert_eq!(outcome(&rerun), Outcome::Failed);
        let subtest = [
            phase("call", "failed", r#","subtest":"[i=1]""#),
            phase("call", "passed", ""),
        ];
        assert_eq!(outcome(&subtest.join("\n")), Outcome::Failed);
        let subtest = [
            phase("call", "skipped", r#","subtest":"[i=1]""#),
            phase("call", "passed", ""),
        ];
        assert_eq!(outcome(&subtest.join("\n")), Outcome::Passed);
    }

    #[test]
    fn counts_attempts_whether_each_is_started_or_only_the_first() {
        let started = r#"{"e":"start","id":"a.py::one","at":2}"#.to_owned();
        let finished = r#"{"e":"finish","id":"a.py::one","at":3}"#.to_owned();
        let teardown = || phase("teardown", "passed", "");
        let first = [started.clone(), phase("call", "rerun", ""), teardown()].join("\n");
        let second = [phase("call", "passed", ""), teardown(), finished.clone()].join("\n");
        for between in [String::new(), format!("{finished}\n{started}")] {
            let log = log(&format!("{first}\n{between}\n{second}\n"));
            let case = &log.finished[0];
            assert_eq!((case.attempts, case.outcome), (2, Outcome::Flaky));
        }
        let killed_between = log(&format!("{first}\n{finished}\n"));
        assert_eq!(killed_between.unfinished.len(), 1);
        assert_eq!(killed_between.finished, []);
    }

    #[test]
    fn a_retry_in_a_fresh_environment_corrects_what_failed_and_nothing_else() {
        let session = |retry: u32, exit: i32, id: &str, outcome: &str| {
            format!(
                r#"{{"e":"session","version":1,"shard":"1/2","digest":"d","at":5,"retry":{retry}}}
{{"e":"items","at":5,"seconds":1,"items":[{{"id":"{id}","file":"a.py"}}]}}
{{"e":"start","id":"{id}","at":6}}
{{"e":"phase","id":"{id}","when":"call","outcome":"{outcome}","at":6,"seconds":0.5,"text":"E  {retry}"}}
{{"e":"finish","id":"{id}","at":7}}
{{"e":"end","exit":{exit},"at":8}}
"#
            )
        };
        let of = |id: &str, last: &str| {
            let one = session(0, 1, "a.py::one", "failed") + &session(0, 0, "a.py::two", "passed");
            let lines = one + &session(1, 1, id, "failed") + &session(2, 0, id, last);
            let log = ShardLog::read(lines.as_bytes()).expect("readable");
            assert!(log.is_closed() && log.sessions.len() == 4);
            let said = |case: &TestCase| (case.outcome, case.attempts, case.problems.len());
            let cases: Vec<_> = log.finished.iter().map(said).collect();
            (cases, log.exit_status())
        };
        let untouched = (Outcome::Passed, 1, 0);
        let flaky = (Outcome::Flaky, 3, 2);
        assert_eq!(of("a.py::one", "passed"), (vec![flaky, untouched], Some(0)));
        assert_eq!(of("a.py::one", "skipped").0[0].0, Outcome::Flaky);
        let hopeless = (Outcome::Failed, 3, 3);
        assert_eq!(of("a.py::one", "failed").0, [hopeless, untouched]);
        let failed = (Outcome::Failed, 1, 1);
        assert_eq!(of("a.py::two", "failed").0, [failed, untouched]);
    }

    #[test]
    fn a_line_that_is_missing_in_a_session_leaves_its_end_without_proof() {
        let session = r#"{"e":"session","version":1,"shard":"1/2","digest":"d","at":1.0}"#;
        let end = r#"{"e":"end","exit":0,"at":9}"#;
        let closed = |lines: &str| log(lines).is_closed();
        assert!(closed(end));
        assert!(!closed(&format!("{{\"e\":\"sta\n{end}")));
        assert!(
            !closed(&format!("{{\"e\":\"sta\n{session}\n{end}")),
            "the first session was killed"
        );
        let unit = format!(
            "{{\"e\":\"unit\",\"unit\":0,\"at\":2}}\n{{\"e\":\"items\",\"at\n{{\"e\":\"unit_end\",\"unit\":0,\"at\":3}}\n{end}"
        );
        assert_eq!(log(&unit).units, [0; 0], "its tests may be in that line");
        let again = format!(
            "{end}\n{session}\n{{\"e\":\"unit\",\"unit\":0,\"at\":2}}\n{{\"e\":\"unit_end\",\"unit\":0,\"at\":3}}\n{end}"
        );
        assert_eq!(log(&again).units, [0]);
    }

    #[test]
    fn a_killed_session_leaves_its_running_test_and_those_that_never_ran() {
        let log =
            log("{\"e\":\"start\",\"id\":\"a.py::two\",\"at\":2}\n{\"e\":\"phase\",\"id\":\"a.p");
        assert!(!log.is_closed());
        assert_eq!(log.exit_status(), None);
        assert_eq!(log.unreadable_lines, 1);
        assert_eq!(log.unfinished[0].id.as_str(), "a.py::two");
        assert_eq!(log.not_run[0].id.as_str(), "a.py::one");
        assert_eq!(log.not_run[0].location.as_ref().map(|at| at.line), Some(3));
    }

    const DYNAMIC: &str = r#"{"e":"session","version":1,"shard":"1/2","digest":"d","at":1.0,"dynamic":true,"measures":false}
{"e":"unit","unit":4,"at":1.0}
{"e":"items","at":1.1,"seconds":0.1,"items":[{"id":"a.py::one","file":"a.py"}]}
{"e":"start","id":"a.py::one","at":2}
{"e":"finish","id":"a.py::one","at":3}
{"e":"unit_end","unit":4,"at":3}
{"e":"unit","unit":7,"at":3.5}
{"e":"items","at":3.6,"seconds":0.1,"items":[{"id":"b.py::one","file":"b.py"},{"id":"b.py::two","file":"b.py"}]}
{"e":"start","id":"b.py::one","at":4}
"#;

    #[test]
    fn a_unit_that_was_broken_off_is_told_apart() {
        let read = |text: &str| ShardLog::read(text.as_bytes()).expect("readable");
        let log = read(DYNAMIC);
        assert_eq!((log.units.as_slice(), log.finished.len()), (&[4][..], 1));
        let broken = &log.broken[0];
        let lengths = (broken.unfinished.len(), broken.not_run.len());
        assert_eq!((broken.unit, broken.session, lengths), (7, 0, (1, 1)));
        let measured = read(&DYNAMIC.replace("\"measures\":false", "\"measures\":true"));
        assert_eq!((measured.units.len(), measured.broken.len()), (0, 2));
        let ended = format!("{DYNAMIC}{{\"e\":\"end\",\"exit\":0,\"at\":9}}\n");
        let measured = read(&ended.replace("\"measures\":false", "\"measures\":true"));
        assert_eq!((measured.units.len(), measured.broken.len()), (1, 1));
    }

    #[test]
    fn never_points_outside_the_project() {
        let at = |path: &str| location(Some(path.into()), Some(3)).is_some();
        assert!(at("tests/a.py"));
        assert!(!at("/etc/passwd"));
        assert!(!at("../other/a.py"));
        assert!(!at(""));
    }
}
