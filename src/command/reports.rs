//! `publish` without a plan: reports of any program and format. Nobody knows then which tests there should
//! be, so what counts is what the reports say, and that all of them are whole.

use std::sync::Arc;

use anyhow::Result;
use camino::Utf8Path;

use super::conclude::Conclusion;
use super::gather_coverage::{self, gather};
use super::merge::{files, read_junit};
use crate::analysis::environments;
use crate::analysis::verdict::JobResults;
use crate::junit::found::ReadEnd;
use crate::junit::unite;
use crate::model::environment;
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
    let mut reads = Vec::new();
    let mut reasons = Vec::new();
    for (environment, globs) in by_environment(patterns.junit) {
        let those = read_junit(&files(&globs, "--junit")?)?;
        let broken = those
            .iter()
            .filter(|(_, read)| read.end != ReadEnd::Complete);
        reasons.extend(broken.map(|(file, read)| Reason::ReportBroken {
            file: file.clone(),
            what: read.end.to_string(),
        }));
        reads.push((environment.into(), unite::unite(those)));
    }
    let mut report = match reads.len() {
        1 => reads.swap_remove(0).1,
        _ => environments::unite(suite, reads),
    };
    suite.clone_into(&mut report.suite);
    let covered = files(patterns.coverage, "--coverage")?;
    let (coverage, data) = if covered.is_empty() {
        (None, None)
    } else {
        let gathered = gather(&covered, gather_coverage::read_settings()?)?;
        report.warnings.extend(gathered.warnings);
        (Some(gathered.coverage.below(prefix)), gathered.data)
    };
    let totals = report.totals();
    reasons.extend(Reason::of_failures(totals));
    let silent = report.environments.iter();
    let silent = silent.filter(|it| it.cases.totals().finished() == 0);
    reasons.extend(silent.map(|it| Reason::In {
        environment: Arc::clone(&it.name),
        reason: Box::new(Reason::NothingRan),
    }));
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
        data,
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

/// The globs of each environment, in the order of their first ones: `3.12=reports/*.xml`. Those without
/// a name are one of their own.
fn by_environment(patterns: &[String]) -> Vec<(&str, Vec<String>)> {
    let mut all: Vec<(&str, Vec<String>)> = Vec::new();
    for pattern in patterns {
        let named = pattern.split_once('=');
        // A path may have such a sign, too.
        let is_name = |name: &str| !name.contains('/') && environment::check(name).is_ok();
        let named = named.filter(|(name, _)| is_name(name));
        let named = named.filter(|_| !Utf8Path::new(pattern).exists());
        let (name, glob) = named.unwrap_or((UNNAMED, pattern));
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, globs)) => globs.push(glob.to_owned()),
            None => all.push((name, vec![glob.to_owned()])),
        }
    }
    all
}

/// What reports without an environment are called among those with one.
const UNNAMED: &str = "others";

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;
    use crate::model::case::Outcome;
    use crate::model::exit::Exit;

    fn concluded(reports: &[&str]) -> Result<Conclusion> {
        let folder = tempfile::tempdir()?;
        let folder = Utf8Path::from_path(folder.path()).expect("UTF-8");
        for (number, text) in reports.iter().enumerate() {
            fs::write(folder.join(format!("{number}.xml")), text)?;
        }
        concluded_as(&[folder.join("*.xml").into_string()])
    }

    fn concluded_as(patterns: &[String]) -> Result<Conclusion> {
        let patterns = Patterns {
            junit: patterns,
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
    fn a_test_in_the_reports_of_two_environments_is_one_with_two_columns() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = Utf8Path::from_path(folder.path()).expect("UTF-8");
        let failed = GREEN.replace("/>", "><failure message='no'/></testcase>");
        for (name, text) in [("a.xml", GREEN), ("b.xml", &failed), ("x=1.xml", RED)] {
            fs::write(folder.join(name), text).expect("written");
        }
        let named = |environment: &str, file: &str| format!("{environment}={}", folder.join(file));
        let result = concluded_as(&[named("3.11", "a*.xml"), named("3.12", "b.xml")]);
        let report = result.expect("a result").report;
        assert_eq!((report.cases.len(), report.environments.len()), (1, 2));
        let columns = [
            ("3.11".into(), Outcome::Passed),
            ("3.12".into(), Outcome::Failed),
        ];
        assert_eq!(report.cases.get(0).to_whole().environments, columns);
        assert_eq!(report.warnings, Vec::<String>::new());
        fs::write(folder.join("none.xml"), "<testsuites/>").expect("written");
        let silent = concluded_as(&[named("3.11", "a*.xml"), named("3.12", "none.xml")]);
        let silent = silent.expect("a result");
        let reasons = &silent.verdict.reasons;
        assert!(matches!(reasons[0].anywhere(), Reason::NothingRan));
        assert_eq!(silent.exit(), Exit::NothingRan);
        let plain = concluded_as(&[folder.join("x=1.xml").into_string()]).expect("a result");
        assert!(plain.report.environments.is_empty());
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
