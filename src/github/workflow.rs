//! How a step talks to its runner: files named by the environment (outputs, variables, paths,
//! the job summary) and workflow commands in the log
//! (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>).

use std::fmt::Write as _;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, lchown};

use anyhow::{Context as _, anyhow};
use camino::{Utf8Path, Utf8PathBuf};

use super::error::cut_bytes;

/// The runner drops a step's summary that is longer, with an error, in bytes.
pub(crate) const SUMMARY_LIMIT: usize = 1 << 20;

const CUT_NOTE: &str = "\n\n*The rest of this summary was cut: GitHub shows 1 MiB of a step.*\n";

/// The runner's files of this step. One that the environment does not name is left out silently, so
/// that the same program runs elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    pub(crate) output: Option<Utf8PathBuf>,
    pub(crate) env: Option<Utf8PathBuf>,
    pub(crate) path: Option<Utf8PathBuf>,
    pub(crate) summary: Option<Utf8PathBuf>,
}

impl Files {
    pub(crate) fn read(env: impl Fn(&str) -> Option<String>) -> Self {
        let file = |name: &str| {
            env(name)
                .filter(|path| !path.is_empty())
                .map(Utf8PathBuf::from)
        };
        Self {
            output: file("GITHUB_OUTPUT"),
            env: file("GITHUB_ENV"),
            path: file("GITHUB_PATH"),
            summary: file("GITHUB_STEP_SUMMARY"),
        }
    }

    pub(crate) fn set_output(&self, name: &str, value: &str) -> anyhow::Result<()> {
        append_entry(self.output.as_deref(), name, value)
    }

    /// Sets a variable of all later steps of the job. Never for text that a test can choose.
    pub(crate) fn export_env(&self, name: &str, value: &str) -> anyhow::Result<()> {
        append_entry(self.env.as_deref(), name, value)
    }

    /// Puts a folder before the PATH of all later `run:` steps; the runner takes the line as it is.
    pub(crate) fn add_path(&self, folder: &str) -> anyhow::Result<()> {
        let Some(file) = &self.path else {
            return Ok(());
        };
        if folder.is_empty() || folder.contains(['\n', '\r']) {
            return Err(anyhow!(
                "`{}` cannot be put on the PATH: it is no single line",
                folder.escape_debug()
            ));
        }
        append(file, &format!("{folder}\n"))
    }

    /// Adds Markdown to the page of the run. What does not fit any more is cut, with a note.
    pub(crate) fn append_summary(&self, markdown: &str) -> anyhow::Result<()> {
        let Some(file) = &self.summary else {
            return Ok(());
        };
        let used = fs_err::metadata(file).map_or(0, |metadata| {
            usize::try_from(metadata.len()).unwrap_or(usize::MAX)
        });
        let room = SUMMARY_LIMIT.saturating_sub(used);
        if markdown.len() < room {
            return append(file, &format!("{markdown}\n"));
        }
        let Some(room) = room.checked_sub(CUT_NOTE.len()) else {
            tracing::warn!("the job summary is full, nothing was added to it");
            return Ok(());
        };
        append(file, &format!("{}{CUT_NOTE}", cut_bytes(markdown, room)))
    }
}

fn append_entry(file: Option<&Utf8Path>, name: &str, value: &str) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    append(file, &entry(name, value)?)
}

/// `name<<delimiter`, the value, the delimiter: safe for any value, since the delimiter is not in it.
fn entry(name: &str, value: &str) -> anyhow::Result<String> {
    if name.is_empty()
        || !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    {
        return Err(anyhow!(
            "`{}` is no name of an output or variable",
            name.escape_debug()
        ));
    }
    loop {
        let delimiter = format!("end-{}", random_hex());
        if !value.contains(&delimiter) {
            return Ok(format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"));
        }
    }
}

/// One write at the end of the file, so that steps of one moment do not mix.
fn append(file: &Utf8Path, text: &str) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let mut file = fs_err::OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)?;
        file.write_all(text.as_bytes())
    };
    write().with_context(|| {
        format!("the runner's file {file} could not be written: run the container as root")
    })
}

/// 128 bits that nobody can guess, in hex.
fn random_hex() -> String {
    let mut bytes = [0_u8; 16];
    let random = rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut bytes);
    assert!(random.is_ok(), "the system has no random numbers");
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Gives what we made, with all below it, to the owner of `reference`: a container action runs as
/// root, and later steps of a self-hosted runner could not change or remove its files. Follows no
/// symbolic link. Does nothing for other users.
pub(crate) fn own_like(path: &Utf8Path, reference: &Utf8Path) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = fs_err::metadata(reference).context("the owner of the workspace is not known")?;
    own(path, owner.uid(), owner.gid())
}

