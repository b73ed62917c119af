//! One run at a time in a work directory.

use std::fs::TryLockError;
use std::io::{Read as _, Seek as _, Write as _};

use anyhow::{Context as _, bail};
use camino::Utf8Path;

use super::token::RunToken;
use super::tree;

/// A file in the work directory; its content is the token of the run that has or had the lock.
const FILE: &str = ".lock";

/// Held until it is dropped, or until the process ends in whatever way.
#[derive(Debug)]
pub(crate) struct WorkLock {
    _file: std::fs::File,
}

impl WorkLock {
    /// Creates and locks a work directory. If the run before this one was killed, what is left of
    /// its processes is ended first.
    pub(crate) fn acquire(dir: &Utf8Path, token: &RunToken) -> anyhow::Result<Self> {
        fs_err::create_dir_all(dir)?;
        let path = dir.join(FILE);
        let mut options = fs_err::OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        let mut file = file.into_file();
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another run is using {dir}: wait for it or pass --work-dir")
            }
            // Some network file systems have no locks; two runs at once are rarer than those.
            Err(TryLockError::Error(error)) => {
                tracing::warn!("{path} cannot be locked, so another run could use it: {error}");
                return Ok(Self { _file: file });
            }
        }
        let mut last = String::new();
        // Anything but a token is not ours to understand.
        let _ = std::io::Read::take(&mut file, 64).read_to_string(&mut last);
        if let Some(last) = RunToken::parse(last.trim()) {
            let ended = tree::sweep(&last);
            if ended > 0 {
                tracing::warn!("ended {ended} processes that an earlier run left in {dir}");
            }
        }
        file.rewind()
            .and_then(|()| file.set_len(0))
            .and_then(|()| writeln!(file, "{token}"))
            .with_context(|| format!("failed to write {path}"))?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_directory_has_one_run_at_a_time() {
        let temp = tempfile::tempdir().expect("a folder");
        let dir = Utf8Path::from_path(temp.path()).expect("UTF-8").join("a/b");
        let first = WorkLock::acquire(&dir, &RunToken::random()).expect("the first");
        let error = WorkLock::acquire(&dir, &RunToken::random()).expect_err("the second");
        assert_eq!(
            error.to_string(),
            format!("another run is using {dir}: wait for it or pass --work-dir")
        );
        drop(first);
        let token = RunToken::random();
        let _third = WorkLock::acquire(&dir, &token).expect("the third");
        let content = std::fs::read_to_string(dir.join(FILE)).expect("the file");
        assert_eq!(content, format!("{token}\n"));
    }

    #[test]
    fn a_strange_lock_file_does_no_harm() {
        let temp = tempfile::tempdir().expect("a folder");
        let dir = Utf8Path::from_path(temp.path()).expect("UTF-8");
        for content in [&b"\xff\xff"[..], b"", b"not a token", &[b'a'; 1000]] {
            std::fs::write(dir.join(FILE), content).expect("a file");
            WorkLock::acquire(dir, &RunToken::random()).expect("a lock");
        }
    }
}
