//! One story a file: gather, decide, emit.

pub(crate) mod console;
pub(crate) mod work;
