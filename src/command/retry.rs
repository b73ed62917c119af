//! `--retry-fresh`: what failed in a shard runs again where nothing has run before.
//!
//! A retry has a folder in that of its shard and is run there as if it were one. It counts if it came
//! to its end: then its events and its coverage join the shard's. If it did not, what failed stays
//! failed, and the manifest says why.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use anyhow::Result;
use camino::Utf8Path;
use fs_err as fs;
use serde_json::json;

use super::console;
use super::shard::{ShardJob, say_culprit};
use super::shard_coverage;
use super::turn::Turn;
use crate::model::case::{Phase, TestCase};
use crate::model::shard::Shard;
use crate::pytest::log::ShardLog;
use crate::pytest::plugin::RETRY_FILE;
use crate::runner::host::{Ended, ShardEnd};
use crate::runner::output::Show;
use crate::runner::signals::Interrupts;
use crate::workspace::{self, EVENTS_FILE, JUNIT_FILE, LOG_FILE};

/// Tests of a shard that are run again: where more fail, it is not chance. The plugin's limit, too.
const MOST: usize = 100;

impl Turn {
    fn open(&self, failed: &Failed) -> Result<()> {
        // coverage.py does not make the folder of its data file.
        fs::create_dir_all(self.folder.join("coverage"))?;
        let tests: Vec<&str> = failed.0.keys().map(String::as_str).collect();
        let files: BTreeSet<&str> = failed.0.values().map(String::as_str).collect();
        let text = json!({ "tests": tests, "files": files }).to_string();
        workspace::write_atomic(&self.folder.join(RETRY_FILE), text.as_bytes())
    }

    /// Adds a retry to the shard in `shard_dir`, its output in any case; says why it does not count
    /// otherwise.
    fn join(
        &self,
        shard_dir: &Utf8Path,
        failed: &Failed,
        end: &Ended,
    ) -> Result<Result<(), String>> {
        let title = format!(
            "\nparallel-pytest: retry {} in a fresh environment\n",
            self.round
        );
        append(&self.folder, LOG_FILE, &title, shard_dir)?;
        let log = workspace::read_log(&self.folder)?.unwrap_or_default();
        if let Err(why) = self.counts(&log, failed, end) {
            return Ok(Err(why));
        }
        append(&self.folder, EVENTS_FILE, "", shard_dir)?;
        if let Err(error) = shard_coverage::add(&self.folder, shard_dir) {
            console::warn(format!(
                "shard {}: the coverage of retry {} is left out: {error:#}",
                self.shard, self.round
            ));
        }
        // What pytest wrote knows nothing of the retry; ours does.
        workspace::remove_if_there(&shard_dir.join(JUNIT_FILE))?;
        Ok(Ok(()))
    }

    fn counts(&self, log: &ShardLog, failed: &Failed, end: &Ended) -> Result<(), String> {
        let Ended::Exited(status) = end else {
            return Err(end.to_string());
        };
        if log.sessions.is_empty() {
            let said = workspace::last_words(&self.folder);
            return Err(format!(
                "it ended with status {status} before pytest began: {said}"
            ));
        }
        if !log.is_closed() {
            return Err(format!("it ended with status {status} before pytest did"));
        }
        let ran = |case: &TestCase| failed.0.contains_key(case.id.as_str());
        if log.finished.iter().any(ran) {
            Ok(())
        } else {
            Err("none of the tests was there again".to_owned())
        }
    }
}

/// Tests that failed, with the file they were collected from.
#[derive(Clone, Debug, Default, PartialEq)]
struct Failed(BTreeMap<String, String>);

impl Failed {
    /// Those of a shard that is whole: of another one more is missing than a retry could say.
    fn of(log: &ShardLog) -> Self {
        let is_whole = log.sessions.last().is_some_and(|it| it.end.is_some())
            && log.unfinished.is_empty()
            && log.not_run.is_empty()
            && log.collect_errors.is_empty();
        if !is_whole {
            return Self::default();
        }
        let failed = log.finished.iter().filter(|case| can_run_again(case));
        let named = failed.filter_map(|case| Some((case.id.to_string(), case.file.clone()?)));
        Self(named.take(MOST).collect())
    }

    /// Those of them that have failed again.
    fn again(&self, log: &ShardLog) -> Self {
        let failed = log.finished.iter().filter(|case| can_run_again(case));
        let failed: BTreeSet<&str> = failed.map(|case| case.id.as_str()).collect();
        let left = self.0.clone().into_iter();
        Self(
            left.filter(|(id, _)| failed.contains(id.as_str()))
                .collect(),
        )
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn can_run_again(case: &TestCase) -> bool {
    let collected = |case: &TestCase| case.problems.iter().all(|it| it.phase != Phase::Collect);
    case.outcome.is_failure() && collected(case)
}

/// Adds a file of a retry to the shard's.
fn append(folder: &Utf8Path, name: &str, title: &str, shard_dir: &Utf8Path) -> Result<()> {
    let source = folder.join(name);
    if !source.exists() {
        return Ok(());
    }
    let target = shard_dir.join(name);
    let mut target = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(target)?;
    target.write_all(title.as_bytes())?;
    io::copy(&mut fs::File::open(source)?, &mut target)?;
    Ok(())
}

impl ShardJob {
    /// Runs the shard's command, and with `--retry-fresh` again what failed in it. Says how the shard
    /// ended, and why the last retry does not count, if it does not.
    ///
    /// # Errors
    /// The disk's.
    pub(super) async fn run_and_retry(
        &self,
        shard: Shard,
        show: Show,
        interrupts: &Interrupts,
    ) -> Result<(ShardEnd, Option<String>)> {
        let shard_dir = self.work.shard_dir(shard);
        let began = Instant::now();
        let mut turn = Turn::first(shard, shard_dir.clone());
        let goes_on =
            |turn: &Turn| turn.round < self.args.fresh_retries() && interrupts.signal().is_none();
        let log = || anyhow::Ok(workspace::read_log(&shard_dir)?.unwrap_or_default());
        let mut ran = self
            .start(&turn, Duration::ZERO, show.clone(), interrupts)
            .await;
        let mut end = ran.end.clone();
        let mut broken = None;
        let mut failed = match end.exit {
            Ended::Exited(_) if goes_on(&turn) => Failed::of(&log()?),
            _ => Failed::default(),
        };
        while !failed.is_empty() {
            ran.leave(true).await;
            turn = turn.next(&shard_dir);
            turn.open(&failed)?;
            self.say_again(&turn, failed.0.len());
            ran = self
                .start(&turn, began.elapsed(), show.clone(), interrupts)
                .await;
            say_culprit(shard, &ran.end.exit, &turn.folder);
            end.peak_memory = end.peak_memory.max(ran.end.peak_memory);
            end.log_problem = end.log_problem.or(ran.end.log_problem.take());
            broken = turn.join(&shard_dir, &failed, &ran.end.exit)?.err();
            if broken.is_none() {
                end.status = ran.end.status;
            }
            failed = if broken.is_none() && goes_on(&turn) {
                failed.again(&log()?)
            } else {
                Failed::default()
            };
        }
        ran.leave(false).await;
        Ok((end, broken))
    }

    fn say_again(&self, turn: &Turn, count: usize) {
        let tests = if count == 1 { "test" } else { "tests" };
        let place = if self.project.is_some() {
            "a fresh fleet"
        } else {
            "a new process"
        };
        console::say(format!(
            "shard {}: {count} {tests} failed, retry {} in {place}",
            turn.shard, turn.round
        ));
    }
}
