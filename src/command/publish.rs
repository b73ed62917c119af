//! `publish`: the shards of a run become one result, on every sink that can be reached.

use std::collections::BTreeMap;

use anyhow::Result;
use camino::Utf8PathBuf;
use clap::{Args, ValueEnum};
use fs_err as fs;
use serde::Deserialize;

use super::comment::CommentArgs;
use super::conclude::{self, Conclusion};
use super::console;
use super::history::{self, HistoryArgs};
use super::job::Job;
use super::judge::{Beside, JudgeArgs};
use super::plan::current_dir;
use super::report_folder;
use super::reports::{self, Patterns};
use super::work::WorkArgs;
use crate::analysis::verdict::JobResults;
use crate::github::check_run::{self, CheckRun};
use crate::github::data_branch;
use crate::model::exit::{Exit, UsageError};
use crate::render::template::Template;
use crate::render::view::{Links, View};
use crate::render::{annotations, badge, check, style, summary, terminal, workflow_command};
use crate::workspace::{self, WorkDir};

#[derive(Args, Clone, Debug)]
pub(crate) struct PublishArgs {
    /// Results of the jobs before this one: `toJSON(needs)`
    #[arg(long, value_name = "JSON", value_parser = job_results)]
    pub(crate) needs: Option<Needs>,

    /// Folder that holds the shards' folders, and the plan [default: this run's artifacts, else the work folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) reports: Option<Utf8PathBuf>,

    /// Reports of any program, instead of the shards of a plan: `JUnit`, `NUnit`, xUnit.net, TRX, TAP,
    /// the JSON of Dart and Mocha, told apart by content; `!GLOB` leaves files out, 3.12=GLOB are those
    /// of one of several environments
    #[arg(long, value_name = "GLOB", num_args = 1..)]
    pub(crate) junit: Vec<String>,

    /// Coverage to `--junit`: data files of coverage.py, coverage.json, Cobertura's XML or lcov
    #[arg(long, value_name = "GLOB", num_args = 1.., requires = "junit")]
    pub(crate) coverage: Vec<String>,

    /// Folder for the merged report
    #[arg(long, value_name = "DIR", default_value = "report")]
    pub(crate) output: Utf8PathBuf,

    /// GitHub's token; without it there is the job summary, and annotations in the log
    #[arg(long, value_name = "TOKEN", hide_default_value = true)]
    pub(crate) token: Option<String>,

    /// Name of the check run [default: the suite's name and "tests"]
    #[arg(long, value_name = "NAME")]
    pub(crate) check_name: Option<String>,

    /// Whether the check run and the log also mark new lines that no test runs
    #[arg(long, value_name = "WHEN", default_value = "off")]
    pub(crate) coverage_annotations: Switch,

    /// Whether to publish a check run
    #[arg(long, value_name = "WHEN", default_value = "on")]
    pub(crate) check_run: Switch,

    #[command(flatten)]
    pub(crate) comment: CommentArgs,

    /// Branch that gets the badges of a run on the default branch, such as badges
    #[arg(long, value_name = "BRANCH")]
    pub(crate) badges_branch: Option<String>,

    #[command(flatten)]
    pub(crate) judge: JudgeArgs,

    #[command(flatten)]
    pub(crate) history: HistoryArgs,

