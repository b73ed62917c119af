//! `publish` without a plan: the JUnit reports of any program. Nobody knows then which tests there should
//! be, so what counts is what the reports say, and that all of them are whole.

use anyhow::Result;
use camino::Utf8Path;

use super::conclude::Conclusion;
use super::gather_coverage::{self, gather};
use super::merge::{files, read_junit};
use crate::analysis::verdict::JobResults;
use crate::junit::found::ReadEnd;
use crate::junit::unite;
use crate::model::history::{HISTORY_VERSION, History};
use crate::model::verdict::{Reason, Verdict};

/// Patterns of files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patterns<'a> {
    pub(crate) junit: &'a [String],
    pub(crate) coverage: &'a [String],
}

/// Merges the reports and decides.
///
/// # Errors
/// A pattern that finds nothing; the disk's.
pub(crate) fn conclude(
    patterns: Patterns<'_>,
    suite: &str,
    jobs: &JobResults,
    prefix: &Utf8Path,
) -> Result<Conclusion> {
    let reads = read_junit(&files(patterns.junit, "--junit")?)?;
    let broken = reads
        .iter()
        .filter(|(_, read)| read.end != ReadEnd::Complete);
    let broken = broken.map(|(file, read)| Reason::ReportBroken {
        file: file.clone(),
        what: read.end.to_string(),
    });
    let mut reasons: Vec<Reason> = broken.collect();
    let mut report = unite::unite(reads).into_report();
    suite.clone_into(&mut report.suite);
    let covered = files(patterns.coverage, "--coverage")?;
    let coverage = if covered.is_empty() {
        None
    } else {
        let gathered = gather(&covered, gather_coverage::read_settings()?)?;
        report.warnings.extend(gathered.warnings);
        Some(gathered.coverage.below(prefix))
    };
    let totals = report.totals();
    if totals.failed + totals.error > 0 {
        reasons.push(Reason::TestsFailed {
            failed: totals.failed,
            errors: totals.error,
        });
    }
    let failed_jobs = jobs.iter().filter(|(_, result)| *result != "success");
    reasons.extend(failed_jobs.map(|(job, result)| Reason::JobFailed {
        job: job.clone(),
        result: result.clone(),
    }));
    if totals.finished() == 0 && reasons.is_empty() {
        reasons.push(Reason::NothingRan);
    }
    reasons.sort();
    Ok(Conclusion {
        report: report.below(prefix),
        verdict: Verdict {
            reasons,
            muted: Vec::new(),
        },
        coverage,
        history: History {
            version: HISTORY_VERSION,
            suite: suite.to_owned(),
            ..History::default()
        },
        comparison: None,
        not_compared: None,
        patch: None,
        quarantined: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;
    use crate::model::exit::Exit;

    fn concluded(reports: &[&str]) -> Result<Conclusion> {
        let folder = tempfile::tempdir()?;
        let folder = Utf8Path::from_path(folder.path()).expect("UTF-8");
        for (number, text) in reports.iter().enumerate() {
            fs::write(folder.join(format!("{number}.xml")), text)?;
        }
        let patterns = [folder.join("*.xml").into_string()];
        let patterns = Patterns {
            junit: &patterns,
            coverage: &[],
        };
        conclude(patterns, "web", &JobResults::new(), Utf8Path::new(""))
    }

    const GREEN: &str =
        r#"<testsuite name="go"><testcase classname="shop" name="TestPrice"/></testsuite>"#;
    const RED: &str = r#"<testsuites><testsuite name="jest"><testcase classname="cart" name="adds"><failure message="no"/></testcase></testsuite></testsuites>"#;

    #[test]
    fn the_reports_of_any_program_are_one_result() {
        let result = concluded(&[GREEN, RED]).expect("a result");
        assert_eq!(
            (result.report.suite.as_str(), result.report.cases.len()),
            ("web", 2)
        );
        assert_eq!(result.exit(), Exit::TestsFailed);
        assert_eq!(concluded(&[GREEN]).expect("a result").exit(), Exit::Green);
    }

    #[test]
    fn what_is_not_whole_is_never_green() {
        let cut = concluded(&[GREEN, &RED[..60]]).expect("a result");
        assert_eq!(cut.exit(), Exit::TestsLost);
        let empty = concluded(&["<testsuites/>"]).expect("a result");
        assert_eq!(empty.exit(), Exit::NothingRan);
        assert!(concluded(&[]).is_err());
    }
}
