//! A downloaded zip, read as what it is: bytes from a stranger.
//!
//! Nothing is ever extracted by the names or modes within. Only regular files with harmless names
//! are handed out, one after the other, and every limit counts bytes that come *out*, since sizes
//! and counts in a zip are claims.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;

use anyhow::{Context as _, anyhow};
use camino::Utf8Path;
use zip::ZipArchive;

/// What one zip may hold, or what all zips of a run may hold together (`total`), in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) entry: u64,
    pub(crate) total: u64,
    pub(crate) entries: usize,
    /// Bytes out per byte in, of an entry beyond its first `free` bytes.
    pub(crate) ratio: u64,
    /// A log of one line over and over shrinks like a bomb; this much of it is fine.
    pub(crate) free: u64,
    /// What may be read to find the entries: keeps a directory of millions out of memory.
    pub(crate) directory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entry: 512 << 20,
            total: 2 << 30,
            entries: 20_000,
            ratio: 200,
            free: 16 << 20,
            directory: 8 << 20,
        }
    }
}

/// Hands every wanted file to `take`, which reads as much of it as it likes. Returns what was
/// refused and why, a line each; an error means that the zip itself is no good.
pub(crate) fn read(
    zip: impl Read + Seek,
    limits: &mut Limits,
    wanted: impl Fn(&str) -> bool,
    mut take: impl FnMut(&str, &mut dyn Read) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<String>> {
    let budget = Rc::new(Cell::new(Some(limits.directory)));
    let mut input = Metered {
        inner: zip,
        left: Rc::clone(&budget),
    };
    let compressed = input.seek(SeekFrom::End(0))?;
    let mut archive = ZipArchive::new(BufReader::new(input)).context("it is no readable zip")?;
    if archive.len() > limits.entries {
        return Err(anyhow!(
            "it has {} files, more than {} are not read",
            archive.len(),
            limits.entries
        ));
    }
    budget.set(None);

    let mut refused = Vec::new();
    let mut seen = BTreeSet::new();
    for index in 0..archive.len() {
        let mut file = match archive.by_index(index) {
            Ok(file) => file,
            Err(error) => {
                refused.push(format!("file {} of it: {error}", index + 1));
                continue;
            }
        };
        let Some(name) = std::str::from_utf8(file.name_raw()).ok().map(str::to_owned) else {
            refused.push(format!("file {} of it: its name is no UTF-8", index + 1));
            continue;
        };
        if file.is_dir() || !wanted(&name) {
            continue;
        }
        let reason = name_problem(&name)
            .or_else(|| {
                file.unix_mode()
                    .is_some_and(|mode| !is_regular(mode))
                    .then_some("it is no regular file")
            })
            .or_else(|| (!seen.insert(name.clone())).then_some("its name occurs twice"));
        if let Some(reason) = reason {
            refused.push(format!("`{}`: {reason}", shown(&name)));
            continue;
        }
        let packed = file.compressed_size().min(compressed);
        let allowed = limits.entry.min(limits.total).min(
            limits
                .free
                .saturating_add(packed.saturating_mul(limits.ratio)),
        );
        let mut capped = Capped {
            inner: &mut file,
            left: allowed,
            broken: false,
        };
        let result = take(&name, &mut capped);
        let (used, broken) = (allowed - capped.left, capped.broken);
        limits.total -= used;
        match result {
            Err(error) if broken => refused.push(format!("`{}`: {error:#}", shown(&name))),
            result => {
                result.with_context(|| format!("`{}` could not be taken out", shown(&name)))?;
            }
        }
    }
    Ok(refused)
}

/// Writes every wanted file below `folder`, which must be ours alone, under its own checked name.
/// A file that is refused half-way is removed again.
pub(crate) fn save(
    zip: impl Read + Seek,
    limits: &mut Limits,
    wanted: impl Fn(&str) -> bool,
    folder: &Utf8Path,
) -> anyhow::Result<Vec<String>> {
    read(zip, limits, wanted, |name, content| {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        let mut file = fs_err::File::create_new(&path)?;
        if let Err(error) = io::copy(content, &mut file) {
            fs_err::remove_file(&path)?;
            return Err(error.into());
        }
        Ok(())
    })
}

/// Why a name within a zip is not used, if so. What passes stays below the folder it is joined to.
fn name_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.len() > 1000 {
        return Some("its name is empty or too long");
    }
    if name
        .chars()
        .any(|char| char.is_control() || char == '\\' || char == ':')
    {
        return Some("its name has a control character, a backslash or a colon");
    }
    let odd = |part: &str| part.is_empty() || part == "." || part == ".." || part.len() > 255;
    name.split('/')
        .any(odd)
        .then_some("its name is no plain relative path")
}