    #[command(flatten)]
    pub(crate) work: WorkArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Needs(JobResults);

/// Reads `toJSON(needs)`: only the results count.
fn job_results(text: &str) -> Result<Needs, String> {
    #[derive(Deserialize)]
    struct Need {
        result: String,
    }
    let needs: BTreeMap<String, Need> = serde_json::from_str(text)
        .map_err(|error| format!("it is not what toJSON(needs) writes: {error}"))?;
    Ok(Needs(
        needs
            .into_iter()
            .map(|(job, need)| (job, need.result))
            .collect(),
    ))
}

pub(crate) async fn publish(args: PublishArgs) -> Result<Exit> {
    let work = WorkDir::open(&args.work.work_dir)?;
    let job = Job::of_this_process()?;
    let needs = args.needs.clone().unwrap_or_default().0;
    let template = args.comment.template()?;
    let conclusion = if args.junit.is_empty() {
        of_shards(&args, job.as_ref(), &work, &needs).await?
    } else {
        let patterns = Patterns {
            junit: &args.junit,
            coverage: &args.coverage,
        };
        let prefix = conclude::prefix_in_repository(&current_dir()?);
        reports::conclude(patterns, &args.work.suite, &needs, &prefix)?
    };
    let mut beside = args.judge.beside()?;
    if let Some(job) = &job {
        ask_github(&mut beside, &args, job, &work).await;
    }
    let conclusion = args.judge.judge(conclusion, beside);
    let title = args.comment.title(&conclusion.report.suite);
    let mut view = conclusion.view(title, job.as_ref().map_or_else(Links::default, links));
    report_folder::write(&conclusion, &view, &args.output)?;
    let options = style::Options {
        width: console::width(),
        style: console::style(),
        report: Some(args.output.as_str()),
    };
    console::print_foreign(terminal::report(&view, options));
    if let Some(job) = &job {
        job.hand_over(work.path());
        job.hand_over(&args.output);
        // First, since everything else links to it.
        match job.upload_report(view.suite, &args.output).await {
            Ok(url) => view.links.report = url,
            Err(error) => tell(Err(error)),
        }
        emit(&args, template.as_ref(), job, &conclusion, &view).await;
    }
    Ok(conclusion.exit())
}

/// Finds out what was not told by hand. A result is published without it too.
async fn ask_github(beside: &mut Beside, args: &PublishArgs, job: &Job, work: &WorkDir) {
    let client = match job.client(args.token.as_deref()) {
        Ok(Some(client)) => client,
        Ok(None) => return,
        Err(error) => return tell(Err(error)),
    };
    if beside.baseline.is_none() {
        let folder = work.path().join("baseline");
        let _ = fs::remove_dir_all(&folder);
        let found = job
            .download_baseline(&args.work.suite, &folder, &client)
            .await;
        beside.baseline = Some(found.unwrap_or_else(|error| Err(format!("{error:#}"))));
    }
    if beside.change.is_none() {
        let change = job.change(&client).await;
        beside.change = change.map_err(|error| format!("{error:#}")).transpose();
    }
}

/// The shards of a plan, from the artifacts of the run or from a folder.
async fn of_shards(
    args: &PublishArgs,
    job: Option<&Job>,
    work: &WorkDir,
    needs: &JobResults,
) -> Result<Conclusion> {
    let (folder, mut warnings) = match (&args.reports, job) {
        (Some(folder), _) if !folder.is_dir() => {
            return Err(UsageError(format!("--reports: there is no folder {folder}")).into());
        }
        (Some(folder), _) => (folder.clone(), Vec::new()),
        (None, Some(job)) if job.has_artifacts() => {
            let folder = work.path().join("artifacts");
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir_all(&folder)?;
            let patient = needs.values().all(|result| result == "success");
            let token = args.token.as_deref();
            let warnings = job
                .download_all(&args.work.suite, &folder, token, patient)
                .await?;
            (folder, warnings)
        }
        (None, _) => (work.path().to_owned(), Vec::new()),
    };
    let mut found = workspace::find_shards(&folder)?;
    found.warnings.append(&mut warnings);
    let plan = conclude::plan_of(&found, args.work.plan_file.as_deref(), folder.as_str())?;
    let prefix = conclude::prefix_in_repository(&current_dir()?);
    let known = match job {
        Some(job) => {
            history::of_job(&args.history, &args.work, work, job, args.token.as_deref()).await
        }
        None => history::of_disk(&args.history, &args.work, work),
    };
    let commit = job.map(|job| job.context.head_sha.as_str());
    conclude::conclude(&plan, &found, needs, known.history, &prefix, commit)
}

fn links(job: &Job) -> Links {
    let context = &job.context;
    Links {
        run_url: Some(context.run_url()),
        report: None,
        blob_base: Some(format!(
            "{}/{}/blob/{}",
            context.server_url,
            context.full_name(),
            context.head_sha
        )),
        sha: Some(context.head_sha.clone()),
        workflow: Some(context.workflow.clone()),
    }
}

fn tell(result: Result<()>) {
    if let Err(error) = result {
        console::print(workflow_command::warning(&format!("{error:#}")));
    }
}

/// Every sink for itself: what one refuses, the others still show, and the exit code is the
/// verdict's.
async fn emit(
    args: &PublishArgs,
    template: Option<&Template>,
    job: &Job,
    conclusion: &Conclusion,
    view: &View<'_>,
) {
    tell(
        job.files
            .append_summary(&summary::summary(view, summary::JOB_SUMMARY_BYTES)),
    );
    tell(outputs(job, conclusion, view, args));
    let client = match job.client(args.token.as_deref()) {
        Ok(Some(client)) => Some(client),
        Ok(None) => {
            console::warn("no token: there is no check run and no comment, see the job summary");
            None
        }
        Err(error) => {
            tell(Err(error));
            None
        }
    };
    let mut marks = annotations::annotations(view);
    if args.coverage_annotations == Switch::On {
        marks.extend(annotations::uncovered(view, marks.len()));
    }
    let mut checked = false;
    if let Some(client) = &client {
        if args.check_run == Switch::On {
            let output = check::check_output(view);
            let name = args
                .check_name
                .clone()
                .unwrap_or_else(|| format!("{} tests", view.suite));
            let external_id = format!("parallel-pytest:{}:{}", view.suite, job.context.run_id);
            let wanted = CheckRun {
                name: &name,
                external_id: &external_id,
                conclusion: output.conclusion,
                title: &output.title,
                summary: &output.summary,
                text: None,
                details_url: None,
                annotations: &marks,
            };
            match check_run::publish(client, &job.context, &wanted).await {
                Ok(_) => checked = true,
                Err(error) => tell(Err(anyhow::Error::new(error))),
            }
        }
        let comment = &args.comment;
        tell(
            comment
                .publish(client, job, template, conclusion, view)
                .await,
        );
    }
    if let (Some(client), Some(branch)) = (&client, &args.badges_branch)
        && job.stands_for_default_branch()
    {
        let files = badge_files(view);
        let pushed = data_branch::write(client, &job.context, branch, &files).await;
        tell(pushed.map(drop).map_err(anyhow::Error::new));
    }
    if !checked {
        for mark in &marks {
            console::print(workflow_command::annotation_line(mark));
        }
    }
    if job.may_leave_history() && !conclusion.verdict.has_loss() {
        tell(job.upload_history(view.suite, &args.output).await);
    }
}

/// Each suite in a folder of its own.
fn badge_files(view: &View<'_>) -> Vec<data_branch::File> {
    let badges = badge::badges(view);
    let files = badges.iter().flat_map(|badge| {
        let path = |kind: &str| format!("{}/{}.{kind}", view.suite, badge.name);
        [(path("svg"), badge.svg()), (path("json"), badge.endpoint())]
    });
    files
        .map(|(path, content)| data_branch::File { path, content })
        .collect()
}

fn outputs(job: &Job, conclusion: &Conclusion, view: &View<'_>, args: &PublishArgs) -> Result<()> {
    let totals = view.totals;
    let set = |name: &str, value: &str| job.files.set_output(name, value);
    set("verdict", conclusion.verdict.word())?;
    set("tests", &totals.all().to_string())?;
    set("passed", &totals.passed.to_string())?;
    set("failed", &(totals.failed + totals.error).to_string())?;
    set("skipped", &totals.skipped.to_string())?;
    set("lost", &totals.lost.to_string())?;
    set("report", args.output.as_str())?;
    let percent = conclusion
        .coverage
        .as_ref()
        .map(|coverage| coverage.totals().percent());
    let shown =
        |percent: Option<f64>| percent.map_or_else(String::new, |percent| format!("{percent:.2}"));
    set("coverage", &shown(percent))?;
    let patch = conclusion.patch.as_ref();
    let patch = patch.map(|patch| patch.coverage.totals().percent());
    set("patch-coverage", &shown(patch))
}
