//! `plan`: test files and history in, plan.json and the matrix out.

use anyhow::Result;
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use fs_err as fs;

use super::console;
use super::explain;
use super::history::{self, HistoryArgs, Known};
use super::job::Job;
use super::work::WorkArgs;
use crate::model::environment::Environments;
use crate::model::exit::{Exit, UsageError};
use crate::model::human_duration::HumanDuration;
use crate::model::plan::{Plan, PlanInputs};
use crate::model::shard::{MAX_SHARDS, Shard};
use crate::planner::bundle::KeepTogether;
use crate::planner::estimate::SourceFile;
use crate::planner::plan::{Dealing, Planned, ShardCount};
use crate::planner::shard_count::AutoRequest;
use crate::planner::{self, PlanRequest, import};
use crate::pytest::discover::{self, Discovery, TestFile};
use crate::workspace::{self, WorkDir};

const DEFAULT_SHARDS: u16 = 4;

#[derive(Args, Clone, Debug)]
pub(crate) struct PlanArgs {
    /// Number of shards, or `auto`: as many as pay [default: 4; auto with --target-time or --max-shards]
    #[arg(long, value_name = "N|auto", value_parser = wanted_shards)]
    pub(crate) shards: Option<Wanted>,

    /// The longest a job should take, such as 5m
    #[arg(long, value_name = "DURATION")]
    pub(crate) target_time: Option<HumanDuration>,

    /// The most shards that `auto` may choose [default: 256, the most that GitHub runs]
    #[arg(long, value_name = "N", value_parser = shard_count)]
    pub(crate) max_shards: Option<u16>,

    /// What a job takes before and after its tests: checkout, installation
    #[arg(long, value_name = "DURATION", default_value = "45s")]
    pub(crate) job_start_up: HumanDuration,

    /// Price of a minute, each job rounded up, for the table of `auto`
    #[arg(long, value_name = "DOLLARS", default_value = "0.006", value_parser = price)]
    pub(crate) price: f64,

    /// What must not be cut: `class`, `file`, or a pattern of files that stay in one shard
    #[arg(long, value_name = "WHAT")]
    pub(crate) keep_together: Vec<KeepTogether>,

    /// Environments that every shard runs in, such as 3.12,3.13: the matrix has them, too, and one that
    /// does not report is lost
    #[arg(
        long,
        value_name = "NAME,…",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) environments: Environments,

    /// Show what each shard runs, which files are cut, and what limits the plan
    #[arg(long)]
    pub(crate) explain: bool,

    #[command(flatten)]
    pub(crate) history: HistoryArgs,

    /// GitHub's token, to find the history of earlier runs
    #[arg(long, value_name = "TOKEN", hide_default_value = true)]
    pub(crate) token: Option<String>,

    #[command(flatten)]
    pub(crate) work: WorkArgs,

    /// Files and folders with tests, as given to pytest [default: pytest's own]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Exactly(u16),
    Auto,
}

pub(crate) fn wanted_shards(text: &str) -> Result<Wanted, String> {
    if text == "auto" {
        return Ok(Wanted::Auto);
    }
    let count = shard_count(text).map(Wanted::Exactly);
    count.map_err(|message| format!("{message}, or auto"))
}

/// 1 to the most that GitHub runs.
pub(crate) fn shard_count(text: &str) -> Result<u16, String> {
    let allowed = || format!("choose a number from 1 to {MAX_SHARDS}");
    let count: u16 = text.parse().map_err(|_| allowed())?;
    if (1..=MAX_SHARDS).contains(&count) {
        Ok(count)
    } else {
        Err(allowed())
    }
}

fn price(text: &str) -> Result<f64, String> {
    let price: f64 = text.parse().map_err(|_| "it is not a number".to_owned())?;
    if (0.0..=1000.0).contains(&price) {
        Ok(price)
    } else {
        Err("a minute costs 0 to 1000 dollars".to_owned())
    }
}

