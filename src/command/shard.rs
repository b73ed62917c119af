//! One shard from its plan to its files: what `run` does once and `local` many times.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};

use super::compose;
use super::conclude::Conclusion;
use super::console;
use super::queue::QueueDir;
use super::shard_args::ShardArgs;
use super::turn::Turn;
use crate::junit;
use crate::model::case::{TestCase, Totals};
use crate::model::exit::Exit;
use crate::model::plan::Plan;
use crate::model::report::Report;
use crate::model::shard::Shard;
use crate::model::shard_manifest::{MANIFEST_VERSION, ShardManifest};
use crate::pytest::log::{Broken, ShardLog};
use crate::pytest::plugin::{self, Company, Manner, PluginPaths, Retries};
use crate::render::visible;
use crate::runner::compose::fleet::{self, Farewell, Fleet};
use crate::runner::compose::project::Project;
use crate::runner::environment::Environment;
use crate::runner::host::{self, Ended, Limits, ShardEnd, ShardSpec};
use crate::runner::mask::Mask;
use crate::runner::output::Show;
use crate::runner::process::CommandLine;
use crate::runner::signals::{Interrupts, Urgency};
use crate::runner::token::RunToken;
use crate::workspace::{self, EVENTS_FILE, Found, JUNIT_FILE, WorkDir};

/// What GitHub gives to us and to no `run:` step: tests have no use for it.
const OUR_SECRETS: [&str; 3] = [
    "INPUT_TOKEN",
    "PARALLEL_PYTEST_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
];

/// How `wait-for` ends when a service did not accept.
const NOT_READY: Ended = Ended::Exited(4);

/// Whether a shard is new, or another process of one that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Fresh,
    /// In the folder and with the events of the first.
    Again,
}

/// What all shards of a run have in common.
#[derive(Clone)]
pub(crate) struct ShardJob {
    pub(crate) plan: Arc<Plan>,
    pub(crate) work: WorkDir,
    pub(crate) plan_file: Utf8PathBuf,
    /// Where the shards take what they run, if the plan does not deal it.
    pub(crate) queue: Option<QueueDir>,
    pub(crate) root: Utf8PathBuf,
    pub(crate) args: ShardArgs,
    pub(crate) company: Company,
    /// The attempt of the CI run.
    pub(crate) attempt: u32,
    pub(crate) token: RunToken,
    /// Where the shards are fleets.
    pub(crate) project: Option<Arc<Project>>,
}

/// What one start of a shard's command left.
pub(super) struct Ran {
    pub(super) end: ShardEnd,
    /// Still up, if there is one.
    pub(super) fleet: Option<Arc<Fleet>>,
}

impl Ran {
    /// Takes the fleet down, if there is one. `goes_on` says that what failed runs again in another.
    pub(super) async fn leave(&self, goes_on: bool) {
        let Some(fleet) = &self.fleet else { return };
        let farewell = match &self.end.exit {
            _ if goes_on => Farewell::FailedForNow,
            Ended::Exited(0) => Farewell::Passed,
            _ => Farewell::Failed,
        };
        if let Some(note) = fleet.down(farewell).await {
            console::say(note);
        }
    }
}

impl ShardJob {
    /// What `--dry-run` shows of a shard: its compose file, if it has one, and its command; the same
    /// of its first retry in a fresh environment.
    pub(crate) fn explain(&self, shard: Shard) -> String {
        let shard_dir = self.work.shard_dir(shard);
        let first = Turn::first(shard, shard_dir.clone());
        let text = self.explain_turn(&first);
        let times = self.args.fresh_retries();
        if times == 0 {
            return text;
        }
        let again = self.explain_turn(&first.next(&shard_dir));
        format!("{text}\n# where tests fail, these alone again, at most {times} times:\n{again}")
    }

    fn explain_turn(&self, turn: &Turn) -> String {
        let environment = self.environment(turn);
        let command = environment.command(&self.command_line(turn, &environment));
        match &environment {
            Environment::Host => command.to_string(),
            Environment::Fleet(fleet) => {
                let file = fleet.compose_file();
                self.mask().text(&format!("{file}\n{command}"))
            }
        }
    }

    fn environment(&self, turn: &Turn) -> Environment {
        self.project.as_ref().map_or(Environment::Host, |project| {
            let folder = turn.folder.clone();
            let fleet = Fleet::new(Arc::clone(project), turn.shard, folder, turn.round);
            Environment::Fleet(Arc::new(fleet))
        })
    }

    fn mask(&self) -> Mask {
        let project = self.project.as_ref();
        project.map_or_else(Mask::default, |it| it.mask())
    }

