//! `events.jsonl`: what the plugin saw, one JSON object a line, each flushed at once.
//!
//! The log is the truth about a shard: it survives a kill, names the running test, counts in
//! microseconds and knows reruns, none of which pytest's JUnit does. Version 1. Times are seconds
//! since 1970, durations are seconds, paths are relative to the folder the plan was made in where
//! they lie below it, lines are counted from 1. Unknown events and fields are skipped, so that an
//! older reader understands a newer writer.
//!
//! One session writes: `session`, any number of `collect_error`, `items` (what is ours to run),
//! then per test `start`, one `phase` per report of pytest (subtests and reruns included) and
//! `finish`, any number of `fixture`, and at the end `end`. A session that takes units from a queue
//! writes all but the first and the last for each of them, between `unit` and `unit_end`. A shard may hold several sessions (a
//! command that starts pytest twice, retries in a fresh environment).

use std::io::BufRead;

use serde::Deserialize;

use crate::model::case::Phase;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "e", rename_all = "snake_case")]
pub(crate) enum Event {
    /// pytest is configured and our plugin is in it.
    Session {
        version: u32,
        shard: String,
        digest: String,
        at: f64,
        #[serde(default)]
        pytest: String,
        #[serde(default)]
        python: String,
        /// pytest-cov's `--cov-fail-under`, in percent: no shard can judge it, the merged result can.
        cov_fail_under: Option<f64>,
        /// It takes units from the plan's queue.
        #[serde(default)]
        dynamic: bool,
        /// It measures coverage, which is written at its end. Only told where it is dynamic.
        #[serde(default)]
        measures: bool,
        /// Which retry in a fresh environment it is, counted from 1: of tests that failed before.
        #[serde(default)]
        retry: u32,
    },
    /// A unit of the queue was taken; what follows is about it.
    Unit {
        unit: usize,
        at: f64,
    },
    /// All of its tests have run.
    UnitEnd {
        unit: usize,
        at: f64,
    },
    CollectError {
        /// The node that could not be collected, such as a file.
        what: String,
        message: String,
        #[serde(default)]
        text: String,
        path: Option<String>,
        line: Option<u32>,
    },
    /// The tests this shard will run, after every deselection.
    Items {
        at: f64,
        /// What collection took.
        seconds: f64,
        items: Vec<Item>,
        /// How many collected tests other shards own.
        #[serde(default)]
        other: usize,
        /// Keys of `plan.tests` of this shard that matched nothing.
        #[serde(default)]
        missing: Vec<String>,
        /// What importing and collecting each file took, in that order.
        #[serde(default)]
        imports: Vec<(String, f64)>,
    },
    Start {
        id: String,
        at: f64,
        #[serde(default)]
        worker: String,
    },
    Phase(Box<PhaseEvent>),
    Finish {
        id: String,
        at: f64,
    },
    /// The setup of a fixture that several tests share.
    Fixture {
        /// `class`, `module`, `package` or `session`.
        scope: String,
        name: String,
        /// The node it was set up for.
        node: String,
        seconds: f64,
        /// The test in whose setup it happened.
        #[serde(default)]
        test: String,
    },
    InternalError {
        text: String,
    },
    /// Ctrl-C or a signal reached pytest.
    Interrupted {
        text: String,
    },
    End {
        exit: i32,
        at: f64,
    },
    /// A line that could not be read.
    #[serde(skip)]
    Torn,
    #[serde(other)]
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Item {
    pub(crate) id: String,
    /// The file the item was collected from.
    pub(crate) file: String,
    /// Where its function is defined, which may be another file.
    pub(crate) path: Option<String>,
    pub(crate) line: Option<u32>,
    /// Names shared by tests that have to stay together: `g:` all over the suite, `m:` in one file,
    /// `c:` in one class, `f:` of one function.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
}

/// One report of pytest on one part of one test.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct PhaseEvent {
    pub(crate) id: String,
    pub(crate) when: Phase,
    pub(crate) outcome: PhaseOutcome,
    /// When it began.
    pub(crate) at: f64,
    pub(crate) seconds: f64,
    /// The reason of an expected failure; present also if it passed.
    pub(crate) xfail: Option<String>,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) text: String,
    /// The innermost line of the traceback inside the project.
    pub(crate) path: Option<String>,
    pub(crate) line: Option<u32>,
    #[serde(default)]
    pub(crate) out: String,
    #[serde(default)]
    pub(crate) err: String,
    /// What the test recorded about itself by now.
    #[serde(default)]
    pub(crate) properties: Vec<(String, String)>,
    /// The description of the subtest the report is about.
    pub(crate) subtest: Option<String>,
    #[serde(default)]
    pub(crate) worker: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PhaseOutcome {
    Passed,
    Failed,
    Skipped,
    /// A failed attempt; another one follows.
    Rerun,
}

/// A line longer than this is not read: no single event needs it.
pub(crate) const MAX_LINE_BYTES: usize = 256 << 20;

/// Reads a whole log; hands each event to `sink` and returns how many lines were unreadable, such
/// as the last one of a killed process.
pub(crate) fn read(mut input: impl BufRead, mut sink: impl FnMut(Event)) -> std::io::Result<usize> {
    let mut line = Vec::new();
    let mut unreadable = 0;
    loop {
        line.clear();
        let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
        if std::io::Read::take(&mut input, limit).read_until(b'\n', &mut line)? == 0 {
            return Ok(unreadable);
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let event = serde_json::from_slice(&line).unwrap_or(Event::Torn);
        unreadable += usize::from(event == Event::Torn);
        sink(event);
    }
}
