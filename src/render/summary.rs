//! The job summary, and the same text as the summary of the check run.

use super::amount::Amount;
use super::blocks::blocks;
use super::budget::fit;
use super::view::View;

/// Of `$GITHUB_STEP_SUMMARY`, for one step: 1 MiB; a longer one is not shown at all
/// (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>).
pub(crate) const JOB_SUMMARY_BYTES: usize = 1 << 20;

/// `output.summary` of a check run; bytes, not characters
/// (<https://github.com/github/rest-api-description/issues/5399>).
pub(crate) const CHECK_SUMMARY_BYTES: usize = 65_535;

/// At most so many bytes of Markdown.
pub(crate) fn summary(view: &View<'_>, bytes: usize) -> String {
    let amount = if bytes >= JOB_SUMMARY_BYTES {
        Amount {
            tests: 1000,
            traceback_bytes: 16 << 10,
            output: true,
            diagrams: true,
        }
    } else {
        Amount {
            tests: 100,
            traceback_bytes: 4 << 10,
            output: false,
            diagrams: false,
        }
    };
    fit(&blocks(view, amount), bytes)
}
