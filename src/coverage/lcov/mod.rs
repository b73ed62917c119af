//! `lcov.info`: written as coverage.py 7.17 writes it (`coverage/lcovreport.py`), and read in
//! anyone's dialect (<https://manpages.debian.org/geninfo>).

mod read;
mod write;

pub(crate) use read::read;
pub(crate) use write::write;
