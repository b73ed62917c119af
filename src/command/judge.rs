//! The verdict by the settings: beside a baseline, with thresholds, and with what counts.

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use fs_err as fs;

use super::conclude::Conclusion;
use crate::analysis::compare::compare;
use crate::analysis::policy::{self, FailOn};
use crate::model::comparison::Baseline;
use crate::model::verdict::Reason;
use crate::render::result_json::{RESULT_VERSION, ResultJson};

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct JudgeArgs {
    /// result.json of an earlier run to compare with
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<Utf8PathBuf>,

    /// Which failures of tests make the result red; lost tests always do
    #[arg(long, value_name = "WHICH", default_value = "failures")]
    pub(crate) fail_on: FailOn,

    /// Coverage in per cent below which the result is red
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub(crate) coverage_fail_under: Option<f64>,
}

fn percent(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.trim().trim_end_matches('%').trim_end().parse().ok();
    number
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| "it is not a number from 0 to 100".to_owned())
}

impl JudgeArgs {
    /// A conclusion as these settings see it. A baseline that is not there or cannot be read is a
    /// warning: the first run of a project has none.
    pub(crate) fn judge(&self, mut conclusion: Conclusion) -> Conclusion {
        let baseline = self.baseline.as_ref().and_then(|path| {
            let read = read(path, &conclusion.report.suite).with_context(|| path.to_string());
            let missing = |error| format!("there is no comparison with a baseline: {error:#}");
            read.map_err(|error| conclusion.report.warnings.push(missing(error)))
                .ok()
        });
        if let Some(baseline) = baseline {
            let whole = is_whole(&conclusion.verdict.reasons);
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
        reasons.sort();
        conclusion.verdict = policy::apply(
            conclusion.verdict,
            self.fail_on,
            conclusion.report.totals(),
            conclusion.comparison.as_ref(),
        );
        conclusion
    }
}

/// Whether a test that is not in the result is not in the suite either.
fn is_whole(reasons: &[Reason]) -> bool {
    !reasons.iter().any(|reason| {
        reason.is_loss()
            || matches!(
                reason,
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
