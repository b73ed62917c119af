//! One shard from its plan to its files: what `run` does once and `local` many times.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::console;
use crate::junit;
use crate::model::human_duration::HumanDuration;
use crate::model::plan::Plan;
use crate::model::report::{Report, TestCase, Totals};
use crate::model::shard::Shard;
use crate::model::shard_manifest::{MANIFEST_VERSION, ShardManifest};
use crate::pytest::log::ShardLog;
use crate::pytest::plugin::{self, Company, PluginPaths};
use crate::runner::environment::Environment;
use crate::runner::host::{self, Ended, Limits, ShardSpec};
use crate::runner::output::Show;
use crate::runner::process::CommandLine;
use crate::runner::signals::Interrupts;
use crate::runner::token::RunToken;
use crate::workspace::{self, JUNIT_FILE, WorkDir};

#[derive(Args, Clone, Debug)]
pub(crate) struct ShardArgs {
    /// End a shard that takes longer, such as 20m
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<HumanDuration>,

    /// End a shard in which one test takes longer, and name that test
    #[arg(long, value_name = "TIME")]
    pub(crate) test_timeout: Option<HumanDuration>,

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

/// What all shards of a run have in common.
#[derive(Clone)]
pub(crate) struct ShardJob {
    pub(crate) plan: Arc<Plan>,
    pub(crate) work: WorkDir,
    pub(crate) plan_file: Utf8PathBuf,
    pub(crate) root: Utf8PathBuf,
    pub(crate) args: ShardArgs,
    pub(crate) company: Company,
    /// The attempt of the CI run.
    pub(crate) attempt: u32,
    pub(crate) token: RunToken,
}

impl ShardJob {
    /// The command of a shard with its whole environment.
    pub(crate) fn command_line(&self, shard: Shard) -> CommandLine {
        let paths = PluginPaths {
            plugin_dir: self.work.plugin_dir(),
            plan_file: self.plan_file.clone(),
            shard_dir: self.work.shard_dir(shard),
            root: self.root.clone(),
        };
        let current = |name: &str| std::env::var(name).ok();
        let mut words = self.args.command().into_iter();
        let program = words.next().unwrap_or_default();
        let mut command = CommandLine::new(program, words);
        for (name, value) in plugin::environment(&self.plan, shard, &paths, self.company, current) {
            command = command.env(name, value);
        }
        for secret in OUR_SECRETS
            .iter()
            .filter(|name| std::env::var_os(name).is_some())
        {
            command = command.without_env(*secret);
        }
        Environment::Host.command(&command)
    }

    /// Runs the shard and leaves its files in its folder.
    ///
    /// # Errors
    /// The disk's. Whatever happens to pytest is told in the manifest.
    pub(crate) async fn run(
        &self,
        shard: Shard,
        show: Show,
        interrupts: Interrupts,
    ) -> Result<Ended> {
        let shard_dir = self.work.fresh_shard_dir(shard)?;
        let manifest = self.opened_manifest(shard);
        workspace::write_manifest(&shard_dir, &manifest)?;
        let spec = ShardSpec {
            shard,
            command: self.command_line(shard),
            environment: Environment::Host,
            shard_dir: shard_dir.clone(),
            show,
            token: self.token.clone(),
        };
        let end = host::run(spec, self.args.limits(), interrupts).await;
        if let Some(problem) = &end.log_problem {
            console::warn(format!("shard {shard}: {problem}"));
        }
        let log = workspace::read_log(&shard_dir)?.unwrap_or_default();
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

    fn opened_manifest(&self, shard: Shard) -> ShardManifest {
        open_manifest(&self.plan, shard, self.attempt, &self.args.environment)
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
    let cases = all.into_iter().flatten().cloned().map(|case| TestCase {
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

/// Seconds since 1970.
pub(crate) fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
