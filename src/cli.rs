//! The command line: from arguments to a command, from its end to an exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use camino::Utf8PathBuf;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use fs_err as fs;

use crate::action;
use crate::command::{
    console, coverage, flaky, init, local, measured, merge, plan, post, prepare, publish,
    run as run_shard, signal_all, split, wait_for,
};
use crate::config::{Settings, Sources};
use crate::model::exit::{Exit, UsageError};

/// Runs a pytest suite in parallel, each shard in its own environment, and proves that every test
/// ran exactly once.
#[derive(Debug, Parser)]
#[command(name = "parallel-pytest", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// Work in this folder, as if started there
    #[arg(long, short = 'C', global = true, value_name = "DIR")]
    pub(crate) directory: Option<Utf8PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Assign the suite to shards: writes plan.json, sets the outputs `matrix` and `shards`
    Plan(plan::PlanArgs),
    /// Run one shard of the plan
    Run(run_shard::RunArgs),
    /// In a GitHub job: make every later `pytest` of the job run one shard
    Prepare(prepare::PrepareArgs),
    /// Gather the shards, merge them, decide and publish
    Publish(publish::PublishArgs),
    /// Plan, run all shards side by side, merge and report, on this machine
    Local(local::LocalArgs),
    /// Merge JUnit and coverage reports of any origin
    Merge(merge::MergeArgs),
    /// Read names from the standard input and print those of one shard: files, packages, classes of
    /// any language
    Split(split::SplitArgs),
    /// Print what is covered, of everything or of a change, and fail below a threshold
    Coverage(coverage::CoverageArgs),
    /// Print a ready workflow for this repository
    Init(init::InitArgs),
    /// List flaky tests with their rates, from the history
    Flaky(flaky::FlakyArgs),
    /// Wait until ports accept connections, then run a command
    WaitFor(wait_for::WaitForArgs),
    /// What the action does after the job's last step
    #[command(hide = true)]
    Post(post::PostArgs),
    /// What pytest's plugin asks of the data that a shard measured
    #[command(hide = true)]
    Measured,
    /// Signal every process of a container
    #[command(hide = true)]
    SignalAll(signal_all::SignalAllArgs),
}

/// Runs the program.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match start(args.into_iter().collect()) {
        Ok(exit) => exit.into(),
        Err(error) => {
            console::say_foreign(format!("error: {}", one_line(&format!("{error:#}"))));
            Exit::of_error(&error).into()
        }
    }
}

fn start(args: Vec<OsString>) -> Result<Exit> {
    let args = action::arguments(args, |name| std::env::var_os(name))?;
    let typed = Cli::command()
        .ignore_errors(true)
        .try_get_matches_from(&args);
    let typed = typed.unwrap_or_default();
    if let Some(folder) = directory(&typed) {
        let failed = || UsageError(format!("--directory: there is no folder {folder}"));
        std::env::set_current_dir(&folder).map_err(|_| failed())?;
    }
    let layered = match typed.subcommand_name() {
        // It runs anywhere, also where a pyproject.toml is none of ours.
        Some("wait-for" | "signal-all" | "measured") => (Cli::command(), Sources::new()),
        _ => layered()?,
    };
    let cli = match parse(&args, layered)? {
        Parsed::Cli(cli) => cli,
        Parsed::Shown(exit) => return Ok(exit),
    };
    match cli.command {
        // These need no runtime; `wait-for` replaces this process.
        Command::WaitFor(args) => wait_for::wait_for(args),
        Command::Merge(args) => merge::merge(&args),
        Command::SignalAll(args) => signal_all::signal_all(&args),
        Command::Measured => measured::measured(),
        Command::Split(args) => split::split(&args),
        Command::Init(args) => Ok(init::init(&args)),
        Command::Coverage(args) => coverage::coverage(&args),
        command => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .context("failed to start the runtime")?
            .block_on(execute(command)),
    }
}

