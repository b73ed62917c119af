//! The exit codes, a contract with every CI.

use std::process::ExitCode;

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
            Self::Signal(number) => 128_u8.saturating_add(number),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
