//! The report folder: the result in every exchange format.

use anyhow::Result;
use camino::Utf8Path;
use fs_err as fs;

use super::conclude::Conclusion;
use crate::coverage::cobertura::{self, CoberturaOptions};
use crate::coverage::json;
use crate::junit;
use crate::model::coverage::Coverage;
use crate::render::view::View;
use crate::render::{result_json, summary};
use crate::workspace::{JUNIT_FILE, write_atomic, write_atomic_with};

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
    write_atomic(&folder.join("history.json"), &conclusion.history.to_bytes())?;
    let report = &conclusion.report;
    write_atomic_with(&folder.join(JUNIT_FILE), |out| {
        Ok(junit::write::write(report, out)?)
    })?;
    write_coverage(conclusion.coverage.as_ref(), folder)
}

/// Writes the coverage, or removes that of an earlier run.
///
/// # Errors
/// The disk's.
pub(crate) fn write_coverage(coverage: Option<&Coverage>, folder: &Utf8Path) -> Result<()> {
    let (xml, data) = (folder.join("coverage.xml"), folder.join("coverage.json"));
    let Some(coverage) = coverage else {
        for path in [xml, data].iter().filter(|path| path.exists()) {
            fs::remove_file(path)?;
        }
        return Ok(());
    };
    let now = jiff::Timestamp::now();
    let version = concat!("parallel-pytest ", env!("CARGO_PKG_VERSION"));
    let options = CoberturaOptions {
        sources: vec![".".to_owned()],
        timestamp_ms: u64::try_from(now.as_millisecond()).unwrap_or(0),
        version: version.to_owned(),
    };
    write_atomic_with(&xml, |out| Ok(cobertura::write(coverage, &options, out)?))?;
    let time = now.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    write_atomic_with(&data, |out| Ok(json::write(coverage, version, &time, out)?))
}
