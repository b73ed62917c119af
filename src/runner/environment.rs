//! Where the processes of a shard live, and so how they are started, asked to end, and ended.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;

use super::compose::fleet::Fleet;
use super::process::CommandLine;
use super::tree::{self, Tree};

/// The time that daemons get to end by themselves when pytest has ended.
const PATIENCE: Duration = Duration::from_millis(500);

/// [`super::host::run`] supervises a command the same way wherever its processes are; only what is
/// here differs.
#[derive(Clone)]
pub(crate) enum Environment {
    /// They are processes of this machine.
    Host,
    /// They are in a container; here is only docker's client, which shows their output.
    Fleet(Arc<Fleet>),
}

impl Environment {
    /// The command that has to be started here so that `command` runs there; for `--dry-run`, too.
    pub(crate) fn command(&self, command: &CommandLine) -> CommandLine {
        match self {
            Self::Host => command.clone(),
            Self::Fleet(fleet) => fleet.command(command),
        }
    }

    /// Lets pytest end well: with a report, and a traceback of where it was.
    pub(super) fn interrupt(&self, tree: &Tree) {
        match self {
            // To the group: pytest-xdist waits 6 s for workers that do not get it.
            Self::Host => tree.signal_group(Signal::INT),
            Self::Fleet(fleet) => fleet.signal(Signal::INT),
        }
    }

    /// Ends what did not take the hint, with `signal`.
    pub(super) fn end(&self, tree: &Tree, signal: Signal) {
        match self {
            Self::Host => tree.signal_all(signal),
            Self::Fleet(fleet) => fleet.signal(signal),
        }
    }

    pub(super) async fn kill(&self, tree: &Tree) {
        match self {
            Self::Host => tree.kill().await,
            Self::Fleet(fleet) => {
                fleet.kill().await;
                tree.signal_group(Signal::KILL);
            }
        }
    }

    /// Ends what a command that has ended left behind, and returns how many processes that were.
    pub(super) async fn clean_up(&self, tree: &Tree) -> usize {
        match self {
            Self::Host => tree.clean_up(PATIENCE).await,
            Self::Fleet(_) => 0,
        }
    }

    /// Looks at the processes of this machine: how much memory the largest has used, in bytes.
    pub(super) fn sample(&self, tree: &Tree) -> Option<u64> {
        match self {
            Self::Host => {
                tree::reap_orphans();
                tree.peak_memory()
            }
            // Those here are docker's clients, also other fleets', and somebody waits for each.
            Self::Fleet(_) => None,
        }
    }

    /// Resolves when what the tests stand on breaks, with what that is; never on the host.
    pub(super) async fn failure(&self) -> String {
        match self {
            Self::Host => std::future::pending().await,
            Self::Fleet(fleet) => fleet.failed().await,
        }
    }

    /// What the command itself could not say about its end.
    pub(super) async fn post_mortem(&self) -> Option<String> {
        match self {
            Self::Host => None,
            Self::Fleet(fleet) => fleet.post_mortem().await,
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Host => "Host",
            Self::Fleet(_) => "Fleet",
        })
    }
}
