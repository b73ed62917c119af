//! The coverage that the shards of a run left behind, into one.
//!
//! Where the sources that a shard measured lie here too, the data of all shards is joined and
//! analysed once, as `merge` does it. All else, such as everything where nothing is checked out, is
//! taken from what the shards reported: that says the same, but takes longer.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rayon::prelude::*;

use super::analyse;
use super::coverage_files;
use super::gather_coverage::as_looked_for;
use super::repository_files;
use crate::coverage::handover::{Handover, digest};
use crate::coverage::paths::PathMap;
use crate::coverage::raw::RawData;
use crate::coverage::settings::Settings;
use crate::coverage::source::Patterns;
use crate::coverage::{data_file, json, merge};
use crate::model::coverage::Coverage;
use crate::model::shard::Shard;
use crate::workspace::{COVERAGE_FILE, DATA_FILE, MEASURED_FILE, remove_if_there, write_atomic};

/// Larger sources are not analysed, in bytes.
const MAX_SOURCE: u64 = 16 << 20;

/// The coverage of all shards. Paths are relative to this folder where they are below it.
pub(crate) struct ShardsCoverage {
    pub(crate) coverage: Coverage,
    /// The data behind it, with paths as coverage.py looks for them, if all shards have some.
    pub(crate) data: Option<RawData>,
}

/// Reads and joins what the folders hold; `None` if that is nothing.
///
/// # Errors
/// The system's. What a shard left that cannot be used is a warning.
pub(crate) fn gather(
    folders: &[(Shard, Utf8PathBuf)],
    settings: &Settings,
    warnings: &mut Vec<String>,
) -> Result<Option<ShardsCoverage>> {
    let places = Places::new(settings)?;
    let shards: Vec<Left<'_>> = folders
        .par_iter()
        .filter(|(_, folder)| folder.join(COVERAGE_FILE).exists())
        .map(|(shard, folder)| Left::read(*shard, folder, settings))
        .collect();
    if shards.is_empty() {
        return Ok(None);
    }
    let patterns = Patterns::new(settings).ok();
    let names = shards.iter().flat_map(Left::sources);
    let paths = places.place(names, warnings)?;
    let here: BTreeMap<&Utf8PathBuf, String> = paths
        .par_iter()
        .filter_map(|(_, path)| Some((path, digest(&read_source(path)?))))
        .collect();
    let is_here = |name: &Utf8PathBuf, digest: &String| {
        let path = paths.get(name.as_str());
        path.and_then(|path| here.get(path)) == Some(digest)
    };

    let pool = analyse::pool()?;
    let joined = pool.install(|| {
        let parts = shards.par_iter().map(|left| left.join(&paths, is_here));
        parts.reduce(Joined::default, Joined::unite)
    });
    let Joined {
        here: data,
        elsewhere,
        lacks_data,
        reported,
    } = joined;
    let mixed = data.is_mixed();
    let analysed = patterns.map(|patterns| {
        let analysed = pool.install(|| analyse::analyse(&data, &patterns));
        let files = analysed.into_iter();
        Coverage {
            branch: data.has_arcs && !mixed,
            files: files
                .filter_map(|(path, file)| Some((path, file.ok()?.0)))
                .collect(),
        }
    });
    let mut told = Vec::new();
    // One after another: together, what hundreds of shards reported fills the memory.
    let parts = reported.iter().filter_map(|(shard, folder, known)| {
        let part = read_report(folder, known).and_then(|it| places.place_all(it, &mut told));
        let left_out = |error| format!("the coverage of shard {shard} is left out: {error:#}");
        part.map_err(|error| told.push(left_out(error))).ok()
    });
    let merged = merge::merge(analysed.into_iter().chain(parts));
    warnings.append(&mut told);
    if mixed && !merged.warnings.iter().any(|known| known == merge::MIXED) {
        warnings.push(merge::MIXED.to_owned());
    }
    warnings.extend(merged.warnings);
    let data = (!lacks_data).then(|| {
        let mut data = data;
        data.unite(elsewhere);
        as_looked_for(data, &places.root, settings.relative_files)
    });
    Ok(Some(ShardsCoverage {
        coverage: merged.coverage,
        data,
    }))
}

