//! `local`: plan, run every shard side by side, and report, on one machine.

use std::sync::Arc;

use anyhow::Result;
use camino::Utf8PathBuf;
use clap::Args;
use tokio::task::JoinSet;

use super::conclude;
use super::console;
use super::history::{self, HistoryArgs};
use super::plan::{self, shard_count};
use super::progress;
use super::report_folder;
use super::shard::{ShardArgs, ShardJob};
use super::work::WorkArgs;
use crate::analysis::verdict::JobResults;
use crate::model::exit::{Exit, UsageError};
use crate::model::shard::Shard;
use crate::pytest::plugin::Company;
use crate::pytest::selection;
use crate::render::terminal;
use crate::render::view::Links;
use crate::runner::host::Ended;
use crate::runner::lock::WorkLock;
use crate::runner::output::{Guard, Show, Terminal};
use crate::runner::signals::Interrupts;
use crate::runner::token::RunToken;
use crate::workspace::{self, HISTORY_FILE, WorkDir};

#[derive(Args, Clone, Debug)]
pub(crate) struct LocalArgs {
    /// Number of shards, all of which run at once [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = shard_count)]
    pub(crate) shards: Option<u16>,

    #[command(flatten)]
    pub(crate) history: HistoryArgs,

    /// Folder for the merged report
    #[arg(long, value_name = "DIR", default_value = "report")]
    pub(crate) output: Utf8PathBuf,

    /// Show what the shards print, each line with its shard in front
    #[arg(long)]
    pub(crate) show_output: bool,

    #[command(flatten)]
    pub(crate) work: WorkArgs,

    #[command(flatten)]
    pub(crate) shard_args: ShardArgs,
}

pub(crate) async fn local(args: LocalArgs) -> Result<Exit> {
    let work = WorkDir::open(&args.work.work_dir)?;
    let token = RunToken::random();
    let _lock = WorkLock::acquire(work.path(), &token)?;
    let command = args.shard_args.command();
    let arguments = selection::pytest_arguments(&command).unwrap_or_default();
    let processors = std::thread::available_parallelism()
        .map_or(2, |count| u16::try_from(count.get()).unwrap_or(2));
    let total = args.shards.unwrap_or(processors);
    let known = history::of_disk(&args.history, &args.work, &work);
    let history = known.history.clone();
    let plan = plan::make(&args.work.suite, total, &arguments, known)?;
    let plan_file = args.work.plan_path(&work);
    let root = plan::current_dir()?;
    let company = if total == 1 {
        Company::Alone
    } else {
        Company::SideBySide
    };
    let plan = Arc::new(plan);
    let job = ShardJob {
        plan: Arc::clone(&plan),
        work: work.clone(),
        plan_file,
        root: root.clone(),
        args: args.shard_args.clone(),
        company,
        attempt: 1,
        token,
    };
    if args.shard_args.dry_run {
        for shard in Shard::all(total) {
            console::print(job.command_line(shard).to_string());
        }
        return Ok(Exit::Green);
    }
    work.clear_shards()?;
    work.install_plugin()?;
    plan::write(&plan, &job.plan_file)?;

    let interrupts = Interrupts::install()?;
    let screen = args.show_output.then(|| Terminal::stdout(Guard::None));
    let folders = Shard::all(total)
        .map(|shard| (shard, work.shard_dir(shard)))
        .collect();
    let progress = screen
        .is_none()
        .then(|| tokio::spawn(progress::show(folders)));
    let ended = run_all(&job, total, screen.as_ref(), &interrupts).await;
    if let Some(progress) = progress {
        progress.abort();
    }
    let ended = ended?;
    if let Some(message) = nothing_started(&ended) {
        return Err(UsageError::new(message).into());
    }

    let found = workspace::find_shards(work.path())?;
    let prefix = conclude::prefix_in_repository(&root);
    let conclusion = conclude::conclude(&plan, &found, &JobResults::new(), history, &prefix)?;
    let history = conclusion.history.to_bytes();
    workspace::write_atomic(&work.path().join(HISTORY_FILE), &history)?;
    let view = conclusion.view(None, Links::default());
    report_folder::write(&conclusion, &view, &args.output)?;
    let options = terminal::Options {
        width: console::width(),
        style: console::style(),
        report: Some(args.output.as_str()),
    };
    console::print(terminal::report(&view, options));
    Ok(match interrupts.signal() {
        Some(signal) => Exit::Signal(u8::try_from(signal).unwrap_or(0)),
        None => conclusion.exit(),
    })
}

async fn run_all(
    job: &ShardJob,
    total: u16,
    screen: Option<&Arc<Terminal>>,
    interrupts: &Interrupts,
) -> Result<Vec<Ended>> {
    let mut runs = JoinSet::new();
    for shard in Shard::all(total) {
        let (job, interrupts) = (job.clone(), interrupts.clone());
        let show = screen.map_or(Show::Nothing, |screen| {
            Show::Prefixed(Arc::clone(screen), format!("{shard} | "))
        });
        runs.spawn(async move { job.run(shard, show, interrupts).await });
    }
    let mut ended = Vec::new();
    while let Some(run) = runs.join_next().await {
        ended.push(run??);
    }
    Ok(ended)
}

/// Where no shard could be started, the command is wrong and no test was lost.
fn nothing_started(ended: &[Ended]) -> Option<String> {
    let message = |ended: &Ended| match ended {
        Ended::NotStarted(message) => Some(message.clone()),
        _ => None,
    };
    let messages: Option<Vec<String>> = ended.iter().map(message).collect();
    messages?.into_iter().next()
}
