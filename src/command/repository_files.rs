//! The files of this folder that belong to its repository.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};

/// Enough for the largest repositories.
const MAX_FILES: usize = 1_000_000;

/// Those that git knows, and new ones it does not ignore; without git all that are there. Names
/// that are not UTF-8 are passed by.
///
/// # Errors
/// The folder cannot be read.
pub(crate) fn list() -> Result<BTreeSet<Utf8PathBuf>> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    if let Ok(output) = listed
        && output.status.success()
    {
        let names = output
            .stdout
            .split(|byte| *byte == 0)
            .filter(|name| !name.is_empty());
        let names = names.filter_map(|name| std::str::from_utf8(name).ok());
        return Ok(names.map(Utf8PathBuf::from).collect());
    }
    let mut files = BTreeSet::new();
    walk(Utf8Path::new("."), &mut files)?;
    Ok(files)
}

fn walk(folder: &Utf8Path, files: &mut BTreeSet<Utf8PathBuf>) -> Result<()> {
    for entry in folder.read_dir_utf8()?.flatten() {
        let name = entry.file_name();
        let kind = entry.file_type()?;
        if kind.is_dir()
            && !name.starts_with('.')
            && !matches!(name, "node_modules" | "__pycache__" | "site-packages")
        {
            walk(entry.path(), files)?;
        } else if kind.is_file() && files.len() < MAX_FILES {
            let path = entry.path().strip_prefix(".").unwrap_or(entry.path());
            files.insert(path.to_owned());
        }
    }
    Ok(())
}
