//! One story a file: gather, decide, emit.

pub(crate) mod compose;
pub(crate) mod conclude;
pub(crate) mod console;
pub(crate) mod coverage;
pub(crate) mod coverage_files;
pub(crate) mod explain;
pub(crate) mod gather_coverage;
pub(crate) mod history;
pub(crate) mod job;
pub(crate) mod judge;
pub(crate) mod local;
pub(crate) mod merge;
pub(crate) mod plan;
pub(crate) mod post;
pub(crate) mod prepare;
pub(crate) mod progress;
pub(crate) mod publish;
mod queue;
pub(crate) mod report_folder;
pub(crate) mod repository_files;
pub(crate) mod run;
pub(crate) mod shard;
pub(crate) mod signal_all;
pub(crate) mod sources;
pub(crate) mod split;
pub(crate) mod wait_for;
pub(crate) mod work;
