//! The queue that the shards of one machine take their units from: a folder, in which a file is a unit.
//!
//! `todo/000017` is unit 17 of the plan, which nobody has; `taken/000017-by-3-of-6` is shard 3/6's. To
//! take it is to move it, which only one can, in any container that has the folder. So whose a unit is
//! can be read from the disk, whoever was killed when. What a dead shard gives back comes last and is
//! called `todo/z000017`: it may be what killed it. It is given back once.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::model::plan::Queue;
use crate::model::shard::Shard;
use crate::pytest::log::ShardLog;
use crate::workspace::WorkDir;

/// In front of the number of a unit that was given back.
const AGAIN: char = 'z';

#[derive(Clone, Debug)]
pub(crate) struct QueueDir(Utf8PathBuf);

impl QueueDir {
    pub(crate) fn of(work: &WorkDir) -> Self {
        Self(work.queue_dir())
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        &self.0
    }

    /// All units of the plan, and nothing of an earlier run.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn fill(&self, queue: &Queue) -> Result<()> {
        if self.0.exists() {
            fs::remove_dir_all(&self.0)?;
        }
        // The tests of a fleet may be run by anybody.
        for folder in [self.0.clone(), self.todo(), self.taken()] {
            fs::create_dir_all(&folder)?;
            fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777))?;
        }
        for number in 0..queue.units.len() {
            fs::write(self.todo().join(format!("{number:06}")), "")?;
        }
        Ok(())
    }

    /// Gives back what a dead shard had taken and has not run so that it counts. Says how much it was.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn give_back(&self, shard: Shard, log: &ShardLog) -> Result<usize> {
        let by = format!("-by-{}", shard.slug());
        let mut given = 0;
        for entry in fs::read_dir(self.taken())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let Some(number) = name.strip_suffix(&by) else {
                continue;
            };
            let Ok(unit) = number.parse::<usize>() else {
                continue;
            };
            if !log.units.contains(&unit) {
                let back = self.todo().join(format!("{AGAIN}{number}"));
                fs::rename(self.taken().join(&name), back)?;
                given += 1;
            }
        }
        Ok(given)
    }

    /// Whether somebody could take a unit.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn has_units(&self) -> Result<bool> {
        Ok(fs::read_dir(self.todo())?.next().is_some())
    }

    fn todo(&self) -> Utf8PathBuf {
        self.0.join("todo")
    }

    fn taken(&self) -> Utf8PathBuf {
        self.0.join("taken")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_shard_gives_back_what_it_has_not_finished_and_only_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Utf8Path::from_path(folder.path()).expect("UTF-8");
        let dir = QueueDir::of(&WorkDir::open(root).expect("a folder"));
        let queue = Queue {
            units: vec!["a".into(), "b".into(), "c".into()],
            ..Queue::default()
        };
        dir.fill(&queue).expect("a queue");
        let take = |name: &str, shard: &str| {
            let taken = dir.taken().join(format!("{name}-by-{shard}"));
            fs::rename(dir.todo().join(name), taken).expect("ours");
        };
        take("000000", "1-of-2");
        take("000001", "1-of-2");
        take("000002", "2-of-2");
        assert!(!dir.has_units().expect("a folder"));
        let log = ShardLog {
            units: vec![0],
            ..ShardLog::default()
        };
        let shard: Shard = "1/2".parse().expect("a shard");
        assert_eq!(dir.give_back(shard, &log).expect("a folder"), 1);
        assert!(dir.has_units().expect("a folder"));
        take("z000001", "1-of-2");
        assert_eq!(dir.give_back(shard, &log).expect("a folder"), 0);
    }
}
