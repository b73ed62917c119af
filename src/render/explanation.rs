//! Each reason of a red verdict in words: what happened, and what to do about it.

use crate::model::case::Location;
use crate::model::node_id::NodeId;
use crate::model::shard::Shard;
use crate::model::verdict::Reason;

use super::sentence::Sentence;
use super::visible;
use super::words;

/// Names in one sentence; the rest is counted.
const NAMES: usize = 3;

/// A line of an error inside of a sentence, in bytes.
const DETAIL_BYTES: usize = 300;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Explanation {
    /// Fits into a headline.
    pub(crate) brief: Sentence,
    pub(crate) what: Sentence,
    /// What to do next.
    pub(crate) advice: Option<Sentence>,
    /// The line it is about.
    pub(crate) location: Option<Location>,
}

impl Explanation {
    /// In one line: `what; advice`.
    pub(crate) fn plain(&self) -> String {
        match &self.advice {
            Some(advice) => format!("{}; {}", self.what.plain(), advice.plain()),
            None => self.what.plain(),
        }
    }

    fn new(brief: Sentence, what: Sentence, advice: Sentence) -> Self {
        Self {
            brief,
            what,
            advice: Some(advice),
            location: None,
        }
    }

    /// As what holds in one of several environments.
    fn within(self, environment: &str) -> Self {
        let place = || Sentence::words("in ").name(environment).and(": ");
        Self {
            brief: place().join(self.brief),
            what: place().join(self.what),
            ..self
        }
    }

    fn without_advice(what: Sentence) -> Self {
        Self {
            brief: what.clone(),
            what,
            advice: None,
            location: None,
        }
    }
}

impl From<&Reason> for Explanation {
    fn from(reason: &Reason) -> Self {
        match reason {
            Reason::EnvironmentMissing {
                environment,
                job_result,
            } => environment_missing(environment, job_result.as_deref()),
            Reason::In {
                environment,
                reason,
            } => Self::from(&**reason).within(environment),
            Reason::ShardMissing { shard, job_result } => missing(*shard, job_result.as_deref()),
            Reason::ForeignPlan { shard, digest } => foreign_plan(*shard, digest),
            Reason::PluginNotLoaded {
                shard,
                exit_status,
                said,
            } => not_loaded(*shard, *exit_status, said),
            Reason::ShardCrashed {
                shard,
                detail,
                running,
                not_run,
            } => crashed(*shard, detail, running, *not_run),
            Reason::TestsLost {
                shard,
                unfinished,
                not_run,
            } => lost(*shard, unfinished, not_run),
            Reason::UnitsLeft { units } => left(units),
            Reason::RunTwice { id, shards } => run_twice(id, shards),
            Reason::CollectionFailed {
                shard,
                what,
                message,
                location,
            } => {
                let location = location.clone();
                Self {
                    location,
                    ..not_collected(*shard, what, message)
                }
            }
            Reason::ReportBroken { file, what } => {
                let what = Sentence::words("the report ")
                    .name(file)
                    .and(" is not whole: ")
                    .name(what);
                let advice = "whoever wrote it was stopped: see the log of those tests";
                Self::new(what.clone(), what, Sentence::words(advice))
            }
            Reason::InternalError { shard, message } => internal_error(*shard, message),
            Reason::TestsFailed { failed, errors } => tests_failed(*failed, *errors),
            Reason::PytestFailed {
                shard,
                exit_status,
                detail,
            } => pytest_failed(*shard, *exit_status, detail),
            Reason::JobFailed { job, result } => {
                let what = Sentence::words("the result of job ")
                    .name(job)
                    .and(" is ")
                    .name(result);
                Self::new(
                    what.clone(),
                    what,
                    Sentence::words("see the log of that job"),
                )
            }
            Reason::BelowThreshold { what } => Self::without_advice(Sentence::words(clip(what))),
            Reason::NothingRan => Self::new(
                Sentence::words("no test ran"),
                Sentence::words("no test ran, and a run without tests is never green"),
                Sentence::words("check the paths and the options of the pytest command"),
            ),
        }
    }
}

fn environment_missing(environment: &str, job_result: Option<&str>) -> Explanation {
    let brief = Sentence::words("nothing ran in ").name(environment);
    let what = match job_result {
        Some(result) => brief
            .clone()
            .and(", which the plan has; the result of a job is ")
            .name(result),
        None => brief.clone().and(", which the plan has"),
    };
    let advice = "give every job of the matrix ";
    let advice = Sentence::words(advice).name("--environment");
    Explanation::new(brief, what, advice.and(", and see the logs of its jobs"))
}

