//! The same suite in several environments: each proves for itself that every test ran once, and all of
//! them are one report, in which a test is what it is where it went worst.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::merge::{Merged, ShardResult};
use super::verdict::{JobResults, coverage_reason, decide};
use crate::model::case::{Outcome, TestCase};
use crate::model::cases::Cases;
use crate::model::coverage::Coverage;
use crate::model::plan::Plan;
use crate::model::report::{EnvironmentRun, Report};
use crate::model::verdict::{Reason, Verdict};

/// What one environment left behind.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: Arc<str>,
    pub(crate) results: Vec<ShardResult>,
    pub(crate) merged: Merged,
}

/// One report of all environments, and what is decided over it.
pub(crate) fn conclude(
    plan: &Plan,
    parts: Vec<Part>,
    coverage: Option<&Coverage>,
    jobs: &JobResults,
) -> (Report, Verdict) {
    let mut reasons: Vec<Reason> = parts
        .iter()
        .flat_map(|part| reasons_of(plan, part, jobs))
        .collect();
    let results = parts.iter().flat_map(|part| &part.results);
    reasons.extend(coverage_reason(results, coverage));
    let failed_jobs = jobs.iter().filter(|(_, result)| *result != "success");
    reasons.extend(failed_jobs.map(|(job, result)| Reason::JobFailed {
        job: job.clone(),
        result: result.clone(),
    }));
    let reports = parts
        .into_iter()
        .map(|part| (part.name, part.merged.report));
    let report = unite(&plan.suite, reports.collect());
    reasons.extend(Reason::of_failures(report.totals()));
    reasons.sort();
    let verdict = Verdict {
        reasons,
        muted: Vec::new(),
    };
    (report, verdict)
}

/// What is against one environment, beside what is told of all together.
fn reasons_of(plan: &Plan, part: &Part, jobs: &JobResults) -> Vec<Reason> {
    let environment = || Arc::clone(&part.name);
    let reasons = decide(plan, &part.results, &part.merged, None, jobs).reasons;
    if part.results.is_empty() {
        let job_result = reasons.into_iter().find_map(|reason| match reason {
            Reason::ShardMissing { job_result, .. } => job_result,
            _ => None,
        });
        return vec![Reason::EnvironmentMissing {
            environment: environment(),
            job_result,
        }];
    }
    let of_it = |reason: &Reason| {
        !matches!(
            reason,
            Reason::TestsFailed { .. } | Reason::JobFailed { .. }
        )
    };
    let wrap = |reason| Reason::In {
        environment: environment(),
        reason: Box::new(reason),
    };
    reasons.into_iter().filter(of_it).map(wrap).collect()
}

/// One report of reports that each are whole in themselves.
pub(crate) fn unite(suite: &str, parts: Vec<(Arc<str>, Report)>) -> Report {
    let mut cases: BTreeMap<String, TestCase> = BTreeMap::new();
    let mut united = Report {
        suite: suite.to_owned(),
        cases: Cases::default(),
        shards: Vec::new(),
        environments: Vec::new(),
        warnings: Vec::new(),
    };
    for (name, report) in parts {
        for case in report.cases.iter() {
            let here = (Arc::clone(&name), case.outcome());
            match cases.get_mut(&*case.id()) {
                None => {
                    let environments = vec![here];
                    let case = TestCase {
                        environments,
                        ..case.to_whole()
                    };
                    cases.insert(case.id.as_str().to_owned(), case);
                }
                Some(known) => {
                    known.environments.push(here);
                    if weight(case.outcome()) > weight(known.outcome) {
                        let environments = std::mem::take(&mut known.environments);
                        *known = TestCase {
                            environments,
                            ..case.to_whole()
                        };
                    }
                }
            }
        }
        united
            .shards
            .extend(report.shards.into_iter().map(|mut run| {
                run.environment = Some(Arc::clone(&name));
                run
            }));
        let said = report.warnings.into_iter();
        united
            .warnings
            .extend(said.map(|warning| format!("in {name}: {warning}")));
        united.environments.push(EnvironmentRun {
            name,
            cases: report.cases,
        });
    }
    united.cases = cases.into_values().collect();
    united
}

