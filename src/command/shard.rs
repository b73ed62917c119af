//! One shard from its plan to its files: what `run` does once and `local` many times.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::compose::{self, ComposeArgs};
use super::conclude::Conclusion;
use super::console;
use super::queue::QueueDir;
use crate::junit;
use crate::model::exit::Exit;
use crate::model::human_duration::HumanDuration;
use crate::model::plan::Plan;
use crate::model::report::{Report, TestCase, Totals};
use crate::model::shard::Shard;
use crate::model::shard_manifest::{MANIFEST_VERSION, ShardManifest};
use crate::pytest::log::{Broken, ShardLog};
use crate::pytest::plugin::{self, Company, Manner, PluginPaths};
use crate::render::visible;
use crate::runner::compose::fleet::{self, Fleet};
use crate::runner::compose::project::Project;
use crate::runner::environment::Environment;
use crate::runner::host::{self, Ended, Limits, ShardEnd, ShardSpec};
use crate::runner::mask::Mask;
use crate::runner::output::Show;
use crate::runner::process::CommandLine;
use crate::runner::signals::{Interrupts, Urgency};
use crate::runner::token::RunToken;
use crate::workspace::{self, EVENTS_FILE, JUNIT_FILE, WorkDir};

#[derive(Args, Clone, Debug)]
pub(crate) struct ShardArgs {
    /// End a shard that takes longer, such as 20m
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<HumanDuration>,

    /// End a shard in which one test takes longer, and name that test
    #[arg(long, value_name = "TIME")]
    pub(crate) test_timeout: Option<HumanDuration>,

    #[command(flatten)]
    pub(crate) retries: RetryArgs,

    #[command(flatten)]
    pub(crate) compose: ComposeArgs,

    /// Name of the environment the tests run in, such as "python 3.12"
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) environment: String,

    /// Print the commands that would run, and run nothing
    #[arg(long, alias = "dry")]
    pub(crate) dry_run: bool,

    /// The command that starts pytest, any way it likes [default: pytest]
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) pytest: Vec<String>,
}

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct RetryArgs {
    /// How often a test that fails is run again, when all others of its shard are through; one that
    /// then passes is flaky
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=20))]
    pub(crate) retries: u32,
}

impl ShardArgs {
    pub(crate) fn command(&self) -> Vec<String> {
        if self.pytest.is_empty() {
            vec!["pytest".to_owned()]
        } else {
            self.pytest.clone()
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            shard: self.timeout.map(HumanDuration::get),
            test: self.test_timeout.map(HumanDuration::get),
            ..Limits::default()
        }
    }
}

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

impl ShardJob {
    /// What `--dry-run` shows of a shard: its compose file, if it has one, and its command.
    pub(crate) fn explain(&self, shard: Shard) -> String {
        let environment = self.environment(shard);
        let command = environment.command(&self.command_line(shard, &environment));
        match &environment {
            Environment::Host => command.to_string(),
            Environment::Fleet(fleet) => {
                let mask = self
                    .project
                    .as_ref()
                    .map_or_else(Mask::default, |it| it.mask());
                mask.text(&format!("{}\n{command}", fleet.compose_file()))
            }
        }
    }

    fn environment(&self, shard: Shard) -> Environment {
        self.project.as_ref().map_or(Environment::Host, |project| {
            let fleet = Fleet::new(Arc::clone(project), shard, self.work.shard_dir(shard));
            Environment::Fleet(Arc::new(fleet))
        })
    }

