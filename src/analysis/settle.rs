//! What counts of a run whose shards took units from a queue: each unit once, from the shard that ran
//! it to its end.
//!
//! A shard that died gave back the unit it was running, and all of its units if the coverage it had
//! measured died with it. What another shard ran instead is what counts; what the dead one saw stays
//! visible: a test that ran, or was running there, has one attempt more, and one that failed or was
//! running there is flaky at best.

use std::collections::{BTreeMap, BTreeSet};

use super::merge::ShardResult;
use crate::model::case::{Phase, Problem, ProblemKind, TestCase};
use crate::model::node_id::NodeId;
use crate::model::plan::Plan;
use crate::model::shard::Shard;
use crate::pytest::log::{Broken, ShardLog};

/// The shards, and what is to be said about them.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(crate) results: Vec<ShardResult>,
    pub(crate) warnings: Vec<String>,
    /// Units that no shard ran to their end and whose tests are not named as lost, by name.
    pub(crate) left: Vec<String>,
}

/// Where nothing was taken from a queue, everything stays as it is.
pub(crate) fn settle(plan: &Plan, mut results: Vec<ShardResult>) -> Settled {
    let logs = || results.iter().filter_map(|it| it.log.as_ref());
    let has_taken = logs().any(ShardLog::is_dynamic);
    let has_run = logs().any(|log| !log.sessions.is_empty());
    let queue = plan.queue.as_ref();
    let Some(queue) = queue.filter(|_| has_taken) else {
        return Settled {
            warnings: queue
                .filter(|_| has_run)
                .map(|_| STATIC.to_owned())
                .into_iter()
                .collect(),
            results,
            left: Vec::new(),
        };
    };
    let winners = winners(&results);
    let mut left: BTreeSet<usize> = (0..queue.units.len()).collect();
    left.retain(|unit| !winners.contains_key(unit));
    let mut has_broken = BTreeSet::new();
    let mut seen_before: Vec<Before> = Vec::new();
    for result in &mut results {
        let (shard, Some(log)) = (result.shard, &mut result.log) else {
            continue;
        };
        for broken in std::mem::take(&mut log.broken) {
            match winners.get(&broken.unit) {
                Some(winner) if !winner.is(shard, &broken) => {
                    seen_before.push(Before {
                        died: shard,
                        winner: winner.shard,
                        broken,
                    });
                }
                _ => {
                    has_broken.insert(shard);
                    // What it had not even collected has no test to name.
                    if broken.unfinished.is_empty() && broken.not_run.is_empty() {
                        left.insert(broken.unit);
                    }
                    log.take_back(broken);
                }
            }
        }
    }
    let mut warnings = Vec::new();
    for before in seen_before {
        before.mark(&mut results);
    }
    let whole: BTreeSet<Shard> = results
        .iter()
        .filter(|it| is_whole(it) && !has_broken.contains(&it.shard))
        .map(|it| it.shard)
        .collect();
    for result in results.iter_mut().filter(|it| whole.contains(&it.shard)) {
        warnings.extend(forgive(result));
    }
    Settled {
        results,
        warnings,
        left: left
            .into_iter()
            .filter_map(|unit| queue.units.get(unit).cloned())
            .collect(),
    }
}

const STATIC: &str = "the shards ran what the plan deals them: under pytest-xdist they cannot take more while they run";

/// Who ran a unit last, and to its end if anybody did.
struct Winner {
    shard: Shard,
    /// Session and time; `None` if it ran to its end.
    broken: Option<(usize, f64)>,
}

impl Winner {
    fn is(&self, shard: Shard, broken: &Broken) -> bool {
        self.shard == shard && self.broken == Some((broken.session, broken.at))
    }
}

fn winners(results: &[ShardResult]) -> BTreeMap<usize, Winner> {
    let mut winners: BTreeMap<usize, Winner> = BTreeMap::new();
    for result in results {
        let (shard, Some(log)) = (result.shard, &result.log) else {
            continue;
        };
        for broken in &log.broken {
            let later = winners.get(&broken.unit).is_none_or(|known| {
                known
                    .broken
                    .is_some_and(|(_, at)| at.total_cmp(&broken.at).is_lt())
            });
            if later {
                let broken_at = Some((broken.session, broken.at));
                winners.insert(
                    broken.unit,
                    Winner {
                        shard,
                        broken: broken_at,
                    },
                );
            }
        }
        for unit in &log.units {
            winners.insert(
                *unit,
                Winner {
                    shard,
                    broken: None,
                },
            );
        }
    }
    winners
}

/// A try that does not count.
struct Before {
    died: Shard,
    winner: Shard,
    broken: Broken,
}

