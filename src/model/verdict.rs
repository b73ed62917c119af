//! The verdict: green, or red with its reasons.

use std::sync::Arc;

use super::case::{Location, Totals};
use super::node_id::NodeId;
use super::shard::Shard;

/// Green only if there is not one reason against it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) reasons: Vec<Reason>,
    /// What would be a reason, if the settings had it count.
    pub(crate) muted: Vec<Reason>,
}

/// Why a run is red. The order of the variants is the order people read them in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// An environment of the plan of which no shard left anything behind.
    EnvironmentMissing {
        environment: Arc<str>,
        job_result: Option<String>,
    },
    /// It holds in one of several environments.
    In {
        environment: Arc<str>,
        reason: Box<Self>,
    },
    /// A shard of the plan that left nothing behind.
    ShardMissing {
        shard: Shard,
        job_result: Option<String>,
    },
    /// A shard that ran another plan.
    ForeignPlan {
        shard: Shard,
        digest: String,
    },
    /// pytest ran without our plugin: nothing is known about its tests.
    PluginNotLoaded {
        shard: Shard,
        exit_status: Option<i32>,
        /// The last lines of its output, in one.
        said: String,
    },
    /// The shard ended before pytest did.
    ShardCrashed {
        shard: Shard,
        detail: String,
        running: Vec<NodeId>,
        not_run: usize,
    },
    /// Tests that started and never finished, or were collected and never started.
    TestsLost {
        shard: Shard,
        unfinished: Vec<NodeId>,
        not_run: Vec<NodeId>,
    },
    /// Parts of the suite that no shard ran to their end, and of which no test can be named.
    UnitsLeft {
        units: Vec<String>,
    },
    /// Tests that the plan names and no shard collected any more are not lost; tests that ran in
    /// two shards are.
    RunTwice {
        id: NodeId,
        shards: Vec<Shard>,
    },
    /// A report of another program that is not whole.
    ReportBroken {
        file: String,
        what: String,
    },
    CollectionFailed {
        shard: Shard,
        what: String,
        message: String,
        location: Option<Location>,
    },
    InternalError {
        shard: Shard,
        message: String,
    },
    TestsFailed {
        failed: usize,
        errors: usize,
    },
    /// The shard's pytest failed for a reason that none of its tests explains.
    PytestFailed {
        shard: Shard,
        exit_status: i32,
        detail: String,
    },
    /// A job this one waits for did not succeed.
    JobFailed {
        job: String,
        result: String,
    },
    /// Something asked for in the settings was not reached, such as a coverage threshold.
    BelowThreshold {
        what: String,
    },
    NothingRan,
}

impl Reason {
    /// The reason itself, whatever environment it holds in.
    pub(crate) fn anywhere(&self) -> &Self {
        match self {
            Self::In { reason, .. } => reason.anywhere(),
            reason => reason,
        }
    }

    /// What failed tests have against a run.
    pub(crate) fn of_failures(totals: Totals) -> Option<Self> {
        let Totals { failed, error, .. } = totals;
        (failed + error > 0).then_some(Self::TestsFailed {
            failed,
            errors: error,
        })
    }

    /// Whether it means that the result is incomplete, and not only bad.
    pub(crate) fn is_loss(&self) -> bool {
        matches!(
            self.anywhere(),
            Self::EnvironmentMissing { .. }
                | Self::ShardMissing { .. }
                | Self::ForeignPlan { .. }
                | Self::PluginNotLoaded { .. }
                | Self::ShardCrashed { .. }
                | Self::TestsLost { .. }
                | Self::UnitsLeft { .. }
                | Self::RunTwice { .. }
                | Self::ReportBroken { .. }
        )
    }
}

impl Verdict {
    pub(crate) fn is_green(&self) -> bool {
        self.reasons.is_empty()
    }

    pub(crate) fn has_loss(&self) -> bool {
        self.reasons.iter().any(Reason::is_loss)
    }

    /// `green` or `red`, as the action's output says it.
    pub(crate) fn word(&self) -> &'static str {
        if self.is_green() { "green" } else { "red" }
    }
}