/// The worst counts, but what ran in one environment is not skipped.
fn weight(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Skipped => 0,
        outcome => 1 + outcome as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::merge::merge;
    use crate::model::case_table::Case;
    use crate::model::plan::tests::plan;
    use crate::model::report::ShardRun;
    use crate::model::shard::Shard;
    use crate::pytest::log::ShardLog;

    /// One shard that ran these tests: `a+` passed, `a-` failed, `a?` was never started, `a~` was skipped.
    fn shard(plan: &Plan, shard: Shard, words: &str) -> ShardResult {
        let mut lines = vec![format!(
            r#"{{"e":"session","version":1,"shard":"{shard}","digest":"{}","at":1}}"#,
            plan.digest
        )];
        for word in words.split_whitespace() {
            let (id, how) = word.split_at(1);
            lines.push(format!(
                r#"{{"e":"items","at":1,"seconds":0,"items":[{{"id":"{id}","file":"f.py"}}]}}"#
            ));
            let outcome = match how {
                "+" => "passed",
                "-" => "failed",
                "~" => "skipped",
                _ => continue,
            };
            lines.push(format!(
                r#"{{"e":"start","id":"{id}","at":1}}
{{"e":"phase","id":"{id}","when":"call","outcome":"{outcome}","at":1,"seconds":0.1}}
{{"e":"finish","id":"{id}","at":2}}"#
            ));
        }
        lines.push(r#"{"e":"end","exit":0,"at":9}"#.to_owned());
        ShardResult {
            shard,
            manifest: None,
            log: Some(ShardLog::read(lines.join("\n").as_bytes()).expect("readable")),
            last_words: String::new(),
        }
    }

    /// Per environment its shards' words; an empty one left nothing.
    fn run(environments: &[(&str, &[&str])]) -> (Report, Vec<Reason>) {
        let plan = plan(2).seal();
        let parts: Vec<Part> = environments
            .iter()
            .map(|(name, words)| {
                let shards = Shard::all(2).zip(*words);
                let results: Vec<_> = shards.map(|(it, words)| shard(&plan, it, words)).collect();
                let merged = merge(&plan, &results);
                Part {
                    name: (*name).into(),
                    results,
                    merged,
                }
            })
            .collect();
        let (report, verdict) = conclude(&plan, parts, None, &JobResults::new());
        (report, verdict.reasons)
    }

    #[test]
    fn the_same_test_runs_once_in_each_environment() {
        let (report, reasons) = run(&[("one", &["a+", "b+"]), ("two", &["a+", "b~"])]);
        assert_eq!(reasons, []);
        let outcomes: Vec<Outcome> = report.cases.iter().map(Case::outcome).collect();
        assert_eq!(outcomes, [Outcome::Passed, Outcome::Passed]);
        let names: Vec<String> = report.shards.iter().map(ShardRun::name).collect();
        assert_eq!(
            names,
            ["1/2 in one", "2/2 in one", "1/2 in two", "2/2 in two"]
        );
    }

    #[test]
    fn a_test_is_what_it_is_where_it_went_worst_and_says_where_that_was() {
        let (report, reasons) = run(&[("one", &["a+", "b+"]), ("two", &["a-", "b+ c+"])]);
        assert_eq!(
            reasons,
            [Reason::TestsFailed {
                failed: 1,
                errors: 0
            }]
        );
        let case = report.cases.get(0).to_whole();
        assert_eq!(case.outcome, Outcome::Failed);
        let columns = [
            ("one".into(), Outcome::Passed),
            ("two".into(), Outcome::Failed),
        ];
        assert_eq!(case.environments, columns);
        assert_eq!(report.cases.get(2).to_whole().environments.len(), 1);
    }

    #[test]
    fn exactly_once_is_proven_for_each_environment() {
        let (_, twice) = run(&[("one", &["a+", "b+"]), ("two", &["a+", "a+"])]);
        assert!(
            matches!(&twice[..], [Reason::In { environment, reason }]
                if &**environment == "two" && matches!(**reason, Reason::RunTwice { .. })),
            "{twice:?}"
        );
        let (_, lost) = run(&[("one", &["a?", "b+"]), ("two", &["a+", "b+"])]);
        assert!(lost[0].is_loss() && matches!(lost[0], Reason::In { .. }));
        let (_, missing) = run(&[("one", &["a+", "b+"]), ("two", &["a+"])]);
        assert!(missing[0].is_loss());
        assert!(
            matches!(missing[0].anywhere(), Reason::ShardMissing { shard, .. } if shard.index() == 2)
        );
        let (_, gone) = run(&[("one", &["a+", "b+"]), ("two", &[])]);
        assert!(
            matches!(&gone[..], [Reason::EnvironmentMissing { environment, .. }] if &**environment == "two")
        );
        assert!(gone[0].is_loss());
    }
}