    /// The command of a shard with its whole environment, as the shard sees it.
    fn command_line(&self, shard: Shard, environment: &Environment) -> CommandLine {
        let paths = match environment {
            Environment::Host => PluginPaths {
                plugin_dir: self.work.plugin_dir(),
                plan_file: self.plan_file.clone(),
                shard_dir: self.work.shard_dir(shard),
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
        let manner = Manner {
            company: self.company,
            retries: self.args.retries.retries,
        };
        for (name, value) in plugin::environment(&self.plan, shard, &paths, manner, current) {
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
        let environment = self.environment(shard);
        let mut end = match &environment {
            Environment::Host => self.supervise(shard, environment, show, interrupts).await,
            Environment::Fleet(fleet) => {
                let mut waiting = interrupts.clone();
                let up = tokio::select! {
                    up = fleet.up() => up.map_err(Ended::EnvironmentFailed),
                    _ = waiting.more_urgent_than(Urgency::None) => Err(Ended::Interrupted {
                        signal: interrupts.signal().unwrap_or_default(),
                    }),
                };
                let mut end = match up {
                    Ok(()) => {
                        let environment = environment.clone();
                        self.supervise(shard, environment, show, interrupts).await
                    }
                    Err(why) => ShardEnd::without_a_start(why),
                };
                end.peak_memory = fleet.peak_memory();
                let has_passed = end.exit == Ended::Exited(0);
                if let Some(note) = fleet.down(!has_passed).await {
                    console::say(note);
                }
                end
            }
        };
        if let Some(problem) = &end.log_problem {
            console::warn(format!("shard {shard}: {problem}"));
        }
        if let Some(project) = &self.project {
            for name in [EVENTS_FILE, JUNIT_FILE] {
                project.mask().file(&shard_dir.join(name))?;
            }
        }
        let log = workspace::read_log(&shard_dir)?.unwrap_or_default();
        // Inside a fleet the wait for its services is part of the command.
        if self.project.is_some() && end.exit == NOT_READY && log.sessions.is_empty() {
            let said = workspace::last_words(&shard_dir);
            let last = said.rsplit(" / ").next().unwrap_or_default();
            end.exit = Ended::EnvironmentFailed(last.to_owned());
        }
        if let Ended::EnvironmentFailed(why) = &end.exit {
            let culprit = why.split([' ', ':']).next().unwrap_or_default();
            if let Some(tail) = fleet::tail(&shard_dir, culprit) {
                let tail = visible::lines(&tail);
                console::say_foreign(format!("shard {shard}: {culprit} said\n{tail}"));
            }
        }
        write_junit(&self.plan.suite, shard, &log, &shard_dir)?;
        workspace::write_manifest(
            &shard_dir,
            &ShardManifest {
                ended: Some(now()),
                exit_status: end.status,
                interrupted: end.exit.interruption(),
                totals: Totals::of(&log.finished),
                peak_memory: end.peak_memory,
                ..manifest
            },
        )?;
        Ok(end.exit)
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
        shard: Shard,
        environment: Environment,
        show: Show,
        interrupts: Interrupts,
    ) -> ShardEnd {
        let spec = ShardSpec {
            shard,
            command: self.command_line(shard, &environment),
            environment,
            shard_dir: self.work.shard_dir(shard),
            show,
            token: self.token.clone(),
            mask: self
                .project
                .as_ref()
                .map_or_else(Mask::default, |it| it.mask()),
        };
        host::run(spec, self.args.limits(), interrupts).await
    }

    fn opened_manifest(&self, shard: Shard) -> ShardManifest {
        open_manifest(&self.plan, shard, self.attempt, &self.args.environment)
    }
}

/// Where it is not known, the plugin does without it.
fn this_program() -> Utf8PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    Utf8PathBuf::try_from(program).unwrap_or_default()
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
        warnings: Vec::new(),
    };
    workspace::write_atomic_with(&path, |out| Ok(junit::write::write(&report, out)?))
}

/// The exit status of a run: where what the tests stand on failed before any of them, no test is to
/// blame, and none was lost.
pub(crate) fn exit_of(ended: &[Ended], conclusion: &Conclusion) -> Exit {
    let is_outside = |ended: &Ended| matches!(ended, Ended::EnvironmentFailed(_));
    let exit = conclusion.exit();
    let nothing_ran = ended.iter().all(is_outside) && conclusion.report.totals().finished() == 0;
    // A shard whose tests all passed, but whose files are incomplete, proves too little.
    let is_unproven = exit == Exit::Green && ended.iter().any(is_outside);
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
