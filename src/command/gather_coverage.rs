//! Coverage from files of any kind: raw data is joined and analysed here, against the sources of
//! this folder; reports are joined with the result.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read as _};

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rayon::prelude::*;

use super::analyse::{self, Analysed};
use super::repository_files;
use crate::coverage::globs::Globs;
use crate::coverage::merge;
use crate::coverage::paths::PathMap;
use crate::coverage::raw::RawData;
use crate::coverage::report::{Kind, Part};
use crate::coverage::settings::{self, Settings};
use crate::coverage::source::Patterns;
use crate::coverage::{cobertura, data_file, json, lcov};
use crate::model::coverage::{Coverage, FileCoverage};
use crate::model::exit::UsageError;

/// All coverage of a run. Paths are relative to this folder.
pub(crate) struct Gathered {
    pub(crate) coverage: Coverage,
    /// The raw data behind it, with paths as coverage.py looks for them.
    pub(crate) data: Option<RawData>,
    pub(crate) settings: Settings,
    pub(crate) warnings: Vec<String>,
    /// Whether every file could be read.
    pub(crate) whole: bool,
}

/// Reads coverage.py's settings of this folder.
///
/// # Errors
/// What coverage.py refuses too: the user's to mend.
pub(crate) fn read_settings() -> Result<Settings> {
    let file = |name: &str| match fs::read_to_string(name) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let settings = settings::read(file, |name| std::env::var(name).ok());
    settings.map_err(|error| UsageError(error.to_string()).into())
}

/// As [`read_settings`], where the result of tests does not depend on them.
pub(crate) fn settings_or_none() -> Settings {
    read_settings().unwrap_or_default()
}

/// Reads files of any kind and makes one coverage of them. No file is ever removed.
///
/// # Errors
/// Settings that cannot be used; this folder has no name in UTF-8. A file that cannot be read is a
/// warning.
pub(crate) fn gather(files: &[Utf8PathBuf], settings: Settings) -> Result<Gathered> {
    let usage = |what: String| UsageError(what);
    let root = Utf8PathBuf::try_from(std::env::current_dir()?)?;
    let patterns = Patterns::new(&settings).map_err(usage)?;
    let pool = analyse::pool()?;
    let mut input = pool.install(|| read_all(files));
    let known = repository_files::list()?;
    let exists = |file: &Utf8Path| file.is_file();
    let paths = PathMap::new(
        root.as_str(),
        &known,
        &settings.paths,
        settings.relative_files,
        &exists,
    );
    let paths = paths.map_err(usage)?;
    let raw = input.place_data(&paths);
    let mut parts = Vec::new();
    let mut silent = Vec::new();
    for (origin, part) in std::mem::take(&mut input.parts) {
        let parts = if part.maybe_branch {
            &mut silent
        } else {
            &mut parts
        };
        parts.push(input.place_part(&origin, part, &paths));
    }
    let mixed = raw.as_ref().is_some_and(RawData::is_mixed);
    if mixed {
        input.warnings.push(merge::MIXED.to_owned());
    }
    if let Some(raw) = &raw {
        let analysed = pool.install(|| analyse::analyse(raw, &patterns));
        let reported: BTreeSet<Utf8PathBuf> = parts
            .iter()
            .chain(&silent)
            .flat_map(|part| part.files.keys())
            .cloned()
            .collect();
        input.name_unanalysed(&analysed, &reported);
        let files = analysed
            .into_iter()
            .filter_map(|(path, file)| Some((path, file.ok()?.0)));
        parts.push(Coverage {
            branch: raw.has_arcs && !mixed,
            files: files.collect(),
        });
    }
    for part in &mut silent {
        part.branch = merge::may_be_of_branches(part, &parts);
    }
    parts.append(&mut silent);
    let merged = merge::merge(parts);
    input.warnings.extend(merged.warnings);
    let mut coverage = merged.coverage;
    let selection = Selection::new(&settings, &root).map_err(usage)?;
    coverage
        .files
        .retain(|path, _| selection.takes(&root.join(path)));
    let data = raw.map(|raw| as_looked_for(raw, &root, settings.relative_files));
    let mut warnings = settings.warnings.clone();
    warnings.append(&mut input.warnings);
    Ok(Gathered {
        coverage,
        data,
        settings,
        warnings,
        whole: input.whole,
    })
}

