//! Tests that are known to be flaky: until they are mended, or their time is up, their failures are
//! shown and do not count.

use super::node_id::NodeId;

/// A failed test that does not count, with what its entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quarantined {
    pub(crate) id: NodeId,
    pub(crate) reason: String,
    pub(crate) owner: String,
    /// The last day, such as `2026-12-31`.
    pub(crate) expires: String,
}
