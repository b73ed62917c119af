//! `local`: plan, run every shard side by side, and report, on one machine.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;

use anyhow::Result;
use camino::Utf8PathBuf;
use clap::Args;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::compose;
use super::conclude::{self, Conclusion};
use super::console;
use super::history::{self, HistoryArgs, Known};
use super::job::Job;
use super::judge::{Beside, JudgeArgs};
use super::plan::{self, Wanted, wanted_shards};
use super::progress;
use super::queue::QueueDir;
use super::report_folder;
use super::run::interrupted;
use super::shard::{ShardJob, Start, exit_of};
use super::shard_args::ShardArgs;
use super::work::WorkArgs;
use crate::analysis::verdict::JobResults;
use crate::model::exit::{Exit, UsageError};
use crate::model::fleet_use::FleetUse;
use crate::model::history::History;
use crate::model::shard::{MAX_SHARDS, Shard};
use crate::planner::bundle::KeepTogether;
use crate::planner::fleet_count;
use crate::planner::plan::Dealing;
use crate::pytest::plugin::Company;
use crate::pytest::selection;
use crate::render::view::Links;
use crate::render::{style, terminal};
use crate::runner::compose::project::Project;
use crate::runner::host::Ended;
use crate::runner::lock::WorkLock;
use crate::runner::machine;
use crate::runner::output::{Guard, Show, Terminal};
use crate::runner::signals::Interrupts;
use crate::runner::token::RunToken;
use crate::workspace::{self, HISTORY_FILE, LOG_FILE, WorkDir};

#[derive(Args, Clone, Debug)]
pub(crate) struct LocalArgs {
    /// Number of shards, or `auto`: the number of processors, of fleets as many as have the processors, the memory and the
    /// networks that one was seen to use [default: auto]
    #[arg(long, value_name = "N|auto", value_parser = wanted_shards)]
    pub(crate) shards: Option<Wanted>,

    #[command(flatten)]
    pub(crate) history: HistoryArgs,

    /// Folder for the merged report
    #[arg(long, value_name = "DIR", default_value = "report")]
    pub(crate) output: Utf8PathBuf,

    /// Hand out the next file or class to a shard that has finished one, instead of planning all
    /// before [default: where no history says how long anything takes]
    #[arg(long, conflicts_with = "no_dynamic")]
    pub(crate) dynamic: bool,

    /// Plan all before
    #[arg(long)]
    pub(crate) no_dynamic: bool,

    /// What must not be cut: `class`, `file`, or a pattern of files that stay in one shard
    #[arg(long, value_name = "WHAT")]
    pub(crate) keep_together: Vec<KeepTogether>,

    /// How many shards run at once [default: all]
    #[arg(long, value_name = "N")]
    pub(crate) max_parallel: Option<NonZeroU16>,

    /// Show what the shards print, each line with its shard in front; on GitHub each shard in a group, once it has ended
    #[arg(long)]
    pub(crate) show_output: bool,

    #[command(flatten)]
    pub(crate) judge: JudgeArgs,

    #[command(flatten)]
    pub(crate) work: WorkArgs,

    #[command(flatten)]
    pub(crate) shard_args: ShardArgs,
}

impl LocalArgs {
    fn dealing(&self, known: &Known, total: u16, arguments: &[String]) -> Dealing {
        let knows_nothing = known.history.files.is_empty() && known.reported.is_empty();
        let wanted = self.dynamic || !self.no_dynamic && knows_nothing;
        if !wanted || total == 1 {
            return Dealing::Planned;
        }
        let reason = if selection::distributes(arguments) {
            "pytest-xdist distributes the tests inside the shards"
        } else if self.shard_args.retries_within() > 0 {
            "a retry comes after all tests of its shard, and a unit would have ended before"
        } else {
            return Dealing::Dynamic;
        };
        if self.dynamic {
            console::warn(format!(
                "--dynamic is left out: {reason}, so each shard runs what is planned"
            ));
        }
        Dealing::Planned
    }
}

