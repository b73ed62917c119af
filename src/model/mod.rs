//! Floor 0: the plain types that every other floor speaks in. No I/O, no formats but serde's.

pub(crate) mod annotation;
mod blocks;
pub(crate) mod brief;
pub(crate) mod case;
pub(crate) mod case_table;
pub(crate) mod cases;
pub(crate) mod comparison;
pub(crate) mod coverage;
pub(crate) mod environment;
pub(crate) mod exit;
pub(crate) mod fleet_use;
pub(crate) mod history;
pub(crate) mod human_duration;
pub(crate) mod node_id;
pub(crate) mod order;
pub(crate) mod plan;
pub(crate) mod quarantine;
pub(crate) mod renames;
pub(crate) mod report;
pub(crate) mod shard;
pub(crate) mod shard_manifest;
pub(crate) mod verdict;
