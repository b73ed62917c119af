//! Floor 3: processes, and what has to be true before and after them.

pub(crate) mod compose;
pub(crate) mod environment;
pub(crate) mod follow;
pub(crate) mod host;
pub(crate) mod lock;
pub(crate) mod machine;
pub(crate) mod mask;
pub(crate) mod output;
pub(crate) mod process;
mod process_table;
pub(crate) mod signals;
pub(crate) mod token;
pub(crate) mod tree;
pub(crate) mod wait;
