//! The arguments that several commands share.

use camino::Utf8PathBuf;
use clap::Args;

use crate::model::environment;
use crate::model::exit::UsageError;
use crate::model::plan::Plan;
use crate::model::shard::Shard;
use crate::workspace::{self, WorkDir};

#[derive(Args, Clone, Debug)]
pub(crate) struct WorkArgs {
    /// Name of the suite: one word of a-z, 0-9 and dashes; several suites of a repository need several names
    #[arg(long, value_name = "NAME", default_value = "pytest", value_parser = suite_name)]
    pub(crate) suite: String,

    /// Folder for the plan, the plugin and the shards' files
    #[arg(long, value_name = "DIR", default_value = ".parallel-pytest")]
    pub(crate) work_dir: Utf8PathBuf,

    /// Where the plan is written to and read from [default: plan.json in the work folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) plan_file: Option<Utf8PathBuf>,
}

impl WorkArgs {
    pub(crate) fn plan_path(&self, work: &WorkDir) -> Utf8PathBuf {
        self.plan_file.clone().unwrap_or_else(|| work.plan_file())
    }

    /// The plan of this suite on disk.
    ///
    /// # Errors
    /// None there, unusable, or of another suite: the user's to mend.
    pub(crate) fn read_plan(&self, work: &WorkDir) -> anyhow::Result<Plan> {
        let path = self.plan_path(work);
        let plan = workspace::read_plan(&path)?;
        if plan.suite != self.suite {
            return Err(UsageError(format!(
                "{path} is the plan of suite `{}`, not of `{}`: name the right one with --suite or --plan-file",
                plan.suite, self.suite
            ))
            .into());
        }
        Ok(plan)
    }
}

#[derive(Args, Clone, Debug)]
pub(crate) struct EnvironmentArgs {
    /// Name of the environment the tests run in, such as "python 3.12"
    #[arg(
        id = "environment",
        long = "environment",
        value_name = "NAME",
        default_value = "",
        hide_default_value = true,
        value_parser = environment_name
    )]
    pub(crate) name: String,
}

/// Checks that the plan has this shard.
///
/// # Errors
/// A shard of another total: the user's to mend.
pub(crate) fn check_shard(plan: &Plan, shard: Shard) -> Result<(), UsageError> {
    if plan.total() == shard.total() {
        return Ok(());
    }
    Err(UsageError(format!(
        "shard {shard} is not in this plan, which has {} shards: use the shards that `plan` gave out",
        plan.total()
    )))
}

/// Checks that the plan has this environment, empty for none.
///
/// # Errors
/// One that publish would not look for, or none where it looks for several: the user's to mend.
pub(crate) fn check_environment(plan: &Plan, environment: &str) -> Result<(), UsageError> {
    let planned = &plan.environments;
    if planned.is_empty() || planned.iter().any(|known| known == environment) {
        return Ok(());
    }
    let known = planned.join(", ");
    Err(UsageError(match environment {
        "" => format!("in which environment? the plan has {known}: name one with --environment"),
        _ => format!("the plan does not have the environment `{environment}`: it has {known}"),
    }))
}

/// The shard that the CI's own variables name. Some count from 0, and Kubernetes tells no total.
///
/// # Errors
/// No CI names one: the user's to mend.
pub(crate) fn shard_of_ci(plan: &Plan) -> anyhow::Result<Shard> {
    shard_of_job(Some(plan.total()))
}

/// As [`shard_of_ci`]; `total` is for a CI that tells none.
///
/// # Errors
/// No CI names a shard, or none how many there are: the user's to mend.
pub(crate) fn shard_of_job(total: Option<u16>) -> anyhow::Result<Shard> {
    const VARIABLES: [(&str, Option<&str>, u16); 4] = [
        ("CI_NODE_INDEX", Some("CI_NODE_TOTAL"), 0),
        ("CIRCLE_NODE_INDEX", Some("CIRCLE_NODE_TOTAL"), 1),
        (
            "BUILDKITE_PARALLEL_JOB",
            Some("BUILDKITE_PARALLEL_JOB_COUNT"),
            1,
        ),
        ("JOB_COMPLETION_INDEX", None, 1),
    ];
    let number = |name: &str| std::env::var(name).ok()?.parse::<u16>().ok();
    for (index, told, base) in VARIABLES {
        if let Some(found) = number(index) {
            let total = told.and_then(number).or(total).ok_or_else(|| {
                UsageError(format!(
                    "{index} tells the shard and nothing how many there are: use --shard, such as --shard 1/4"
                ))
            })?;
            let shard = Shard::new(found.saturating_add(base), total);
            return shard.map_err(|error| UsageError(format!("{index}: {error}")).into());
        }
    }
    Err(UsageError::new("which shard? name one with --shard, such as --shard 1/4").into())
}

/// The default is empty, for no environment.
fn environment_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if !name.is_empty() {
        environment::check(name)?;
    }
    Ok(name.to_owned())
}

/// Suite names stand in names of artifacts and in hidden markers, so they are kept simple.
fn suite_name(text: &str) -> Result<String, String> {
    let allowed =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let fits = (1..=40).contains(&text.len()) && text.chars().all(allowed);
    if fits && !text.starts_with('-') && !text.ends_with('-') {
        Ok(text.to_owned())
    } else {
        Err("use 1 to 40 letters a-z, digits and inner dashes".to_owned())
    }
}
