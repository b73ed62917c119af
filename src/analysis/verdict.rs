//! The decision: green only if every shard reported under the plan, every test ran exactly once to
//! its end and none failed.

use std::collections::BTreeMap;

use super::merge::{Merged, ShardResult, exit_status};
use crate::model::case::TestCase;
use crate::model::coverage::Coverage;
use crate::model::plan::Plan;
use crate::model::shard::Shard;
use crate::model::verdict::{Reason, Verdict};
use crate::pytest::log::ShardLog;

/// pytest's exit statuses (<https://docs.pytest.org/en/stable/reference/exit-codes.html>).
mod pytest_exit {
    pub(super) const OK: i32 = 0;
    pub(super) const TESTS_FAILED: i32 = 1;
    pub(super) const INTERRUPTED: i32 = 2;
    pub(super) const INTERNAL_ERROR: i32 = 3;
    pub(super) const NO_TESTS: i32 = 5;
}

/// How the jobs that publish waits for ended, by name: GitHub's `needs.*.result`.
pub(crate) type JobResults = BTreeMap<String, String>;

/// Decides over a merged run.
pub(crate) fn decide(
    plan: &Plan,
    results: &[ShardResult],
    merged: &Merged,
    coverage: Option<&Coverage>,
    jobs: &JobResults,
) -> Verdict {
    let failed_jobs = || jobs.iter().filter(|(_, result)| *result != "success");
    let mut reasons = Vec::new();
    for planned in &plan.shards {
        match results.iter().find(|result| result.shard == planned.shard) {
            None => reasons.push(Reason::ShardMissing {
                shard: planned.shard,
                job_result: failed_jobs()
                    .next()
                    .map(|(job, result)| format!("{job}: {result}")),
            }),
            Some(result) => reasons.extend(shard_reasons(plan, result)),
        }
    }
    for (id, shards) in &merged.run_twice {
        reasons.push(Reason::RunTwice {
            id: id.clone(),
            shards: shards.clone(),
        });
    }
    if !merged.left.is_empty() {
        reasons.push(Reason::UnitsLeft {
            units: merged.left.clone(),
        });
    }
    let totals = merged.report.totals();
    reasons.extend(Reason::of_failures(totals));
    for (job, result) in failed_jobs() {
        reasons.push(Reason::JobFailed {
            job: job.clone(),
            result: result.clone(),
        });
    }
    reasons.extend(coverage_reason(results, coverage));
    if totals.finished() == 0 && !reasons.iter().any(Reason::is_loss) {
        reasons.push(Reason::NothingRan);
    }
    reasons.sort();
    Verdict {
        reasons,
        muted: Vec::new(),
    }
}

fn shard_reasons(plan: &Plan, result: &ShardResult) -> Vec<Reason> {
    let shard = result.shard;
    let manifest = result.manifest.as_ref();
    let interrupted = manifest.and_then(|manifest| manifest.interrupted.clone());
    let log = result.log.as_ref().filter(|log| !log.sessions.is_empty());
    if let Some(digest) = foreign_digest(plan, result) {
        return vec![Reason::ForeignPlan { shard, digest }];
    }
    let Some(log) = log else {
        return vec![match interrupted {
            Some(detail) => Reason::ShardCrashed {
                shard,
                detail,
                running: Vec::new(),
                not_run: 0,
            },
            None => Reason::PluginNotLoaded {
                shard,
                exit_status: exit_status(Some(result)),
                said: result.last_words.clone(),
            },
        }];
    };
    let mut reasons: Vec<Reason> = log
        .collect_errors
        .iter()
        .map(|error| Reason::CollectionFailed {
            shard,
            what: error.what.clone(),
            message: error.message.clone(),
            location: error.location.clone(),
        })
        .collect();
    let internal = log.internal_errors.iter().map(|text| last_line(text));
    reasons.extend(internal.map(|message| Reason::InternalError { shard, message }));
    let ids = |cases: &[TestCase]| cases.iter().map(|case| case.id.clone()).collect::<Vec<_>>();
    if interrupted.is_some() || !log.is_closed() {
        reasons.push(Reason::ShardCrashed {
            shard,
            detail: interrupted.unwrap_or_else(|| ended_without_a_word(result)),
            running: ids(&log.unfinished),
            not_run: log.not_run.len(),
        });
    } else if !(log.unfinished.is_empty() && log.not_run.is_empty()) {
        reasons.push(Reason::TestsLost {
            shard,
            unfinished: ids(&log.unfinished),
            not_run: ids(&log.not_run),
        });
    }
    reasons.extend(unexplained_exit(
        shard,
        exit_status(Some(result)),
        log,
        &reasons,
    ));
    reasons
}

