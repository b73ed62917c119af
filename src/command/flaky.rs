//! `flaky`: the tests that fail and pass without a change, with their rates, from the history.

use std::cmp::Reverse;

use anyhow::Result;
use clap::Args;

use super::console;
use super::history::{self, HistoryArgs};
use super::job::Job;
use super::work::WorkArgs;
use crate::model::exit::Exit;
use crate::render::flaky;
use crate::workspace::WorkDir;

#[derive(Args, Clone, Debug)]
pub(crate) struct FlakyArgs {
    /// GitHub's token, to bring the history of this branch
    #[arg(long, value_name = "TOKEN", hide_default_value = true)]
    pub(crate) token: Option<String>,

    #[command(flatten)]
    pub(crate) history: HistoryArgs,

    #[command(flatten)]
    pub(crate) work: WorkArgs,
}

pub(crate) async fn flaky(args: FlakyArgs) -> Result<Exit> {
    let work = WorkDir::open(&args.work.work_dir)?;
    let known = match Job::of_this_process()? {
        Some(job) => {
            let token = args.token.as_deref();
            history::of_job(&args.history, &args.work, &work, &job, token).await
        }
        None => history::of_disk(&args.history, &args.work, &work),
    };
    let mut rates: Vec<_> = flaky::rates(&known.history.ends);
    rates.sort_by_key(|rate| (Reverse(rate.per_mille()), rate.id));
    console::print_foreign(flaky::table(&rates, known.source.as_deref()).trim_end());
    Ok(Exit::Green)
}