pub(crate) async fn local(args: LocalArgs) -> Result<Exit> {
    args.shard_args.check()?;
    let work = WorkDir::open(&args.work.work_dir)?;
    let token = RunToken::random();
    let dry_run = args.shard_args.dry_run;
    let _lock = (!dry_run)
        .then(|| WorkLock::acquire(work.path(), &token))
        .transpose()?;
    let command = args.shard_args.command();
    let arguments = selection::pytest_arguments(&command).unwrap_or_default();
    let plan_file = args.work.plan_path(&work);
    let root = plan::current_dir()?;
    let compose = &args.shard_args.compose;
    let mut project = compose.open(&root, &work, &plan_file, &token).await?;
    let total = match args.shards {
        Some(Wanted::Exactly(total)) => total,
        Some(Wanted::Auto) | None => as_many_as_fit(project.as_ref(), &work).await,
    };
    let known = history::of_disk(&args.history, &args.work, &work);
    let history = known.history.clone();
    let kept = &args.keep_together;
    let dealing = args.dealing(&known, total, &arguments);
    let plan = plan::make(&args.work.suite, total, kept, dealing, &arguments, known)?;
    let queue = plan.queue.is_some().then(|| QueueDir::of(&work));
    let company = if total == 1 {
        Company::Alone
    } else {
        Company::SideBySide
    };
    let plan = Arc::new(plan);
    work.install_plugin()?;
    if let (Some(project), Some(queue)) = (&mut project, &queue) {
        project.take_from(queue.path());
    }
    let at_once = args
        .max_parallel
        .map_or(total, |most| most.get().min(total));
    let interrupts = Interrupts::install()?;
    let beside = args.judge.beside()?;
    if let Some(project) = &mut project
        && !dry_run
        && compose::prepare(project, at_once.into(), &interrupts)
            .await?
            .is_none()
    {
        return Ok(interrupted(&interrupts));
    }
    let job = ShardJob {
        plan: Arc::clone(&plan),
        work: work.clone(),
        plan_file,
        queue,
        root: root.clone(),
        args: args.shard_args.clone(),
        company,
        attempt: 1,
        token,
        project: project.map(Arc::new),
    };
    if dry_run {
        for shard in Shard::all(total) {
            console::print_foreign(job.explain(shard));
        }
        return Ok(Exit::Green);
    }
    work.clear_shards()?;
    plan::write(&plan, &job.plan_file)?;
    if let (Some(dir), Some(queue)) = (&job.queue, &plan.queue) {
        dir.fill(queue)?;
    }

    let screen = args.show_output.then(|| Screen::of(console::guard()));
    let folders = Shard::all(total)
        .map(|shard| (shard, work.shard_dir(shard)))
        .collect();
    let is_live = matches!(screen, Some(Screen::Live(_)));
    let progress = (!is_live).then(|| tokio::spawn(progress::show(folders)));
    let ended = run_all(&job, total, at_once, screen.as_ref(), &interrupts).await;
    job.clean_up().await;
    if let Some(progress) = progress {
        progress.abort();
    }
    let ended = ended?;
    if let Some(error) = nothing_started(&ended) {
        return Err(error);
    }

    let conclusion = conclude(&args, &job, &ended, history, beside)?;
    Ok(match interrupts.signal() {
        Some(_) => interrupted(&interrupts),
        None => exit_of(ended.values(), &conclusion),
    })
}

/// Writes the report of what the shards left behind, and the history.
fn conclude(
    args: &LocalArgs,
    job: &ShardJob,
    ended: &BTreeMap<Shard, Ended>,
    history: History,
    beside: Beside,
) -> Result<Conclusion> {
    let work = &job.work;
    let mut found = workspace::find_shards(work.path())?;
    job.add_unwritten(&mut found, ended);
    let prefix = conclude::prefix_in_repository(&job.root);
    let conclusion = conclude::conclude(
        &job.plan,
        &found,
        &JobResults::new(),
        history,
        &prefix,
        None,
    )?;
    let conclusion = args.judge.judge(conclusion, beside);
    let view = conclusion.view(None, Links::default());
    // Who cannot read it in a file reads it here.
    let written = report_folder::write(&conclusion, &view, &args.output);
    let options = style::Options {
        width: console::width(),
        style: console::style(),
        report: written.is_ok().then_some(args.output.as_str()),
    };
    console::print_foreign(terminal::report(&view, options));
    let seen = job.project.as_ref().and_then(|project| project.seen());
    if let Err(error) = remember(work, &conclusion.history, seen) {
        console::warn(format!(
            "the next plan knows nothing of this run: {error:#}"
        ));
    }
    match Job::of_this_process() {
        Ok(Some(github)) => {
            github.hand_over(&args.output);
            github.hand_over_shards(work.path(), job.project.is_some());
        }
        Ok(None) => {}
        // The tests have run, and their result stands.
        Err(error) => console::warn(format!("{error:#}")),
    }
    written.map(|()| conclusion)
}