fn foreign_digest(plan: &Plan, result: &ShardResult) -> Option<String> {
    let told = result
        .manifest
        .as_ref()
        .map(|manifest| &manifest.plan_digest);
    let ran = result
        .log
        .iter()
        .flat_map(|log| &log.sessions)
        .map(|session| &session.digest);
    told.into_iter()
        .chain(ran)
        .find(|digest| **digest != plan.digest)
        .cloned()
}

fn ended_without_a_word(result: &ShardResult) -> String {
    match exit_status(Some(result)) {
        Some(status) if status > 128 => format!("it was ended by signal {}", status - 128),
        Some(status) => format!("pytest ended with status {status} before its session did"),
        None => "it was killed, or its machine was lost".to_owned(),
    }
}

/// A failing exit status that neither a test nor anything else said so far explains.
fn unexplained_exit(
    shard: Shard,
    status: Option<i32>,
    log: &ShardLog,
    reasons: &[Reason],
) -> Option<Reason> {
    let exit_status = status?;
    let failed = log.finished.iter().any(|case| case.outcome.is_failure());
    let explained = match exit_status {
        pytest_exit::OK | pytest_exit::NO_TESTS => true,
        pytest_exit::TESTS_FAILED => failed || !reasons.is_empty(),
        pytest_exit::INTERRUPTED | pytest_exit::INTERNAL_ERROR => !reasons.is_empty(),
        // A status of the command around pytest, such as make's 2, after failing tests.
        _ => {
            failed
                || reasons
                    .iter()
                    .any(|reason| matches!(reason, Reason::ShardCrashed { .. }))
        }
    };
    let said = log.interruptions.last().map(|text| last_line(text));
    (!explained).then(|| Reason::PytestFailed {
        shard,
        exit_status,
        detail: said.unwrap_or_default(),
    })
}

/// pytest-cov's `--cov-fail-under`, which only the merged result can judge.
pub(super) fn coverage_reason<'a>(
    results: impl IntoIterator<Item = &'a ShardResult>,
    coverage: Option<&Coverage>,
) -> Option<Reason> {
    let logs = results.into_iter().filter_map(|result| result.log.as_ref());
    let wanted = logs
        .filter_map(|log| log.coverage_fail_under)
        .reduce(f64::max)?;
    let percent = coverage?.totals().percent();
    (percent < wanted).then(|| Reason::BelowThreshold {
        what: format!("coverage is {percent:.2} %, below the {wanted} % of --cov-fail-under"),
    })
}

