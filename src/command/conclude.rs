//! What the shards left behind becomes one report, one coverage and one verdict.

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use super::console;
use super::gather_coverage::settings_or_none;
use super::shard_coverage;
use crate::analysis::environments::{self, Part};
use crate::analysis::history;
use crate::analysis::merge::{Merged, ShardResult, merge};
use crate::analysis::settle::{Settled, settle};
use crate::analysis::verdict::{JobResults, decide};
use crate::coverage::diff::Patch;
use crate::coverage::raw::RawData;
use crate::junit;
use crate::model::comparison::Comparison;
use crate::model::coverage::Coverage;
use crate::model::exit::{Exit, UsageError};
use crate::model::history::History;
use crate::model::plan::Plan;
use crate::model::quarantine::Quarantined;
use crate::model::report::Report;
use crate::model::shard::Shard;
use crate::model::verdict::{Reason, Verdict};
use crate::pytest::log::ShardLog;
use crate::render::view::{Links, View, ViewInput};
use crate::workspace::{self, Found, JUNIT_FILE, WorkDir};

/// The end of a run, ready for every sink.
#[derive(Debug)]
pub(crate) struct Conclusion {
    pub(crate) report: Report,
    pub(crate) verdict: Verdict,
    pub(crate) coverage: Option<Coverage>,
    /// What was recorded of it, where all of it is at hand, with paths as coverage.py looks for them.
    pub(crate) data: Option<RawData>,
    pub(crate) history: History,
    /// With the baseline; `None` without one.
    pub(crate) comparison: Option<Comparison>,
    /// Why there is none, where one was looked for.
    pub(crate) not_compared: Option<String>,
    /// The coverage of the change, where there are both.
    pub(crate) patch: Option<Patch>,
    /// Failed tests that do not count.
    pub(crate) quarantined: Vec<Quarantined>,
}

impl Conclusion {
    pub(crate) fn exit(&self) -> Exit {
        Exit::of(&self.verdict)
    }

    /// What every sink shows. `title` names the suite where a repository has several.
    pub(crate) fn view<'a>(&'a self, title: Option<&'a str>, links: Links) -> View<'a> {
        let Self {
            report,
            verdict,
            coverage,
            data: _,
            history,
            comparison,
            not_compared,
            patch,
            quarantined,
        } = self;
        View::new(ViewInput {
            title,
            report,
            verdict,
            coverage: coverage.as_ref(),
            comparison: comparison.as_ref(),
            not_compared: not_compared.as_deref(),
            patch: patch.as_ref(),
            quarantined,
            ends: &history.ends,
            links,
        })
    }
}

/// What pytest's own JUnit of a shard tells otherwise than the event log; nothing if there is none, or
/// if it is of one session of several.
fn junit_disagrees(log: &ShardLog, folder: &Utf8Path) -> Option<String> {
    let [session] = log.sessions.as_slice() else {
        return None;
    };
    session.end?;
    let report = fs::File::open(folder.join(JUNIT_FILE)).ok()?;
    junit::agree::disagreement(&log.finished, &junit::read::read(report))
}

/// Reads the shards of a plan, merges them and decides.
///
/// `prefix` is the folder of the suite inside its repository, empty for the root; `commit` the one that
/// was tested, where it is known.
///
/// # Errors
/// A file of a shard cannot be read from the disk. Bad content is a warning or a lost shard.
pub(crate) fn conclude(
    plan: &Plan,
    found: &Found,
    jobs: &JobResults,
    history: History,
    prefix: &Utf8Path,
    commit: Option<&str>,
) -> Result<Conclusion> {
    let mut warnings = found.warnings.clone();
    let environments = environments_of(plan, found);
    warnings.extend(strange(plan, found, &environments));
    let mut parts = Vec::new();
    let mut folders = Vec::new();
    for environment in &environments {
        let (part, places) = conclude_part(plan, found, environment, &environments)?;
        parts.push(part);
        folders.extend(places);
    }
    let (coverage, data) =
        match shard_coverage::gather(&folders, &settings_or_none(), &mut warnings)? {
            Some(gathered) => (Some(gathered.coverage.below(prefix)), gathered.data),
            None => (None, None),
        };
    let run = history::Run {
        suite: &plan.suite,
        total: plan.shards.len(),
        commit,
    };
    let history = history::fold(history, run, teacher(plan, &parts));
    let (mut report, verdict) = if let [part] = parts.as_mut_slice() {
        let verdict = decide(plan, &part.results, &part.merged, coverage.as_ref(), jobs);
        (parts.swap_remove(0).merged.report, verdict)
    } else {
        environments::conclude(plan, parts, coverage.as_ref(), jobs)
    };
    report.warnings.extend(warnings);
    Ok(Conclusion {
        report: report.below(prefix),
        verdict,
        coverage,
        data,
        history,
        comparison: None,
        not_compared: None,
        patch: None,
        quarantined: Vec::new(),
    })
}

