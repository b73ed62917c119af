//! pytest's side of the work: our plugin, its event log, and the finding of test files.

pub(crate) mod events;
pub(crate) mod log;
pub(crate) mod plugin;
