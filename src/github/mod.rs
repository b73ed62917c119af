//! Floor 3: GitHub. What the runner tells us, its files and commands, the REST API, artifacts.

pub(crate) mod artifact;
pub(crate) mod baseline;
pub(crate) mod change;
pub(crate) mod check_run;
pub(crate) mod client;
pub(crate) mod comment;
pub(crate) mod context;
pub(crate) mod data_branch;
pub(crate) mod error;
#[cfg(test)]
mod fake_checks;
pub(crate) mod http;
pub(crate) mod pull_request;
pub(crate) mod remark;
pub(crate) mod shared_comment;
pub(crate) mod token;
pub(crate) mod workflow;
