//! What was found in a report, and where reading it ended.

use std::fmt;

use crate::model::case_table::CaseTable;

/// Of any format.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JunitRead {
    /// The name of the first suite that has one.
    pub(crate) suite: Option<String>,
    /// Every test once, in the order of the report; all that were complete where reading ended.
    pub(crate) cases: CaseTable,
    /// What is odd about the report.
    pub(crate) warnings: Vec<String>,
    pub(crate) end: ReadEnd,
}

/// Offsets are in bytes of the report as UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReadEnd {
    Complete,
    /// The report ends in the middle of an element: whoever wrote it was stopped.
    Truncated {
        at: u64,
    },
    /// The report is none, is not well-formed, or holds what is refused. `element` is the path of
    /// the element, such as `testsuites/testsuite`.
    Broken {
        element: String,
        at: u64,
        message: String,
    },
}

impl fmt::Display for ReadEnd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => out.write_str("it is complete"),
            Self::Truncated { at } => {
                write!(
                    out,
                    "it is cut off after {at} bytes: tests after that are missing"
                )
            }
            Self::Broken {
                element,
                at,
                message,
            } if element.is_empty() => {
                write!(out, "it cannot be read at byte {at}: {message}")
            }
            Self::Broken {
                element,
                at,
                message,
            } => {
                write!(
                    out,
                    "it cannot be read at byte {at}, in <{element}>: {message}"
                )
            }
        }
    }
}
