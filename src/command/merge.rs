//! `merge`: reports of any origin into one.

use anyhow::{Context as _, Result};
use camino::Utf8PathBuf;
use clap::Args;
use fs_err as fs;

use super::console;
use super::report_folder;
use crate::coverage::{json, merge as coverage_merge};
use crate::junit::{read, unite, write};
use crate::model::exit::{Exit, UsageError};
use crate::workspace::write_atomic_with;

#[derive(Args, Clone, Debug)]
pub(crate) struct MergeArgs {
    /// JUnit files
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    pub(crate) junit: Vec<String>,

    /// coverage.json files, as coverage.py writes them
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    pub(crate) coverage: Vec<String>,

    /// Folder for the merged reports
    #[arg(long, value_name = "DIR", default_value = "report")]
    pub(crate) output: Utf8PathBuf,
}

pub(crate) fn merge(args: &MergeArgs) -> Result<Exit> {
    let junit = files(&args.junit, "--junit")?;
    let coverage = files(&args.coverage, "--coverage")?;
    if junit.is_empty() && coverage.is_empty() {
        return Err(
            UsageError::new("nothing to merge: name files with --junit or --coverage").into(),
        );
    }
    fs::create_dir_all(&args.output)?;
    let mut whole = true;
    if !junit.is_empty() {
        whole &= merge_junit(args, &junit)?;
    }
    if !coverage.is_empty() {
        whole &= merge_coverage(args, &coverage)?;
    }
    Ok(if whole { Exit::Green } else { Exit::TestsLost })
}

/// The files of some globs, each once, in order.
fn files(patterns: &[String], flag: &str) -> Result<Vec<Utf8PathBuf>> {
    let mut found = Vec::new();
    for pattern in patterns {
        let paths = glob::glob(pattern)
            .map_err(|error| UsageError(format!("{flag} {pattern}: {error}")))?;
        let before = found.len();
        for path in paths {
            found.push(Utf8PathBuf::try_from(path?)?);
        }
        if found.len() == before {
            return Err(UsageError(format!("{flag} {pattern}: there is no such file")).into());
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn merge_junit(args: &MergeArgs, files: &[Utf8PathBuf]) -> Result<bool> {
    let mut reads = Vec::new();
    let mut whole = true;
    for path in files {
        let read = read::read(fs::File::open(path)?);
        whole &= read.end == read::ReadEnd::Complete;
        reads.push((path.to_string(), read));
    }
    let report = unite::unite(reads);
    for warning in &report.warnings {
        console::warn(warning);
    }
    let path = args.output.join("junit.xml");
    write_atomic_with(&path, |out| Ok(write::write(&report, out)?))?;
    let totals = report.totals();
    console::say(format!(
        "{path}: {} tests of {} files, {} failed, {} errors",
        totals.all(),
        files.len(),
        totals.failed,
        totals.error
    ));
    Ok(whole)
}

fn merge_coverage(args: &MergeArgs, files: &[Utf8PathBuf]) -> Result<bool> {
    let mut parts = Vec::new();
    let mut whole = true;
    for path in files {
        let read = json::read(std::io::BufReader::new(fs::File::open(path)?));
        match read.with_context(|| path.to_string()) {
            Ok(part) => parts.push(part),
            Err(error) => {
                whole = false;
                console::warn(format!(
                    "{error:#}: it is left out, and so the result is not whole"
                ));
            }
        }
    }
    let merged = coverage_merge::merge(parts);
    for warning in &merged.warnings {
        console::warn(warning);
    }
    report_folder::write_coverage(Some(&merged.coverage), &args.output)?;
    console::say(format!(
        "{}/coverage.xml: {:.2} % of {} files",
        args.output,
        merged.coverage.totals().percent(),
        files.len()
    ));
    Ok(whole)
}
