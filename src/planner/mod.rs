//! From files and what is known about them to a plan. Pure: no disk, no clock, no chance.

pub(crate) mod board;
pub(crate) mod bundle;
pub(crate) mod estimate;
pub(crate) mod fleet_count;
pub(crate) mod import;
mod law;
pub(crate) mod names;
mod owners;
pub(crate) mod partition;
pub(crate) mod plan;
mod queue;
pub(crate) mod sequence;
pub(crate) mod shard_count;

pub(crate) use plan::{PlanRequest, plan};