impl Before {
    fn mark(self, results: &mut [ShardResult]) {
        let Self {
            died,
            winner,
            broken,
        } = self;
        let Some(log) = log_of(results, winner) else {
            return;
        };
        let lists = [&mut log.finished, &mut log.unfinished, &mut log.not_run];
        let lists = lists.into_iter().flatten();
        let mut cases: BTreeMap<NodeId, &mut TestCase> =
            lists.map(|case| (case.id.clone(), case)).collect();
        let mut again = |before: TestCase, message: &str| match cases.get_mut(&before.id) {
            Some(case) => {
                ran_before(case, before, message);
                None
            }
            None => Some(before),
        };
        let ended = format!("shard {died} died later; the test ran again in shard {winner}");
        let running = format!("shard {died} died while it ran; it ran again in shard {winner}");
        let finished = broken.finished.into_iter();
        let unfinished = broken.unfinished.into_iter();
        // What the second try did not have is what the first one says it is.
        let gone = Broken {
            finished: finished.filter_map(|it| again(it, &ended)).collect(),
            unfinished: unfinished.filter_map(|it| again(it, &running)).collect(),
            not_run: broken
                .not_run
                .into_iter()
                .filter(|it| !cases.contains_key(&it.id))
                .collect(),
            ..Broken::default()
        };
        if let Some(log) = log_of(results, died) {
            log.take_back(gone);
        }
    }
}

fn log_of(results: &mut [ShardResult], shard: Shard) -> Option<&mut ShardLog> {
    results
        .iter_mut()
        .find(|it| it.shard == shard)?
        .log
        .as_mut()
}

fn ran_before(again: &mut TestCase, mut before: TestCase, message: &str) {
    before.problems.push(Problem {
        phase: Phase::Call,
        kind: ProblemKind::Rerun,
        message: message.to_owned(),
        text: String::new(),
        location: None,
        subtest: None,
    });
    again.comes_after(before);
}

/// A shard that died of itself and of whose tests none is missing.
fn is_whole(result: &ShardResult) -> bool {
    let gave_back = result
        .manifest
        .as_ref()
        .is_none_or(|manifest| manifest.interrupted.is_none() || manifest.gave_back.is_some());
    result.log.as_ref().is_some_and(|log| {
        let rest = log.unfinished.is_empty() && log.not_run.is_empty();
        gave_back && rest && log.is_dynamic() && !log.is_closed()
    })
}

