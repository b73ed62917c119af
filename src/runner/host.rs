//! The run of one shard: start it, watch it, end it.
//!
//! How it is ended, from what pytest 9.2 and pytest-xdist 3.8 were seen to do:
//!
//! - SIGINT to the whole process group. pytest finishes the running test's teardown and writes its
//!   reports: after 0.3 s, with two workers of pytest-xdist 0.8 s. Workers that do not get the
//!   signal themselves are waited for, for 6 s.
//! - No second SIGINT: it breaks a teardown or a report that is under way, and a test that swallowed
//!   the first swallows the next.
//! - SIGTERM shortly before the end of the grace period: it ends pytest at once, without a report;
//!   the event log is complete anyway. A test that hangs gets SIGABRT instead, on which Python's
//!   faulthandler, which pytest enables, writes where every thread is.
//! - SIGKILL to all processes of the shard at the end of the grace period.
//!
//! GitHub gives 7.5 s until SIGTERM and 10 s until SIGKILL, so [`GRACE`] leaves one second to write
//! the shard's files and 2.5 s to take a fleet down.

use std::collections::VecDeque;
use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use camino::Utf8PathBuf;
use rustix::process::Signal;
use tokio::process::Child;

use super::environment::Environment;
use super::follow::{Follower, Progress};
use super::mask::Mask;
use super::output::{Output, Show};
use super::process::CommandLine;
use super::signals::{self, Interrupts, Urgency};
use super::token::RunToken;
use super::tree::Tree;
use crate::model::human_duration::HumanDuration;
use crate::model::shard::Shard;

/// The grace period on a CI.
pub(crate) const GRACE: Duration = Duration::from_millis(6500);

/// How much of the grace period passes before SIGTERM.
const POLITE: f64 = 0.85;

/// The grace period after a second signal.
const HURRY: Duration = Duration::from_secs(1);

/// How long we wait for a process that SIGKILL did not end.
const GIVE_UP: Duration = Duration::from_secs(5);

const TICK: Duration = Duration::from_millis(250);

/// Reading all of `/proc` takes some milliseconds, so only every so many ticks.
const TICKS_PER_SAMPLE: u32 = 4;

/// What to run as a shard, and how.
pub(crate) struct ShardSpec {
    pub(crate) shard: Shard,
    pub(crate) command: CommandLine,
    pub(crate) environment: Environment,
    /// Gets `log.txt`; the plugin writes `events.jsonl` there.
    pub(crate) shard_dir: Utf8PathBuf,
    pub(crate) show: Show,
    /// The run's; all of its shards may share it.
    pub(crate) token: RunToken,
    /// What must not be read in its output.
    pub(crate) mask: Mask,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For the whole shard.
    pub(crate) shard: Option<Duration>,
    /// For one test with its setup and teardown.
    pub(crate) test: Option<Duration>,
    /// What the shard has had of its limit before.
    pub(crate) spent: Duration,
    /// Between asking the shard to end and killing it.
    pub(crate) grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            shard: None,
            test: None,
            spent: Duration::ZERO,
            grace: GRACE,
        }
    }
}

/// What became of the shard's command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Exited(i32),
    /// By a signal that we did not send.
    Signalled(i32),
    TimedOut {
        limit: Duration,
        running: Vec<String>,
    },
    Hung {
        test: String,
        limit: Duration,
    },
    /// We were told to end.
    Interrupted {
        signal: i32,
    },
    /// Says what to do.
    NotStarted(String),
    /// What the tests stand on broke, such as a database; says what that was.
    EnvironmentFailed(String),
}

#[derive(Clone, Debug)]
pub(crate) struct ShardEnd {
    pub(crate) exit: Ended,
    /// Of the command, as a shell says it: 128 + n where a signal ended it; `None` where it did not
    /// start or could not be ended.
    pub(crate) status: Option<i32>,
    /// Bytes, of the largest process of the shard; sampled once a second, so a short life may be missed.
    pub(crate) peak_memory: Option<u64>,
    /// Why `log.txt` is incomplete.
    pub(crate) log_problem: Option<String>,
}

