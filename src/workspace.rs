//! Our files on disk: the work folder of a run and the folders that shards leave behind.

use std::collections::BTreeMap;
use std::io::{BufReader, Read as _, Seek as _, SeekFrom};

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use crate::model::environment;
use crate::model::exit::UsageError;
use crate::model::fleet_use::{FLEET_USE_VERSION, FleetUse};
use crate::model::plan::Plan;
use crate::model::shard::Shard;
use crate::model::shard_manifest::{MANIFEST_VERSION, ShardManifest};
use crate::pytest::log::ShardLog;
use crate::pytest::plugin;

pub(crate) const PLAN_FILE: &str = "plan.json";
pub(crate) const MANIFEST_FILE: &str = "shard.json";
pub(crate) const EVENTS_FILE: &str = "events.jsonl";
pub(crate) const COVERAGE_FILE: &str = "coverage.json";
/// The data behind it, with paths as in it, and what there is to know of them.
pub(crate) const DATA_FILE: &str = ".coverage";
pub(crate) const MEASURED_FILE: &str = "measured.json";
pub(crate) const LOG_FILE: &str = "log.txt";
pub(crate) const JUNIT_FILE: &str = "junit.xml";
pub(crate) const HISTORY_FILE: &str = "history.json";
pub(crate) const RESULT_FILE: &str = "result.json";
const FLEET_FILE: &str = "fleet.json";

/// A manifest or a plan is never larger than this, in bytes.
const MAX_JSON_BYTES: u64 = 256 << 20;

/// The folder of one run: plan, plugin, and a folder for each shard.
#[derive(Clone, Debug)]
pub(crate) struct WorkDir(Utf8PathBuf);

impl WorkDir {
    /// Creates the folder; git and pytest pass it by.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn open(path: &Utf8Path) -> Result<Self> {
        fs::create_dir_all(path)?;
        let path = Utf8PathBuf::try_from(fs::canonicalize(path)?).context(
            "the work folder has a name that is not UTF-8: choose another with --work-dir",
        )?;
        let ignore = path.join(".gitignore");
        if !ignore.exists() {
            write_atomic(&ignore, b"*\n")?;
        }
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Utf8Path {
        &self.0
    }

    pub(crate) fn plan_file(&self) -> Utf8PathBuf {
        self.0.join(PLAN_FILE)
    }

    pub(crate) fn shard_dir(&self, shard: Shard) -> Utf8PathBuf {
        self.0.join(format!("shard-{}", shard.slug()))
    }

    pub(crate) fn queue_dir(&self) -> Utf8PathBuf {
        self.0.join("queue")
    }

    pub(crate) fn plugin_dir(&self) -> Utf8PathBuf {
        self.0.join("plugin")
    }

    /// An empty folder for a shard; what an earlier run left there is gone.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn fresh_shard_dir(&self, shard: Shard) -> Result<Utf8PathBuf> {
        let folder = self.shard_dir(shard);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        // coverage.py does not make the folder of its data file.
        fs::create_dir_all(folder.join("coverage"))?;
        Ok(folder)
    }

    /// Removes the folders of all shards, also those of an earlier run with another total.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn clear_shards(&self) -> Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let is_shard = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with("shard-"));
            if is_shard && entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    /// Puts this static program into a folder of its own, where others can call it.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn install_program(&self) -> Result<Utf8PathBuf> {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = self.0.join("bin");
        fs::create_dir_all(&folder)?;
        let program =
            std::env::current_exe().context("this program does not know where it lies")?;
        let target = folder.join("parallel-pytest");
        // Not over itself: a container of an earlier run may still execute it.
        let fresh = folder.join(format!("parallel-pytest.{}", std::process::id()));
        fs::copy(program, &fresh)?;
        fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o755))?;
        fs::rename(&fresh, &target)?;
        Ok(folder)
    }

    /// Writes the plugin into a folder of its own, to be put on `PYTHONPATH`.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn install_plugin(&self) -> Result<Utf8PathBuf> {
        let folder = self.plugin_dir();
        fs::create_dir_all(&folder)?;
        write_atomic(
            &folder.join(format!("{}.py", plugin::MODULE)),
            plugin::SOURCE.as_bytes(),
        )?;
        Ok(folder)
    }
}

/// Makes room for the output and the `JUnit` of another process of a shard; its events go on.
///
/// # Errors
/// The disk's.
pub(crate) fn set_aside(shard_dir: &Utf8Path) -> Result<()> {
    for name in [
        LOG_FILE,
        JUNIT_FILE,
        COVERAGE_FILE,
        DATA_FILE,
        MEASURED_FILE,
    ] {
        let file = shard_dir.join(name);
        if file.exists() {
            fs::rename(&file, shard_dir.join(format!("died-{name}")))?;
        }
    }
    Ok(())
}