async fn execute(command: Command) -> Result<Exit> {
    match command {
        Command::Plan(args) => plan::plan(args).await,
        Command::Run(args) => run_shard::run(args).await,
        Command::Prepare(args) => prepare::prepare(args).await,
        Command::Publish(args) => publish::publish(args).await,
        Command::Local(args) => local::local(args).await,
        Command::Flaky(args) => flaky::flaky(args).await,
        Command::Post(args) => post::post(args).await,
        Command::Merge(_)
        | Command::Split(_)
        | Command::Init(_)
        | Command::Coverage(_)
        | Command::WaitFor(_)
        | Command::Measured
        | Command::SignalAll(_) => {
            unreachable!("handled without a runtime")
        }
    }
}

enum Parsed {
    Cli(Box<Cli>),
    /// Help or the version was shown, or the usage was wrong.
    Shown(Exit),
}

/// The folder has to be known before its pyproject.toml can be read.
fn directory(typed: &ArgMatches) -> Option<Utf8PathBuf> {
    let environment = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let known = typed.try_get_one::<Utf8PathBuf>("directory").ok().flatten();
    known
        .cloned()
        .or_else(|| environment("PARALLEL_PYTEST_DIRECTORY").map(Utf8PathBuf::from))
        .or_else(|| environment("INPUT_DIRECTORY").map(Utf8PathBuf::from))
}

/// The command line with the settings of environment and pyproject.toml as its defaults.
fn layered() -> Result<(clap::Command, Sources)> {
    let pyproject = match fs::read_to_string("pyproject.toml") {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error.into()),
    };
    let environment = |name: &str| std::env::var(name).ok();
    let settings = Settings::read(environment, &pyproject, &Cli::command())?;
    Ok(settings.layer(Cli::command())?)
}

fn parse(args: &[OsString], (command, sources): (clap::Command, Sources)) -> Result<Parsed> {
    let matches: Result<ArgMatches, clap::Error> = command.try_get_matches_from(args);
    match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => Ok(Parsed::Cli(Box::new(cli))),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            ) =>
        {
            let _ = error.print();
            Ok(Parsed::Shown(Exit::Green))
        }
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            Ok(Parsed::Shown(Exit::Usage))
        }
        Err(error) => Err(UsageError(describe(&error, &sources)).into()),
    }
}

/// clap's message in one line, with the place a wrong value stands in if it was not typed.
fn describe(error: &clap::Error, sources: &Sources) -> String {
    let text = error.render().to_string();
    let body = text.split("\n\nUsage:").next().unwrap_or(&text);
    let body = body
        .split("\n\nFor more information")
        .next()
        .unwrap_or(body);
    let message = one_line(body.trim().trim_start_matches("error: "));
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.as_str(),
        _ => "",
    };
    let name = argument
        .trim_start_matches('-')
        .split([' ', '='])
        .next()
        .unwrap_or_default();
    match sources.get(name) {
        Some(source) => format!("{message} (from {source})"),
        None => message,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config;

    /// The keys of a block of action.yml, which are indented by two.
    fn keys(block: &str) -> BTreeSet<&'static str> {
        let lines = include_str!("../action.yml").lines();
        let lines = lines.skip_while(|line| *line != format!("{block}:"));
        let lines = lines
            .skip(1)
            .take_while(|line| line.is_empty() || line.starts_with(' '));
        let keys = lines.filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
        keys.filter(|key| !key.starts_with([' ', '#'])).collect()
    }

    /// The first cells of a table of the README.
    fn rows(heading: &str) -> BTreeSet<&'static str> {
        let lines = include_str!("../README.md").lines();
        let lines = lines.skip_while(|line| *line != heading).skip(1);
        let lines = lines.take_while(|line| !line.starts_with('#'));
        let cells = lines.filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        cells.collect()
    }

    #[test]
    fn every_flag_is_an_input_and_a_row_of_the_readme() {
        let mut cli = Cli::command();
        cli.build();
        let commands = cli.get_subcommands().filter(|command| {
            !["init", "post", "wait-for", "signal-all", "help"].contains(&command.get_name())
        });
        let flags: BTreeSet<&str> = commands
            .flat_map(config::arguments)
            .filter_map(config::name)
            .chain(["command"])
            .collect();
        assert_eq!(keys("inputs"), flags);
        let mut shown = flags;
        shown.remove("host-workspace");
        assert_eq!(rows("## Inputs"), shown);
        assert_eq!(rows("### Outputs"), keys("outputs"));
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