fn own(path: &Utf8Path, user: u32, group: u32) -> anyhow::Result<()> {
    let give = |path: &Utf8Path| {
        lchown(path, Some(user), Some(group))
            .with_context(|| format!("{path} could not be given to user {user}"))
    };
    give(path)?;
    if fs_err::symlink_metadata(path)?.is_dir() {
        for entry in path
            .read_dir_utf8()
            .with_context(|| format!("{path} could not be listed"))?
        {
            own(entry?.path(), user, group)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Reads a file of entries as the runner's `EnvFileKeyValuePairs` does.
    fn read_entries(text: &str) -> BTreeMap<String, String> {
        let mut entries = BTreeMap::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (head, after) = rest.split_once('\n').expect("a line");
            let (name, delimiter) = head.split_once("<<").expect("a heredoc");
            let mut value = String::new();
            rest = after;
            loop {
                let (line, after) = rest.split_once('\n').expect("the delimiter");
                rest = after;
                if line == delimiter {
                    break;
                }
                value.push_str(line);
                value.push('\n');
            }
            entries.insert(
                name.to_owned(),
                value.strip_suffix('\n').expect("a line break").to_owned(),
            );
        }
        entries
    }

    fn in_folder(test: impl FnOnce(Files, &Utf8Path)) {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = Utf8Path::from_path(folder.path()).expect("utf-8");
        let files = Files::read(|name| Some(folder.join(name).into_string()));
        test(files, folder);
    }

    proptest! {
        #[test]
        fn any_value_comes_back_as_one_entry(first in any::<String>(), second in "(?s).*<<end.*\n.*") {
            let text = entry("first", &first).expect("an entry") + &entry("second", &second).expect("an entry");
            let expected = BTreeMap::from([("first".to_owned(), first), ("second".to_owned(), second)]);
            prop_assert_eq!(read_entries(&text), expected);
        }

    }

    #[test]
    fn outputs_variables_and_paths_go_to_their_own_files() {
        in_folder(|files, folder| {
            files
                .set_output("matrix", "{\"shard\":[\"1/2\"]}")
                .expect("written");
            files.set_output("shards", "2").expect("written");
            files.export_env("PYTHONPATH", "/a\n/b").expect("written");
            files.add_path("/opt/bin").expect("written");
            let read = |name: &str| fs_err::read_to_string(folder.join(name)).expect("a file");
            let outputs = read_entries(&read("GITHUB_OUTPUT"));
            assert_eq!(
                (outputs["matrix"].as_str(), outputs["shards"].as_str()),
                ("{\"shard\":[\"1/2\"]}", "2")
            );
            assert_eq!(read_entries(&read("GITHUB_ENV"))["PYTHONPATH"], "/a\n/b");
            assert_eq!(read("GITHUB_PATH"), "/opt/bin\n");
        });
    }

    #[test]
    fn a_name_or_a_folder_that_would_make_a_second_entry_is_refused() {
        in_folder(|files, folder| {
            for name in ["", "a=b", "a<<b", "a\nb"] {
                assert!(files.set_output(name, "x").is_err(), "{name:?}");
            }
            assert!(files.add_path("/a\n/b").is_err());
            assert!(!folder.join("GITHUB_OUTPUT").exists());
        });
    }

    #[test]
    fn elsewhere_than_on_github_nothing_is_written() {
        let files = Files::read(|_| None);
        files.set_output("matrix", "x").expect("nothing to do");
        files.append_summary("x").expect("nothing to do");
        files.add_path("x").expect("nothing to do");
    }

    #[test]
    fn the_summary_never_grows_beyond_what_the_runner_takes() {
        in_folder(|files, folder| {
            files.append_summary("# First").expect("written");
            files
                .append_summary(&"é".repeat(SUMMARY_LIMIT))
                .expect("written");
            files.append_summary("lost").expect("written");
            let text = fs_err::read_to_string(folder.join("GITHUB_STEP_SUMMARY"))
                .expect("whole characters");
            assert!(
                text.len() <= SUMMARY_LIMIT && text.len() > SUMMARY_LIMIT - 4,
                "{}",
                text.len()
            );
            assert!(text.starts_with("# First\n") && text.ends_with(CUT_NOTE));
        });
    }

    #[test]
    fn files_made_by_root_go_to_the_owner_of_the_workspace() {
        in_folder(|_, folder| {
            let (reference, made) = (folder.join("workspace"), folder.join("made"));
            fs_err::create_dir_all(&reference).expect("made");
            fs_err::create_dir_all(made.join("inner")).expect("made");
            fs_err::write(made.join("inner/file"), "x").expect("made");
            fs_err::os::unix::fs::symlink("/nowhere/at/all", made.join("link")).expect("made");
            let root = rustix::process::geteuid().is_root();
            if root {
                lchown(&reference, Some(1234), Some(2345)).expect("given");
            }
            own_like(&made, &reference).expect("given");
            for path in ["", "inner", "inner/file", "link"] {
                let metadata = fs_err::symlink_metadata(made.join(path)).expect("there");
                let expected = fs_err::metadata(&reference).expect("there");
                assert_eq!(
                    (metadata.uid(), metadata.gid()),
                    (expected.uid(), expected.gid()),
                    "{path}"
                );
            }
        });
    }
}