fn missing(shard: Shard, job_result: Option<&str>) -> Explanation {
    let brief = Sentence::words(format!("shard {shard} gave no results"));
    let what = match job_result {
        Some(result) => brief
            .clone()
            .and("; the result of its job is ")
            .name(result),
        None => brief.clone(),
    };
    Explanation::new(brief, what, missing_shard_advice(job_result))
}

fn foreign_plan(shard: Shard, digest: &str) -> Explanation {
    let brief = Sentence::words(format!("shard {shard} ran another plan"));
    let what = brief.clone().and(" (digest ").name(short(digest)).and(")");
    let advice = Sentence::words("give every shard the ").name("plan.json");
    Explanation::new(
        brief,
        what,
        advice.and(" of this run, or run all jobs again"),
    )
}

fn not_loaded(shard: Shard, exit_status: Option<i32>, said: &str) -> Explanation {
    let status = exit_status.map(|status| format!(" (exit status {status})"));
    let mut what = Sentence::words(format!("the command of shard {shard} ended"))
        .and(status.unwrap_or_default())
        .and(" without a pytest that loaded our plugin, so nothing is known about its tests");
    if !said.is_empty() {
        what = what.and("; the last it said was ").name(said);
    }
    Explanation::new(
        Sentence::words(format!("nothing is known about shard {shard}")),
        what,
        Sentence::words("let the command start pytest and pass on ")
            .name("PYTEST_PLUGINS")
            .and(" and ")
            .name("PYTHONPATH")
            .and(": tox needs ")
            .name("pass_env")
            .and(", and ")
            .name("python -I")
            .and(" or ")
            .name("env -i")
            .and(" drop them"),
    )
}

fn crashed(shard: Shard, detail: &str, running: &[NodeId], not_run: usize) -> Explanation {
    let brief = Sentence::words(format!("shard {shard} crashed"));
    let mut what = brief.clone();
    if !detail.trim().is_empty() {
        what = what.and(": ").and(clip(detail));
    }
    if !running.is_empty() {
        what = what.and("; it was running ").names(running, NAMES);
    }
    if not_run > 0 {
        what = what.and(format!("; {} never ran", words::count(not_run, "test")));
    }
    let advice = if running.is_empty() {
        "see the end of the log of the shard, and look at the memory of its job"
    } else {
        "a running test is the first suspect: run it alone, and look at the memory of the job"
    };
    Explanation::new(brief, what, Sentence::words(advice))
}

fn lost(shard: Shard, unfinished: &[NodeId], not_run: &[NodeId]) -> Explanation {
    let lost = words::count(unfinished.len() + not_run.len(), "test");
    let brief = Sentence::words(format!("shard {shard} lost {lost}"));
    let mut what = brief.clone().and(": ");
    if !unfinished.is_empty() {
        what = what
            .names(unfinished, NAMES)
            .and(" started and never finished");
    }
    if !not_run.is_empty() {
        let joint = if unfinished.is_empty() { "" } else { "; " };
        what = what.and(joint).names(not_run, NAMES).and(" never started");
    }
    let advice = Sentence::words("something ended pytest early: look for ")
        .name("-x")
        .and(", ")
        .name("--maxfail")
        .and(", ")
        .name("os._exit")
        .and(" or a time limit in the log of the shard");
    Explanation::new(brief, what, advice)
}

fn left(units: &[String]) -> Explanation {
    let some = words::count(units.len(), "part");
    let brief = Sentence::words(format!("{some} of the suite did not run"));
    let what = Sentence::words("no shard ran ")
        .names(units, NAMES)
        .and(" to the end");
    let advice = Sentence::words("shards died or ended early: look for ")
        .name("-x")
        .and(", ")
        .name("--maxfail")
        .and(" or a time limit, and into the logs of the shards");
    Explanation::new(brief, what, advice)
}

fn run_twice(id: &NodeId, shards: &[Shard]) -> Explanation {
    let shards: Vec<String> = shards.iter().map(ToString::to_string).collect();
    let ran = format!(" ran more than once, in shards {}", words::list(&shards));
    Explanation::new(
        Sentence::words("a test ran twice"),
        Sentence::default().name(id.as_str()).and(ran),
        Sentence::words(
            "look for a plugin that adds tests late, or for parameters without ids of their own",
        ),
    )
}

