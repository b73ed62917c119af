//! From what the shards said to one report and its verdict. Pure.

pub(crate) mod compare;
pub(crate) mod environments;
pub(crate) mod history;
pub(crate) mod merge;
pub(crate) mod policy;
pub(crate) mod quarantine;
mod rename;
pub(crate) mod settle;
pub(crate) mod verdict;
