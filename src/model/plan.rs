//! The plan: the immutable assignment of a suite to shards.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::environment;
use super::node_id::NodeId;
use super::shard::Shard;

pub(crate) const PLAN_VERSION: u32 = 1;

/// `plan.json`. Written once, read by every shard and by publish; never recomputed in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) version: u32,
    /// sha256 in hex of the plan without `digest` and `created_at`.
    pub(crate) digest: String,
    pub(crate) suite: String,
    /// `PYTHONHASHSEED` of every shard, so that ids made from sets are the same in all of them.
    pub(crate) hash_seed: u32,
    pub(crate) shards: Vec<PlannedShard>,
    /// Test files, relative to the folder the plan was made in, with `/`.
    pub(crate) files: BTreeMap<String, Shard>,
    /// Only the tests of files that are cut. A key is a node id, or the id of a function or class
    /// with everything below it.
    pub(crate) tests: BTreeMap<NodeId, Shard>,
    /// `None` where every shard runs what the plan deals it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) queue: Option<Queue>,
    /// Every shard runs in each of them; empty where there is only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) environments: Vec<String>,
    /// RFC 3339, for people.
    pub(crate) created_at: String,
    pub(crate) inputs: PlanInputs,
}

/// What shards on one machine take while they run, instead of what the plan deals them. Every test
/// is of one unit, by the rule that gives it a shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Queue {
    /// What people call them; the longest is taken first.
    pub(crate) units: Vec<String>,
    /// As `files` and `tests` of the plan; a unit is its place in `units`.
    pub(crate) files: BTreeMap<String, usize>,
    pub(crate) tests: BTreeMap<NodeId, usize>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlannedShard {
    pub(crate) shard: Shard,
    /// `None` where nothing is known about durations.
    pub(crate) predicted_seconds: Option<f64>,
    pub(crate) files: usize,
    /// Test functions seen in the sources or in the history: an estimate, not a promise.
    pub(crate) tests: usize,
}

/// What the plan was made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlanInputs {
    pub(crate) history: Option<String>,
    pub(crate) target_seconds: Option<f64>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    #[error("it is not a plan: {0}")]
    Json(#[from] serde_json::Error),
    #[error(
        "it is a plan of version {0}, this program reads version {PLAN_VERSION}: use the same release for plan, run and publish"
    )]
    Version(u64),
    #[error("{0}")]
    Environment(String),
    #[error("its digest does not fit its content: the plan was changed after it was made")]
    Digest,
}

impl Plan {
    /// Reads a plan and checks its version and digest.
    pub(crate) fn from_json(bytes: &[u8]) -> Result<Self, PlanError> {
        let value: serde_json::Value = serde_json::from_slice(bytes)?;
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version != u64::from(PLAN_VERSION) => {
                return Err(PlanError::Version(version));
            }
            _ => {}
        }
        let plan: Self = serde_json::from_value(value)?;
        for environment in &plan.environments {
            environment::check(environment).map_err(PlanError::Environment)?;
        }
        if plan.digest != plan.computed_digest() {
            return Err(PlanError::Digest);
        }
        Ok(plan)
    }

    /// Closes a plan: everything but the digest and the time is covered by the digest.
    pub(crate) fn seal(mut self) -> Self {
        self.digest = self.computed_digest();
        self
    }

    pub(crate) fn computed_digest(&self) -> String {
        let body = Self {
            digest: String::new(),
            created_at: String::new(),
            ..self.clone()
        };
        let canonical = serde_json::to_vec(&body).expect("a plan is always JSON");
        hex(&Sha256::digest(canonical))
    }

    pub(crate) fn total(&self) -> u16 {
        u16::try_from(self.shards.len()).unwrap_or(u16::MAX)
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn plan(total: u16) -> Plan {
        Plan {
            version: PLAN_VERSION,
            digest: String::new(),
            suite: "pytest".into(),
            hash_seed: 7,
            shards: Shard::all(total)
                .map(|shard| PlannedShard {
                    shard,
                    predicted_seconds: None,
                    files: 0,
                    tests: 0,
                })
                .collect(),
            files: BTreeMap::new(),
            tests: BTreeMap::new(),
            queue: None,
            environments: Vec::new(),
            created_at: "2026-01-01T00:00:00Z".into(),
            inputs: PlanInputs::default(),
        }
    }

    #[test]
    fn a_changed_plan_is_refused() {
        let sealed = plan(2).seal();
        let text = serde_json::to_string(&sealed).expect("JSON");
        assert!(Plan::from_json(text.as_bytes()).is_ok());
        let changed = text.replace("\"hash_seed\":7", "\"hash_seed\":8");
        assert!(matches!(
            Plan::from_json(changed.as_bytes()),
            Err(PlanError::Digest)
        ));
        let newer = text.replace("\"version\":1", "\"version\":2");
        assert!(matches!(
            Plan::from_json(newer.as_bytes()),
            Err(PlanError::Version(2))
        ));
    }
}