fn not_collected(shard: Shard, what: &str, message: &str) -> Explanation {
    let brief = Sentence::default()
        .name(what)
        .and(" could not be collected");
    let mut sentence = Sentence::words(format!("shard {shard} could not collect ")).name(what);
    let line = visible::first_line(message);
    if !line.is_empty() {
        sentence = sentence.and(": ").name(clip(&line));
    }
    let advice = "none of its tests ran: mend the import or the syntax there";
    Explanation::new(brief, sentence, Sentence::words(advice))
}

fn internal_error(shard: Shard, message: &str) -> Explanation {
    let brief = Sentence::words(format!("pytest broke in shard {shard}"));
    let line = clip(&visible::first_line(message));
    let what = brief.clone().and(", outside of any test: ").name(line);
    let advice = "a plugin or a conftest raised: see the log of the shard";
    Explanation::new(brief, what, Sentence::words(advice))
}

fn tests_failed(failed: usize, errors: usize) -> Explanation {
    let mut said = Vec::new();
    if failed > 0 || errors == 0 {
        said.push(format!("{} failed", words::count(failed, "test")));
    }
    if errors > 0 {
        let tests = words::count(errors, "test");
        said.push(format!(
            "{tests} had an error in setup, teardown or collection"
        ));
    }
    Explanation::without_advice(Sentence::words(words::list(&said)))
}

fn pytest_failed(shard: Shard, exit_status: i32, detail: &str) -> Explanation {
    let brief = format!("pytest of shard {shard} ended with exit status {exit_status}");
    let brief = Sentence::words(brief);
    let mut what = brief.clone();
    if let Some(meaning) = exit_status_meaning(exit_status) {
        what = what.and(format!(" ({meaning})"));
    }
    what = what.and(", which none of its tests explains");
    if !detail.trim().is_empty() {
        what = what.and(": ").name(clip(&visible::first_line(detail)));
    }
    Explanation::new(
        brief,
        what,
        Sentence::words("see the end of the log of the shard"),
    )
}

/// By the words that GitHub has for the result of a job, after the name of the job if it is there.
fn missing_shard_advice(job_result: Option<&str>) -> Sentence {
    let word = job_result.and_then(|result| result.rsplit(": ").next());
    Sentence::words(match word {
        Some("success") => {
            "the job ran, but its results did not arrive: see its upload, then run the job again"
        }
        Some("cancelled") => {
            "look for a time limit, a lost runner or too little memory, then run the job again"
        }
        Some("skipped") => "the job must run for every shard of the plan: see its conditions",
        _ => {
            "see the end of the log of its job, then run that job again: the others keep their results"
        }
    })
}

/// pytest's own exit codes (<https://docs.pytest.org/en/stable/reference/exit-codes.html>), and a
/// shell's for signals.
fn exit_status_meaning(status: i32) -> Option<&'static str> {
    Some(match status {
        1 => "tests failed",
        2 => "interrupted",
        3 => "internal error",
        4 => "wrong usage",
        5 => "no tests collected",
        126 => "the command cannot be executed",
        127 => "the command was not found",
        130 => "interrupted by Ctrl-C",
        137 => "killed, often for lack of memory",
        139 => "segmentation fault",
        143 => "terminated",
        _ => return None,
    })
}

fn short(digest: &str) -> String {
    digest.chars().take(12).collect()
}

