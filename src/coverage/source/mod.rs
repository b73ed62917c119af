//! What can run in a Python file, from its text alone.
//!
//! These are the rules of coverage.py 7.17 (`coverage/parser.py`) as it applies them under Python
//! 3.11 to 3.13, with the compiler's part of them, which code is dead and which line has code at
//! all, said in terms of the syntax tree. `tests/oracle/test_coverage_source.py` holds them against
//! coverage.py over the standard library.

mod analysis;
mod arcs;
mod constant;
mod exclusion;
mod regions;
mod statements;
mod text;

pub(crate) use analysis::{Patterns, Source};
