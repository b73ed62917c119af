//! `measured`: what a shard's coverage.py would report, in a hundredth of its time.
//!
//! pytest's plugin calls it where the tests ran, at their end: there the sources are the ones that
//! were measured, at the paths they were measured under. Where it fails the plugin lets coverage.py
//! report itself.

use std::collections::BTreeMap;
use std::io;

use anyhow::{Context as _, Result, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rayon::prelude::*;
use serde::Deserialize;

use super::analyse;
use super::coverage_files;
use super::gather_coverage::Selection;
use crate::coverage::handover::{Handover, digest};
use crate::coverage::raw::RawFile;
use crate::coverage::settings::Settings;
use crate::coverage::source::Patterns;
use crate::coverage::{data_file, json, merge};
use crate::model::coverage::Coverage;
use crate::model::exit::Exit;
use crate::workspace::{MEASURED_FILE, write_atomic};

/// What the plugin writes to our standard input, in JSON. We work in the folder of the suite.
#[derive(Debug, Deserialize)]
struct Request {
    /// The folder that coverage.py reports relative to.
    place: Utf8PathBuf,
    /// coverage.py's data file.
    data: Utf8PathBuf,
    /// coverage.py's report on files of its plugins, if there are any.
    reported: Option<Utf8PathBuf>,
    branch: bool,
    exclude: Vec<String>,
    partial: Vec<String>,
    include: Vec<String>,
    omit: Vec<String>,
    /// The folder of the shard.
    output: Utf8PathBuf,
}

pub(crate) fn measured() -> Result<Exit> {
    let request: Request = serde_json::from_reader(io::stdin().lock())?;
    let root = Utf8PathBuf::try_from(std::env::current_dir()?)?;
    let settings = Settings {
        exclude: request.exclude,
        partial: request.partial,
        include: request.include,
        omit: request.omit,
        ..Settings::default()
    };
    let usage = |what: String| anyhow!(what);
    let patterns = Patterns::new(&settings).map_err(usage)?;
    let selection = Selection::new(&settings, &request.place).map_err(usage)?;
    let file = std::fs::File::open(&request.data).context(request.data.clone())?;
    let mut raw = data_file::read(file).context(request.data)?;
    let below = |path: &Utf8Path| path.strip_prefix(&root).unwrap_or(path).to_owned();
    let mut files: BTreeMap<String, RawFile> = BTreeMap::new();
    for (path, file) in std::mem::take(&mut raw.files) {
        let path = request.place.join(path);
        if selection.takes(&path) {
            files.entry(below(&path).into()).or_default().unite(file);
        }
    }
    raw.files = files;
    raw.has_arcs |= request.branch && !raw.has_lines;
    let pool = analyse::pool()?;
    let analysed = pool.install(|| analyse::analyse(&raw, &patterns));
    let own = Coverage {
        branch: request.branch,
        files: analysed
            .into_iter()
            .filter_map(|(path, file)| Some((path, file.ok()?.0)))
            .collect(),
    };
    let read = |path: &Utf8PathBuf| Some((path.clone(), digest(&fs::read(path).ok()?)));
    let sources = pool.install(|| {
        own.files
            .par_iter()
            .filter_map(|(path, _)| read(path))
            .collect()
    });
    let others = match &request.reported {
        // Of files that are all left out there is no report.
        Some(path) if path.exists() => {
            let Coverage { branch, files } = json::read(fs::File::open(path)?)?.coverage;
            let files = files.into_iter();
            Some(Coverage {
                branch,
                files: files
                    .map(|(path, file)| (below(&request.place.join(path)), file))
                    .collect(),
            })
        }
        _ => None,
    };
    let has_others = others.as_ref().is_some_and(|it| !it.files.is_empty());
    let coverage = merge::merge([Some(own), others].into_iter().flatten()).coverage;
    // As coverage.py, which finds no data to report on.
    if coverage.files.is_empty() {
        return Ok(Exit::Green);
    }
    let handover = Handover {
        version: Handover::VERSION,
        branch: request.branch,
        exclude: settings.exclude.clone(),
        partial: settings.partial.clone(),
        sources,
        has_others,
    };
    let folder = &request.output;
    coverage_files::write_data(&raw, folder)?;
    coverage_files::write_json(&coverage, &settings, folder)?;
    // Last: who finds it finds the others.
    write_atomic(&folder.join(MEASURED_FILE), &serde_json::to_vec(&handover)?)?;
    Ok(Exit::Green)
}