impl PlanArgs {
    /// # Errors
    /// Arguments that contradict each other: the user's to mend.
    fn shard_count(&self) -> Result<ShardCount, UsageError> {
        let environments = self.environments.0.len().max(1);
        let room = MAX_SHARDS
            / u16::try_from(environments)
                .unwrap_or(MAX_SHARDS)
                .min(MAX_SHARDS);
        if let Some(Wanted::Exactly(count)) = self.shards
            && count > room
        {
            return Err(UsageError(format!(
                "{count} shards in {environments} environments are more than the {MAX_SHARDS} jobs that GitHub runs of a matrix: choose at most --shards {room}"
            )));
        }
        let auto = AutoRequest {
            target: self.target_time.map(|time| time.get().as_secs_f64()),
            max: self.max_shards.unwrap_or(room).min(room),
            job_start_up: self.job_start_up.get().as_secs_f64(),
        };
        match (self.shards, self.target_time, self.max_shards) {
            (None, None, None) => Ok(ShardCount::Exactly(DEFAULT_SHARDS)),
            (None | Some(Wanted::Auto), _, _) => Ok(ShardCount::Auto(auto)),
            (Some(Wanted::Exactly(count)), Some(time), _) => Err(UsageError(format!(
                "--shards {count} and --target-time {time} contradict each other: use --shards auto, or leave one of them out"
            ))),
            (Some(Wanted::Exactly(count)), None, Some(most)) if count > most => {
                Err(UsageError(format!(
                    "--shards {count} and --max-shards {most} contradict each other: use --shards auto, or leave one of them out"
                )))
            }
            (Some(Wanted::Exactly(count)), None, _) => Ok(ShardCount::Exactly(count)),
        }
    }
}

pub(crate) async fn plan(args: PlanArgs) -> Result<Exit> {
    let shards = args.shard_count()?;
    let work = WorkDir::open(&args.work.work_dir)?;
    let job = Job::of_this_process()?;
    let root = current_dir()?;
    let arguments = args.paths.clone();
    let discovery = tokio::task::spawn_blocking(move || discover::discover(&root, &arguments));
    let known = match &job {
        Some(job) => {
            history::of_job(&args.history, &args.work, &work, job, args.token.as_deref()).await
        }
        None => history::of_disk(&args.history, &args.work, &work),
    };
    let order = Order {
        suite: &args.work.suite,
        shards,
        keep_together: &args.keep_together,
        dealing: Dealing::Planned,
        environments: args.environments.0.clone(),
    };
    let planned = order.plan(discovery.await??, known);
    let plan = &planned.plan;
    let path = args.work.plan_path(&work);
    write(plan, &path)?;
    let target = args.target_time.map(|time| time.get().as_secs_f64());
    if let Some(text) = explain::choice(&planned, args.price, target) {
        console::say(text);
    }
    console::say(format!("plan {} written to {path}", &plan.digest[..12]));
    console::say_foreign(explain::shards(&planned, args.explain));
    match job {
        Some(job) => {
            job.files.set_output("matrix", &matrix(plan))?;
            job.files.set_output("shards", &plan.total().to_string())?;
            job.hand_over(work.path());
            job.upload_plan(plan, &path).await?;
        }
        None => console::print(matrix(plan)),
    }
    Ok(Exit::Green)
}

/// Gathers the files and what is known of them, and decides. `arguments` are pytest's own.
///
/// # Errors
/// A broken configuration of pytest.
pub(crate) fn make(
    suite: &str,
    total: u16,
    keep_together: &[KeepTogether],
    dealing: Dealing,
    arguments: &[String],
    known: Known,
) -> Result<Plan> {
    let order = Order {
        suite,
        shards: ShardCount::Exactly(total),
        keep_together,
        dealing,
        environments: Vec::new(),
    };
    let discovery = discover::discover(&current_dir()?, arguments)?;
    Ok(order.plan(discovery, known).plan)
}

/// What a plan is wanted of.
struct Order<'a> {
    suite: &'a str,
    shards: ShardCount,
    keep_together: &'a [KeepTogether],
    dealing: Dealing,
    environments: Vec<String>,
}

