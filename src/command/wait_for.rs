//! `wait-for HOST:PORT…`: waits until ports accept, then becomes a command. Runs inside containers,
//! too, and needs no shell there.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;

use crate::command::console::say;
use crate::model::exit::Exit;
use crate::model::human_duration::HumanDuration;
use crate::runner::signals::{self, Interrupts, Urgency};
use crate::runner::wait::{Target, Unreached, wait};

/// Waits until every HOST:PORT accepts connections, then runs CMD in its own place.
#[derive(Debug, clap::Args)]
pub(crate) struct WaitForArgs {
    /// What to wait for, such as `db:5432` or `[::1]:6379`.
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
    then: Vec<OsString>,
}

enum Waited {
    Accepted,
    Unreached(Vec<Unreached>),
    Signal(i32),
}

/// Returns only if there is no command, or if it did not start.
pub(crate) fn wait_for(args: WaitForArgs) -> anyhow::Result<Exit> {
    // A thread of its own, because the caller may be inside a runtime.
    let waited = std::thread::scope(|scope| scope.spawn(|| wait_in_runtime(&args)).join());
    let waited = waited.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    match waited {
        Waited::Accepted => {
            let mut words = args.then.into_iter();
            Ok(words
                .next()
                .map_or(Exit::Green, |program| become_command(&program, words)))
        }
        Waited::Unreached(unreached) => {
            for Unreached { target, error } in unreached {
                say(format!(
                    "{target} did not accept a connection within {}: {error}",
                    args.timeout
                ));
            }
            Ok(Exit::World)
        }
        Waited::Signal(signal) => {
            say(format!("ended by {} while waiting", signals::name(signal)));
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
            say(format!(
                "waiting for {}, at most {}",
                names.join(", "),
                args.timeout
            ));
        }
        let tell = |target: &Target, after: Duration| {
            if !args.quiet {
                say(format!(
                    "{target} accepts connections after {}",
                    HumanDuration::new(after)
                ));
            }
        };
        let waited = tokio::select! {
            unreached = wait(&args.targets, args.timeout.get(), tell) => {
                if unreached.is_empty() { Waited::Accepted } else { Waited::Unreached(unreached) }
            }
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
fn become_command(program: &OsString, args: impl Iterator<Item = OsString>) -> Exit {
    let error = Command::new(program).args(args).exec();
    say(format!(
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;
    use std::net::TcpListener;
    use std::process::Output;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: WaitForArgs,
    }

    fn parse(words: &[&str]) -> Result<WaitForArgs, clap::Error> {
        Line::try_parse_from([&["wait-for"], words].concat()).map(|line| line.args)
    }

    /// Not a test by itself: it may become another program.
    #[ignore = "another test starts it"]
    #[test]
    fn alone() {
        let words = shlex::split(&std::env::var("TEST_WORDS").expect("words")).expect("words");
        let args = parse(&words.iter().map(String::as_str).collect::<Vec<_>>()).expect("arguments");
        let exit = wait_for(args).expect("an exit");
        assert_eq!(exit.code(), 0, "exit {}", exit.code());
    }

    fn alone_with(words: &str) -> Output {
        let this = std::env::current_exe().expect("our path");
        Command::new(this)
            .args([
                "--exact",
                "command::wait_for::tests::alone",
                "--ignored",
                "--nocapture",
            ])
            .env("TEST_WORDS", words)
            .output()
            .expect("our own output")
    }

    fn stderr(output: &Output) -> String {
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    #[test]
    fn takes_several_targets_and_a_command_with_flags() {
        let args = parse(&[
            "db:5432",
            "[::1]:80",
            "--timeout",
            "1h30m",
            "--",
            "pytest",
            "-q",
        ])
        .expect("arguments");
        assert_eq!(
            (args.targets.len(), args.timeout.to_string()),
            (2, "1h30m".into())
        );
        assert_eq!(args.then, ["pytest", "-q"]);
        assert!(parse(&[]).is_err() && parse(&["--", "true"]).is_err() && parse(&["db"]).is_err());
    }

    #[test]
    fn becomes_the_command() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let output = alone_with(&format!(
            "{address} -- sh -c 'echo I am $PPID $0 $1; exit 7' a 'b c'"
        ));
        assert_eq!(output.status.code(), Some(7));
        assert!(
            String::from_utf8_lossy(&output.stdout)
                .contains(&format!("I am {} a b c", std::process::id()))
        );
        assert!(stderr(&output).contains(&format!("waiting for {address}, at most 1m\n")));
        assert!(stderr(&output).contains(&format!("{address} accepts connections after ")));
    }

    #[test]
    fn says_in_its_exit_what_went_wrong() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let missing = alone_with(&format!("-q {address} -- /no/such/program"));
        assert!(
            stderr(&missing).contains("exit 127")
                && stderr(&missing).contains("`/no/such/program` did not start")
        );
        assert!(!stderr(&missing).contains("waiting for"));
        let unfit = alone_with(&format!("-q {address} -- /"));
        assert!(stderr(&unfit).contains("exit 126"));
        drop(listener);
        let closed = alone_with(&format!("-q {address} --timeout 200ms -- touch /never"));
        let text =
            format!("{address} did not accept a connection within 200ms: connection refused");
        assert!(
            stderr(&closed).contains("exit 4") && stderr(&closed).contains(&text),
            "{}",
            stderr(&closed)
        );
    }
}
