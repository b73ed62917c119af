//! The exit codes, a contract with every CI.

use std::process::ExitCode;

use super::verdict::{Reason, Verdict};

/// What the program's exit status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything ran and passed.
    Green,
    /// Tests failed.
    TestsFailed,
    /// Bad usage or settings.
    Usage,
    /// Tests were lost: a shard is missing, crashed or incomplete.
    TestsLost,
    /// The outside world failed: docker, GitHub, the disk.
    World,
    /// Nothing ran.
    NothingRan,
    /// A command that we were to become did not start: 126 or 127, as in a shell.
    Command(u8),
    /// A signal ended us.
    Signal(u8),
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Green => 0,
            Self::TestsFailed => 1,
            Self::Usage => 2,
            Self::TestsLost => 3,
            Self::World => 4,
            Self::NothingRan => 5,
            Self::Command(status) => status,
            Self::Signal(number) => 128_u8.saturating_add(number),
        }
    }

    /// Lost tests weigh most: a result that is not whole says little about the rest.
    pub(crate) fn of(verdict: &Verdict) -> Self {
        if verdict.is_green() {
            Self::Green
        } else if verdict.has_loss() {
            Self::TestsLost
        } else if verdict.reasons.contains(&Reason::NothingRan)
            || (verdict.reasons.iter()).all(|it| *it.anywhere() == Reason::NothingRan)
        {
            Self::NothingRan
        } else {
            Self::TestsFailed
        }
    }

    /// An error on the way: the user's to mend, or the world's.
    pub(crate) fn of_error(error: &anyhow::Error) -> Self {
        if error.chain().any(<dyn std::error::Error>::is::<UsageError>) {
            Self::Usage
        } else {
            Self::World
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Something that the user has to change: an argument, a setting, a file they name.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct UsageError(pub(crate) String);

impl UsageError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}
