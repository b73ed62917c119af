//! One comment for all suites of a repository, a section each.
//!
//! Every suite publishes in a job of its own and knows only what the comment says of the others. So the
//! comment is its own store: a section begins with a hidden marker that has the numbers, and
//! [`compose`](compose::compose) makes the next text out of the present one and the section of one suite.
//!
//! `<!-- parallel-pytest-section suite=… run=… … -->`, the parts of the section with
//! `<!-- parallel-pytest-cut -->` between them, `<!-- parallel-pytest-end -->`, each on a line of its own.

pub(crate) mod compose;
pub(crate) mod section;