/// A zip made on other systems has no mode (0), which is a file there.
fn is_regular(mode: u32) -> bool {
    const KIND: u32 = 0o170_000;
    const REGULAR: u32 = 0o100_000;
    matches!(mode & KIND, 0 | REGULAR)
}

/// A hostile name for a message.
fn shown(name: &str) -> String {
    name.chars()
        .take(100)
        .flat_map(char::escape_debug)
        .collect()
}

/// Fails once more than its budget was read; without a budget it only reads.
struct Metered<R> {
    inner: R,
    left: Rc<Cell<Option<u64>>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(left) = self.left.get() {
            let left = left
                .checked_sub(count as u64)
                .ok_or_else(|| io::Error::other("its directory is too large"))?;
            self.left.set(Some(left));
        }
        Ok(count)
    }
}

impl<R: Seek> Seek for Metered<R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.inner.seek(position)
    }
}

/// Lets `left` bytes through and fails at the next one. Remembers that it failed, or what it reads.
struct Capped<R> {
    inner: R,
    left: u64,
    broken: bool,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = || {
            if self.left == 0 {
                return match self.inner.read(&mut [0])? {
                    0 => Ok(0),
                    _ => Err(io::Error::other(
                        "it is larger than what is read of one file",
                    )),
                };
            }
            let room = usize::try_from(self.left)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let count = self.inner.read(&mut buffer[..room])?;
            self.left -= count as u64;
            Ok(count)
        };
        let result = read();
        self.broken |= result
            .as_ref()
            .is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        result
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;

    fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            let options =
                SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
            zip.start_file(*name, options).expect("begun");
            zip.write_all(content).expect("written");
        }
        zip.finish().expect("finished").into_inner()
    }

    /// The names that were handed out whole, and what was refused.
    fn taken(zip: &[u8], mut limits: Limits) -> anyhow::Result<(Vec<String>, Vec<String>)> {
        let mut names = Vec::new();
        let refused = read(
            Cursor::new(zip),
            &mut limits,
            |_| true,
            |name, content| {
                io::copy(content, &mut io::sink())?;
                names.push(name.to_owned());
                Ok(())
            },
        )?;
        Ok((names, refused))
    }

    #[test]
    fn wanted_files_are_handed_out_and_saved() {
        let bytes = zip(&[
            ("shard.json", b"{}"),
            ("logs/db.txt", b"hello"),
            ("action.yml", b"evil"),
        ]);
        let folder = tempfile::tempdir().expect("a folder");
        let folder = Utf8Path::from_path(folder.path()).expect("utf-8");
        let refused = save(
            Cursor::new(&bytes),
            &mut Limits::default(),
            |name| name != "action.yml",
            folder,
        )
        .expect("saved");
        assert_eq!(refused, Vec::<String>::new());
        assert_eq!(
            fs_err::read_to_string(folder.join("logs/db.txt")).expect("a file"),
            "hello"
        );
        assert!(folder.join("shard.json").exists() && !folder.join("action.yml").exists());
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused_and_the_rest_is_read() {
        let hostile = [
            "../etc/hosts",
            "/etc/passwd",
            "x/../../y",
            "C:/x",
            "C:x",
            "a\\b",
            "a/./b",
            "a//b",
            "a\u{0}b",
            "a\nb",
        ];
        for name in hostile {
            let (names, refused) =
                taken(&zip(&[(name, b"x"), ("ok.txt", b"x")]), Limits::default()).expect("a zip");
            assert_eq!(names, ["ok.txt"], "{name:?}");
            assert_eq!(refused.len(), 1, "{name:?}");
            assert!(!refused[0].contains(char::is_control), "{refused:?}");
        }
    }

    #[test]
    fn links_and_devices_are_refused() {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        zip.add_symlink("link", "/etc/passwd", SimpleFileOptions::default())
            .expect("added");
        for (name, mode) in [("fifo", 0o010_644), ("device", 0o020_644)] {
            zip.start_file(name, SimpleFileOptions::default())
                .expect("begun");
            zip.write_all(&[u8::try_from(mode >> 12_u32).expect("small")])
                .expect("written");
        }
        let mut bytes = zip.finish().expect("finished").into_inner();
        // `ZipWriter` makes regular files only, so the kind is changed in the central directory.
        for (name, kind) in [("fifo", 0o01_u8), ("device", 0o02)] {
            let at = bytes
                .windows(name.len())
                .rposition(|window| window == name.as_bytes())
                .expect("its name");
            bytes[at - 46 + 41] = (kind << 4) | 1;
        }
        let (names, refused) = taken(&bytes, Limits::default()).expect("a zip");
        assert_eq!((names, refused.len()), (Vec::new(), 3));
    }

    #[test]
    fn a_name_that_occurs_twice_is_read_once() {
        let mut bytes = zip(&[("one.txt", b"first"), ("two.txt", b"second")]);
        let at: Vec<_> = bytes
            .windows(7)
            .enumerate()
            .filter(|(_, window)| window == b"two.txt")
            .map(|(at, _)| at)
            .collect();
        for at in at {
            bytes[at..at + 3].copy_from_slice(b"one");
        }
        let (names, _) = taken(&bytes, Limits::default()).expect("a zip");
        assert_eq!(names, ["one.txt"]);
    }

    #[test]
    fn a_bomb_is_stopped_by_what_comes_out() {
        let zeros = vec![0; 4 << 20];
        let bytes = zip(&[("bomb", &zeros), ("ok.txt", b"x")]);
        for limits in [
            Limits {
                free: 1 << 20,
                ..Limits::default()
            },
            Limits {
                entry: 1 << 20,
                ..Limits::default()
            },
        ] {
            let (names, refused) = taken(&bytes, limits).expect("a zip");
            assert_eq!(names, ["ok.txt"]);
            assert_eq!(
                refused,
                ["`bomb`: it is larger than what is read of one file"]
            );
        }
        let (names, _) = taken(&bytes, Limits::default()).expect("a zip");
        assert_eq!(names, ["bomb", "ok.txt"]);
    }

    #[test]
    fn the_total_counts_over_all_files_and_zips() {
        let bytes = zip(&[("a", &[1; 600]), ("b", &[2; 600])]);
        let mut limits = Limits {
            total: 1500,
            ..Limits::default()
        };
        let read = |limits: &mut Limits| {
            read(
                Cursor::new(&bytes),
                limits,
                |_| true,
                |_, content| {
                    io::copy(content, &mut io::sink())?;
                    Ok(())
                },
            )
        };
        assert_eq!(read(&mut limits).expect("a zip").len(), 0);
        assert_eq!(read(&mut limits).expect("a zip").len(), 2);
        assert_eq!(limits.total, 0);
    }

    #[test]
    fn a_size_that_lies_does_not_matter() {
        let mut bytes = zip(&[("bomb", &vec![0; 4 << 20])]);
        let at = bytes
            .windows(4)
            .rposition(|window| window == b"bomb")
            .expect("its name")
            - 46;
        bytes[at + 24..at + 28].copy_from_slice(&1_u32.to_le_bytes());
        let limits = Limits {
            entry: 1 << 20,
            ..Limits::default()
        };
        let (names, refused) = taken(&bytes, limits).expect("a zip");
        assert_eq!((names.len(), refused.len()), (0, 1));
    }

    #[test]
    fn too_many_files_are_refused_before_they_are_listed() {
        let names: Vec<String> = (0..300).map(|number| number.to_string()).collect();
        let files: Vec<(&str, &[u8])> =
            names.iter().map(|name| (name.as_str(), &b""[..])).collect();
        let bytes = zip(&files);
        let error = taken(
            &bytes,
            Limits {
                entries: 299,
                ..Limits::default()
            },
        )
        .expect_err("too many");
        assert_eq!(
            error.to_string(),
            "it has 300 files, more than 299 are not read"
        );
        assert!(
            taken(
                &bytes,
                Limits {
                    directory: 8 << 10,
                    ..Limits::default()
                }
            )
            .is_err()
        );
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let good = zip(&[("a.txt", b"some content that is long enough")]);
        let mut bad = good.clone();
        let at = bad
            .windows(5)
            .position(|window| window == b"a.txt")
            .expect("its name")
            + 10;
        bad[at] ^= 1;
        let (names, refused) = taken(&bad, Limits::default()).expect("a zip");
        assert_eq!((names.len(), refused.len()), (0, 1));
        assert!(taken(b"no zip at all", Limits::default()).is_err());
        assert!(taken(&good[..good.len() - 10], Limits::default()).is_err());
    }
}
