//! coverage.py's `coverage.json`, format 3 and the older ones
//! (`coverage/jsonreport.py` of coverage.py 7.17): relative paths, excluded lines and signed arcs
//! make it the best of the report formats to merge from.

mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::{JsonOptions, write};
