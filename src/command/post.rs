//! What the action does after the last step of a job: a prepared shard's files are closed and
//! uploaded, also when its tests failed.

use anyhow::Result;
use camino::Utf8PathBuf;
use clap::Args;
use fs_err as fs;

use super::job::Job;
use super::prepare::PREPARED_FILE;
use super::shard::{now, write_junit};
use crate::model::case::Totals;
use crate::model::exit::Exit;
use crate::model::shard::Shard;
use crate::model::shard_manifest::ShardManifest;
use crate::workspace::{self, WorkDir};

#[derive(Args, Clone, Debug)]
pub(crate) struct PostArgs {
    #[arg(long, hide = true)]
    pub(crate) command: Option<String>,

    #[arg(long, hide = true, default_value = ".parallel-pytest")]
    pub(crate) work_dir: Utf8PathBuf,
}

pub(crate) async fn post(args: PostArgs) -> Result<Exit> {
    let prepared = args.work_dir.join(PREPARED_FILE);
    let is_prepare = args
        .command
        .as_deref()
        .is_some_and(|command| command == "prepare");
    if !is_prepare || !prepared.exists() {
        return Ok(Exit::Green);
    }
    let Some(job) = Job::of_this_process()? else {
        return Ok(Exit::Green);
    };
    let work = WorkDir::open(&args.work_dir)?;
    let shard: Shard = fs::read_to_string(&prepared)?.trim().parse()?;
    let shard_dir = work.shard_dir(shard);
    let manifest = workspace::read_manifest(&shard_dir)?;
    let log = workspace::read_log(&shard_dir)?.unwrap_or_default();
    let manifest = ShardManifest {
        ended: Some(now()),
        totals: Totals::of(&log.finished),
        ..manifest
    };
    write_junit(&manifest.suite, shard, &log, &shard_dir)?;
    workspace::write_manifest(&shard_dir, &manifest)?;
    job.upload_shard(&manifest.suite, shard, &manifest.environment, &shard_dir)
        .await?;
    fs::remove_file(&prepared)?;
    job.hand_over(work.path());
    Ok(Exit::Green)
}
