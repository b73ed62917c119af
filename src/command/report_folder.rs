//! The report folder: the result in every exchange format.

use anyhow::Result;
use camino::Utf8Path;
use fs_err as fs;

use super::conclude::Conclusion;
use super::coverage_files;
use super::gather_coverage::settings_or_none;
use super::plan::current_dir;
use super::sources::Repository;
use crate::junit;
use crate::model::exit::Exit;
use crate::model::report::Report;
use crate::render::html::page;
use crate::render::view::View;
use crate::render::{badge, result_json, summary};
use crate::workspace::{JUNIT_FILE, RESULT_FILE, write_atomic, write_atomic_with};

/// Writes all of it; what is there from an earlier run is replaced file by file.
///
/// # Errors
/// The disk's.
pub(crate) fn write(conclusion: &Conclusion, view: &View<'_>, folder: &Utf8Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let text = summary::summary(view, summary::JOB_SUMMARY_BYTES);
    write_atomic(&folder.join("summary.md"), text.as_bytes())?;
    write_atomic(&folder.join("history.json"), &conclusion.history.to_bytes())?;
    let (junit, (result, page)) = rayon::join(
        || write_junit(&conclusion.report, folder),
        || {
            rayon::join(
                || write_result(view, conclusion.exit(), folder),
                || write_page(view, folder),
            )
        },
    );
    junit?;
    result?;
    page?;
    write_badges(view, folder)?;
    write_coverage(conclusion, folder)
}

fn write_junit(report: &Report, folder: &Utf8Path) -> Result<()> {
    write_atomic_with(&folder.join(JUNIT_FILE), |out| {
        Ok(junit::write::write(report, out)?)
    })
}

fn write_result(view: &View<'_>, exit: Exit, folder: &Utf8Path) -> Result<()> {
    let result = result_json::result_json(view, exit.code());
    write_atomic_with(&folder.join(RESULT_FILE), |out| {
        Ok(serde_json::to_writer(out, &result)?)
    })
}

fn write_page(view: &View<'_>, folder: &Utf8Path) -> Result<()> {
    let repository = Repository::around(&current_dir()?);
    write_atomic_with(&folder.join("report.html"), |out| {
        page::page(view, &|path| repository.source(path), out)
    })
}

fn write_badges(view: &View<'_>, folder: &Utf8Path) -> Result<()> {
    let folder = folder.join("badges");
    fs::create_dir_all(&folder)?;
    let badges = badge::badges(view);
    for name in badge::NAMES {
        let (svg, json) = (
            folder.join(format!("{name}.svg")),
            folder.join(format!("{name}.json")),
        );
        if let Some(badge) = badges.iter().find(|badge| badge.name == name) {
            write_atomic(&svg, badge.svg().as_bytes())?;
            write_atomic(&json, badge.endpoint().as_bytes())?;
        } else {
            remove(&[&svg, &json])?;
        }
    }
    Ok(())
}

/// Removes what an earlier run left.
fn remove(paths: &[&Utf8Path]) -> Result<()> {
    for path in paths.iter().filter(|path| path.exists()) {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Writes the coverage, or removes that of an earlier run.
fn write_coverage(conclusion: &Conclusion, folder: &Utf8Path) -> Result<()> {
    match &conclusion.data {
        Some(data) => coverage_files::write_data(data, folder)?,
        None => coverage_files::remove_data(folder)?,
    }
    match &conclusion.coverage {
        Some(coverage) => coverage_files::write(coverage, &settings_or_none(), folder),
        None => coverage_files::remove_reports(folder),
    }
}
