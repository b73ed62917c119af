//! The comment on a pull request.

use super::amount::Amount;
use super::blocks::blocks;
use super::budget::fit;
use super::percent::encoded;
use super::view::View;

/// Said to be in characters; a text never has fewer bytes than that.
pub(crate) const COMMENT_BYTES: usize = 65_536;

pub(super) const AMOUNT: Amount = Amount {
    tests: 50,
    traceback_bytes: 2 << 10,
    output: false,
    diagrams: false,
};

/// The hidden first line by which the comment of a suite is found again.
pub(crate) fn marker(suite: &str) -> String {
    let suite = &suite[..suite.floor_char_boundary(200)];
    format!("<!-- parallel-pytest:{} -->", encoded(suite, b"-._ "))
}

/// At most [`COMMENT_BYTES`] of Markdown, the marker included.
pub(crate) fn comment(view: &View<'_>) -> String {
    let marker = format!("{}\n", marker(view.suite));
    let body = fit(&blocks(view, AMOUNT), COMMENT_BYTES - marker.len());
    marker + &body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_stays_hidden_whatever_the_suite_is_called() {
        assert_eq!(marker("unit tests"), "<!-- parallel-pytest:unit tests -->");
        assert_eq!(
            marker("a-->\n<b>"),
            "<!-- parallel-pytest:a--%3E%0A%3Cb%3E -->"
        );
        assert!(marker(&"é".repeat(1000)).len() < 700);
    }
}
