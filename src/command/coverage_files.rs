//! The coverage of a run in every format that others read.

use anyhow::Result;
use camino::Utf8Path;

use crate::coverage::cobertura::{self, CoberturaOptions};
use crate::coverage::json::{self, JsonOptions};
use crate::coverage::raw::RawData;
use crate::coverage::settings::Settings;
use crate::coverage::{data_file, lcov};
use crate::model::coverage::Coverage;
use crate::workspace::{remove_if_there, write_atomic_with};

const XML: &str = "coverage.xml";
const JSON: &str = "coverage.json";
const LCOV: &str = "lcov.info";
const DATA: &str = ".coverage";

/// Who writes the reports.
const VERSION: &str = concat!("parallel-pytest ", env!("CARGO_PKG_VERSION"));

/// Writes the reports.
///
/// # Errors
/// The disk's.
pub(crate) fn write(coverage: &Coverage, settings: &Settings, folder: &Utf8Path) -> Result<()> {
    let now = jiff::Timestamp::now();
    let xml = CoberturaOptions {
        sources: vec![".".to_owned()],
        timestamp_ms: u64::try_from(now.as_millisecond()).unwrap_or(0),
        version: VERSION.to_owned(),
        package_depth: settings.package_depth,
        skip_empty: settings.skip_empty,
    };
    let (one, two) = rayon::join(
        || write_json(coverage, settings, folder),
        || {
            write_atomic_with(&folder.join(XML), |out| {
                Ok(cobertura::write(coverage, &xml, out)?)
            })?;
            write_atomic_with(&folder.join(LCOV), |out| {
                Ok(lcov::write(coverage, settings.skip_empty, out)?)
            })
        },
    );
    one.and(two)
}

/// Writes the report that tells the most.
///
/// # Errors
/// The disk's.
pub(crate) fn write_json(
    coverage: &Coverage,
    settings: &Settings,
    folder: &Utf8Path,
) -> Result<()> {
    let now = jiff::Timestamp::now();
    let options = JsonOptions {
        version: VERSION.to_owned(),
        timestamp: now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        precision: settings.precision,
        pretty: settings.pretty_json,
    };
    write_atomic_with(&folder.join(JSON), |out| {
        Ok(json::write(coverage, &options, out)?)
    })
}

/// Writes the combined data file, which coverage.py opens.
///
/// # Errors
/// The disk's.
pub(crate) fn write_data(data: &RawData, folder: &Utf8Path) -> Result<()> {
    write_atomic_with(&folder.join(DATA), |out| {
        Ok(data_file::write(data, VERSION, out)?)
    })
}

/// Removes the reports of an earlier run.
///
/// # Errors
/// The disk's.
pub(crate) fn remove_reports(folder: &Utf8Path) -> Result<()> {
    [XML, JSON, LCOV]
        .iter()
        .try_for_each(|name| remove_if_there(&folder.join(name)))
}

/// Removes the data file of an earlier run.
///
/// # Errors
/// The disk's.
pub(crate) fn remove_data(folder: &Utf8Path) -> Result<()> {
    remove_if_there(&folder.join(DATA))
}
