//! parallel-pytest: plans shards of a pytest suite, runs each in its own environment, and publishes
//! one merged, proven result.
//!
//! The floors of this house; a file uses its own folder and floors below it, never one above
//! (`tests/integration/floors.rs` holds us to it):
//!
//! | floor | rooms | what happens there |
//! |---|---|---|
//! | 5 | `main` `lib` `cli` `action` `config` `fuzz` | wiring: from arguments to a command and to an exit code |
//! | 4 | `command` | one story a file: gather, decide, emit |
//! | 3 | `github` `runner` `workspace` | the world: HTTP, processes, files |
//! | 2 | `render` | a view of the result into text, pure |
//! | 1 | `planner` `analysis` `pytest` `junit` `coverage` | bytes to model, model to model |
//! | 0 | `model` | plain types |

mod action;
mod analysis;
mod cli;
mod command;
mod config;
mod coverage;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzz;
mod github;
mod junit;
mod model;
mod planner;
mod pytest;
mod render;
mod runner;
mod workspace;

pub use cli::run;