    /// The command of a shard with its whole environment, as the shard sees it.
    fn command_line(&self, turn: &Turn, environment: &Environment) -> CommandLine {
        let paths = match environment {
            Environment::Host => PluginPaths {
                plugin_dir: self.work.plugin_dir(),
                plan_file: self.plan_file.clone(),
                shard_dir: turn.folder.clone(),
                root: self.root.clone(),
                program: this_program(),
                queue: self.queue.as_ref().map(|queue| queue.path().to_owned()),
            },
            Environment::Fleet(fleet) => fleet.inside(),
        };
        let current = |name: &str| match &self.project {
            Some(project) => project.variable(name),
            None => std::env::var(name).ok(),
        };
        let mut words = self.args.command().into_iter();
        let program = words.next().unwrap_or_default();
        let mut command = CommandLine::new(program, words);
        let manner = match turn.round {
            0 => Manner {
                company: self.company,
                retries: Retries::Within(self.args.retries_within()),
            },
            // Files that the user asked for tell the whole shard already.
            round => Manner {
                company: Company::SideBySide,
                retries: Retries::Fresh(round),
            },
        };
        for (name, value) in plugin::environment(&self.plan, turn.shard, &paths, manner, current) {
            command = command.env(name, value);
        }
        for secret in OUR_SECRETS
            .iter()
            .filter(|name| std::env::var_os(name).is_some())
        {
            command = command.without_env(*secret);
        }
        command
    }

    /// Runs the shard and leaves its files in its folder.
    ///
    /// # Errors
    /// The disk's. Whatever happens to pytest is told in the manifest.
    pub(crate) async fn run(
        &self,
        shard: Shard,
        start: Start,
        show: Show,
        interrupts: Interrupts,
    ) -> Result<Ended> {
        let mut manifest = self.opened_manifest(shard);
        let shard_dir = match start {
            Start::Fresh => self.work.fresh_shard_dir(shard)?,
            Start::Again => {
                let shard_dir = self.work.shard_dir(shard);
                manifest.started = workspace::read_manifest(&shard_dir)?.started;
                workspace::set_aside(&shard_dir)?;
                shard_dir
            }
        };
        workspace::write_manifest(&shard_dir, &manifest)?;
        let (mut end, retry_broken) = self.run_and_retry(shard, show, &interrupts).await?;
        if let Some(problem) = &end.log_problem {
            console::warn(format!("shard {shard}: {problem}"));
        }
        if let Some(project) = &self.project {
            for name in [EVENTS_FILE, JUNIT_FILE] {
                project.mask().file(&shard_dir.join(name))?;
            }
        }
        let log = workspace::read_log(&shard_dir)?.unwrap_or_default();
        // What kept its output from the disk kept its events from it.
        if let (Ended::Exited(_), Some(problem)) = (&end.exit, end.log_problem.take())
            && !log.is_closed()
        {
            end.exit = Ended::EnvironmentFailed(problem);
        }
        // Inside a fleet the wait for its services is part of the command.
        if self.project.is_some() && end.exit == NOT_READY && log.sessions.is_empty() {
            let said = workspace::last_words(&shard_dir);
            let last = said.rsplit(" / ").next().unwrap_or_default();
            end.exit = Ended::EnvironmentFailed(last.to_owned());
        }
        say_culprit(shard, &end.exit, &shard_dir);
        let junit = write_junit(&self.plan.suite, shard, &log, &shard_dir);
        workspace::write_manifest(
            &shard_dir,
            &ShardManifest {
                ended: Some(now()),
                exit_status: end.status,
                interrupted: end.exit.interruption(),
                retry_broken,
                totals: Totals::of(&log.finished),
                peak_memory: end.peak_memory,
                ..manifest
            },
        )?;
        junit.map(|()| end.exit)
    }

    /// Starts the command of a shard in an environment of its own, and waits for its end. `spent` is
    /// what the shard took before.
    pub(super) async fn start(
        &self,
        turn: &Turn,
        spent: Duration,
        show: Show,
        interrupts: &Interrupts,
    ) -> Ran {
        let limits = self.args.limits(spent);
        let environment = self.environment(turn);
        let Environment::Fleet(fleet) = &environment else {
            let end = self.supervise(turn, environment, limits, show, interrupts);
            return Ran {
                end: end.await,
                fleet: None,
            };
        };
        let fleet = Arc::clone(fleet);
        let mut waiting = interrupts.clone();
        let up = tokio::select! {
            up = fleet.up() => up.map_err(Ended::EnvironmentFailed),
            _ = waiting.more_urgent_than(Urgency::None) => Err(Ended::Interrupted {
                signal: interrupts.signal().unwrap_or_default(),
            }),
        };
        let mut end = match up {
            Ok(()) => {
                self.supervise(turn, environment, limits, show, interrupts)
                    .await
            }
            Err(why) => ShardEnd::without_a_start(why),
        };
        end.peak_memory = fleet.peak_memory();
        Ran {
            end,
            fleet: Some(fleet),
        }
    }