/// Its end is no reason against the run any more; what is said about it instead.
fn forgive(result: &mut ShardResult) -> Option<String> {
    let log = result.log.as_mut()?;
    for session in log.sessions.iter_mut().filter(|it| it.end.is_none()) {
        session.replaced = true;
    }
    let manifest = result.manifest.as_mut();
    let why = manifest.and_then(|manifest| {
        // The status is that of its last process, which may have been another one.
        if log.sessions.last().is_some_and(|it| it.replaced) {
            manifest.exit_status = None;
        }
        manifest.interrupted.take()
    });
    let why = why.map_or_else(String::new, |why| format!(" ({why})"));
    Some(format!(
        "shard {} died{why}: what it had not finished ran again in other shards",
        result.shard
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::merge::merge;
    use crate::analysis::verdict::decide;
    use crate::model::case::Outcome;
    use crate::model::plan::Queue;
    use crate::model::plan::tests::plan;
    use crate::model::verdict::{Reason, Verdict};

    const START: &str =
        r#"{"e":"session","version":1,"shard":"S","digest":"D","at":1,"dynamic":true}"#;

    /// Words are units: `a` ran to its end, `a*` was running, `a!` failed before, `a?` had not begun, `a#` was not even collected;
    /// `END` ends the session, `START` begins another.
    fn log(digest: &str, shard: &str, words: &str) -> ShardLog {
        let start = START.replace('D', digest).replace('S', shard);
        let mut lines = vec![start.clone()];
        for (at, word) in (2..).zip(words.split_whitespace()) {
            let (name, how) = word.split_at(1);
            let line = |text: &str| {
                text.replace("ID", &format!("{name}.py::x"))
                    .replace("AT", &format!("{at}"))
            };
            match word {
                "END" => lines.push(r#"{"e":"end","exit":0,"at":99}"#.to_owned()),
                "START" => lines.push(start.clone()),
                _ => {
                    let unit = u32::from(name.as_bytes()[0] - b'a');
                    lines.push(format!(r#"{{"e":"unit","unit":{unit},"at":{at}}}"#));
                    lines.push(line(
                        r#"{"e":"items","at":AT,"seconds":0,"items":[{"id":"ID","file":"f"}]}"#,
                    ));
                    if how != "?" {
                        lines.push(line(r#"{"e":"start","id":"ID","at":AT}"#));
                    }
                    if how == "!" {
                        lines.push(line(r#"{"e":"phase","id":"ID","when":"call","outcome":"failed","at":AT,"seconds":0.1}"#));
                    }
                    if matches!(how, "" | "!") {
                        lines.push(line(r#"{"e":"finish","id":"ID","at":AT}"#));
                    }
                    if how.is_empty() {
                        lines.push(format!(r#"{{"e":"unit_end","unit":{unit},"at":{at}}}"#));
                    }
                }
            }
        }
        ShardLog::read(lines.join("\n").as_bytes()).expect("readable")
    }

    struct Run {
        verdict: Verdict,
        cases: Vec<TestCase>,
        warnings: Vec<String>,
    }

    /// Two units, `a` and `b`, and what two shards say.
    fn run(one: &str, two: &str) -> Run {
        let mut plan = plan(2);
        plan.queue = Some(Queue {
            units: vec!["a.py".into(), "b.py".into()],
            ..Queue::default()
        });
        let plan = plan.seal();
        let results = Shard::all(2)
            .zip([one, two])
            .map(|(shard, words)| ShardResult {
                shard,
                manifest: None,
                log: Some(log(&plan.digest, &shard.to_string(), words)),
                last_words: String::new(),
            });
        let settled = settle(&plan, results.collect());
        let mut merged = merge(&plan, &settled.results);
        merged.left = settled.left;
        Run {
            verdict: decide(&plan, &settled.results, &merged, None, &BTreeMap::new()),
            cases: merged.report.cases.into_whole(),
            warnings: settled.warnings,
        }
    }

    fn outcomes(run: &Run) -> Vec<(Outcome, u32)> {
        run.cases
            .iter()
            .map(|it| (it.outcome, it.attempts))
            .collect()
    }

    use Outcome::{Flaky, Lost, Passed};

    #[test]
    fn what_every_shard_ran_to_its_end_is_green() {
        let run = run("a END", "b END");
        assert!(run.verdict.is_green() && run.warnings.is_empty());
        assert_eq!(outcomes(&run), [(Passed, 1), (Passed, 1)]);
    }

    #[test]
    fn a_test_that_a_shard_died_on_is_flaky_where_it_ran_again() {
        for run in [run("a*", "b a END"), run("a* START a END", "b END")] {
            assert_eq!(run.verdict.reasons, []);
            assert_eq!(outcomes(&run), [(Flaky, 2), (Passed, 1)]);
            assert_eq!(run.cases[0].problems[0].kind, ProblemKind::Rerun);
            assert!(
                run.cases[0].problems[0]
                    .message
                    .starts_with("shard 1/2 died while it ran")
            );
            assert_eq!(
                run.warnings,
                ["shard 1/2 died: what it had not finished ran again in other shards"]
            );
        }
    }

    #[test]
    fn a_failure_that_a_dead_shard_saw_is_not_forgotten() {
        let seen = run("a!", "b a END");
        assert!(seen.verdict.is_green());
        assert_eq!(outcomes(&seen), [(Flaky, 2), (Passed, 1)]);
        let waited = run("a?", "b a END");
        assert_eq!(outcomes(&waited), [(Passed, 1), (Passed, 1)]);
    }

    #[test]
    fn what_killed_two_shards_is_lost_and_named_once() {
        let run = run("a*", "b a*");
        assert_eq!(outcomes(&run), [(Lost, 2), (Passed, 1)]);
        assert!(
            matches!(
                run.verdict.reasons.as_slice(),
                [Reason::ShardCrashed { shard, running, .. }]
                    if shard.index() == 2 && running[0].as_str() == "a.py::x"
            ),
            "{:?}",
            run.verdict.reasons
        );
    }

    #[test]
    fn a_unit_that_ran_to_its_end_twice_is_red() {
        let run = run("a END", "a b END");
        assert!(matches!(
            run.verdict.reasons.as_slice(),
            [Reason::RunTwice { .. }]
        ));
    }

    #[test]
    fn a_unit_that_nobody_ran_is_red() {
        let run = run("a END", "END");
        assert_eq!(
            run.verdict.reasons,
            [Reason::UnitsLeft {
                units: vec!["b.py".into()]
            }]
        );
        assert!(run.verdict.has_loss());
    }

    #[test]
    fn a_unit_that_was_broken_off_and_not_run_again_is_red() {
        for how in ["a*", "a?", "a!", "a#", "a# START END"] {
            for other in ["b END", "b a#"] {
                let run = run(how, other);
                assert!(run.verdict.has_loss(), "{how}, {other}");
            }
        }
    }
}
