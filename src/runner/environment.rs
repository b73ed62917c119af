//! Where the processes of a shard live, and so how they are started, asked to end, and ended.

use std::time::Duration;

use rustix::process::Signal;

use super::process::CommandLine;
use super::tree::Tree;

/// The time that daemons get to end by themselves when pytest has ended.
const PATIENCE: Duration = Duration::from_millis(500);

/// [`super::host::run`] supervises a command the same way wherever its processes are; only what is
/// here differs.
#[derive(Clone, Debug)]
pub(crate) enum Environment {
    /// They are processes of this machine.
    Host,
}

impl Environment {
    /// The command that has to be started here so that `command` runs there; for `--dry-run`, too.
    pub(crate) fn command(&self, command: &CommandLine) -> CommandLine {
        match self {
            Self::Host => command.clone(),
        }
    }

    /// Lets pytest end well: with a report, and a traceback of where it was.
    pub(super) fn interrupt(&self, tree: &Tree) {
        match self {
            // To the group: pytest-xdist waits 6 s for workers that do not get it.
            Self::Host => tree.signal_group(Signal::INT),
        }
    }

    /// Ends what did not take the hint, with `signal`.
    pub(super) fn end(&self, tree: &Tree, signal: Signal) {
        match self {
            Self::Host => tree.signal_all(signal),
        }
    }

    pub(super) async fn kill(&self, tree: &Tree) {
        match self {
            Self::Host => tree.kill().await,
        }
    }

    /// Ends what a command that has ended left behind, and returns how many processes that were.
    pub(super) async fn clean_up(&self, tree: &Tree) -> usize {
        match self {
            Self::Host => tree.clean_up(PATIENCE).await,
        }
    }
}
