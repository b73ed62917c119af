//! pytest's side of the work: our plugin, its event log, and the finding of test files.

pub(crate) mod count;
pub(crate) mod discover;
pub(crate) mod events;
pub(crate) mod fnmatch;
pub(crate) mod ini;
pub(crate) mod lessons;
pub(crate) mod log;
pub(crate) mod options;
pub(crate) mod plugin;
pub(crate) mod selection;
pub(crate) mod settings;
pub(crate) mod source_lines;
pub(crate) mod ties;
