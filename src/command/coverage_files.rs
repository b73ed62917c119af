//! The coverage of a run in every format that others read.

use anyhow::Result;
use camino::Utf8Path;
use fs_err as fs;

use crate::coverage::cobertura::{self, CoberturaOptions};
use crate::coverage::json::{self, JsonOptions};
use crate::coverage::raw::RawData;
use crate::coverage::settings::Settings;
use crate::coverage::{data_file, lcov};
use crate::model::coverage::Coverage;
use crate::workspace::write_atomic_with;

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
    let json = JsonOptions {
        version: VERSION.to_owned(),
        timestamp: now.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        precision: settings.precision,
        pretty: settings.pretty_json,
    };
    let (one, two) = rayon::join(
        || {
            write_atomic_with(&folder.join(JSON), |out| {
                Ok(json::write(coverage, &json, out)?)
            })
        },
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

/// Writes the coverage of one shard, for programs to read.
///
/// # Errors
/// The disk's.
pub(crate) fn write_json(coverage: &Coverage, path: &Utf8Path) -> Result<()> {
    let options = JsonOptions {
        version: VERSION.to_owned(),
        timestamp: jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%S")
            .to_string(),
        precision: 0,
        pretty: false,
    };
    write_atomic_with(path, |out| Ok(json::write(coverage, &options, out)?))
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

/// Removes what an earlier run left.
///
/// # Errors
/// The disk's.
pub(crate) fn remove(folder: &Utf8Path) -> Result<()> {
    for name in [XML, JSON, LCOV, DATA] {
        let path = folder.join(name);
        if path.exists() {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
