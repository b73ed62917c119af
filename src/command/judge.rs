//! The verdict by the settings: beside a baseline, with thresholds, and with what counts.

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use fs_err as fs;

use super::change::{self, Root};
use super::conclude::Conclusion;
use crate::analysis::compare::compare;
use crate::analysis::policy::{self, FailOn, Failures};
use crate::analysis::quarantine::Quarantine;
use crate::coverage::diff::{self, Change, Patch};
use crate::model::comparison::Baseline;
use crate::model::exit::UsageError;
use crate::model::verdict::Reason;
use crate::render::result_json::{RESULT_VERSION, ResultJson};

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct JudgeArgs {
    /// result.json of an earlier run to compare with [default: on GitHub the newest of the base branch
    /// whose commit is an ancestor]
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<Utf8PathBuf>,

    /// Which failures of tests make the result red; lost tests always do
    #[arg(long, value_name = "WHICH", default_value = "failures")]
    pub(crate) fail_on: FailOn,

    /// Coverage in per cent below which the result is red
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) coverage_fail_under: Option<f64>,

    /// Coverage in per cent of the lines a change adds below which the result is red
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) patch_fail_under: Option<f64>,

    /// TOML file of tests known to be flaky, each with its reason, owner and last day: their failures are
    /// shown and do not count
    #[arg(long, value_name = "FILE")]
    pub(crate) quarantine: Option<Utf8PathBuf>,

    /// What the change is compared with: a branch, tag or commit that git knows here [default: what a
    /// pull request on GitHub is merged into, else there is no change]
    #[arg(long, value_name = "REF")]
    pub(crate) base: Option<String>,
}

/// What else is known of a run; nothing where nobody was asked.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    /// The baseline's file, or why there is none.
    pub(crate) baseline: Option<Result<Utf8PathBuf, String>>,
    /// Or why it is not known.
    pub(crate) change: Option<Result<Change, String>>,
    pub(crate) quarantine: Quarantine,
}

fn percent(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.trim().trim_end_matches('%').trim_end().parse().ok();
    number
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| "it is not a number from 0 to 100".to_owned())
}

impl JudgeArgs {
    /// What this machine alone can tell.
    ///
    /// # Errors
    /// git does not know the base that was asked for; the quarantine cannot be read.
    pub(crate) fn beside(&self) -> Result<Beside> {
        let list = self.quarantine.as_ref().map(|path| {
            let usage = |what: String| UsageError(format!("--quarantine {path}: {what}"));
            let text = fs::read_to_string(path).map_err(|error| usage(error.to_string()))?;
            Quarantine::parse(&text).map_err(usage)
        });
        let base = self.base.as_deref();
        let change = base.map(|base| change::of_checkout(Some(base), Root::Repository));
        Ok(Beside {
            baseline: self.baseline.clone().map(Ok),
            change: change.transpose()?.map(Ok),
            quarantine: list.transpose()?.unwrap_or_default(),
        })
    }

    /// A conclusion as these settings see it. A baseline that is not there or cannot be read is told:
    /// the first run of a project has none.
    pub(crate) fn judge(&self, mut conclusion: Conclusion, beside: Beside) -> Conclusion {
        let Beside {
            baseline,
            change,
            quarantine,
        } = beside;
        let whole = is_whole(&conclusion.verdict.reasons);
        let today = jiff::Timestamp::now()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date();
        let found = quarantine.find(&conclusion.report, today, whole);
        conclusion.report.warnings.extend(found.warnings);
        conclusion.quarantined = found.tests;
        let baseline = baseline.and_then(|found| match found {
            Ok(path) => {
                let read = read(&path, &conclusion.report.suite).with_context(|| path.to_string());
                let missing = |error| format!("there is no comparison with a baseline: {error:#}");
                read.map_err(|error| conclusion.report.warnings.push(missing(error)))
                    .ok()
            }
            Err(reason) => {
                conclusion.not_compared = Some(reason);
                None
            }
        });
        let has_change = change.is_some();
        match change {
            Some(Ok(Change { against, added })) => {
                let coverage = conclusion.coverage.as_ref();
                let coverage = coverage.map(|coverage| diff::patch(coverage, &added));
                conclusion.patch = coverage.map(|coverage| Patch { against, coverage });
            }
            Some(Err(reason)) => {
                let warning = format!("the coverage of the change is not known: {reason}");
                conclusion.report.warnings.push(warning);
            }
            None => {}
        }
        if let Some(baseline) = baseline {
            conclusion.comparison = Some(compare(&conclusion.report, &baseline, whole));
        } else if self.fail_on == FailOn::Regressions {
            let warning =
                "without a baseline nobody knows what is a regression: every failure counts";
            conclusion.report.warnings.push(warning.to_owned());
        }
        let wanted = self.coverage_fail_under;
        let coverage = conclusion.coverage.as_ref();
        let reasons = &mut conclusion.verdict.reasons;
        reasons.extend(wanted.and_then(|wanted| policy::coverage_below(wanted, coverage)));
        if has_change && (conclusion.patch.is_some() || coverage.is_none()) {
            let wanted = self.patch_fail_under;
            let patch = conclusion.patch.as_ref();
            reasons.extend(wanted.and_then(|wanted| policy::patch_below(wanted, patch)));
        }
        reasons.sort();
        let failures = Failures::of(
            &conclusion.report,
            &conclusion.quarantined,
            conclusion.comparison.as_ref(),
        );
        conclusion.verdict = policy::apply(conclusion.verdict, self.fail_on, failures);
        conclusion
    }
}

/// Whether a test that is not in the result is not in the suite either.
fn is_whole(reasons: &[Reason]) -> bool {
    !reasons.iter().any(|reason| {
        reason.is_loss()
            || matches!(
                reason.anywhere(),
                Reason::CollectionFailed { .. }
                    | Reason::InternalError { .. }
                    | Reason::PytestFailed { .. }
                    | Reason::NothingRan
            )
    })
}

fn read(path: &Utf8Path, suite: &str) -> Result<Baseline> {
    let result: ResultJson = serde_json::from_slice(&fs::read(path)?)?;
    anyhow::ensure!(
        result.version == RESULT_VERSION,
        "it is of version {}",
        result.version
    );
    anyhow::ensure!(
        result.suite == suite,
        "it is of the suite `{}`",
        result.suite
    );
    Ok(result.baseline())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_a_per_cent() {
        assert_eq!(percent("80"), Ok(80.0));
        assert_eq!(percent("99.5 %"), Ok(99.5));
        for odd in ["", "NaN", "-1", "101", "high"] {
            assert!(percent(odd).is_err(), "{odd}");
        }
    }
}
