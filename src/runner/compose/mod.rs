//! Fleets: every shard in a docker compose project of its own.
//!
//! compose itself resolves the user's files; [`rewrite`] makes of the result a project that can run
//! many times at once; [`project`] is what all fleets of a run share, [`fleet`] is one of them.

mod engine;
pub(crate) mod fleet;
mod health;
pub(crate) mod project;
pub(crate) mod rewrite;
mod sidecar;
mod usage;
mod v1;
mod watch;
