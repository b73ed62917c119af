//! All the processes of one shard, and the end of all of them.
//!
//! A process belongs to a shard if it is in the process group or session of the shard's command, if
//! it descends from it, if its environment carries the shard's token (a daemon that left its parent
//! and session), or if it was orphaned to us while no other shard runs (a daemon that also lost its
//! environment, as servers do that write their title over it). Where there is no `/proc` only the
//! process group is known.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions};
use tokio::process::Child;

use super::process::CommandLine;
use super::process_table::{Process, Table, high_water_mark, own_pid};
use super::token::{RUN_VARIABLE, RunToken};

/// Between two looks for survivors; a process may fork while we end it.
const AGAIN: Duration = Duration::from_millis(20);

/// A process in the middle of an exec has no environment to show, so we believe only two looks.
const EMPTY_LOOKS: u32 = 2;

/// What outlives SIGKILL for that long, such as a process that waits for a dead disk, stays.
const UNKILLABLE: Duration = Duration::from_secs(2);

/// The commands of the shards that run now. Locked while one starts, so that none is taken for an orphan.
static COMMANDS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Our children from before we became ourselves by exec.
static INHERITED: OnceLock<BTreeSet<i32>> = OnceLock::new();

fn commands() -> MutexGuard<'static, BTreeSet<i32>> {
    COMMANDS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes us the parent of every orphan below us (PID 1 of a container is that anyway), so that daemons can be
/// found. See `PR_SET_CHILD_SUBREAPER` in prctl(2).
fn adopt_orphans() {
    INHERITED.get_or_init(|| {
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
            tracing::debug!("orphans will go to init: {error}");
        }
        Table::read().children_of(own_pid()).collect()
    });
}

/// The processes of one shard. Dropping it forgets them; it does not end them.
#[derive(Debug)]
pub(crate) struct Tree {
    root: i32,
    token: RunToken,
    /// From then on the root's number may become the number of any other process.
    is_reaped: AtomicBool,
}

impl Tree {
    /// Starts the command of a shard with its output going into a pipe.
    pub(super) fn spawn(
        command: &CommandLine,
        output: io::PipeWriter,
        token: RunToken,
    ) -> Result<(Child, Self), String> {
        adopt_orphans();
        let command = command.clone().env(RUN_VARIABLE, token.in_environment());
        let mut commands = commands();
        let child = command.spawn(output)?;
        let root = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .unwrap_or_default();
        commands.insert(root);
        Ok((
            child,
            Self {
                root,
                token,
                is_reaped: AtomicBool::new(false),
            },
        ))
    }

    /// Says that the command has ended and was waited for.
    pub(super) fn reaped(&self) {
        self.is_reaped.store(true, Ordering::Relaxed);
    }

    fn is_reaped(&self) -> bool {
        // Where there is no `/proc`, the group is the only way to what is left.
        cfg!(target_os = "linux") && self.is_reaped.load(Ordering::Relaxed)
    }

    /// Signals the process group of the command: what Ctrl-C on a terminal would reach.
    pub(crate) fn signal_group(&self, signal: Signal) {
        if let Some(group) = Pid::from_raw(self.root).filter(|_| !self.is_reaped()) {
            let _ = rustix::process::kill_process_group(group, signal);
            // One that asked the terminal for input is stopped, and would not notice.
            let _ = rustix::process::kill_process_group(group, Signal::CONT);
        }
    }

    /// Signals every process of the shard.
    pub(crate) fn signal_all(&self, signal: Signal) {
        let table = Table::read();
        if table.is_empty() {
            self.signal_group(signal);
        } else {
            signal_each(&self.members(&table), signal);
        }
    }

    /// Ends every process of the shard, also those that are born while it does so.
    pub(crate) async fn kill(&self) {
        self.signal_group(Signal::KILL);
        if self
            .signal_until_gone(Signal::KILL, UNKILLABLE)
            .await
            .is_err()
        {
            tracing::warn!("processes of the shard could not be ended");
        }
    }

    /// Ends what the command left behind when it had ended: first politely, then not. Returns how
    /// many processes there were.
    pub(crate) async fn clean_up(&self, patience: Duration) -> usize {
        match self.signal_until_gone(Signal::TERM, patience).await {
            Ok(left) => left,
            Err(left) => {
                self.kill().await;
                left
            }
        }
    }

