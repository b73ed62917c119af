//! `prepare`: every later `pytest` of this GitHub job runs one shard.

use anyhow::Result;
use clap::Args;
use fs_err as fs;

use super::console;
use super::job::{Job, on_host};
use super::plan::current_dir;
use super::shard::open_manifest;
use super::shard_args::RetryArgs;
use super::work::{EnvironmentArgs, WorkArgs, check_environment, check_shard};
use crate::model::exit::{Exit, UsageError};
use crate::model::shard::Shard;
use crate::pytest::plugin::{self, Company, Manner, PluginPaths, Retries};
use crate::workspace::{self, WorkDir};

#[derive(Args, Clone, Debug)]
pub(crate) struct PrepareArgs {
    /// Which shard, such as 3/6
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,

    /// The workspace as the job's own steps see it; `host:` in front keeps the runner from rewriting it
    #[arg(long, value_name = "DIR", hide = true)]
    pub(crate) host_workspace: Option<String>,

    #[command(flatten)]
    pub(crate) environment: EnvironmentArgs,

    #[command(flatten)]
    pub(crate) retries: RetryArgs,

    #[command(flatten)]
    pub(crate) work: WorkArgs,
}

pub(crate) async fn prepare(args: PrepareArgs) -> Result<Exit> {
    let job = Job::of_this_process()?.ok_or_else(|| {
        UsageError::new(
            "`prepare` works inside a GitHub job only: use `run --shard I/N -- pytest` here",
        )
    })?;
    let shard = args.shard.ok_or_else(|| {
        UsageError::new("which shard? write `shard: ${{ matrix.shard }}` beside `command: prepare`")
    })?;
    let work = WorkDir::open(&args.work.work_dir)?;
    let plan_file = args.work.plan_path(&work);
    if args.work.plan_file.is_none() && job.has_artifacts() {
        // A plan left in the workspace of a self-hosted runner is of another run.
        let _ = fs::remove_file(&plan_file);
        job.download_plan(&args.work.suite, work.path()).await?;
    }
    let plan = args.work.read_plan(&work)?;
    check_shard(&plan, shard)?;
    check_environment(&plan, &args.environment.name)?;
    work.clear_shards()?;
    let shard_dir = work.fresh_shard_dir(shard)?;
    let manifest = open_manifest(
        &plan,
        shard,
        job.context.run_attempt,
        &args.environment.name,
    );
    workspace::write_manifest(&shard_dir, &manifest)?;

    let workspace = &job.context.workspace;
    let host = |path: &camino::Utf8Path| on_host(path, workspace, args.host_workspace.as_deref());
    let bin = work.install_program()?;
    let paths = PluginPaths {
        plugin_dir: host(&work.install_plugin()?),
        plan_file: host(&plan_file),
        shard_dir: host(&shard_dir),
        root: host(&current_dir()?),
        program: host(&bin).join("parallel-pytest"),
        queue: None,
    };
    let current = |name: &str| std::env::var(name).ok();
    let manner = Manner {
        company: Company::Alone,
        retries: Retries::Within(args.retries.retries),
    };
    for (name, value) in plugin::environment(&plan, shard, &paths, manner, current) {
        job.files.export_env(&name, &value)?;
    }
    job.files.add_path(host(&bin).as_str())?;
    // What the post step looks for: act hands it no state.
    workspace::write_atomic(
        &work.path().join(PREPARED_FILE),
        shard.to_string().as_bytes(),
    )?;
    job.hand_over(work.path());
    console::say(format!(
        "every pytest of this job now runs shard {shard} of plan {}",
        &plan.digest[..12]
    ));
    Ok(Exit::Green)
}

/// Names the shard that this job was prepared for.
pub(crate) const PREPARED_FILE: &str = "prepared";
