//! The program: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    parallel_pytest::run(std::env::args_os())
}
