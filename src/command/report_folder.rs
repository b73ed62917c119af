//! The report folder: the result in every exchange format.

use anyhow::Result;
use camino::Utf8Path;
use fs_err as fs;

use super::conclude::Conclusion;
use super::coverage_files;
use crate::coverage::settings::Settings;
use crate::junit;
use crate::model::coverage::Coverage;
use crate::render::view::View;
use crate::render::{result_json, summary};
use crate::workspace::{write_atomic, write_atomic_with};

/// Writes all of it; what is there from an earlier run is replaced file by file.
///
/// # Errors
/// The disk's.
pub(crate) fn write(conclusion: &Conclusion, view: &View<'_>, folder: &Utf8Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let result = result_json::result_json(view, conclusion.exit().code());
    write_atomic(
        &folder.join("result.json"),
        &serde_json::to_vec_pretty(&result)?,
    )?;
    let text = summary::summary(view, summary::JOB_SUMMARY_BYTES);
    write_atomic(&folder.join("summary.md"), text.as_bytes())?;
    write_atomic(
        &folder.join("history.json"),
        &serde_json::to_vec(&conclusion.history)?,
    )?;
    let report = &conclusion.report;
    write_atomic_with(&folder.join("junit.xml"), |out| {
        Ok(junit::write::write(report, out)?)
    })?;
    write_coverage(conclusion.coverage.as_ref(), folder)
}

/// Writes the coverage, or removes that of an earlier run.
///
/// # Errors
/// The disk's.
pub(crate) fn write_coverage(coverage: Option<&Coverage>, folder: &Utf8Path) -> Result<()> {
    match coverage {
        Some(coverage) => coverage_files::write(coverage, &Settings::default(), folder),
        None => coverage_files::remove(folder),
    }
}