    /// Signals each process of the shard once. `Ok` if none is left, `Err` if time is up, both with
    /// how many there were.
    async fn signal_until_gone(&self, signal: Signal, patience: Duration) -> Result<usize, usize> {
        let deadline = Instant::now() + patience;
        let mut told = BTreeSet::new();
        let mut empty_looks = 0;
        loop {
            let table = Table::read();
            if table.is_empty() {
                self.signal_group(signal);
                return Ok(0);
            }
            let members = self.members(&table);
            reap_orphans();
            empty_looks = if members.is_empty() {
                empty_looks + 1
            } else {
                0
            };
            if empty_looks == EMPTY_LOOKS {
                return Ok(told.len());
            }
            if Instant::now() >= deadline {
                return Err(told.len());
            }
            signal_each(&(&members - &told), signal);
            told.extend(members);
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Bytes: the greatest resident size that any process of the shard, as it is now, has ever had.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let table = Table::read();
        let kin = table.closure(|process| self.is_kin(process));
        kin.iter().filter_map(|pid| high_water_mark(*pid)).max()
    }

    fn members(&self, table: &Table) -> BTreeSet<i32> {
        let orphans = if commands().iter().all(|root| *root == self.root) {
            orphans(table)
        } else {
            BTreeSet::new()
        };
        table.closure(|process| {
            self.is_kin(process)
                || orphans.contains(&process.pid)
                || has_token(process.pid, &self.token)
        })
    }

    fn is_kin(&self, process: &Process) -> bool {
        !self.is_reaped() && [process.pid, process.group, process.session].contains(&self.root)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        commands().remove(&self.root);
    }
}

fn orphans(table: &Table) -> BTreeSet<i32> {
    let commands = commands();
    let orphans = table
        .processes
        .values()
        .filter(|process| is_orphan(table, process, &commands));
    orphans.map(|process| process.pid).collect()
}

/// Whether a process came to us because its parent ended. What we started otherwise (git,
/// docker) is in our own process group, which no process of a shard is.
fn is_orphan(table: &Table, process: &Process, commands: &BTreeSet<i32>) -> bool {
    let own = own_pid();
    let own_group = table.processes.get(&own).map(|process| process.group);
    process.parent == own
        && Some(process.group) != own_group
        && !commands.contains(&process.pid)
        && INHERITED
            .get()
            .is_some_and(|inherited| !inherited.contains(&process.pid))
}

/// Ends whatever is left of an earlier run that was killed itself. Returns how many processes that were.
pub(super) fn sweep(token: &RunToken) -> usize {
    let deadline = Instant::now() + UNKILLABLE;
    let mut ended = BTreeSet::new();
    let mut empty_looks = 0;
    while empty_looks < EMPTY_LOOKS && Instant::now() < deadline {
        let members = Table::read().closure(|process| has_token(process.pid, token));
        empty_looks = if members.is_empty() {
            empty_looks + 1
        } else {
            0
        };
        signal_each(&members, Signal::KILL);
        ended.extend(members);
        std::thread::sleep(AGAIN);
    }
    ended.len()
}

/// Takes leave of orphans that have ended; without it they would stay as zombies as long as we live.
pub(crate) fn reap_orphans() {
    // Held so that no command can start, end and be taken for an orphan meanwhile.
    let commands = commands();
    let table = Table::read();
    for process in table.processes.values().filter(|process| process.is_zombie) {
        if is_orphan(&table, process, &commands)
            && let Some(pid) = Pid::from_raw(process.pid)
        {
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

/// Signals every process of this container but its first one, which passes signals on, and us.
pub(crate) fn signal_all_others(signal: Signal) {
    let table = Table::read();
    let others = table.closure(|process| ![1, own_pid()].contains(&process.pid));
    signal_each(&(&others - &[1, own_pid()].into()), signal);
}

fn signal_each(pids: &BTreeSet<i32>, signal: Signal) {
    for pid in pids.iter().filter_map(|pid| Pid::from_raw(*pid)) {
        // It may have ended since we looked.
        let _ = rustix::process::kill_process(pid, signal);
        let _ = rustix::process::kill_process(pid, Signal::CONT);
    }
}

fn has_token(pid: i32, token: &RunToken) -> bool {
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| token.is_in(&environment))
}

/// How many of our children have ended and were not taken leave of.
#[cfg(test)]
pub(super) fn zombies() -> usize {
    let table = Table::read();
    table
        .processes
        .values()
        .filter(|process| process.parent == own_pid() && process.is_zombie)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_killed_run_left_is_swept() {
        let token = RunToken::random();
        let start = |token: &RunToken| {
            let mut command = std::process::Command::new("sleep");
            command
                .arg("60")
                .env(RUN_VARIABLE, token.part(3).to_string())
                .spawn()
                .expect("a child")
        };
        let (mut ours, mut other) = (start(&token), start(&RunToken::random()));
        assert_eq!(sweep(&token), 1);
        assert_eq!(sweep(&token), 0);
        assert!(ours.wait().expect("a status").code().is_none());
        assert_eq!(
            other.try_wait().expect("a status"),
            None,
            "another run is not touched"
        );
        other.kill().expect("killed");
        other.wait().expect("a status");
    }
}