/// # Errors
/// The disk's.
pub(crate) fn remove_if_there(path: &Utf8Path) -> Result<()> {
    if path.exists() {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Writes a whole file or nothing: a reader never sees a half.
///
/// # Errors
/// The disk's.
pub(crate) fn write_atomic(path: &Utf8Path, bytes: &[u8]) -> Result<()> {
    write_atomic_with(path, |out| Ok(out.write_all(bytes)?))
}

/// Reports are megabytes.
const WRITE_BYTES: usize = 256 << 10;

/// As [`write_atomic`], for a writer of streams.
///
/// # Errors
/// The disk's, or the writer's own.
pub(crate) fn write_atomic_with(
    path: &Utf8Path,
    write: impl FnOnce(&mut (dyn std::io::Write + Send)) -> Result<()>,
) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_str().is_empty());
    let folder = folder.unwrap_or(Utf8Path::new("."));
    let failed = || format!("failed to write {path}");
    let file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .with_context(failed)?;
    let mut out = std::io::BufWriter::with_capacity(WRITE_BYTES, file);
    write(&mut out).with_context(failed)?;
    let file = out
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)
        .with_context(failed)?;
    file.persist(path).with_context(failed)?;
    Ok(())
}

/// Reads and checks a plan.
///
/// # Errors
/// No such file, or not a plan that this program can use: the user's to mend.
pub(crate) fn read_plan(path: &Utf8Path) -> Result<Plan> {
    if !path.exists() {
        let hint = "make one with `parallel-pytest plan --shards N`, or name one with --plan-file";
        return Err(UsageError(format!("there is no plan at {path}: {hint}")).into());
    }
    let bytes = read_capped(path)?;
    Plan::from_json(&bytes).map_err(|error| UsageError(format!("{path}: {error}")).into())
}

/// Writes `shard.json`.
///
/// # Errors
/// The disk's.
pub(crate) fn write_manifest(shard_dir: &Utf8Path, manifest: &ShardManifest) -> Result<()> {
    let text = serde_json::to_vec_pretty(manifest)?;
    write_atomic(&shard_dir.join(MANIFEST_FILE), &text)
}

/// Reads `shard.json`.
///
/// # Errors
/// The disk's; not a manifest of this version.
pub(crate) fn read_manifest(shard_dir: &Utf8Path) -> Result<ShardManifest> {
    let path = shard_dir.join(MANIFEST_FILE);
    let manifest: ShardManifest = serde_json::from_slice(&read_capped(&path)?)
        .with_context(|| format!("{path} is not a shard's manifest"))?;
    anyhow::ensure!(
        manifest.version == MANIFEST_VERSION,
        "{path} is of version {}, this program reads version {MANIFEST_VERSION}: use the same release everywhere",
        manifest.version
    );
    Ok(manifest)
}

/// Reads a shard's event log; `None` if pytest never opened one.
///
/// # Errors
/// The disk's.
pub(crate) fn read_log(shard_dir: &Utf8Path) -> Result<Option<ShardLog>> {
    let path = shard_dir.join(EVENTS_FILE);
    if !path.exists() {
        return Ok(None);
    }
    let log = ShardLog::read(BufReader::with_capacity(1 << 16, fs::File::open(&path)?));
    Ok(Some(log.with_context(|| format!("failed to read {path}"))?))
}

/// The last lines of a shard's output in one line, empty if there are none.
pub(crate) fn last_words(shard_dir: &Utf8Path) -> String {
    const LINES: usize = 4;
    const BYTES: i64 = 4 << 10;
    let tail = || -> std::io::Result<Vec<u8>> {
        let mut file = fs::File::open(shard_dir.join(LOG_FILE))?;
        let length = i64::try_from(file.metadata()?.len()).unwrap_or(BYTES);
        file.seek(SeekFrom::End(-length.min(BYTES)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        Ok(tail)
    };
    let tail = tail().unwrap_or_default();
    let text = String::from_utf8_lossy(&tail);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(LINES)..].join(" / ")
}

/// What one fleet of an earlier run in this work folder used; `None` also for a file that nobody
/// understands, since it only makes a better guess.
pub(crate) fn read_fleet_use(work: &Utf8Path) -> Option<FleetUse> {
    let bytes = read_capped(&work.join(FLEET_FILE)).ok()?;
    let seen: FleetUse = serde_json::from_slice(&bytes).ok()?;
    (seen.version == FLEET_USE_VERSION).then_some(seen)
}

/// # Errors
/// The disk's.
pub(crate) fn write_fleet_use(work: &Utf8Path, seen: FleetUse) -> Result<()> {
    write_atomic(&work.join(FLEET_FILE), &serde_json::to_vec_pretty(&seen)?)
}

fn read_capped(path: &Utf8Path) -> Result<Vec<u8>> {
    let size = fs::metadata(path)?.len();
    anyhow::ensure!(
        size <= MAX_JSON_BYTES,
        "{path} has {size} bytes: more than {MAX_JSON_BYTES} are not read"
    );
    Ok(fs::read(path)?)
}

/// What a tree of folders holds of one run.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) plans: Vec<Utf8PathBuf>,
    /// The newest attempt of each shard of each environment.
    pub(crate) shards: BTreeMap<(String, Shard), (ShardManifest, Utf8PathBuf)>,
    pub(crate) warnings: Vec<String>,
}

