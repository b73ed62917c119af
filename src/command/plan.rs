//! `plan`: test files and history in, plan.json and the matrix out.

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use fs_err as fs;

use super::console;
use super::history::{self, HistoryArgs, Known};
use super::job::Job;
use super::work::WorkArgs;
use crate::model::exit::{Exit, UsageError};
use crate::model::plan::{Plan, PlanInputs};
use crate::model::shard::{MAX_SHARDS, Shard};
use crate::planner::{self, PlanRequest, PlannedFile};
use crate::pytest::discover::{self, Discovery};
use crate::workspace::{self, WorkDir};

#[derive(Args, Clone, Debug)]
pub(crate) struct PlanArgs {
    /// Number of shards
    #[arg(long, value_name = "N", default_value = "4", value_parser = shard_count)]
    pub(crate) shards: u16,

    #[command(flatten)]
    pub(crate) history: HistoryArgs,

    /// GitHub's token, to find the history of the default branch
    #[arg(long, value_name = "TOKEN", hide_default_value = true)]
    pub(crate) token: Option<String>,

    #[command(flatten)]
    pub(crate) work: WorkArgs,

    /// Files and folders with tests, as given to pytest [default: pytest's own]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<String>,
}

/// 1 to the most that GitHub runs.
pub(crate) fn shard_count(text: &str) -> Result<u16, String> {
    let allowed = || format!("choose a number from 1 to {MAX_SHARDS}");
    let count: u16 = text.parse().map_err(|_| allowed())?;
    if (1..=MAX_SHARDS).contains(&count) {
        Ok(count)
    } else {
        Err(allowed())
    }
}

pub(crate) async fn plan(args: PlanArgs) -> Result<Exit> {
    let work = WorkDir::open(&args.work.work_dir)?;
    let job = Job::of_this_process()?;
    let known = match &job {
        Some(job) => {
            history::of_job(&args.history, &args.work, &work, job, args.token.as_deref()).await
        }
        None => history::of_disk(&args.history, &args.work, &work),
    };
    let plan = make(&args.work.suite, args.shards, &args.paths, known)?;
    let path = args.work.plan_path(&work);
    write(&plan, &path)?;
    console::say(format!("plan {} written to {path}", &plan.digest[..12]));
    for shard in &plan.shards {
        console::say(format!(
            "  shard {}: {} files, about {} tests",
            shard.shard, shard.files, shard.tests
        ));
    }
    match job {
        Some(job) => {
            job.files.set_output("matrix", &matrix(&plan))?;
            job.files.set_output("shards", &plan.total().to_string())?;
            job.hand_over(work.path());
            job.upload_plan(&plan, &path).await?;
        }
        None => console::print(matrix(&plan)),
    }
    Ok(Exit::Green)
}

/// Gathers the files and what is known of them, and decides. `arguments` are pytest's own.
///
/// # Errors
/// A broken configuration of pytest.
pub(crate) fn make(suite: &str, total: u16, arguments: &[String], known: Known) -> Result<Plan> {
    let root = current_dir()?;
    let Discovery { files, notes, .. } = discover::discover(&root, arguments)?;
    for note in notes {
        console::warn(note);
    }
    let by_file = known.history.by_file();
    let files = files
        .into_iter()
        .map(|file| {
            let taught = by_file.get(file.path.as_str()).copied();
            PlannedFile {
                tests: taught.map_or(file.functions, |(_, tests)| tests),
                seconds: taught.map(|(seconds, _)| seconds),
                path: file.path,
            }
        })
        .collect();
    Ok(planner::plan(PlanRequest {
        suite: suite.to_owned(),
        files,
        total,
        created_at: jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string(),
        inputs: PlanInputs {
            history: known.source,
            target_seconds: None,
        },
    }))
}

/// The folder that all paths of a plan are relative to.
///
/// # Errors
/// Its name is not UTF-8.
pub(crate) fn current_dir() -> Result<Utf8PathBuf> {
    let folder = std::env::current_dir()?;
    let path = Utf8PathBuf::try_from(folder);
    path.map_err(|error| {
        UsageError(format!(
            "the folder {} has a name that is not UTF-8",
            error.as_path().display()
        ))
        .into()
    })
}

pub(crate) fn write(plan: &Plan, path: &Utf8Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    workspace::write_atomic(path, &serde_json::to_vec_pretty(plan)?)
}

/// The value of `strategy.matrix`.
fn matrix(plan: &Plan) -> String {
    let shards: Vec<Shard> = plan.shards.iter().map(|planned| planned.shard).collect();
    serde_json::json!({ "shard": shards }).to_string()
}
