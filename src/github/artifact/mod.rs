//! Artifacts: the files that one job leaves for another.
//!
//! Inside a run they are written and read through the artifact service, with the runner's own token
//! and no permission; those of other runs are read through the REST API (`actions: read`).

pub(crate) mod archive;
pub(crate) mod blob;
#[cfg(test)]
mod fake_service;
pub(crate) mod listed;
pub(crate) mod name;
pub(crate) mod pack;
pub(crate) mod patience;
pub(crate) mod rest;
pub(crate) mod service;
pub(crate) mod store;
mod wire;
