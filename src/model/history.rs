//! What earlier runs taught about each test.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::node_id::NodeId;

pub(crate) const HISTORY_VERSION: u32 = 1;

/// `history.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) version: u32,
    pub(crate) suite: String,
    pub(crate) tests: BTreeMap<NodeId, TestHistory>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TestHistory {
    /// The file it was collected from.
    pub(crate) file: String,
    /// Setup, call and teardown together.
    pub(crate) seconds: f64,
    /// How many runs the estimate stands on.
    pub(crate) samples: u32,
}

impl History {
    /// Seconds and number of tests of each file.
    pub(crate) fn by_file(&self) -> BTreeMap<&str, (f64, usize)> {
        let mut files: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
        for test in self.tests.values() {
            let (seconds, tests) = files.entry(&test.file).or_default();
            *seconds += test.seconds;
            *tests += 1;
        }
        files
    }
}