impl ShardEnd {
    /// Of a shard whose command did not even start.
    pub(crate) fn without_a_start(why: Ended) -> Self {
        Self {
            exit: why,
            status: None,
            peak_memory: None,
            log_problem: None,
        }
    }
}

impl Ended {
    /// Why the shard ended before pytest did, if so.
    pub(crate) fn interruption(&self) -> Option<String> {
        (!matches!(self, Self::Exited(_))).then(|| self.to_string())
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(out, "exited with {status}"),
            Self::Signalled(signal) => {
                write!(out, "killed by {}", signals::name(*signal))?;
                if *signal == Signal::KILL.as_raw() {
                    write!(out, ", perhaps because memory ran out")?;
                }
                Ok(())
            }
            Self::TimedOut { limit, running } => {
                write!(out, "took longer than {}", HumanDuration::new(*limit))?;
                match running.as_slice() {
                    [] => write!(out, "; no test was running"),
                    [test] => write!(out, "; {test} was running"),
                    [test, others @ ..] => {
                        write!(out, "; {test} and {} more were running", others.len())
                    }
                }
            }
            Self::Hung { test, limit } => {
                write!(out, "{test} ran longer than {}", HumanDuration::new(*limit))
            }
            Self::Interrupted { signal } => write!(out, "ended by {}", signals::name(*signal)),
            Self::NotStarted(message) | Self::EnvironmentFailed(message) => out.write_str(message),
        }
    }
}

/// Runs a shard to its end, whatever that is; at the end none of its processes is left.
pub(crate) async fn run(spec: ShardSpec, limits: Limits, interrupts: Interrupts) -> ShardEnd {
    let mut end = ShardEnd::without_a_start(Ended::Interrupted {
        signal: interrupts.signal().unwrap_or_default(),
    });
    if interrupts.signal().is_some() {
        return end;
    }
    match Supervisor::start(spec, limits) {
        Ok(supervisor) => supervisor.watch(interrupts, &mut end).await,
        Err(message) => end.exit = Ended::NotStarted(message),
    }
    end
}

struct Supervisor {
    environment: Environment,
    limits: Limits,
    child: Child,
    tree: Tree,
    output: Output,
    follower: Follower,
    progress: Progress,
    started: Instant,
    peak_memory: Option<u64>,
    ending: Option<Ending>,
}

/// Why and how a command is ended before its time.
struct Ending {
    why: Ended,
    steps: VecDeque<(Instant, Step)>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Interrupt,
    End(Signal),
    Kill,
    GiveUp,
}

impl Ending {
    fn new(why: Ended, grace: Duration) -> Self {
        let now = Instant::now();
        let last_words = match why {
            Ended::Hung { .. } => Signal::ABORT,
            _ => Signal::TERM,
        };
        let steps = [
            (now, Step::Interrupt),
            (now + grace.mul_f64(POLITE), Step::End(last_words)),
            (now + grace, Step::Kill),
            (now + grace + GIVE_UP, Step::GiveUp),
        ];
        Self {
            why,
            steps: steps.into(),
        }
    }

    /// Does without what is left of the grace period.
    fn hurry(&mut self, urgency: Urgency) {
        let now = Instant::now();
        let grace = if urgency == Urgency::Kill {
            Duration::ZERO
        } else {
            HURRY
        };
        self.steps = [
            (now, Step::End(Signal::TERM)),
            (now + grace, Step::Kill),
            (now + grace + GIVE_UP, Step::GiveUp),
        ]
        .into();
    }
}

impl Supervisor {
    fn start(spec: ShardSpec, limits: Limits) -> Result<Self, String> {
        let ShardSpec {
            shard,
            command,
            environment,
            shard_dir,
            show,
            token,
            mask,
        } = spec;
        let log = shard_dir.join("log.txt");
        let (output, pipe) = fs_err::create_dir_all(&shard_dir)
            .and_then(|()| Output::start(&log, show, mask))
            .map_err(|error| error.to_string())?;
        let mut follower = Follower::new(shard_dir.join("events.jsonl"));
        // What an earlier attempt wrote there does not run now.
        let _ = follower.poll();
        let command = environment.command(&command);
        let (child, tree) = Tree::spawn(&command, pipe, token.part(shard.index()))?;
        Ok(Self {
            environment,
            limits,
            child,
            tree,
            output,
            follower,
            progress: Progress::default(),
            started: Instant::now(),
            peak_memory: None,
            ending: None,
        })
    }