fn clip(detail: &str) -> String {
    visible::cut(detail.trim(), DETAIL_BYTES).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard() -> Shard {
        Shard::new(3, 6).expect("a shard")
    }

    fn ids(names: &[&str]) -> Vec<NodeId> {
        names.iter().map(|name| NodeId::new(*name)).collect()
    }

    fn said(reasons: &[Reason]) -> String {
        let lines: Vec<String> = reasons
            .iter()
            .map(|reason| Explanation::from(reason).plain())
            .collect();
        lines.join("\n")
    }

    #[test]
    fn says_why_a_shard_is_missing_and_what_to_do() {
        let missing = |result: Option<&str>| Reason::ShardMissing {
            shard: shard(),
            job_result: result.map(str::to_owned),
        };
        insta::assert_snapshot!(
            said(&[
                missing(None),
                missing(Some("failure")),
                missing(Some("test: cancelled")),
                missing(Some("success")),
                missing(Some("skipped")),
            ]),
            @r"
        shard 3/6 gave no results; see the end of the log of its job, then run that job again: the others keep their results
        shard 3/6 gave no results; the result of its job is `failure`; see the end of the log of its job, then run that job again: the others keep their results
        shard 3/6 gave no results; the result of its job is `test: cancelled`; look for a time limit, a lost runner or too little memory, then run the job again
        shard 3/6 gave no results; the result of its job is `success`; the job ran, but its results did not arrive: see its upload, then run the job again
        shard 3/6 gave no results; the result of its job is `skipped`; the job must run for every shard of the plan: see its conditions
        "
        );
    }

    #[test]
    fn explains_every_other_reason() {
        insta::assert_snapshot!(
            said(&[
                Reason::ForeignPlan { shard: shard(), digest: "0123456789abcdef".to_owned() },
                Reason::PluginNotLoaded { shard: shard(), exit_status: Some(0), said: String::new() },
                Reason::PluginNotLoaded { shard: shard(), exit_status: None, said: String::new() },
                Reason::ShardCrashed {
                    shard: shard(),
                    detail: "exit status 137".to_owned(),
                    running: ids(&["a.py::x"]),
                    not_run: 14,
                },
                Reason::ShardCrashed { shard: shard(), detail: String::new(), running: vec![], not_run: 0 },
                Reason::TestsLost { shard: shard(), unfinished: ids(&["a.py::x"]), not_run: ids(&["b", "c", "d", "e"]) },
                Reason::TestsLost { shard: shard(), unfinished: vec![], not_run: ids(&["b"]) },
                Reason::UnitsLeft { units: vec!["a.py".to_owned()] },
                Reason::RunTwice { id: NodeId::new("a.py::x"), shards: vec![shard(), shard()] },
                Reason::CollectionFailed {
                    shard: shard(),
                    what: "a.py".to_owned(),
                    message: "ImportError: no x".to_owned(),
                    location: None,
                },
                Reason::InternalError { shard: shard(), message: "\nKeyError: 1\nmore".to_owned() },
                Reason::TestsFailed { failed: 3, errors: 1 },
                Reason::TestsFailed { failed: 0, errors: 2 },
                Reason::PytestFailed { shard: shard(), exit_status: 4, detail: "unrecognized arguments: -Z".to_owned() },
                Reason::PytestFailed { shard: shard(), exit_status: 77, detail: String::new() },
                Reason::JobFailed { job: "lint".to_owned(), result: "failure".to_owned() },
                Reason::BelowThreshold { what: "coverage is 79.2%, below 80%".to_owned() },
                Reason::NothingRan,
            ]),
            @r"
        shard 3/6 ran another plan (digest `0123456789ab`); give every shard the `plan.json` of this run, or run all jobs again
        the command of shard 3/6 ended (exit status 0) without a pytest that loaded our plugin, so nothing is known about its tests; let the command start pytest and pass on `PYTEST_PLUGINS` and `PYTHONPATH`: tox needs `pass_env`, and `python -I` or `env -i` drop them
        the command of shard 3/6 ended without a pytest that loaded our plugin, so nothing is known about its tests; let the command start pytest and pass on `PYTEST_PLUGINS` and `PYTHONPATH`: tox needs `pass_env`, and `python -I` or `env -i` drop them
        shard 3/6 crashed: exit status 137; it was running `a.py::x`; 14 tests never ran; a running test is the first suspect: run it alone, and look at the memory of the job
        shard 3/6 crashed; see the end of the log of the shard, and look at the memory of its job
        shard 3/6 lost 5 tests: `a.py::x` started and never finished; `b`, `c`, `d` and 1 more never started; something ended pytest early: look for `-x`, `--maxfail`, `os._exit` or a time limit in the log of the shard
        shard 3/6 lost 1 test: `b` never started; something ended pytest early: look for `-x`, `--maxfail`, `os._exit` or a time limit in the log of the shard
        no shard ran `a.py` to the end; shards died or ended early: look for `-x`, `--maxfail` or a time limit, and into the logs of the shards
        `a.py::x` ran more than once, in shards 3/6 and 3/6; look for a plugin that adds tests late, or for parameters without ids of their own
        shard 3/6 could not collect `a.py`: `ImportError: no x`; none of its tests ran: mend the import or the syntax there
        pytest broke in shard 3/6, outside of any test: `KeyError: 1`; a plugin or a conftest raised: see the log of the shard
        3 tests failed and 1 test had an error in setup, teardown or collection
        2 tests had an error in setup, teardown or collection
        pytest of shard 3/6 ended with exit status 4 (wrong usage), which none of its tests explains: `unrecognized arguments: -Z`; see the end of the log of the shard
        pytest of shard 3/6 ended with exit status 77, which none of its tests explains; see the end of the log of the shard
        the result of job `lint` is `failure`; see the log of that job
        coverage is 79.2%, below 80%
        no test ran, and a run without tests is never green; check the paths and the options of the pytest command
        "
        );
    }
}