impl Order<'_> {
    fn plan(self, discovery: Discovery, known: Known) -> Planned {
        let Discovery {
            files,
            notes,
            config: _,
        } = discovery;
        for note in notes {
            console::warn(note);
        }
        for keep in self.keep_together {
            if let KeepTogether::Files(pattern) = keep
                && !files.iter().any(|file| pattern.matches(&file.path))
            {
                console::warn(format!(
                    "--keep-together {pattern}: no test file is like that"
                ));
            }
        }
        let Known {
            mut history,
            reported,
            source,
        } = known;
        if !reported.is_empty() {
            let paths = files.iter().map(|file| file.path.as_str());
            let learnt = import::learn(&mut history, &reported, paths);
            console::say(format!(
                "durations of {} tests are taken from {}; {} are of no file here",
                learnt.tests,
                source.as_deref().unwrap_or_default(),
                learnt.unknown
            ));
        }
        let target_seconds = match &self.shards {
            ShardCount::Auto(request) => request.target,
            ShardCount::Exactly(_) => None,
        };
        planner::plan(PlanRequest {
            suite: self.suite.to_owned(),
            files: files.into_iter().map(source_file).collect(),
            history,
            shards: self.shards,
            keep_together: self.keep_together.to_vec(),
            dealing: self.dealing,
            environments: self.environments,
            created_at: jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string(),
            inputs: PlanInputs {
                history: source,
                target_seconds,
            },
        })
    }
}

fn source_file(file: TestFile) -> SourceFile {
    let functions = file.functions.into_iter();
    SourceFile {
        path: file.path,
        tests: file.tests,
        functions: functions.map(|it| (it.name, it.tests)).collect(),
        groups: file.ties.groups,
        ordered: file.ties.ordered,
    }
}

/// The folder that all paths of a plan are relative to.
///
/// # Errors
/// Its name is not UTF-8.
pub(crate) fn current_dir() -> Result<Utf8PathBuf> {
    let folder = std::env::current_dir()?;
    let path = Utf8PathBuf::try_from(folder);
    path.map_err(|error| {
        UsageError(format!(
            "the folder {} has a name that is not UTF-8",
            error.as_path().display()
        ))
        .into()
    })
}

pub(crate) fn write(plan: &Plan, path: &Utf8Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    workspace::write_atomic(path, &serde_json::to_vec_pretty(plan)?)
}

/// The value of `strategy.matrix`.
fn matrix(plan: &Plan) -> String {
    let shards: Vec<Shard> = plan.shards.iter().map(|planned| planned.shard).collect();
    let mut matrix = serde_json::json!({ "shard": shards });
    if !plan.environments.is_empty() {
        matrix["environment"] = plan.environments.clone().into();
    }
    matrix.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        plan: PlanArgs,
    }

    fn shards(line: &str) -> Result<ShardCount, String> {
        let words = std::iter::once("plan").chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.plan.shard_count().map_err(|error| error.to_string())
    }

    #[test]
    fn the_number_of_shards_is_given_or_found() {
        let auto = |line: &str| matches!(shards(line), Ok(ShardCount::Auto(_)));
        assert_eq!(shards(""), Ok(ShardCount::Exactly(4)));
        assert_eq!(shards("--shards 9"), Ok(ShardCount::Exactly(9)));
        assert_eq!(
            shards("--shards 9 --max-shards 9"),
            Ok(ShardCount::Exactly(9))
        );
        assert!(auto("--shards auto"));
        assert!(auto("--target-time 5m"));
        assert!(auto("--max-shards 3"));
        assert!(auto("--shards auto --target-time 90s --max-shards 3"));
        assert_eq!(
            shards("--shards 64 --environments 3.11,3.12,3.13,pypy"),
            Ok(ShardCount::Exactly(64))
        );
    }

    #[test]
    fn contradictions_name_both_and_impossible_numbers_are_refused() {
        insta::assert_snapshot!(
            shards("--shards 6 --target-time 5m").expect_err("refused"),
            @"--shards 6 and --target-time 5m contradict each other: use --shards auto, or leave one of them out"
        );
        insta::assert_snapshot!(
            shards("--shards 6 --max-shards 5").expect_err("refused"),
            @"--shards 6 and --max-shards 5 contradict each other: use --shards auto, or leave one of them out"
        );
        for line in [
            "--shards 0",
            "--shards 257",
            "--shards -1",
            "--shards many",
            "--max-shards 0",
            "--max-shards 257",
            "--price -1",
            "--price NaN",
            "--target-time soon",
            "--shards 65 --environments 3.11,3.12,3.13,pypy",
            "--environments 3.11,3.11",
            "--keep-together a[",
        ] {
            assert!(shards(line).is_err(), "{line}");
        }
    }
}
