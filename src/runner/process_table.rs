//! A look at the processes of the machine, through `/proc`.

use std::collections::{BTreeMap, BTreeSet};

/// All processes; empty where there is no `/proc`.
pub(super) struct Table {
    pub(super) processes: BTreeMap<i32, Process>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) is_zombie: bool,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
}

impl Table {
    pub(super) fn read() -> Self {
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

    pub(super) fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    pub(super) fn children_of(&self, parent: i32) -> impl Iterator<Item = i32> {
        self.processes
            .values()
            .filter(move |process| process.parent == parent)
            .map(|process| process.pid)
    }

    /// The living processes for which `is_seed` holds and all that descend from them; never ourselves.
    pub(super) fn closure(&self, is_seed: impl Fn(&Process) -> bool) -> BTreeSet<i32> {
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

pub(super) fn own_pid() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// `VmHWM` of proc(5), in bytes.
pub(super) fn high_water_mark(pid: i32) -> Option<u64> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