/// Adds what one folder holds to what another one does: the same tests ran there again.
///
/// # Errors
/// The disk's; what there is cannot be read.
pub(crate) fn add(again: &Utf8Path, shard_dir: &Utf8Path) -> Result<()> {
    if !again.join(COVERAGE_FILE).exists() {
        return Ok(());
    }
    let joined = join_data(again, shard_dir);
    // Without it, what is reported counts: it must not be there while they differ.
    for name in [MEASURED_FILE, DATA_FILE] {
        remove_if_there(&shard_dir.join(name))?;
    }
    let nothing = BTreeSet::new();
    let first = shard_dir.join(COVERAGE_FILE).exists();
    let first = first
        .then(|| read_report(shard_dir, &nothing))
        .transpose()?;
    let parts = first.into_iter().chain([read_report(again, &nothing)?]);
    let coverage = merge::merge(parts).coverage;
    coverage_files::write_json(&coverage, &Settings::default(), shard_dir)?;
    if let Some((handover, data)) = joined {
        coverage_files::write_data(&data, shard_dir)?;
        write_atomic(
            &shard_dir.join(MEASURED_FILE),
            &serde_json::to_vec(&handover)?,
        )?;
    }
    Ok(())
}

/// The data of both folders, if both have some and it is of the same sources.
fn join_data(one: &Utf8Path, two: &Utf8Path) -> Option<(Handover, RawData)> {
    let (mut handover, other) = (read_handover(one)?, read_handover(two)?);
    let (mut data, more) = (read_data(one, &handover)?, read_data(two, &other)?);
    let of_settings = |it: &Handover| (it.branch, it.exclude.clone(), it.partial.clone());
    let same = |(path, digest)| *handover.sources.get(path).unwrap_or(digest) == *digest;
    if of_settings(&handover) != of_settings(&other) || !other.sources.iter().all(same) {
        return None;
    }
    handover.sources.extend(other.sources);
    handover.has_others |= other.has_others;
    data.unite(more);
    Some((handover, data))
}

fn read_handover(folder: &Utf8Path) -> Option<Handover> {
    let file = fs::File::open(folder.join(MEASURED_FILE)).ok()?;
    Handover::read(file).ok()
}

fn read_data(folder: &Utf8Path, handover: &Handover) -> Option<RawData> {
    let file = std::fs::File::open(folder.join(DATA_FILE)).ok()?;
    let mut data = data_file::read(file).ok()?;
    data.has_arcs |= handover.branch && !data.has_lines;
    Some(data)
}

/// What one shard left.
struct Left<'a> {
    shard: Shard,
    folder: &'a Utf8Path,
    /// `None` if coverage.py reported itself, or with other settings than those here: a stranger's
    /// regular expressions do not run here.
    handover: Option<Handover>,
}

impl<'a> Left<'a> {
    fn read(shard: Shard, folder: &'a Utf8Path, settings: &Settings) -> Self {
        let handover = read_handover(folder);
        Self {
            shard,
            folder,
            handover: handover
                .filter(|it| (&it.exclude, &it.partial) == (&settings.exclude, &settings.partial)),
        }
    }

    fn sources(&self) -> impl Iterator<Item = &str> {
        let handover = self.handover.iter();
        handover.flat_map(|it| it.sources.keys().map(|path| path.as_str()))
    }

    fn join(
        &self,
        placed: &BTreeMap<String, Utf8PathBuf>,
        is_here: impl Fn(&Utf8PathBuf, &String) -> bool,
    ) -> Joined<'a> {
        let handover = self.handover.as_ref();
        let data = handover.and_then(|it| Some((it, read_data(self.folder, it)?)));
        let Some((handover, data)) = data else {
            return Joined {
                lacks_data: true,
                reported: vec![(self.shard, self.folder, BTreeSet::new())],
                ..Joined::default()
            };
        };
        let known: BTreeSet<Utf8PathBuf> = handover
            .sources
            .iter()
            .filter(|(name, digest)| is_here(name, digest))
            .map(|(name, _)| name.clone())
            .collect();
        let kind = || RawData {
            has_lines: data.has_lines,
            has_arcs: data.has_arcs,
            ..RawData::default()
        };
        let (mut here, mut elsewhere) = (kind(), kind());
        for (name, file) in data.files {
            let path = placed
                .get(&name)
                .map_or(name.as_str(), |path| path.as_str());
            let part = if known.contains(Utf8Path::new(&name)) {
                &mut here
            } else {
                &mut elsewhere
            };
            let all = part.files.entry(path.to_owned()).or_default();
            all.unite(file);
        }
        let is_all = known.len() == handover.sources.len() && !handover.has_others;
        Joined {
            here,
            elsewhere,
            lacks_data: false,
            reported: (!is_all)
                .then_some((self.shard, self.folder, known))
                .into_iter()
                .collect(),
        }
    }
}

