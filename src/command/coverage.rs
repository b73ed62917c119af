//! `coverage`: what is covered, of everything or of a change, in a terminal or for a threshold.

use anyhow::Result;
use camino::Utf8PathBuf;
use clap::{Args, Subcommand, ValueEnum};

use super::change::{self, Root};
use super::console;
use super::gather_coverage::{Gathered, gather, read_settings};
use super::merge::files;
use crate::coverage::diff;
use crate::coverage::percent::too_low;
use crate::coverage::table::{Layout, TableOptions, table};
use crate::model::exit::{Exit, UsageError};

#[derive(Args, Clone, Debug)]
pub(crate) struct CoverageArgs {
    #[command(subcommand)]
    pub(crate) what: What,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum What {
    /// The table of `coverage report`
    Report(ReportArgs),
    /// How much of a change is covered: of the lines it adds, and the branches on them
    Diff(DiffArgs),
}

/// Which coverage, and how much of it is enough.
#[derive(Args, Clone, Debug)]
pub(crate) struct InputArgs {
    /// Coverage: data files of coverage.py, coverage.json, Cobertura's XML or lcov, told apart by
    /// content; default: .coverage and .coverage.* here, or what `merge` left in report/
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    pub(crate) coverage: Vec<String>,

    /// Fail if less than this is covered, in per cent; of `report` the default is coverage's own
    /// setting
    #[arg(long, value_name = "PERCENT", value_parser = percentage)]
    pub(crate) fail_under: Option<f64>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// List the lines and branches that are missing
    #[arg(long)]
    pub(crate) show_missing: bool,

    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    /// What the change is compared with: a branch, tag or commit; default: the first parent, if the
    /// commit here is a merge, as in a workflow for a pull request
    #[arg(long, value_name = "REF")]
    pub(crate) base: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Text,
    Markdown,
    /// Only the percentage
    Total,
}

fn percentage(text: &str) -> Result<f64, String> {
    let number: Result<f64, _> = text.trim().trim_end_matches('%').trim_end().parse();
    let number = number.map_err(|_| format!("`{text}` is no percentage"))?;
    (0.0..=100.0)
        .contains(&number)
        .then_some(number)
        .ok_or_else(|| "a percentage is from 0 to 100".to_owned())
}

pub(crate) fn coverage(args: &CoverageArgs) -> Result<Exit> {
    match &args.what {
        What::Report(args) => report(args),
        What::Diff(args) => difference(args),
    }
}

fn report(args: &ReportArgs) -> Result<Exit> {
    let Gathered {
        coverage,
        settings,
        whole,
        ..
    } = read(&args.input)?;
    let options = TableOptions {
        layout: match args.format {
            Format::Text => Layout::Text,
            Format::Markdown => Layout::Markdown,
            Format::Total => Layout::Total,
        },
        precision: settings.precision,
        show_missing: args.show_missing || settings.show_missing,
        skip_covered: settings.skip_covered,
        skip_empty: settings.skip_empty,
        sort: settings.sort,
    };
    console::print_foreign(table(&coverage, &options).map_err(UsageError)?.trim_end());
    let threshold = args.input.fail_under.unwrap_or(settings.fail_under);
    Ok(judge(
        coverage.totals().percent(),
        threshold,
        settings.precision,
        whole,
    ))
}

fn difference(args: &DiffArgs) -> Result<Exit> {
    let change = change::of_checkout(args.base.as_deref(), Root::Here)?;
    let Gathered {
        coverage,
        settings,
        whole,
        ..
    } = read(&args.input)?;
    let patch = diff::patch(&coverage, &change.added);
    console::print_foreign(diff::summary(&patch, &change.against, settings.precision));
    let threshold = args.input.fail_under.unwrap_or(0.0);
    Ok(judge(
        patch.totals().percent(),
        threshold,
        settings.precision,
        whole,
    ))
}

fn read(args: &InputArgs) -> Result<Gathered> {
    let settings = read_settings()?;
    let gathered = gather(&inputs(&args.coverage)?, settings)?;
    for warning in &gathered.warnings {
        console::warn(warning);
    }
    Ok(gathered)
}

/// The files that are named, or those where coverage.py or `merge` leave theirs.
fn inputs(patterns: &[String]) -> Result<Vec<Utf8PathBuf>> {
    if !patterns.is_empty() {
        return files(patterns, "--coverage");
    }
    for known in [".coverage*", "report/.coverage", "report/coverage.json"] {
        if let Ok(found) = files(&[known.to_owned()], "--coverage")
            && !found.is_empty()
        {
            return Ok(found);
        }
    }
    let hint = "name files with --coverage, or run the tests with `pytest --cov`";
    Err(UsageError(format!("there is no coverage here: {hint}")).into())
}

fn judge(total: f64, threshold: f64, precision: usize, whole: bool) -> Exit {
    if !whole {
        return Exit::TestsLost;
    }
    match too_low(total, threshold, precision) {
        Some(message) => {
            console::say(format!("coverage failure: {message}"));
            Exit::TestsFailed
        }
        None => Exit::Green,
    }
}
