//! The report: everything that one or many shards said about the tests.

use std::sync::Arc;

use camino::Utf8Path;

use super::case::Totals;
use super::cases::Cases;
use super::shard::Shard;

/// How one shard of the plan went.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ShardRun {
    pub(crate) shard: Shard,
    /// Where the run has several.
    pub(crate) environment: Option<Arc<str>>,
    /// The attempt of the run it was taken from, counted from 1.
    pub(crate) attempt: u32,
    pub(crate) predicted_seconds: Option<f64>,
    /// Seconds since 1970; `None` for a shard that never reported.
    pub(crate) started: Option<f64>,
    pub(crate) ended: Option<f64>,
    pub(crate) exit_status: Option<i32>,
    pub(crate) totals: Totals,
}

impl ShardRun {
    /// `3/6`, or `3/6 in 3.12` where there are several environments.
    pub(crate) fn name(&self) -> String {
        match &self.environment {
            Some(environment) => format!("{} in {environment}", self.shard),
            None => self.shard.to_string(),
        }
    }

    /// Wall time in seconds.
    pub(crate) fn seconds(&self) -> Option<f64> {
        Some((self.ended? - self.started?).max(0.0))
    }
}

/// The suite in one of several environments.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EnvironmentRun {
    pub(crate) name: Arc<str>,
    pub(crate) cases: Cases,
}

/// A merged run: every test once, in the order of its node id.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Report {
    pub(crate) suite: String,
    pub(crate) cases: Cases,
    /// One per shard of the plan, in order, of one environment after the other.
    pub(crate) shards: Vec<ShardRun>,
    /// Empty where there is only one.
    pub(crate) environments: Vec<EnvironmentRun>,
    /// What people should know and what changes nothing, such as an odd report.
    pub(crate) warnings: Vec<String>,
}

impl Report {
    pub(crate) fn totals(&self) -> Totals {
        self.cases.totals()
    }

    /// The same report seen from a folder above: paths of files get `prefix` in front.
    pub(crate) fn below(mut self, prefix: &Utf8Path) -> Self {
        if prefix.as_str().is_empty() {
            return self;
        }
        let elsewhere = self.environments.iter_mut().map(|it| &mut it.cases);
        for cases in elsewhere.chain([&mut self.cases]) {
            cases.move_below(prefix);
        }
        self
    }

    /// From the first shard's start to the last one's end, in seconds.
    pub(crate) fn wall_seconds(&self) -> Option<f64> {
        let start = self
            .shards
            .iter()
            .filter_map(|shard| shard.started)
            .reduce(f64::min)?;
        let end = self
            .shards
            .iter()
            .filter_map(|shard| shard.ended)
            .reduce(f64::max)?;
        Some((end - start).max(0.0))
    }
}