/// The environments that have to be there: those of the plan, else those that were found. One that has
/// no name is the only one.
fn environments_of(plan: &Plan, found: &Found) -> Vec<String> {
    if !plan.environments.is_empty() {
        return plan.environments.clone();
    }
    let mut names: Vec<String> = found.shards.keys().map(|(name, _)| name.clone()).collect();
    names.dedup();
    if names.is_empty() {
        names.push(String::new());
    }
    names
}

/// Shards that are none of this plan.
fn strange(plan: &Plan, found: &Found, environments: &[String]) -> Vec<String> {
    let of_plan = |shard: Shard| plan.shards.iter().any(|planned| planned.shard == shard);
    let strange = found.shards.iter().filter_map(|((environment, shard), (_, folder))| {
        if !of_plan(*shard) {
            return Some(format!("shard {shard} in {folder} is not of this plan: it is left out"));
        }
        (!environments.contains(environment)).then(|| {
            format!("shard {shard} in {folder} ran in the environment `{environment}`, which is not of this plan: it is left out")
        })
    });
    strange.collect()
}

/// Reads and merges the shards of one environment. Returns their folders, too.
fn conclude_part(
    plan: &Plan,
    found: &Found,
    environment: &str,
    all: &[String],
) -> Result<(Part, Vec<(Shard, Utf8PathBuf)>)> {
    let of_plan = |shard: Shard| plan.shards.iter().any(|planned| planned.shard == shard);
    let ours: Vec<_> = found
        .shards
        .iter()
        .filter(|((name, shard), _)| name == environment && of_plan(*shard))
        .map(|((_, shard), (manifest, folder))| (*shard, manifest, folder))
        .collect();
    let read: Vec<_> = ours
        .into_par_iter()
        .map(|(shard, manifest, folder)| {
            let log = workspace::read_log(folder)?;
            let told = log.as_ref().and_then(|log| junit_disagrees(log, folder));
            let result = ShardResult {
                shard,
                manifest: Some(manifest.clone()),
                log,
                last_words: workspace::last_words(folder),
            };
            Ok((result, told, folder.clone()))
        })
        .collect::<Result<_>>()?;
    let (mut results, mut folders, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for (result, told, folder) in read {
        let shard = result.shard;
        warnings.extend(told.map(|what| format!("the JUnit of shard {shard}: {what}")));
        results.push(result);
        folders.push((shard, folder));
    }
    let Settled {
        results,
        warnings: settled,
        left,
    } = settle(plan, results);
    warnings.extend(settled);
    let mut merged = Merged {
        left,
        ..merge(plan, &results)
    };
    merged.report.warnings.extend(warnings);
    let name = if environment.is_empty() && all.len() > 1 {
        "no name"
    } else {
        environment
    };
    let part = Part {
        name: name.into(),
        results,
        merged,
    };
    Ok((part, folders))
}

/// The environment that the history learns from: one, since times of different ones do not mix, and a
/// test that fails in one of them only is not flaky.
fn teacher<'a>(plan: &Plan, parts: &'a [Part]) -> &'a [ShardResult] {
    let whole = parts
        .iter()
        .find(|part| part.results.len() == plan.shards.len());
    let any = || parts.iter().find(|part| !part.results.is_empty());
    whole
        .or_else(any)
        .map_or(&[], |part| part.results.as_slice())
}