fn last_line(text: &str) -> String {
    text.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::merge::merge;
    use crate::model::case::Outcome;
    use crate::model::plan::tests::plan;
    use crate::model::shard_manifest::{MANIFEST_VERSION, ShardManifest};

    fn result(plan: &Plan, shard: Shard, events: &str) -> ShardResult {
        let session = format!(
            r#"{{"e":"session","version":1,"shard":"{shard}","digest":"{}","at":1}}"#,
            plan.digest
        );
        ShardResult {
            shard,
            last_words: String::new(),
            manifest: Some(ShardManifest {
                version: MANIFEST_VERSION,
                shard,
                suite: plan.suite.clone(),
                plan_digest: plan.digest.clone(),
                attempt: 1,
                started: 1.0,
                ended: Some(2.0),
                exit_status: None,
                interrupted: None,
                gave_back: None,
                retry_broken: None,
                environment: String::new(),
                totals: crate::model::case::Totals::default(),
                peak_memory: None,
            }),
            log: Some(ShardLog::read(format!("{session}\n{events}").as_bytes()).expect("a log")),
        }
    }

    fn items(ids: &[&str]) -> String {
        let items: Vec<String> = ids
            .iter()
            .map(|id| format!(r#"{{"id":"{id}","file":"a.py"}}"#))
            .collect();
        format!(
            "{{\"e\":\"items\",\"at\":1,\"seconds\":0,\"items\":[{}]}}\n",
            items.join(",")
        )
    }

    fn test(id: &str, outcome: &str) -> String {
        format!(
            "{{\"e\":\"start\",\"id\":\"{id}\",\"at\":1}}\n{{\"e\":\"phase\",\"id\":\"{id}\",\"when\":\"call\",\"outcome\":\"{outcome}\",\"at\":1,\"seconds\":0.1}}\n{{\"e\":\"finish\",\"id\":\"{id}\",\"at\":2}}\n"
        )
    }

    const END: &str = "{\"e\":\"end\",\"exit\":0,\"at\":3}\n";

    fn end(exit: i32) -> String {
        END.replace(":0,", &format!(":{exit},"))
    }

    fn decided(plan: &Plan, results: &[ShardResult], jobs: &[(&str, &str)]) -> Verdict {
        let jobs = jobs
            .iter()
            .map(|(job, result)| ((*job).into(), (*result).into()))
            .collect();
        decide(plan, results, &merge(plan, results), None, &jobs)
    }

    fn two_shards(one: &str, two: &str) -> Verdict {
        let plan = plan(2).seal();
        let shards: Vec<Shard> = Shard::all(2).collect();
        let results = [result(&plan, shards[0], one), result(&plan, shards[1], two)];
        decided(&plan, &results, &[])
    }

    #[test]
    fn is_green_when_every_test_ran_once_and_passed() {
        let one = items(&["a"]) + &test("a", "passed") + END;
        let two = items(&[]) + &end(5);
        assert_eq!(two_shards(&one, &two).reasons, []);
    }

    #[test]
    fn is_red_for_a_missing_shard_whatever_the_others_say() {
        let plan = plan(2).seal();
        let first = Shard::all(2).next().expect("a shard");
        let ran = result(&plan, first, &(items(&["a"]) + &test("a", "passed") + END));
        let verdict = decided(&plan, &[ran], &[("plan", "success"), ("test", "cancelled")]);
        assert!(verdict.has_loss());
        assert!(matches!(
            &verdict.reasons[0],
            Reason::ShardMissing { shard, job_result: Some(job) }
                if shard.index() == 2 && job == "test: cancelled"
        ));
    }

    #[test]
    fn is_red_for_a_test_that_ran_in_two_shards() {
        let one = items(&["a"]) + &test("a", "passed") + END;
        let verdict = two_shards(&one, &one);
        assert!(
            matches!(&verdict.reasons[..], [Reason::RunTwice { shards, .. }] if shards.len() == 2)
        );
    }

    #[test]
    fn is_red_for_a_test_that_was_collected_and_never_run() {
        let one = items(&["a", "b"]) + &test("a", "passed") + END;
        let verdict = two_shards(&one, &(items(&[]) + &end(5)));
        assert!(
            matches!(&verdict.reasons[..], [Reason::TestsLost { not_run, .. }] if not_run.len() == 1)
        );
    }

    #[test]
    fn names_the_running_test_of_a_killed_shard() {
        let one = items(&["a", "b"]) + "{\"e\":\"start\",\"id\":\"a\",\"at\":1}\n";
        let verdict = two_shards(&one, &(items(&["c"]) + &test("c", "passed") + END));
        assert!(matches!(
            &verdict.reasons[..],
            [Reason::ShardCrashed { running, not_run: 1, .. }] if running[0].as_str() == "a"
        ));
    }

    #[test]
    fn is_red_for_a_shard_of_another_plan() {
        let (mine, other) = (plan(1).seal(), plan(2).seal());
        let shard = Shard::all(1).next().expect("a shard");
        let verdict = decided(&mine, &[result(&other, shard, END)], &[]);
        assert!(matches!(&verdict.reasons[..], [Reason::ForeignPlan { .. }]));
    }

    #[test]
    fn is_red_when_nothing_ran() {
        let verdict = two_shards(&(items(&[]) + &end(5)), &(items(&[]) + &end(5)));
        assert_eq!(verdict.reasons, [Reason::NothingRan]);
    }

    #[test]
    fn is_red_for_an_exit_status_that_no_test_explains() {
        let passed = items(&["a"]) + &test("a", "passed");
        let failed = items(&["b"]) + &test("b", "failed");
        let verdict = two_shards(&(passed + &end(1)), &(failed + &end(1)));
        assert!(matches!(
            &verdict.reasons[..],
            [Reason::TestsFailed { failed: 1, errors: 0 }, Reason::PytestFailed { shard, .. }]
                if shard.index() == 1
        ));
    }

    #[test]
    fn a_lost_case_has_no_other_outcome() {
        let plan = plan(1).seal();
        let shard = Shard::all(1).next().expect("a shard");
        let results = [result(&plan, shard, &items(&["a"]))];
        let merged = merge(&plan, &results);
        assert_eq!(merged.report.cases.get(0).outcome(), Outcome::Lost);
    }
}
