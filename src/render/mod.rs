//! Floor 2: one view of a result into the text of every sink. Pure: no files, no network, no
//! terminal.
//!
//! `view` computes once what all sinks show; the others only lay it out. What a test or a branch can
//! choose is made harmless in one place per format: `markdown`, `workflow_command`, and `visible`
//! for everything that shows plain text.

pub(crate) mod amount;
pub(crate) mod annotations;
pub(crate) mod badge;
pub(crate) mod bar;
pub(crate) mod blocks;
pub(crate) mod budget;
pub(crate) mod check;
pub(crate) mod comment;
pub(crate) mod comparison_blocks;
pub(crate) mod comparison_lines;
mod environment_blocks;
mod environments;
mod explanation;
pub(crate) mod flaky;
mod gantt;
pub(crate) mod html;
pub(crate) mod markdown;
pub(crate) mod patch;
pub(crate) mod patch_view;
mod percent;
pub(crate) mod progress;
pub(crate) mod result_json;
pub(crate) mod sentence;
pub(crate) mod shared_comment;
pub(crate) mod style;
pub(crate) mod summary;
pub(crate) mod template;
pub(crate) mod terminal;
pub(crate) mod test_blocks;
pub(crate) mod view;
pub(crate) mod visible;
pub(crate) mod words;
pub(crate) mod workflow_command;

#[cfg(test)]
mod gfm;
#[cfg(test)]
mod stories;
