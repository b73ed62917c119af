//! Data and the sources it is of, which lie here, into coverage.

use std::collections::BTreeMap;

use anyhow::Result;
use camino::Utf8PathBuf;
use fs_err as fs;
use rayon::prelude::*;

use crate::coverage::raw::{RawData, RawFile};
use crate::coverage::source::{Patterns, Source};
use crate::model::coverage::FileCoverage;

/// Sources are nested; the parser and what follows it go as deep.
const STACK: usize = 256 << 20;

/// A source that knows less than this part of the lines that ran is another one.
const STRANGERS: usize = 10;

const NO_SOURCE: &str = "measured, but without a source here, and left out";
const PLUGIN: &str =
    "measured by a plugin of coverage.py, and left out: bring the shard's coverage.json as well";

/// Threads for the analysis.
///
/// # Errors
/// The system has none to give.
pub(crate) fn pool() -> Result<rayon::ThreadPool> {
    Ok(rayon::ThreadPoolBuilder::new().stack_size(STACK).build()?)
}

/// Each file's coverage and whether its source may be another one, or why there is none.
pub(crate) type Analysed = BTreeMap<Utf8PathBuf, Result<(FileCoverage, bool), String>>;

/// The coverage of every file, whose path is one from this folder.
pub(crate) fn analyse(raw: &RawData, patterns: &Patterns) -> Analysed {
    let branch = raw.has_arcs && !raw.has_lines;
    let analyse = |(path, file): (&String, &RawFile)| {
        let result = match (&file.tracer, fs::read(path)) {
            (Some(_), _) => Err(PLUGIN.to_owned()),
            (None, Err(_)) => Err(NO_SOURCE.to_owned()),
            (None, Ok(text)) => match Source::parse(&text, patterns) {
                Ok(source) => {
                    let ran = file.executed();
                    let strange = source.strangers(&ran) * STRANGERS > ran.lines().count();
                    let arcs = branch.then_some(file.arcs.as_slice());
                    Ok((source.measure(&ran, arcs), strange))
                }
                Err(error) => Err(format!("measured, but {error}, and left out")),
            },
        };
        (Utf8PathBuf::from(path), result)
    };
    raw.files.par_iter().map(analyse).collect()
}
