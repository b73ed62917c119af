//! What earlier runs taught. It only makes a plan better: without it, or with a broken one, there is
//! still a plan.

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use fs_err as fs;

use super::console;
use super::job::Job;
use super::work::WorkArgs;
use crate::model::history::{HISTORY_VERSION, History};
use crate::workspace::{HISTORY_FILE, WorkDir};

#[derive(Args, Clone, Debug)]
pub(crate) struct HistoryArgs {
    /// What earlier runs taught: a history.json [default: that of the default branch's last run on
    /// GitHub, the one in the work folder elsewhere]
    #[arg(long = "history", value_name = "FILE")]
    pub(crate) file: Option<Utf8PathBuf>,
}

/// The history and where it comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) history: History,
    pub(crate) source: Option<String>,
}

/// The history on this machine.
pub(crate) fn of_disk(args: &HistoryArgs, suite: &WorkArgs, work: &WorkDir) -> Known {
    let own = work.path().join(HISTORY_FILE);
    match &args.file {
        Some(asked) => read(asked, asked.as_str(), &suite.suite),
        None if own.exists() => read(&own, own.as_str(), &suite.suite),
        None => Known::default(),
    }
}

/// The history of the default branch, unless a file was named.
pub(crate) async fn of_job(
    args: &HistoryArgs,
    suite: &WorkArgs,
    work: &WorkDir,
    job: &Job,
    token: Option<&str>,
) -> Known {
    if args.file.is_some() {
        return of_disk(args, suite, work);
    }
    let folder = work.path().join("history");
    match job.download_history(&suite.suite, &folder, token).await {
        Ok(Some(path)) => read(&path, "the default branch", &suite.suite),
        Ok(None) => Known::default(),
        Err(error) => {
            console::warn(format!("there is no history: {error:#}"));
            Known::default()
        }
    }
}

fn read(path: &Utf8Path, source: &str, suite: &str) -> Known {
    let read = || -> Result<History> {
        let history: History = serde_json::from_slice(&fs::read(path)?)?;
        anyhow::ensure!(
            history.version == HISTORY_VERSION,
            "it is of version {}",
            history.version
        );
        anyhow::ensure!(
            history.suite == suite,
            "it is of the suite `{}`",
            history.suite
        );
        Ok(history)
    };
    match read() {
        Ok(history) => Known {
            history,
            source: Some(source.to_owned()),
        },
        Err(error) => {
            console::warn(format!("the history of {source} is not used: {error:#}"));
            Known::default()
        }
    }
}