    /// After the end of a shard: what it had taken and not finished is for others, if it died of
    /// itself. Says whether there is anything left that another process could run in its place.
    ///
    /// # Errors
    /// The disk's.
    pub(crate) fn give_back(&self, shard: Shard, how: &Ended) -> Result<bool> {
        let of_itself = matches!(
            how,
            Ended::Exited(_) | Ended::Signalled(_) | Ended::EnvironmentFailed(_)
        );
        let Some(queue) = self.queue.as_ref().filter(|_| of_itself) else {
            return Ok(false);
        };
        let shard_dir = self.work.shard_dir(shard);
        let log = workspace::read_log(&shard_dir)?.unwrap_or_default();
        if log.is_closed() || !log.is_dynamic() {
            return Ok(false);
        }
        let count = queue.give_back(shard, &log)?;
        let mut manifest = workspace::read_manifest(&shard_dir)?;
        manifest.gave_back = Some(count);
        workspace::write_manifest(&shard_dir, &manifest)?;
        queue.has_units()
    }

    /// Removes what fleets may have left behind.
    pub(crate) async fn clean_up(&self) {
        if let Some(project) = self.project.as_ref().filter(|_| !self.args.compose.keep) {
            compose::remove_all(project).await;
        }
    }

    async fn supervise(
        &self,
        turn: &Turn,
        environment: Environment,
        limits: Limits,
        show: Show,
        interrupts: &Interrupts,
    ) -> ShardEnd {
        let spec = ShardSpec {
            shard: turn.shard,
            command: self.command_line(turn, &environment),
            environment,
            shard_dir: turn.folder.clone(),
            show,
            token: self.token.clone(),
            mask: self.mask(),
        };
        host::run(spec, limits, interrupts.clone()).await
    }

    /// Adds to what was found on the disk why a shard could not write there how it ended.
    pub(crate) fn add_unwritten(&self, found: &mut Found, ended: &BTreeMap<Shard, Ended>) {
        for (shard, how) in ended {
            let Some(why) = how.interruption() else {
                continue;
            };
            let key = (self.args.environment.name.clone(), *shard);
            let unwritten = || (self.opened_manifest(*shard), self.work.shard_dir(*shard));
            let (manifest, _) = found.shards.entry(key).or_insert_with(unwritten);
            if manifest.ended.is_none() {
                manifest.interrupted.get_or_insert(why);
            }
        }
    }

    fn opened_manifest(&self, shard: Shard) -> ShardManifest {
        open_manifest(&self.plan, shard, self.attempt, &self.args.environment.name)
    }
}

/// Where it is not known, the plugin does without it.
fn this_program() -> Utf8PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    Utf8PathBuf::try_from(program).unwrap_or_default()
}

/// What the service wrote last that a shard's environment failed with.
pub(super) fn say_culprit(shard: Shard, end: &Ended, folder: &Utf8Path) {
    let Ended::EnvironmentFailed(why) = end else {
        return;
    };
    let culprit = why.split([' ', ':']).next().unwrap_or_default();
    if let Some(tail) = fleet::tail(folder, culprit) {
        let tail = visible::lines(&tail);
        console::say_foreign(format!("shard {shard}: {culprit} said\n{tail}"));
    }
}

/// The manifest of a shard that has just started.
pub(crate) fn open_manifest(
    plan: &Plan,
    shard: Shard,
    attempt: u32,
    environment: &str,
) -> ShardManifest {
    ShardManifest {
        version: MANIFEST_VERSION,
        shard,
        suite: plan.suite.clone(),
        plan_digest: plan.digest.clone(),
        attempt,
        started: now(),
        ended: None,
        exit_status: None,
        interrupted: None,
        gave_back: None,
        retry_broken: None,
        environment: environment.to_owned(),
        totals: Totals::default(),
        peak_memory: None,
    }
}

/// Writes the shard's tests as JUnit, unless its pytest was asked for a file of its own.
///
/// # Errors
/// The disk's.
pub(crate) fn write_junit(
    suite: &str,
    shard: Shard,
    log: &ShardLog,
    folder: &Utf8Path,
) -> Result<()> {
    let path = folder.join(JUNIT_FILE);
    if path.exists() {
        return Ok(());
    }
    let all = [&log.finished, &log.unfinished, &log.not_run];
    let broken = log.broken.iter().flat_map(Broken::cases);
    let cases = all.into_iter().flatten().chain(broken).cloned();
    let cases = cases.map(|case| TestCase {
        shard: Some(shard),
        ..case
    });
    let report = Report {
        suite: suite.to_owned(),
        cases: cases.collect(),
        shards: Vec::new(),
        environments: Vec::new(),
        warnings: Vec::new(),
    };
    workspace::write_atomic_with(&path, |out| Ok(junit::write::write(&report, out)?))
}

/// The exit status of a run: where what the tests stand on failed before any of them, no test is to
/// blame, and none was lost.
pub(crate) fn exit_of<'a>(
    mut ended: impl Iterator<Item = &'a Ended> + Clone,
    conclusion: &Conclusion,
) -> Exit {
    let is_outside = |ended: &Ended| matches!(ended, Ended::EnvironmentFailed(_));
    let exit = conclusion.exit();
    let nothing_ran = ended.clone().all(is_outside) && conclusion.report.totals().finished() == 0;
    // A shard whose tests all passed, but whose files are incomplete, proves too little.
    let is_unproven = exit == Exit::Green && ended.any(is_outside);
    if nothing_ran || is_unproven {
        Exit::World
    } else {
        exit
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