    async fn watch(mut self, mut interrupts: Interrupts, end: &mut ShardEnd) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let environment = self.environment.clone();
        let failure = environment.failure();
        tokio::pin!(failure);
        let mut ticks = 0_u32;
        let mut urgency = Urgency::None;
        let status = loop {
            let next_step = self
                .ending
                .as_ref()
                .and_then(|ending| ending.steps.front().copied());
            tokio::select! {
                status = self.child.wait() => break status.ok(),
                new = interrupts.more_urgent_than(urgency) => {
                    urgency = new;
                    self.interrupted(interrupts.signal().unwrap_or_default(), urgency);
                }
                why = &mut failure, if self.ending.is_none() => {
                    self.end(Ended::EnvironmentFailed(why));
                }
                step = due(next_step) => {
                    if let Some(ending) = &mut self.ending {
                        ending.steps.pop_front();
                    }
                    match step {
                        Step::Interrupt => self.environment.interrupt(&self.tree),
                        Step::End(signal) => self.environment.end(&self.tree, signal),
                        Step::Kill => self.environment.kill(&self.tree).await,
                        Step::GiveUp => break None,
                    }
                }
                _ = tick.tick() => {
                    self.look();
                    if ticks % TICKS_PER_SAMPLE == 1 {
                        self.peak_memory = self.peak_memory.max(self.environment.sample(&self.tree));
                    }
                    ticks = ticks.wrapping_add(1);
                }
            }
        };
        end.status = status.and_then(shell_status);
        end.peak_memory = self.peak_memory;
        end.exit = match self.ending.take() {
            Some(ending) => ending.why,
            None => status.map_or(Ended::Signalled(Signal::KILL.as_raw()), ended),
        };
        if matches!(end.exit, Ended::Exited(1..) | Ended::Signalled(_))
            && let Some(why) = self.environment.post_mortem().await
        {
            end.exit = Ended::EnvironmentFailed(why);
        }
        if status.is_some() {
            self.tree.reaped();
        }
        let left = self.environment.clean_up(&self.tree).await;
        if left > 0 {
            self.output.note(&format!(
                "ended {left} processes that the tests left behind"
            ));
        }
        end.log_problem = self.output.finish().await;
    }

    /// Reads the event log and minds the limits.
    fn look(&mut self) {
        let now = Instant::now();
        // A log that cannot be read is publish's to judge; here it only means to know less.
        for event in self.follower.poll().unwrap_or_default() {
            self.progress.apply(&event, now);
        }
        if self.ending.is_some() {
            return;
        }
        let Limits {
            shard, test, spent, ..
        } = self.limits;
        if let Some(limit) = shard.filter(|limit| now - self.started + spent >= *limit) {
            let running = self
                .progress
                .running
                .iter()
                .map(|test| test.id.clone())
                .collect();
            self.end(Ended::TimedOut { limit, running });
        } else if let Some(limit) = test
            && let Some(hanging) = self.progress.hanging(limit, now)
        {
            let test = hanging.id.clone();
            self.end(Ended::Hung { test, limit });
        }
    }

    fn interrupted(&mut self, signal: i32, urgency: Urgency) {
        if self.ending.is_none() {
            self.end(Ended::Interrupted { signal });
        }
        if urgency > Urgency::Stop
            && let Some(ending) = &mut self.ending
        {
            ending.hurry(urgency);
        }
    }

    fn end(&mut self, why: Ended) {
        self.output.note(&why.to_string());
        self.ending = Some(Ending::new(why, self.limits.grace));
    }
}

async fn due(step: Option<(Instant, Step)>) -> Step {
    match step {
        Some((at, step)) => {
            tokio::time::sleep_until(at.into()).await;
            step
        }
        None => std::future::pending().await,
    }
}

fn ended(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exited(code),
        (None, signal) => Ended::Signalled(signal.unwrap_or_default()),
    }
}

fn shell_status(status: ExitStatus) -> Option<i32> {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
}

#[cfg(test)]
#[path = "host_tests.rs"]
mod tests;
