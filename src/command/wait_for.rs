//! `wait-for HOST:PORT…`: waits until ports accept, then becomes a command. Runs inside containers,
//! too, and needs no shell there.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use crate::model::exit::Exit;
use crate::model::human_duration::HumanDuration;
use crate::runner::signals::{self, Interrupts, Urgency};
use crate::runner::wait::{Target, Unreached, wait};

/// Waits until every HOST:PORT accepts connections, then runs CMD in its own place.
#[derive(Debug, clap::Args)]
pub(crate) struct WaitForArgs {
    /// What to wait for, such as db:5432 or [::1]:6379.
    #[arg(required = true, value_name = "HOST:PORT")]
    targets: Vec<Target>,

    /// How long to wait for all of them together.
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    timeout: HumanDuration,

    /// Say nothing but errors.
    #[arg(long, short)]
    quiet: bool,

    /// The command to become once all accept.
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

enum Waited {
    Accepted,
    Unreached(Vec<Unreached>),
    Signal(i32),
}

/// Returns only if there is no command, or if it did not start.
pub(crate) fn wait_for(args: &WaitForArgs) -> anyhow::Result<Exit> {
    // A thread of its own, because the caller may be inside a runtime.
    let waited = std::thread::scope(|scope| scope.spawn(|| wait_in_runtime(args)).join());
    let waited = waited.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    match waited {
        Waited::Accepted => match args.command.split_first() {
            Some((program, rest)) => Ok(become_command(program, rest)),
            None => Ok(Exit::Green),
        },
        Waited::Unreached(unreached) => {
            for Unreached { target, error } in unreached {
                say(&format!(
                    "{target} did not accept a connection within {}: {error}",
                    args.timeout
                ));
            }
            Ok(Exit::World)
        }
        Waited::Signal(signal) => {
            say(&format!("ended by {} while waiting", signals::name(signal)));
            Ok(Exit::Signal(u8::try_from(signal).unwrap_or_default()))
        }
    }
}

fn wait_in_runtime(args: &WaitForArgs) -> anyhow::Result<Waited> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime
        .enable_all()
        .build()
        .context("failed to start waiting")?;
    let waited = runtime.block_on(async {
        let mut interrupts = Interrupts::install().context("failed to handle signals")?;
        if !args.quiet {
            let names: Vec<String> = args.targets.iter().map(Target::to_string).collect();
            say(&format!("waiting for {}, at most {}", names.join(", "), args.timeout));
        }
        let tell = |target: &Target, after: Duration| {
            if !args.quiet {
                say(&format!("{target} accepts connections after {}", HumanDuration::new(after)));
            }
        };
        let waited = tokio::select! {
            unreached = wait(&args.targets, args.timeout.get(), tell) => match unreached.is_empty() {
                true => Waited::Accepted,
                false => Waited::Unreached(unreached),
            },
            _ = interrupts.more_urgent_than(Urgency::None) => {
                Waited::Signal(interrupts.signal().unwrap_or_default())
            }
        };
        anyhow::Ok(waited)
    });
    // A name server that does not answer must not keep us.
    runtime.shutdown_background();
    waited
}

/// Puts the program in our place: the same process, so that signals and the exit status are its own.
fn become_command(program: &OsString, args: &[OsString]) -> Exit {
    let error = Command::new(program).args(args).exec();
    say(&format!(
        "`{}` did not start: {error}",
        program.to_string_lossy()
    ));
    // As shells have it.
    Exit::Command(if error.kind() == io::ErrorKind::NotFound {
        127
    } else {
        126
    })
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "parallel-pytest: {text}");
}
