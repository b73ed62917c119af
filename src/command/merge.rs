//! `merge`: reports of any origin into one.

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use fs_err as fs;
use rayon::prelude::*;

use super::console;
use super::coverage_files;
use super::gather_coverage::{self, Gathered, gather};
use crate::junit::found::{JunitRead, ReadEnd};
use crate::junit::{read, unite, write};
use crate::model::exit::{Exit, UsageError};
use crate::workspace::write_atomic_with;

#[derive(Args, Clone, Debug)]
pub(crate) struct MergeArgs {
    /// Reports of tests, told apart by content: `JUnit` of any program, `NUnit`, xUnit.net, TRX, TAP,
    /// the JSON of Dart and Mocha; `!GLOB` leaves files out
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    pub(crate) junit: Vec<String>,

    /// Coverage: data files of coverage.py, coverage.json, Cobertura's XML or lcov, told apart by
    /// content; `!GLOB` leaves files out
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

/// The files of some globs, each once, in order, without those of the globs that begin with `!`.
///
/// # Errors
/// A pattern that finds nothing, or patterns that leave nothing: the user's to mend.
pub(crate) fn files(patterns: &[String], flag: &str) -> Result<Vec<Utf8PathBuf>> {
    let mut found = Vec::new();
    let (without, patterns): (Vec<_>, Vec<_>) = patterns
        .iter()
        .partition(|pattern| pattern.starts_with('!'));
    for pattern in &patterns {
        let paths = glob::glob(pattern)
            .map_err(|error| UsageError(format!("{flag} {pattern}: {error}")))?;
        let mut any = false;
        for path in paths {
            let path = Utf8PathBuf::try_from(path?)?;
            any = true;
            if !is_no_report(&path) {
                found.push(path);
            }
        }
        if !any {
            return Err(UsageError(format!("{flag} {pattern}: there is no such file")).into());
        }
    }
    for pattern in &without {
        let glob = glob::Pattern::new(&pattern[1..])
            .map_err(|error| UsageError(format!("{flag} {pattern}: {error}")))?;
        found.retain(|path| !glob.matches_path(path.as_std_path()));
    }
    if found.is_empty() && !(patterns.is_empty() && without.is_empty()) {
        return Err(UsageError(format!("{flag}: the patterns leave no file")).into());
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Files beside data files that a pattern such as `.coverage*` finds as well.
fn is_no_report(path: &Utf8Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.starts_with(".coveragerc") || name.ends_with("-journal") || path.is_dir()
}

/// Reads reports side by side, each with the name of its file.
///
/// # Errors
/// A file that cannot be opened.
pub(crate) fn read_junit(files: &[Utf8PathBuf]) -> Result<Vec<(String, JunitRead)>> {
    let read = |path: &Utf8PathBuf| Ok((path.to_string(), read::read(fs::File::open(path)?)));
    files.par_iter().map(read).collect()
}

fn merge_junit(args: &MergeArgs, files: &[Utf8PathBuf]) -> Result<bool> {
    let reads = read_junit(files)?;
    let whole = reads.iter().all(|(_, read)| read.end == ReadEnd::Complete);
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
    let Gathered {
        coverage,
        data,
        settings,
        warnings,
        whole,
    } = gather(files, gather_coverage::read_settings()?)?;
    for warning in &warnings {
        console::warn(warning);
    }
    let (reports, combined) = rayon::join(
        || coverage_files::write(&coverage, &settings, &args.output),
        || match &data {
            Some(data) => coverage_files::write_data(data, &args.output),
            None => Ok(()),
        },
    );
    reports.and(combined)?;
    console::say(format!(
        "{}/coverage.xml: {:.2} % of {} files",
        args.output,
        coverage.totals().percent(),
        coverage.files.len()
    ));
    Ok(whole)
}
