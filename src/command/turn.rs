//! A shard's command is started once, and once more for each retry in an environment of its own.

use camino::{Utf8Path, Utf8PathBuf};

use crate::model::shard::Shard;

/// One start of a shard's command.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) shard: Shard,
    pub(super) folder: Utf8PathBuf,
    /// 0 for the shard itself, then its retries.
    pub(super) round: u32,
}

impl Turn {
    pub(super) fn first(shard: Shard, folder: Utf8PathBuf) -> Self {
        Self {
            shard,
            folder,
            round: 0,
        }
    }

    /// The retry after this turn of the shard in `shard_dir`.
    pub(super) fn next(&self, shard_dir: &Utf8Path) -> Self {
        let round = self.round + 1;
        Self {
            shard: self.shard,
            folder: shard_dir.join(format!("retry-{round}")),
            round,
        }
    }
}