/// The data with paths as coverage.py looks for them from that folder.
pub(crate) fn as_looked_for(raw: RawData, root: &Utf8Path, relative_files: bool) -> RawData {
    if relative_files {
        return raw;
    }
    let files = raw
        .files
        .into_iter()
        .map(|(path, file)| (root.join(path).into_string(), file));
    RawData {
        files: files.collect(),
        ..raw
    }
}

/// Which files are reported.
pub(crate) struct Selection {
    include: Globs,
    omit: Globs,
}

impl Selection {
    /// # Errors
    /// A pattern that coverage.py refuses too.
    pub(crate) fn new(settings: &Settings, root: &Utf8Path) -> Result<Self, String> {
        Ok(Self {
            include: Globs::of_files(&settings.include, root.as_str())?,
            omit: Globs::of_files(&settings.omit, root.as_str())?,
        })
    }

    pub(crate) fn takes(&self, path: &Utf8Path) -> bool {
        (self.include.is_empty() || self.include.matches(path.as_str()))
            && !self.omit.matches(path.as_str())
    }
}

/// What the files held.
struct Input {
    raw: Option<RawData>,
    /// Each with the file it is of.
    parts: Vec<(String, Part)>,
    warnings: Vec<String>,
    whole: bool,
}

enum Content {
    Data(RawData),
    Part(Part),
}

fn read_all(files: &[Utf8PathBuf]) -> Input {
    let nothing = || Input {
        raw: None,
        parts: Vec::new(),
        warnings: Vec::new(),
        whole: true,
    };
    files
        .par_iter()
        .fold(nothing, |mut input, path| {
            match read_file(path) {
                Ok(Content::Data(data)) => input.raw.get_or_insert_default().unite(data),
                Ok(Content::Part(part)) => input.parts.push((path.to_string(), part)),
                Err(error) => {
                    input.whole = false;
                    input.warnings.push(format!(
                        "{error:#}: it is left out, and so the result is not whole"
                    ));
                }
            }
            input
        })
        .reduce(nothing, |mut one, mut two| {
            match (&mut one.raw, two.raw) {
                (Some(known), Some(more)) => known.unite(more),
                (none, more) => *none = none.take().or(more),
            }
            one.parts.append(&mut two.parts);
            one.warnings.append(&mut two.warnings);
            one.whole &= two.whole;
            one
        })
}

fn read_file(path: &Utf8Path) -> Result<Content> {
    let name = || path.as_str().escape_debug().to_string();
    let mut file = std::fs::File::open(path).with_context(name)?;
    let mut start = Vec::new();
    std::io::Read::by_ref(&mut file)
        .take(4096)
        .read_to_end(&mut start)
        .with_context(name)?;
    let input = BufReader::with_capacity(1 << 16, std::io::Cursor::new(start.clone()).chain(&file));
    let part = match Kind::of(&start) {
        Some(Kind::Data) => return data_file::read(file).map(Content::Data).with_context(name),
        Some(Kind::Json) => json::read(input),
        Some(Kind::Cobertura) => cobertura::read(input),
        Some(Kind::Lcov) => lcov::read(input),
        None if start.is_empty() => anyhow::bail!("{}: it is empty", name()),
        None => anyhow::bail!(
            "{}: it is neither a data file of coverage.py nor a report as coverage.json, Cobertura's XML or lcov",
            name()
        ),
    };
    part.map(Content::Part).with_context(name)
}

