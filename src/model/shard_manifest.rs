//! `shard.json`: what a shard says about its own run.

use serde::{Deserialize, Serialize};

use super::case::Totals;
use super::shard::Shard;

pub(crate) const MANIFEST_VERSION: u32 = 1;

/// Written when a shard starts (without an end) and again when it has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ShardManifest {
    pub(crate) version: u32,
    pub(crate) shard: Shard,
    pub(crate) suite: String,
    pub(crate) plan_digest: String,
    /// The attempt of the CI run, counted from 1.
    pub(crate) attempt: u32,
    /// Seconds since 1970.
    pub(crate) started: f64,
    pub(crate) ended: Option<f64>,
    /// pytest's exit status; 128 + n where a signal ended it.
    pub(crate) exit_status: Option<i32>,
    /// Why the shard ended before pytest did: a time limit, a signal, a command that did not start.
    pub(crate) interrupted: Option<String>,
    /// How many units of the plan's queue others were to run instead; only where it died of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gave_back: Option<usize>,
    /// Why the last retry in a fresh environment does not count, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) retry_broken: Option<String>,
    /// Such as `python 3.12`; empty if there is only one environment.
    pub(crate) environment: String,
    pub(crate) totals: Totals,
    /// Bytes, of the largest process of the shard, or of all containers of its fleet together.
    pub(crate) peak_memory: Option<u64>,
}
