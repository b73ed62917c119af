//! The program: arguments in, exit code out.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// musl's own has one lock for all threads: they wait for each other two thirds of the time that planning takes.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    parallel_pytest::run(std::env::args_os())
}
