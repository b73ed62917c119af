//! Coverage: the reports of many shards into one, and that one into the formats others read.
//!
//! What is read and written follows coverage.py 7.17, and is tested against what it wrote itself
//! (`tests/fixtures/coverage`). A union of reports is exact because the possible arcs of a file
//! depend on its source only: the union of analyses is the analysis of the union.

mod bounded;
pub(crate) mod cobertura;
pub(crate) mod data_file;
pub(crate) mod diff;
pub(crate) mod globs;
pub(crate) mod handover;
mod human;
pub(crate) mod json;
pub(crate) mod lcov;
pub(crate) mod merge;
pub(crate) mod numbits;
pub(crate) mod paths;
pub(crate) mod percent;
pub(crate) mod raw;
pub(crate) mod report;
pub(crate) mod settings;
pub(crate) mod source;
pub(crate) mod sqlite;
pub(crate) mod table;
mod visible;

#[cfg(test)]
mod fixtures;