/// The end of a single shard. One that holds no tests is as good as one whose tests passed.
///
/// # Errors
/// A file of the shard cannot be read from the disk.
pub(crate) fn conclude_shard(plan: &Plan, shard: Shard, work: &WorkDir) -> Result<Conclusion> {
    let folder = work.shard_dir(shard);
    let manifest = workspace::read_manifest(&folder)?;
    let found = Found {
        shards: [((manifest.environment.clone(), shard), (manifest, folder))].into(),
        ..Found::default()
    };
    let shards = plan
        .shards
        .iter()
        .filter(|planned| planned.shard == shard)
        .cloned()
        .collect();
    let alone = Plan {
        shards,
        queue: None,
        environments: Vec::new(),
        ..plan.clone()
    };
    let mut conclusion = conclude(
        &alone,
        &found,
        &JobResults::new(),
        History::default(),
        Utf8Path::new(""),
        None,
    )?;
    conclusion
        .verdict
        .reasons
        .retain(|reason| !matches!(reason, Reason::NothingRan | Reason::BelowThreshold { .. }));
    Ok(conclusion)
}

/// The plan of a folder of reports: the one file given, else the only one found.
///
/// # Errors
/// None, or several different ones: the user's to mend.
pub(crate) fn plan_of(found: &Found, asked: Option<&Utf8Path>, place: &str) -> Result<Plan> {
    if let Some(path) = asked {
        return workspace::read_plan(path);
    }
    let mut plans = Vec::new();
    for path in &found.plans {
        match workspace::read_plan(path) {
            Ok(plan) => plans.push((path, plan)),
            Err(error) => console::warn(format!("{error:#}")),
        }
    }
    plans.dedup_by(|one, two| one.1.digest == two.1.digest);
    match plans.len() {
        0 => Err(UsageError(format!(
            "there is no plan in {place}: without it nobody knows which tests there should be; name one with --plan-file"
        ))
        .into()),
        1 => Ok(plans.swap_remove(0).1),
        _ => {
            let paths: Vec<&str> = plans.iter().map(|(path, _)| path.as_str()).collect();
            Err(UsageError(format!(
                "there are different plans in {place} ({}): name the right one with --plan-file",
                paths.join(", ")
            ))
            .into())
        }
    }
}

/// The folder of the suite inside its repository, from the folder we work in.
pub(crate) fn prefix_in_repository(folder: &Utf8Path) -> Utf8PathBuf {
    let root = folder
        .ancestors()
        .find(|ancestor| ancestor.join(".git").exists());
    root.and_then(|root| folder.strip_prefix(root).ok())
        .map(Utf8Path::to_owned)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::tests::plan;

    #[test]
    fn the_history_learns_from_the_first_environment_that_is_whole() {
        let plan = plan(2);
        let part = |name: &str, shards: usize| {
            let shards = Shard::all(2).take(shards);
            let results: Vec<ShardResult> = shards
                .map(|shard| ShardResult {
                    shard,
                    manifest: None,
                    log: None,
                    last_words: name.to_owned(),
                })
                .collect();
            let merged = merge(&plan, &results);
            Part {
                name: name.into(),
                results,
                merged,
            }
        };
        let learnt = |parts: &[Part]| {
            let results = teacher(&plan, parts).first();
            results.map(|result| result.last_words.clone())
        };
        let all = [
            part("none", 0),
            part("half", 1),
            part("one", 2),
            part("two", 2),
        ];
        assert_eq!(learnt(&all).as_deref(), Some("one"));
        assert_eq!(learnt(&all[..2]).as_deref(), Some("half"));
        assert_eq!(learnt(&all[..1]), None);
    }

    #[test]
    fn shards_of_environments_that_the_plan_does_not_have_are_left_out_and_named() {
        let mut plan = plan(1);
        plan.environments = vec!["3.12".to_owned()];
        let shard = Shard::new(1, 1).expect("a shard");
        let mut found = Found::default();
        for name in ["3.11", "3.12"] {
            let manifest = super::super::shard::open_manifest(&plan, shard, 1, name);
            let key = (name.to_owned(), shard);
            found.shards.insert(key, (manifest, name.into()));
        }
        let environments = environments_of(&plan, &found);
        assert_eq!(environments, ["3.12"]);
        insta::assert_snapshot!(
            strange(&plan, &found, &environments).join("\n"),
            @"shard 1/1 in 3.11 ran in the environment `3.11`, which is not of this plan: it is left out"
        );
        plan.environments.clear();
        assert_eq!(environments_of(&plan, &found), ["3.11", "3.12"]);
        assert_eq!(environments_of(&plan, &Found::default()), [""]);
    }
}
