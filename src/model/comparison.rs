//! A run beside an earlier one, its baseline.

use std::collections::BTreeMap;

use super::case::{Outcome, Totals};
use super::coverage::CoverageTotals;
use super::node_id::NodeId;

/// What is known of the earlier run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Baseline {
    /// The commit it ran at, where that was told.
    pub(crate) commit: Option<String>,
    pub(crate) totals: Totals,
    /// What its tests took one after another.
    pub(crate) test_seconds: f64,
    pub(crate) coverage: Option<CoverageTotals>,
    pub(crate) tests: BTreeMap<NodeId, BaselineTest>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BaselineTest {
    pub(crate) outcome: Outcome,
    /// Setup, call and teardown together.
    pub(crate) seconds: f64,
}

/// What is different. All lists are in the order of the ids, but for the slow-downs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Comparison {
    pub(crate) commit: Option<String>,
    pub(crate) totals: Totals,
    pub(crate) test_seconds: f64,
    pub(crate) coverage: Option<CoverageTotals>,
    /// Fail now and did not, or were not there.
    pub(crate) new_failures: Vec<NodeId>,
    /// Fail now and did.
    pub(crate) known_failures: Vec<NodeId>,
    /// Failed and pass now.
    pub(crate) fixed: Vec<NodeId>,
    pub(crate) newly_skipped: Vec<NodeId>,
    pub(crate) added: Vec<NodeId>,
    /// Not told of a run that is not whole: what it lost is not removed.
    pub(crate) removed: Vec<NodeId>,
    /// Old and new id.
    pub(crate) renamed: Vec<(NodeId, NodeId)>,
    /// The greatest first.
    pub(crate) slower: Vec<SlowDown>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SlowDown {
    pub(crate) id: NodeId,
    /// Seconds.
    pub(crate) before: f64,
    pub(crate) now: f64,
}

impl Comparison {
    /// Whether a test or its outcome is another than before; times always are.
    pub(crate) fn has_changes(&self, now: Totals) -> bool {
        let lists = [
            &self.new_failures,
            &self.fixed,
            &self.newly_skipped,
            &self.added,
            &self.removed,
        ];
        lists.iter().any(|list| !list.is_empty()) || !self.renamed.is_empty() || self.totals != now
    }
}
