//! A remark on a line of the repository, as a check run or a workflow command shows it.

use super::case::Location;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Warning,
    Failure,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Annotation {
    pub(crate) level: Level,
    pub(crate) location: Location,
    pub(crate) title: String,
    pub(crate) message: String,
    /// Longer text behind a fold: the traceback.
    pub(crate) details: String,
}
