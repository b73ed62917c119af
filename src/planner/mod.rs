//! From files and what is known about them to a plan. Pure: no disk, no clock, no chance.

pub(crate) mod estimate;
pub(crate) mod partition;
pub(crate) mod plan;

pub(crate) use plan::{PlanRequest, PlannedFile, plan};