impl Input {
    /// The raw data by paths of this folder.
    fn place_data(&mut self, paths: &PathMap<'_>) -> Option<RawData> {
        let mut raw = self.raw.take()?;
        let mut placed = RawData {
            has_lines: raw.has_lines,
            has_arcs: raw.has_arcs,
            ..RawData::default()
        };
        let resolved = paths.resolve(raw.files.keys().map(String::as_str));
        for (path, file) in resolved.files {
            if let Some(data) = raw.files.remove(&path) {
                placed
                    .files
                    .entry(file.into_string())
                    .or_default()
                    .unite(data);
            }
        }
        let outside: Vec<&String> = resolved
            .outside
            .iter()
            .filter(|path| !is_foreign(path))
            .collect();
        self.name_all("measured, but not in this folder, and left out", &outside);
        self.name_ambiguous(&resolved.ambiguous);
        Some(placed)
    }

    fn place_part(&mut self, origin: &str, part: Part, paths: &PathMap<'_>) -> Coverage {
        let Part {
            coverage,
            sources,
            maybe_branch: _,
            warnings,
        } = part;
        self.warnings.extend(
            warnings
                .into_iter()
                .map(|warning| format!("{origin}: {warning}")),
        );
        let spellings = |path: &Utf8Path| {
            let below = sources
                .iter()
                .filter(|source| !matches!(source.as_str(), "" | "."));
            let mut all: Vec<String> = below.map(|source| format!("{source}/{path}")).collect();
            all.push(path.to_string());
            all
        };
        let all: Vec<String> = coverage
            .files
            .keys()
            .flat_map(|path| spellings(path))
            .collect();
        let resolved = paths.resolve(all.iter().map(String::as_str));
        let mut files: BTreeMap<Utf8PathBuf, FileCoverage> = BTreeMap::new();
        for (path, file) in coverage.files {
            // What is not in this folder is reported as it was: the sources may be elsewhere.
            let found = spellings(&path)
                .iter()
                .find_map(|path| resolved.files.get(path).cloned());
            let known = files.entry(found.unwrap_or(path)).or_default();
            merge::merge_file(known, file);
        }
        Coverage {
            branch: coverage.branch,
            files,
        }
    }

    fn name_unanalysed(&mut self, analysed: &Analysed, reported: &BTreeSet<Utf8PathBuf>) {
        let mut others: BTreeMap<&str, Vec<&Utf8PathBuf>> = BTreeMap::new();
        for (path, result) in analysed {
            match result {
                Err(_) if reported.contains(path) => {}
                Err(why) => others.entry(why).or_default().push(path),
                Ok((_, true)) => others.entry(ANOTHER_SOURCE).or_default().push(path),
                Ok((_, false)) => {}
            }
        }
        for (why, paths) in others {
            self.name_all(why, &paths);
        }
    }

    fn name_ambiguous(&mut self, ambiguous: &BTreeMap<String, Vec<Utf8PathBuf>>) {
        for (path, files) in ambiguous.iter().take(NAMED) {
            let files: Vec<&str> = files.iter().map(|file| file.as_str()).collect();
            self.warnings.push(format!(
                "{} may be any of {}, and is left out: say which with [paths] in coverage's settings",
                path.escape_debug(),
                files.join(", ")
            ));
        }
        if ambiguous.len() > NAMED {
            self.warnings
                .push(format!("so may {} more paths", ambiguous.len() - NAMED));
        }
    }

    fn name_all(&mut self, what: &str, paths: &[&impl AsRef<str>]) {
        let names: Vec<String> = paths
            .iter()
            .take(NAMED)
            .map(|path| path.as_ref().escape_debug().to_string())
            .collect();
        if names.is_empty() {
            return;
        }
        let more = match paths.len() - names.len() {
            0 => String::new(),
            number => format!(" and {number} more"),
        };
        self.warnings
            .push(format!("{what}: {}{more}", names.join(", ")));
    }
}

/// How many files are named in one warning.
const NAMED: usize = 5;

const ANOTHER_SOURCE: &str = "the source here is not the one that ran, for lines ran that have no code: check out the commit that was tested";

/// Libraries that were measured because nobody said what to measure.
fn is_foreign(path: &str) -> bool {
    ["/site-packages/", "/dist-packages/", "/lib/python3"]
        .iter()
        .any(|part| path.contains(part))
        || path.starts_with('<')
}
