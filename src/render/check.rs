//! The check run: its title, its conclusion and its summary.

use super::summary::{CHECK_SUMMARY_BYTES, summary};
use super::view::View;
use super::visible;

/// Of a title, counted in bytes to be safe; the API's limit is for titles of annotations.
const TITLE_BYTES: usize = 255;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conclusion {
    Success,
    Failure,
}

impl Conclusion {
    /// GitHub's word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CheckOutput {
    pub(crate) conclusion: Conclusion,
    /// At most 255 bytes.
    pub(crate) title: String,
    /// At most [`CHECK_SUMMARY_BYTES`] of Markdown.
    pub(crate) summary: String,
}

/// What a completed check run shows, without annotations.
pub(crate) fn check_output(view: &View<'_>) -> CheckOutput {
    let conclusion = if view.green {
        Conclusion::Success
    } else {
        Conclusion::Failure
    };
    let title = visible::basic_plane(&view.headline.plain()).into_owned();
    CheckOutput {
        conclusion,
        title: visible::cut(&title, TITLE_BYTES).into_owned(),
        summary: basic_plane_summary(view),
    }
}

/// Rewriting high characters makes a text longer, so the budget shrinks until the result fits.
fn basic_plane_summary(view: &View<'_>) -> String {
    let mut budget = CHECK_SUMMARY_BYTES;
    loop {
        let text = visible::basic_plane(&summary(view, budget)).into_owned();
        match text.len().checked_sub(CHECK_SUMMARY_BYTES) {
            None | Some(0) => return text,
            Some(excess) => budget = budget.saturating_sub(excess),
        }
    }
}
