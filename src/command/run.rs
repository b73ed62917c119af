//! `run`: one shard of the plan, on this machine.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use super::compose;
use super::conclude::{self};
use super::console;
use super::job::Job;
use super::plan::current_dir;
use super::shard::{ShardJob, Start, exit_of};
use super::shard_args::ShardArgs;
use super::work::{WorkArgs, check_environment, check_shard, shard_of_ci};
use crate::model::exit::{Exit, UsageError};
use crate::model::shard::Shard;
use crate::pytest::plugin::Company;
use crate::render::{style, terminal};
use crate::runner::host::Ended;
use crate::runner::lock::WorkLock;
use crate::runner::output::{Show, Terminal};
use crate::runner::signals::Interrupts;
use crate::runner::token::RunToken;
use crate::workspace::WorkDir;

#[derive(Args, Clone, Debug)]
pub(crate) struct RunArgs {
    /// Which shard, such as 3/6 [default: what the CI's own variables say]
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,

    #[command(flatten)]
    pub(crate) work: WorkArgs,

    #[command(flatten)]
    pub(crate) shard_args: ShardArgs,
}

pub(crate) async fn run(args: RunArgs) -> Result<Exit> {
    args.shard_args.check()?;
    let work = WorkDir::open(&args.work.work_dir)?;
    let job = Job::of_this_process()?;
    let plan_file = args.work.plan_path(&work);
    if let Some(job) = &job
        && args.work.plan_file.is_none()
        && job.has_artifacts()
    {
        // A plan left in the workspace of a self-hosted runner is of another run.
        let _ = fs_err::remove_file(&plan_file);
        job.download_plan(&args.work.suite, work.path()).await?;
    }
    let plan = Arc::new(args.work.read_plan(&work)?);
    let shard = match args.shard {
        Some(shard) => shard,
        None => shard_of_ci(&plan)?,
    };
    check_shard(&plan, shard)?;
    check_environment(&plan, &args.shard_args.environment.name)?;
    let token = RunToken::random();
    let root = current_dir()?;
    let compose = &args.shard_args.compose;
    let lock = (!args.shard_args.dry_run)
        .then(|| WorkLock::acquire(work.path(), &token))
        .transpose()?;
    work.install_plugin()?;
    let mut project = compose.open(&root, &work, &plan_file, &token).await?;
    let interrupts = Interrupts::install()?;
    if let Some(project) = &mut project
        && !args.shard_args.dry_run
        && compose::prepare(project, 1, &interrupts).await?.is_none()
    {
        return Ok(interrupted(&interrupts));
    }
    let shard_job = ShardJob {
        plan: Arc::clone(&plan),
        work: work.clone(),
        plan_file,
        queue: None,
        root,
        args: args.shard_args.clone(),
        company: Company::Alone,
        attempt: job.as_ref().map_or(1, |job| job.context.run_attempt),
        token,
        project: project.map(Arc::new),
    };
    if args.shard_args.dry_run {
        console::print_foreign(shard_job.explain(shard));
        return Ok(Exit::Green);
    }
    let screen = Terminal::stdout(console::guard());
    let ended = shard_job
        .run(
            shard,
            Start::Fresh,
            Show::Raw(screen.clone()),
            interrupts.clone(),
        )
        .await;
    screen.release();
    shard_job.clean_up().await;
    let ended = ended?;
    if let Ended::NotStarted(message) = ended {
        return Err(UsageError::new(message).into());
    }
    drop(lock);
    let conclusion = conclude::conclude_shard(&plan, shard, &work)?;
    if let Some(job) = &job {
        job.hand_over_shards(
            work.path(),
            args.shard_args.compose.compose_service.is_some(),
        );
        let environment = &args.shard_args.environment.name;
        job.upload_shard(&plan.suite, shard, environment, &work.shard_dir(shard))
            .await?;
    }
    let view = conclusion.view(None, crate::render::view::Links::default());
    if !conclusion.verdict.is_green() {
        let options = style::Options {
            width: console::width(),
            style: console::style(),
            report: None,
        };
        console::say_foreign(terminal::report(&view, options));
    }
    if interrupts.signal().is_some() {
        return Ok(interrupted(&interrupts));
    }
    Ok(exit_of(std::iter::once(&ended), &conclusion))
}

/// The exit status after a signal.
pub(crate) fn interrupted(interrupts: &Interrupts) -> Exit {
    let signal = interrupts.signal().unwrap_or_default();
    Exit::Signal(u8::try_from(signal).unwrap_or_default())
}
