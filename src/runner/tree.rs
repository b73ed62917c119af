//! All the processes of one shard, and the end of all of them.
//!
//! A process belongs to a shard if it is in the process group or session of the shard's command, if
//! it descends from it, if its environment carries the shard's token (a daemon that left its parent
//! and session), or if it was orphaned to us while no other shard runs (a daemon that also lost its
//! environment, as servers do that write their title over it). Where there is no `/proc` only the
//! process group is known.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions};
use tokio::process::Child;

use super::process::CommandLine;

/// The environment variable that marks the processes of a run. A run inside a test of another run
/// adds its token after a `:`, so that both find their processes.
const RUN_VARIABLE: &str = "PARALLEL_PYTEST_RUN";

/// Between two looks for survivors; a process may fork while we end it.
const AGAIN: Duration = Duration::from_millis(20);

/// How often we look: two seconds.
const LOOKS: usize = 100;

/// The secret name of a run, or of one shard of it: `<32 hex digits>` or `<32 hex digits>.<index>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunToken(String);

impl RunToken {
    pub(crate) fn random() -> Self {
        // The keys of a hasher come from the system's source of randomness.
        let word = || RandomState::new().hash_one((std::process::id(), std::time::Instant::now()));
        Self(format!("{:016x}{:016x}", word(), word()))
    }

    /// The token of one shard of this run.
    pub(super) fn part(&self, index: u16) -> Self {
        Self(format!("{}.{index}", self.0))
    }

    /// Reads back a token that was written to a file.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_hex = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        (text.len() == 32 && is_hex).then(|| Self(text.to_owned()))
    }

    /// What [`RUN_VARIABLE`] has to be in a child.
    fn in_environment(&self) -> String {
        match std::env::var(RUN_VARIABLE) {
            Ok(outer) if !outer.is_empty() => format!("{outer}:{}", self.0),
            _ => self.0.clone(),
        }
    }

    /// Whether the environment of a process (`NAME=value`, each ended by a NUL) names this run or shard.
    fn is_in(&self, environment: &[u8]) -> bool {
        let mut variables = environment.split(|byte| *byte == 0);
        let value = variables.find_map(|text| {
            text.strip_prefix(RUN_VARIABLE.as_bytes())?
                .strip_prefix(b"=")
        });
        let names_us = |token: &[u8]| {
            let rest = token.strip_prefix(self.0.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
        };
        value.is_some_and(|value| value.split(|byte| *byte == b':').any(names_us))
    }
}

impl fmt::Display for RunToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

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

fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
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

    /// Signals the process group of the command: what Ctrl-C on a terminal would reach.
    pub(crate) fn signal_group(&self, signal: Signal) {
        if let Some(group) = Pid::from_raw(self.root) {
            let _ = rustix::process::kill_process_group(group, signal);
            // One that asked the terminal for input is stopped, and would not notice.
            let _ = rustix::process::kill_process_group(group, Signal::CONT);
        }
    }

    /// Signals every process of the shard and returns how many there were.
    pub(crate) fn signal_all(&self, signal: Signal) -> usize {
        let table = Table::read();
        if table.is_empty() {
            self.signal_group(signal);
            return 0;
        }
        let members = self.members(&table);
        signal_each(&members, signal);
        members.len()
    }

    /// Ends every process of the shard, also those that are born while it does so.
    pub(crate) async fn kill(&self) {
        for _ in 0..LOOKS {
            let left = self.signal_all(Signal::KILL);
            reap_orphans();
            if left == 0 {
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
        tracing::warn!("processes of the shard could not be ended");
    }

    /// Ends what the command left behind when it had ended: first politely, then not. Returns how many there were.
    pub(crate) async fn clean_up(&self, patience: Duration) -> usize {
        let left = self.signal_all(Signal::TERM);
        let deadline = tokio::time::Instant::now() + patience;
        while left > 0 && tokio::time::Instant::now() < deadline {
            let is_done = self.members(&Table::read()).is_empty();
            reap_orphans();
            if is_done {
                return left;
            }
            tokio::time::sleep(AGAIN).await;
        }
        self.kill().await;
        left
    }

    /// Bytes: the greatest resident size that any process of the shard, as it is now, has ever had.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        let table = Table::read();
        let kin = table.closure(|process| self.is_kin(process));
        kin.iter().filter_map(|pid| high_water_mark(*pid)).max()
    }

    fn members(&self, table: &Table) -> BTreeSet<i32> {
        let orphans = if commands().iter().all(|root| *root == self.root) {
            table.orphans()
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
        !self.is_reaped.load(Ordering::Relaxed)
            && [process.pid, process.group, process.session].contains(&self.root)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        commands().remove(&self.root);
    }
}

/// Ends whatever is left of an earlier run that was killed itself. Returns how many processes that were.
pub(super) fn sweep(token: &RunToken) -> usize {
    let mut ended = BTreeSet::new();
    for _ in 0..LOOKS {
        let members = Table::read().closure(|process| has_token(process.pid, token));
        if members.is_empty() {
            break;
        }
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
        if table.is_orphan(process, &commands)
            && let Some(pid) = Pid::from_raw(process.pid)
        {
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
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

/// `VmHWM` of proc(5), in bytes.
fn high_water_mark(pid: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kibibytes| kibibytes * 1024)
}

/// A look at all processes of the machine; empty where there is no `/proc`.
struct Table {
    processes: BTreeMap<i32, Process>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    pid: i32,
    is_zombie: bool,
    parent: i32,
    group: i32,
    session: i32,
}

impl Table {
    fn read() -> Self {
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let stat = |entry: std::fs::DirEntry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read(entry.path().join("stat")).ok()?;
            Some((pid, Process::parse(pid, &String::from_utf8_lossy(&stat))?))
        };
        Self {
            processes: entries.filter_map(stat).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    fn children_of(&self, parent: i32) -> impl Iterator<Item = i32> {
        self.processes
            .values()
            .filter(move |process| process.parent == parent)
            .map(|process| process.pid)
    }

    /// The living processes for which `is_seed` holds and all that descend from them; never ourselves.
    fn closure(&self, is_seed: impl Fn(&Process) -> bool) -> BTreeSet<i32> {
        let mut members: BTreeSet<i32> = self
            .processes
            .values()
            .filter(|process| is_seed(process))
            .map(|process| process.pid)
            .collect();
        let mut young: Vec<i32> = members.iter().copied().collect();
        while let Some(parent) = young.pop() {
            young.extend(
                self.children_of(parent)
                    .filter(|child| members.insert(*child)),
            );
        }
        members.remove(&own_pid());
        members.retain(|pid| {
            self.processes
                .get(pid)
                .is_some_and(|process| !process.is_zombie)
        });
        members
    }

    fn orphans(&self) -> BTreeSet<i32> {
        let commands = commands();
        let orphans = self
            .processes
            .values()
            .filter(|process| self.is_orphan(process, &commands));
        orphans.map(|process| process.pid).collect()
    }

    /// Whether a process came to us because its parent ended. What we started otherwise (git,
    /// docker) is in our own process group, which no process of a shard is.
    fn is_orphan(&self, process: &Process, commands: &BTreeSet<i32>) -> bool {
        let own = own_pid();
        let own_group = self.processes.get(&own).map(|process| process.group);
        process.parent == own
            && Some(process.group) != own_group
            && !commands.contains(&process.pid)
            && INHERITED
                .get()
                .is_some_and(|inherited| !inherited.contains(&process.pid))
    }
}

impl Process {
    /// A line of `/proc/<pid>/stat`, see proc(5): `pid (name) state parent group session …`.
    fn parse(pid: i32, stat: &str) -> Option<Self> {
        // The name may contain anything, also parentheses.
        let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
        let is_zombie = matches!(fields.next()?, "Z" | "X");
        let mut number = || fields.next()?.parse().ok();
        Some(Self {
            pid,
            is_zombie,
            parent: number()?,
            group: number()?,
            session: number()?,
        })
    }
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

    #[test]
    fn a_process_knows_its_run_from_its_environment() {
        let run = RunToken::random();
        let (one, ten) = (run.part(1), run.part(10));
        let environment =
            |tokens: &str| format!("A=1\0PARALLEL_PYTEST_RUN={tokens}\0Z=\0").into_bytes();
        let nested = environment(&format!("{}:{one}", RunToken::random()));
        assert!(run.is_in(&nested) && one.is_in(&nested) && !ten.is_in(&nested));
        let tenth = environment(&ten.to_string());
        assert!(run.is_in(&tenth) && ten.is_in(&tenth) && !one.is_in(&tenth));
        assert!(!RunToken::random().is_in(&nested));
        assert!(!run.is_in(format!("XPARALLEL_PYTEST_RUN={run}\0B={run}\0").as_bytes()));
        assert_eq!(RunToken::parse(&run.to_string()), Some(run));
        assert_eq!(RunToken::parse("0123456789abcdef"), None);
    }

    #[test]
    fn a_line_of_stat_is_read_whatever_the_name_is() {
        let process = Process::parse(7, "7 (a) Z 9 (b)) S 1 2 3 0 -1 4194560").expect("a process");
        assert_eq!(
            process,
            Process {
                pid: 7,
                is_zombie: false,
                parent: 1,
                group: 2,
                session: 3
            }
        );
        assert_eq!(Process::parse(7, "7 (a) S 1"), None);
    }

    #[test]
    fn descendants_belong_to_the_tree_and_zombies_do_not() {
        let process = |pid, parent, is_zombie| {
            (
                pid,
                Process {
                    pid,
                    is_zombie,
                    parent,
                    group: pid,
                    session: pid,
                },
            )
        };
        let table = Table {
            processes: [
                process(10, 1, false),
                process(11, 10, true),
                process(12, 11, false),
                process(13, 12, false),
                process(20, 1, false),
            ]
            .into(),
        };
        assert_eq!(
            table.closure(|process| process.pid == 10),
            [10, 12, 13].into()
        );
    }

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
