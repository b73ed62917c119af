//! `split`: the part of a list of names that a shard runs, whatever the names are of.

use std::io::Read as _;

use anyhow::{Context as _, Result};
use camino::Utf8PathBuf;
use clap::Args;
use fs_err as fs;

use super::console;
use super::work::shard_of_job;
use crate::junit::found::ReadEnd;
use crate::junit::read;
use crate::model::case::TestCase;
use crate::model::exit::{Exit, UsageError};
use crate::model::shard::Shard;
use crate::planner::names;

#[derive(Args, Clone, Debug)]
pub(crate) struct SplitArgs {
    /// Which part, such as 3/6 [default: what the CI says]
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,

    /// `JUnit` files of earlier runs, which tell how long each name takes
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    pub(crate) timings: Vec<String>,
}

pub(crate) fn split(args: &SplitArgs) -> Result<Exit> {
    let shard = match args.shard {
        Some(shard) => shard,
        None => shard_of_job(None)?,
    };
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .read_to_string(&mut text)
        .context("failed to read the names from the standard input")?;
    let names: Vec<String> = text
        .lines()
        .map(|line| line.trim_end_matches('\r'))
        .filter(|line| !line.trim().is_empty())
        .map(ToOwned::to_owned)
        .collect();
    let reports = reports(&args.timings)?;
    let dealt = names::deal(&names, &reports, usize::from(shard.total()));
    let ours = usize::from(shard.index() - 1);
    let mine = names.iter().zip(&dealt.shares);
    let mine: Vec<&String> = mine.filter(|it| *it.1 == ours).map(|it| it.0).collect();
    for name in &mine {
        console::print(name);
    }
    let times = if args.timings.is_empty() {
        "without --timings each counts the same".to_owned()
    } else {
        format!("the times of {} are known", dealt.known)
    };
    console::say(format!(
        "shard {shard}: {} of {} names, {times}",
        mine.len(),
        names.len()
    ));
    Ok(Exit::Green)
}

/// A first run has no reports, and a broken one is no reason not to test.
fn reports(patterns: &[String]) -> Result<Vec<TestCase>> {
    let mut cases = Vec::new();
    for pattern in patterns {
        let wrong = |error| UsageError(format!("--timings {pattern}: {error}"));
        let mut files = Vec::new();
        for path in glob::glob(pattern).map_err(wrong)? {
            files.push(Utf8PathBuf::try_from(path?)?);
        }
        files.sort();
        if files.is_empty() {
            console::warn(format!("--timings {pattern}: there is no such file yet"));
        }
        for file in files {
            let read = read::read(fs::File::open(&file)?);
            if read.end != ReadEnd::Complete {
                console::warn(format!("{file}: {}", read.end));
            }
            cases.extend(read.cases.into_whole());
        }
    }
    Ok(cases)
}
