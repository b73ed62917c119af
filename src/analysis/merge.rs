//! Many shards into one report: every test once, the missing ones too.

use std::collections::BTreeMap;

use crate::model::case::{Phase, TestCase, Totals};
use crate::model::node_id::NodeId;
use crate::model::plan::Plan;
use crate::model::report::{Report, ShardRun};
use crate::model::shard::Shard;
use crate::model::shard_manifest::ShardManifest;
use crate::pytest::log::ShardLog;

/// What one shard left behind: at least one of the two.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ShardResult {
    pub(crate) shard: Shard,
    pub(crate) manifest: Option<ShardManifest>,
    pub(crate) log: Option<ShardLog>,
    /// The end of its output, where nothing else is known of it.
    pub(crate) last_words: String,
}

/// The report and the tests that more than one shard ran.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Merged {
    pub(crate) report: Report,
    pub(crate) run_twice: Vec<(NodeId, Vec<Shard>)>,
    /// Units of the plan's queue that nobody ran, by name.
    pub(crate) left: Vec<String>,
}

/// Brings the shards together. A test that two shards ran keeps its worst outcome.
pub(crate) fn merge(plan: &Plan, results: &[ShardResult]) -> Merged {
    let mut cases: BTreeMap<NodeId, (TestCase, Vec<Shard>)> = BTreeMap::new();
    let mut warnings = Vec::new();
    for result in results {
        let manifest = result.manifest.as_ref();
        if let Some(why) = manifest.and_then(|manifest| manifest.retry_broken.as_ref()) {
            warnings.push(format!(
                "shard {}: the retry in a fresh environment does not count, what failed stays failed: {why}",
                result.shard
            ));
        }
        let Some(log) = &result.log else { continue };
        for case in log
            .finished
            .iter()
            .chain(&log.unfinished)
            .chain(&log.not_run)
        {
            let case = TestCase {
                shard: Some(result.shard),
                ..case.clone()
            };
            match cases.get_mut(&case.id) {
                None => {
                    cases.insert(case.id.clone(), (case, vec![result.shard]));
                }
                Some((known, shards)) => {
                    shards.push(result.shard);
                    if case.outcome > known.outcome {
                        *known = case;
                    }
                }
            }
        }
        if log.unreadable_lines > 1 {
            warnings.push(format!(
                "{} lines of the event log of shard {} could not be read",
                log.unreadable_lines, result.shard
            ));
        }
    }
    let run_twice = cases
        .values()
        .filter(|(case, shards)| shards.len() > 1 && !is_collection(case))
        .map(|(case, shards)| (case.id.clone(), shards.clone()))
        .collect();
    let cases: Vec<TestCase> = cases.into_values().map(|(case, _)| case).collect();
    let shards = plan
        .shards
        .iter()
        .map(|planned| {
            let result = results.iter().find(|result| result.shard == planned.shard);
            shard_run(planned.shard, planned.predicted_seconds, result, &cases)
        })
        .collect();
    Merged {
        report: Report {
            suite: plan.suite.clone(),
            cases: cases.into(),
            shards,
            environments: Vec::new(),
            warnings,
        },
        run_twice,
        left: Vec::new(),
    }
}

/// What could not be collected, such as a folder's conftest.py, may concern several shards.
fn is_collection(case: &TestCase) -> bool {
    case.problems
        .iter()
        .any(|problem| problem.phase == Phase::Collect)
}

fn shard_run(
    shard: Shard,
    predicted_seconds: Option<f64>,
    result: Option<&ShardResult>,
    cases: &[TestCase],
) -> ShardRun {
    let manifest = result.and_then(|result| result.manifest.as_ref());
    let log = result.and_then(|result| result.log.as_ref());
    let sessions = || log.iter().flat_map(|log| &log.sessions);
    let first = sessions().map(|session| session.started).reduce(f64::min);
    let last = sessions()
        .filter_map(|session| session.end.map(|(at, _)| at))
        .reduce(f64::max);
    ShardRun {
        shard,
        environment: None,
        attempt: manifest.map_or(1, |manifest| manifest.attempt),
        predicted_seconds,
        started: first.or(manifest.map(|manifest| manifest.started)),
        ended: last.or(manifest.and_then(|manifest| manifest.ended)),
        exit_status: exit_status(result),
        totals: Totals::of(cases.iter().filter(|case| case.shard == Some(shard))),
    }
}

/// The command's own status where somebody waited for it, else what pytest said last.
pub(crate) fn exit_status(result: Option<&ShardResult>) -> Option<i32> {
    let result = result?;
    let told = result
        .manifest
        .as_ref()
        .and_then(|manifest| manifest.exit_status);
    told.or_else(|| result.log.as_ref().and_then(ShardLog::exit_status))
}
