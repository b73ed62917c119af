//! Files into a zip: what an artifact is on the wire.

use std::io::{Seek, SeekFrom};

use anyhow::{Context as _, anyhow};
use camino::{Utf8Path, Utf8PathBuf};
use tempfile::NamedTempFile;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// zlib's fastest: reports become a sixteenth by it. Its usual level takes three times the time for 6 % less.
const LEVEL: i64 = 1;

/// A zip in a temporary file that disappears with it.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) file: NamedTempFile,
    /// In bytes.
    pub(crate) size: u64,
}

/// One file of a zip to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// Within the zip, with `/`.
    pub(crate) name: String,
    pub(crate) path: Utf8PathBuf,
}

/// Every regular file below a folder, in order of name. Symbolic links and other things are left
/// out with a warning: a zip of ours holds files only.
pub(crate) fn files_below(folder: &Utf8Path) -> anyhow::Result<Vec<Source>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        let entries = current
            .read_dir_utf8()
            .with_context(|| format!("{current} could not be listed"))?;
        for entry in entries {
            let path = entry
                .with_context(|| format!("{current} could not be listed"))?
                .into_path();
            let kind = fs_err::symlink_metadata(&path)?.file_type();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let name = path.strip_prefix(folder)?.to_string();
                files.push(Source { name, path });
            } else {
                tracing::warn!("{path} is no regular file, so it is not uploaded");
            }
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

/// Writes the zip. The same files make the same bytes.
pub(crate) fn pack(sources: &[Source]) -> anyhow::Result<Packed> {
    if sources.is_empty() {
        return Err(anyhow!("there are no files to upload"));
    }
    let file = NamedTempFile::new().context("no temporary file could be made")?;
    let mut zip = ZipWriter::new(std::io::BufWriter::new(file.reopen()?));
    for Source { name, path } in sources {
        let mut input = fs_err::File::open(path)?;
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(LEVEL))
            .unix_permissions(0o644)
            .large_file(input.metadata()?.len() > u64::from(u32::MAX / 2));
        zip.start_file(name.as_str(), options)
            .with_context(|| format!("{path} could not be packed"))?;
        std::io::copy(&mut input, &mut zip)
            .with_context(|| format!("{path} could not be packed"))?;
    }
    let mut written = zip
        .finish()
        .context("the files could not be packed: is the disk full?")?;
    let size = written.seek(SeekFrom::End(0))?;
    std::io::Write::flush(&mut written)?;
    Ok(Packed { file, size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_packed_in_order_and_without_links() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = Utf8Path::from_path(folder.path()).expect("utf-8");
        fs_err::create_dir_all(folder.join("logs")).expect("made");
        for (name, text) in [
            ("shard.json", "{}"),
            ("logs/db.txt", "hello"),
            (".coverage", "x"),
        ] {
            fs_err::write(folder.join(name), text).expect("made");
        }
        fs_err::os::unix::fs::symlink("/etc/passwd", folder.join("link")).expect("made");
        let files = files_below(folder).expect("a list");
        let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, [".coverage", "logs/db.txt", "shard.json"]);

        let bytes = |packed: Packed| fs_err::read(packed.file.path()).expect("a file");
        let packed = pack(&files).expect("packed");
        let size = packed.size;
        let first = bytes(packed);
        assert_eq!(first.len() as u64, size);
        assert_eq!(first, bytes(pack(&files).expect("packed")));
    }

    #[test]
    fn nothing_is_no_artifact() {
        assert_eq!(
            pack(&[]).expect_err("nothing").to_string(),
            "there are no files to upload"
        );
    }
}
