//! `coverage.xml`: Cobertura's format, written in the dialect of coverage.py 7.17
//! (`coverage/xmlreport.py`) field by field, and read in anyone's.

mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::{CoberturaOptions, write};
