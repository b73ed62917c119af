//! The flags of whatever runs shards.

use std::time::Duration;

use clap::Args;

use super::compose::ComposeArgs;
use super::work::EnvironmentArgs;
use crate::model::exit::UsageError;
use crate::model::human_duration::HumanDuration;
use crate::runner::host::Limits;

#[derive(Args, Clone, Debug)]
pub(crate) struct ShardArgs {
    /// End a shard that takes longer, such as 20m
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<HumanDuration>,

    /// End a shard in which one test takes longer, and name that test
    #[arg(long, value_name = "TIME")]
    pub(crate) test_timeout: Option<HumanDuration>,

    #[command(flatten)]
    pub(crate) retries: RetryArgs,

    /// Each retry of a shard in a fleet of its own, after the one before is gone; without fleets in
    /// a new process of the command
    #[arg(long)]
    pub(crate) retry_fresh: bool,

    #[command(flatten)]
    pub(crate) compose: ComposeArgs,

    #[command(flatten)]
    pub(crate) environment: EnvironmentArgs,

    /// Print the commands that would run, and run nothing
    #[arg(long, alias = "dry")]
    pub(crate) dry_run: bool,

    /// The command that starts pytest, any way it likes [default: pytest]
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) pytest: Vec<String>,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct RetryArgs {
    /// How often a test that fails is run again, when all others of its shard are through; one that
    /// then passes is flaky
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=20))]
    pub(crate) retries: u32,
}

impl ShardArgs {
    pub(crate) fn command(&self) -> Vec<String> {
        if self.pytest.is_empty() {
            vec!["pytest".to_owned()]
        } else {
            self.pytest.clone()
        }
    }

    /// # Errors
    /// Flags that make no sense together: the user's to mend.
    pub(crate) fn check(&self) -> Result<(), UsageError> {
        if self.retry_fresh && self.retries.retries == 0 {
            let hint = "--retry-fresh says how to retry, and --retries how often: add --retries 1";
            return Err(UsageError::new(hint));
        }
        Ok(())
    }

    /// How often a process runs what failed in it again.
    pub(crate) fn retries_within(&self) -> u32 {
        if self.retry_fresh {
            0
        } else {
            self.retries.retries
        }
    }

    /// How often what failed in a shard runs again in a fresh environment.
    pub(crate) fn fresh_retries(&self) -> u32 {
        self.retries.retries - self.retries_within()
    }

    pub(super) fn limits(&self, spent: Duration) -> Limits {
        Limits {
            shard: self.timeout.map(HumanDuration::get),
            test: self.test_timeout.map(HumanDuration::get),
            spent,
            ..Limits::default()
        }
    }
}