/// What there is of some shards.
#[derive(Default)]
struct Joined<'a> {
    /// Of files whose sources lie here, and of others.
    here: RawData,
    elsewhere: RawData,
    lacks_data: bool,
    /// Shards of whose reports all files are needed but some.
    reported: Vec<(Shard, &'a Utf8Path, BTreeSet<Utf8PathBuf>)>,
}

impl Joined<'_> {
    fn unite(mut self, mut other: Self) -> Self {
        self.here.unite(other.here);
        self.elsewhere.unite(other.elsewhere);
        self.lacks_data |= other.lacks_data;
        self.reported.append(&mut other.reported);
        self
    }
}

/// A plain file below this folder: the path is one that a shard named.
fn read_source(path: &Utf8Path) -> Option<Vec<u8>> {
    let plain = |part| matches!(part, Utf8Component::Normal(_));
    let is_below = path.components().all(plain);
    let about = fs::metadata(path).ok().filter(|_| is_below)?;
    let fits = about.is_file() && about.len() <= MAX_SOURCE;
    fits.then(|| fs::read(path).ok()).flatten()
}

fn read_report(folder: &Utf8Path, without: &BTreeSet<Utf8PathBuf>) -> Result<Coverage> {
    let path = folder.join(COVERAGE_FILE);
    let part = json::read(fs::File::open(&path)?).with_context(|| path.to_string())?;
    let mut coverage = part.coverage;
    coverage.files.retain(|path, _| !without.contains(path));
    Ok(coverage)
}

/// Where the files lie that the shards saw elsewhere.
struct Places<'a> {
    root: Utf8PathBuf,
    settings: &'a Settings,
    repository: OnceCell<BTreeSet<Utf8PathBuf>>,
}

impl<'a> Places<'a> {
    fn new(settings: &'a Settings) -> Result<Self> {
        Ok(Self {
            root: Utf8PathBuf::try_from(std::env::current_dir()?)?,
            settings,
            repository: OnceCell::new(),
        })
    }

    /// A relative path is one from the folder of the suite; others are looked for.
    fn place<'p>(
        &self,
        names: impl Iterator<Item = &'p str>,
        warnings: &mut Vec<String>,
    ) -> Result<BTreeMap<String, Utf8PathBuf>> {
        let (absolute, relative): (BTreeSet<&str>, BTreeSet<&str>) =
            names.partition(|name| name.starts_with('/'));
        let mut placed: BTreeMap<String, Utf8PathBuf> = relative
            .into_iter()
            .map(|name| (name.to_owned(), name.into()))
            .collect();
        if absolute.is_empty() {
            return Ok(placed);
        }
        if self.repository.get().is_none() {
            let _ = self.repository.set(repository_files::list()?);
        }
        let files = self.repository.get_or_init(BTreeSet::new);
        let exists = |file: &Utf8Path| file.is_file();
        let Settings {
            paths,
            relative_files,
            ..
        } = self.settings;
        match PathMap::new(self.root.as_str(), files, paths, *relative_files, &exists) {
            Ok(map) => placed.extend(map.resolve(absolute).files),
            Err(why) => warnings.push(format!("coverage's settings: {why}")),
        }
        Ok(placed)
    }

    fn place_all(&self, coverage: Coverage, warnings: &mut Vec<String>) -> Result<Coverage> {
        let names = coverage.files.keys().map(|path| path.as_str());
        let mut placed = self.place(names, warnings)?;
        let mut files = BTreeMap::new();
        for (path, file) in coverage.files {
            let path = placed.remove(path.as_str()).unwrap_or(path);
            merge::merge_file(files.entry(path).or_default(), file);
        }
        Ok(Coverage { files, ..coverage })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_files_below_this_folder_are_read() {
        assert!(read_source("Cargo.toml".into()).is_some());
        for path in [
            "../Cargo.toml",
            "src/../../x",
            "/dev/zero",
            "/etc/hostname",
            "src",
            "",
            "nothing",
        ] {
            assert!(read_source(path.into()).is_none(), "{path}");
        }
    }
}