/// How deep below a folder of reports a shard may lie.
const MAX_DEPTH: usize = 8;

/// Looks for plans and for folders of shards, at any depth that CI systems unpack them to.
///
/// # Errors
/// The folder itself cannot be read.
pub(crate) fn find_shards(folder: &Utf8Path) -> Result<Found> {
    let mut found = Found::default();
    let mut open = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let mut entries: Vec<_> = folder
            .read_dir_utf8()
            .with_context(|| format!("failed to read {folder}"))?
            .flatten()
            .collect();
        entries.sort_by(|one, two| one.file_name().cmp(two.file_name()));
        for entry in entries {
            let path = entry.path().to_owned();
            match entry.file_name() {
                PLAN_FILE => found.plans.push(path),
                MANIFEST_FILE => found.take_shard(&folder),
                _ if depth < MAX_DEPTH && entry.file_type().is_ok_and(|kind| kind.is_dir()) => {
                    open.push((path, depth + 1));
                }
                _ => {}
            }
        }
    }
    found.plans.sort();
    Ok(found)
}

impl Found {
    fn take_shard(&mut self, folder: &Utf8Path) {
        match read_manifest(folder) {
            Err(error) => self.warnings.push(format!("{error:#}")),
            Ok(manifest) => {
                let environment = manifest.environment.as_str();
                if !environment.is_empty()
                    && let Err(what) = environment::check(environment)
                {
                    self.warnings.push(format!("{folder} is left out: {what}"));
                    return;
                }
                let key = (environment.to_owned(), manifest.shard);
                let known = self.shards.get(&key);
                if manifest.attempt > known.map_or(0, |(known, _)| known.attempt) {
                    self.shards.insert(key, (manifest, folder.to_owned()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::case::Totals;

    fn manifest(shard: &str, attempt: u32) -> ShardManifest {
        ShardManifest {
            version: MANIFEST_VERSION,
            shard: shard.parse().expect("a shard"),
            suite: "pytest".into(),
            plan_digest: "d".into(),
            attempt,
            started: 1.0,
            ended: None,
            exit_status: None,
            interrupted: None,
            gave_back: None,
            retry_broken: None,
            environment: String::new(),
            totals: Totals::default(),
            peak_memory: None,
        }
    }

    #[test]
    fn takes_each_shards_newest_attempt_by_its_manifest() {
        let scratch = tempfile::tempdir().expect("a folder");
        let root = Utf8Path::from_path(scratch.path()).expect("UTF-8");
        for (folder, shard, attempt) in [("z/a", "1/2", 1), ("a/b/c", "1/2", 2), ("q", "2/2", 1)] {
            let folder = root.join(folder);
            fs::create_dir_all(&folder).expect("a folder");
            write_manifest(&folder, &manifest(shard, attempt)).expect("written");
        }
        fs::write(root.join("z").join(MANIFEST_FILE), "{").expect("written");
        let found = find_shards(root).expect("found");
        let attempts: Vec<u32> = found
            .shards
            .values()
            .map(|(manifest, _)| manifest.attempt)
            .collect();
        assert_eq!(attempts, [2, 1]);
        assert_eq!(found.warnings.len(), 1);
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let scratch = tempfile::tempdir().expect("a folder");
        let path = Utf8Path::from_path(scratch.path())
            .expect("UTF-8")
            .join("file");
        write_atomic(&path, b"old").expect("written");
        let failed = write_atomic_with(&path, |out| {
            out.write_all(b"half")?;
            anyhow::bail!("disk full")
        });
        assert!(failed.is_err());
        assert_eq!(fs::read_to_string(&path).expect("read"), "old");
        assert_eq!(fs::read_dir(scratch.path()).expect("read").count(), 1);
    }
}
