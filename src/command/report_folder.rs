//! The report folder: the result in every exchange format.

use anyhow::Result;
use camino::Utf8Path;
use fs_err as fs;

use super::conclude::Conclusion;
use crate::coverage::{cobertura, json};
use crate::junit;
use crate::render::view::View;
use crate::render::{result_json, summary};
use crate::workspace::{write_atomic, write_atomic_with};

/// Writes all of it; what is there from an earlier run is replaced file by file.
///
/// # Errors
/// The disk's.
pub(crate) fn write(conclusion: &Conclusion, view: &View<'_>, folder: &Utf8Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    write_atomic(&folder.join("result.json"), result_json::render(view, conclusion.exit().code()).as_bytes())?;
    write_atomic(&folder.join("summary.md"), summary::render(view).as_bytes())?;
    write_atomic(&folder.join("history.json"), &serde_json::to_vec(&conclusion.history)?)?;
    write_atomic_with(&folder.join("junit.xml"), |out| Ok(junit::write::write(&conclusion.report, out)?))?;
    write_coverage(conclusion, folder)
}

fn write_coverage(conclusion: &Conclusion, folder: &Utf8Path) -> Result<()> {
    let (xml, data) = (folder.join("coverage.xml"), folder.join("coverage.json"));
    let Some(coverage) = &conclusion.coverage else {
        // A report without coverage must not keep that of an earlier run.
        for path in [xml, data] {
            if path.exists() {
                fs::remove_file(path)?;
            }
        }
        return Ok(());
    };
    write_atomic_with(&xml, |out| Ok(cobertura::write(coverage, &options, out)?))?;
    write_atomic_with(&data, |out| Ok(json::write(coverage, out)?))
}