/// Keeps what makes the next plan better. The result stands without it.
fn remember(work: &WorkDir, history: &History, seen: Option<FleetUse>) -> Result<()> {
    workspace::write_atomic(&work.path().join(HISTORY_FILE), &history.to_bytes())?;
    seen.map_or(Ok(()), |seen| workspace::write_fleet_use(work.path(), seen))
}

/// How `--show-output` shows what the shards print.
#[derive(Clone)]
enum Screen {
    /// Line by line.
    Live(Arc<Terminal>),
    /// On GitHub, where a log is read later and nobody could tell the shards apart.
    Groups(Arc<Terminal>),
}

impl Screen {
    fn of(guard: Guard) -> Self {
        match guard {
            Guard::None => Self::Live(Terminal::stdout(guard)),
            Guard::StopCommands(_) => Self::Groups(Terminal::stdout(guard)),
        }
    }
}

/// The number of shards where the user leaves it to us.
async fn as_many_as_fit(project: Option<&Project>, work: &WorkDir) -> u16 {
    let Some(project) = project else {
        return machine::processors().min(MAX_SHARDS);
    };
    let seen = workspace::read_fleet_use(work.path());
    let choice = fleet_count::choose(project.machine().await, seen, MAX_SHARDS);
    console::say(choice.why);
    choice.count
}

async fn run_all(
    job: &ShardJob,
    total: u16,
    at_once: u16,
    screen: Option<&Screen>,
    interrupts: &Interrupts,
) -> Result<BTreeMap<Shard, Ended>> {
    let mut runs = JoinSet::new();
    let room = Arc::new(Semaphore::new(at_once.into()));
    let start = |runs: &mut JoinSet<(Shard, Ended)>, shard: Shard, start: Start| {
        let (job, interrupts) = (job.clone(), interrupts.clone());
        let screen = screen.cloned();
        let show = match &screen {
            Some(Screen::Live(terminal)) => {
                Show::Prefixed(Arc::clone(terminal), format!("{shard} | "))
            }
            _ => Show::Nothing,
        };
        let room = Arc::clone(&room);
        runs.spawn(async move {
            let _place = room.acquire_owned().await;
            let ended = job.run(shard, start, show, interrupts).await;
            // The others go on, and what this one has told so far counts.
            let ended = ended.unwrap_or_else(|error| {
                console::warn(format!("shard {shard}: {error:#}"));
                Ended::EnvironmentFailed(format!("{error:#}"))
            });
            if let Some(Screen::Groups(terminal)) = screen {
                let log = job.work.shard_dir(shard).join(LOG_FILE);
                terminal.group(&format!("shard {shard}"), &log);
            }
            (shard, ended)
        });
    };
    for shard in Shard::all(total) {
        start(&mut runs, shard, Start::Fresh);
    }
    let mut ended = BTreeMap::new();
    while let Some(run) = runs.join_next().await {
        let (shard, how) = run?;
        let gave_back = interrupts.signal().is_none()
            && job.give_back(shard, &how).unwrap_or_else(|error| {
                console::warn(format!(
                    "what shard {shard} had taken cannot be given to others: {error:#}"
                ));
                false
            });
        // Once: what ends every process would go on for ever.
        if ended.insert(shard, how).is_none() && gave_back {
            start(&mut runs, shard, Start::Again);
        }
    }
    Ok(ended)
}

/// Where no shard could be started, the command is wrong and no test was lost.
fn nothing_started(ended: &BTreeMap<Shard, Ended>) -> Option<anyhow::Error> {
    let message = |ended: &Ended| match ended {
        Ended::NotStarted(message) => Some(message.clone()),
        _ => None,
    };
    let messages: Option<Vec<String>> = ended.values().map(message).collect();
    let message = messages?.into_iter().next()?;
    Some(UsageError::new(message).into())
}
