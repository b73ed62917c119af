//! The GitHub job we are a step of: its context, its files, and the artifacts of its run.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::change::of_merge;
use super::console;
use crate::coverage::diff::Change;
use crate::github::artifact::archive::{self, Limits};
use crate::github::artifact::listed::Listed;
use crate::github::artifact::name::{ArtifactName, Content, EnvironmentSlug, SuiteName};
use crate::github::artifact::pack::{self, Source};
use crate::github::artifact::rest;
use crate::github::artifact::service::Service;
use crate::github::artifact::store::{Store, Wait, newest};
use crate::github::baseline::{self, Search};
use crate::github::change::{self, Found};
use crate::github::client::Client;
use crate::github::context::Context;
use crate::github::http::http_client;
use crate::github::token::Token;
use crate::github::workflow::{self, Files};
use crate::model::plan::Plan;
use crate::model::shard::Shard;
use crate::workspace::{
    self, COVERAGE_FILE, DATA_FILE, EVENTS_FILE, HISTORY_FILE, JUNIT_FILE, LOG_FILE, MANIFEST_FILE,
    MEASURED_FILE, PLAN_FILE, RESULT_FILE,
};

/// What publish needs of a shard, and what people look at afterwards.
const SHARD_FILES: [&str; 7] = [
    MANIFEST_FILE,
    EVENTS_FILE,
    JUNIT_FILE,
    COVERAGE_FILE,
    DATA_FILE,
    MEASURED_FILE,
    LOG_FILE,
];

pub(crate) struct Job {
    pub(crate) context: Context,
    pub(crate) files: Files,
    /// `None` where the runner offers no artifacts.
    service: Option<Service>,
}

impl Job {
    /// `None` outside of GitHub.
    ///
    /// # Errors
    /// GitHub's variables are there and make no sense.
    pub(crate) fn of_this_process() -> Result<Option<Self>> {
        let env = |name: &str| std::env::var(name).ok();
        let Some(context) = Context::read(env)? else {
            return Ok(None);
        };
        let service = Service::read(env, &http_client()?)?;
        Ok(Some(Self {
            context,
            files: Files::read(env),
            service,
        }))
    }

    pub(crate) fn has_artifacts(&self) -> bool {
        self.service.is_some()
    }

    /// A client of the API; `None` without a token.
    ///
    /// # Errors
    /// The token cannot be one.
    pub(crate) fn client(&self, token: Option<&str>) -> Result<Option<Client>> {
        token
            .map(|text| Client::new(&self.context.api_url, &Token::new(text)?))
            .transpose()
    }

    /// Whether what this run teaches may stand for its branch: GitHub files the artifacts of a run
    /// that another one triggered under the default branch, and a fork's are a stranger's.
    pub(crate) fn may_leave_history(&self) -> bool {
        let Context {
            branch,
            default_branch,
            triggering_run,
            is_fork,
            ..
        } = &self.context;
        !is_fork && (triggering_run.is_none() || default_branch.as_ref() == Some(branch))
    }

    /// Whether this run is one of the default branch itself.
    pub(crate) fn stands_for_default_branch(&self) -> bool {
        let Context {
            branch,
            default_branch,
            pull_request,
            ..
        } = &self.context;
        self.may_leave_history()
            && pull_request.is_none()
            && default_branch.as_ref() == Some(branch)
    }

    /// # Errors
    /// The disk's or the artifact service's.
    pub(crate) async fn upload_plan(&self, plan: &Plan, path: &Utf8Path) -> Result<()> {
        let source = Source {
            name: PLAN_FILE.to_owned(),
            path: path.to_owned(),
        };
        let attempt = self.context.run_attempt;
        self.upload(&plan.suite, Content::Plan { attempt }, vec![source])
            .await?;
        Ok(())
    }

    /// # Errors
    /// The disk's or the artifact service's.
    pub(crate) async fn upload_shard(
        &self,
        suite: &str,
        shard: Shard,
        environment: &str,
        folder: &Utf8Path,
    ) -> Result<()> {
        let named = SHARD_FILES.iter().map(|name| Source {
            name: (*name).to_owned(),
            path: folder.join(name),
        });
        let sources = named.filter(|source| source.path.is_file()).collect();
        let attempt = self.context.run_attempt;
        let content = Content::Shard {
            shard,
            environment: EnvironmentSlug::of(environment),
            attempt,
        };
        self.upload(suite, content, sources).await?;
        Ok(())
    }

    /// Gives back where people find it, if it is anywhere.
    ///
    /// # Errors
    /// The disk's or the artifact service's.
    pub(crate) async fn upload_report(
        &self,
        suite: &str,
        folder: &Utf8Path,
    ) -> Result<Option<String>> {
        let Context {
            server_url,
            run_id,
            run_attempt,
            ..
        } = &self.context;
        let content = Content::Report {
            attempt: *run_attempt,
        };
        let files = pack::files_below(folder)?;
        let id = self.upload(suite, content, files).await?;
        let repository = self.context.full_name();
        Ok(id.map(|id| format!("{server_url}/{repository}/actions/runs/{run_id}/artifacts/{id}")))
    }

    /// # Errors
    /// The disk's or the artifact service's.
    pub(crate) async fn upload_history(&self, suite: &str, folder: &Utf8Path) -> Result<()> {
        let source = |name: &str| Source {
            name: name.to_owned(),
            path: folder.join(name),
        };
        let sources = vec![source(HISTORY_FILE), source(RESULT_FILE)];
        self.upload(suite, Content::History, sources).await?;
        Ok(())
    }

    /// The id of the artifact, which the service may keep to itself.
    async fn upload(
        &self,
        suite: &str,
        content: Content,
        sources: Vec<Source>,
    ) -> Result<Option<u64>> {
        let Some(service) = &self.service else {
            return Ok(None);
        };
        let name = ArtifactName::new(suite.parse::<SuiteName>()?, content);
        let failed = || format!("failed to upload the artifact {name}");
        let uploaded = service
            .upload(name.clone(), &pack::pack(&sources)?)
            .await
            .with_context(failed)?;
        console::say(format!(
            "artifact {} uploaded ({} bytes)",
            uploaded.name, uploaded.size
        ));
        Ok(uploaded.id)
    }

    /// Brings the plan of this run, made by another job, to `path`.
    ///
    /// # Errors
    /// The disk's or the artifact service's; no plan in this run.
    pub(crate) async fn download_plan(&self, suite: &str, folder: &Utf8Path) -> Result<()> {
        let is_plan = |listed: &Listed| matches!(listed.name.content, Content::Plan { .. });
        let has_plan = |listed: &[Listed]| listed.iter().any(is_plan);
        let listed = list_until(&self.own_run()?, suite, has_plan, Wait::default()).await?;
        let plan = listed
            .into_iter()
            .find(is_plan)
            .context("this run has no plan: let a job before this one run the command `plan`")?;
        self.download(&self.own_run()?, &plan, folder, &mut Limits::default())
            .await
    }

    /// Brings the newest history to `folder`: of this branch, else of the base, else of the default
    /// branch. Returns its path and its branch; `None` where there is none yet, or no token to ask with.
    ///
    /// # Errors
    /// The disk's or GitHub's.
    pub(crate) async fn download_history(
        &self,
        suite: &str,
        folder: &Utf8Path,
        token: Option<&str>,
    ) -> Result<Option<(Utf8PathBuf, String)>> {
        let Some(client) = self.client(token)? else {
            return Ok(None);
        };
        let suite: SuiteName = suite.parse()?;
        for branch in self.branches_before() {
            let left = rest::legacies(&client, &self.context, &suite, branch).await?;
            let Some(newest) = left.into_iter().next() else {
                continue;
            };
            self.download_legacy(&client, &newest.listed, folder)
                .await?;
            return Ok(Some((folder.join(HISTORY_FILE), branch.to_owned())));
        }
        Ok(None)
    }

    /// Brings the result that this run is compared with to `folder`; what is not an error of GitHub's,
    /// such as the first run of a project, is told in words that complete "not compared: …".
    ///
    /// # Errors
    /// The disk's or GitHub's.
    pub(crate) async fn download_baseline(
        &self,
        suite: &str,
        folder: &Utf8Path,
        client: &Client,
    ) -> Result<Result<Utf8PathBuf, String>> {
        let suite: SuiteName = suite.parse()?;
        let found = match baseline::find(client, &self.context, &suite).await? {
            Search::Found(found) => found,
            Search::Nothing(reason) => return Ok(Err(reason)),
        };
        self.download_legacy(client, &found.listed, folder).await?;
        let path = folder.join(RESULT_FILE);
        let of = || format!("the run of {} left only a history", found.commit);
        Ok(path.is_file().then_some(path).ok_or_else(of))
    }

    async fn download_legacy(
        &self,
        client: &Client,
        listed: &Listed,
        folder: &Utf8Path,
    ) -> Result<()> {
        let store = Store::OtherRun {
            client,
            context: &self.context,
            run: self.context.run_id,
        };
        fs::create_dir_all(folder)?;
        self.download(&store, listed, folder, &mut Limits::default())
            .await
    }

    /// The lines that the pull request or the merge group of this run adds; `None` for other runs.
    ///
    /// # Errors
    /// GitHub's.
    pub(crate) async fn change(&self, client: &Client) -> Result<Option<Change>> {
        match change::of_run(client, &self.context).await? {
            None => Ok(None),
            Some(Found::Change(change)) => Ok(Some(change)),
            // git tells all of it where the checkout has the parents of the merge.
            Some(Found::TooManyFiles { sha }) => match of_merge(&sha) {
                Some(change) => Ok(Some(change)),
                None => Ok(Some(change::of_listed_files(client, &self.context).await?)),
            },
        }
    }

    /// Where a history of ours may be, the likest first. A fork's branch may be called like one of
    /// ours and is another.
    fn branches_before(&self) -> Vec<&str> {
        let Context {
            branch,
            base_branch,
            default_branch,
            is_fork,
            ..
        } = &self.context;
        let own = (!is_fork).then_some(branch);
        let all = own.into_iter().chain(base_branch).chain(default_branch);
        let mut branches: Vec<&str> = Vec::new();
        for branch in all {
            if !branch.is_empty() && !branches.contains(&branch.as_str()) {
                branches.push(branch);
            }
        }
        branches
    }

    /// Brings plan and shards of the run, this one or the one that triggered it, into folders of their
    /// own below `folder`. Waits a while for as many shards as the plan has, since lists lag behind
    /// uploads.
    ///
    /// # Errors
    /// The disk's or the artifact service's. A shard that cannot be had is a warning: it will be missed.
    pub(crate) async fn download_all(
        &self,
        suite: &str,
        folder: &Utf8Path,
        token: Option<&str>,
        patient: bool,
    ) -> Result<Vec<String>> {
        let client = self.client(token)?;
        let store = match (&self.context.triggering_run, &client) {
            (Some(run), Some(client)) => Store::OtherRun {
                client,
                context: &self.context,
                run: run.id,
            },
            _ => self.own_run()?,
        };
        let total = |listed: &[Listed]| {
            listed.iter().find_map(|listed| match listed.name.content {
                Content::Shard { shard, .. } => Some(usize::from(shard.total())),
                _ => None,
            })
        };
        let environments = |listed: &[Listed]| {
            let all = listed
                .iter()
                .filter_map(|listed| match &listed.name.content {
                    Content::Shard { environment, .. } => Some(environment.clone()),
                    _ => None,
                });
            let all: Vec<_> = all.collect();
            (all.len(), all.into_iter().collect::<BTreeSet<_>>().len())
        };
        let mut wait = Wait::default();
        if !patient {
            wait.limit = std::time::Duration::from_secs(10);
        }
        let mut limits = Limits::default();
        let mut warnings = Vec::new();
        let (mut planned, mut waited) = (1, false);
        loop {
            let complete = |listed: &[Listed]| {
                let (shards, seen) = environments(listed);
                total(listed).is_some_and(|total| shards >= total.saturating_mul(planned.max(seen)))
            };
            let listed = list_until(&store, suite, complete, wait).await?;
            let (_, seen) = environments(&listed);
            for artifact in listed {
                let place = folder.join(artifact.name.to_string());
                let is_wanted = matches!(
                    artifact.name.content,
                    Content::Plan { .. } | Content::Shard { .. }
                );
                if !is_wanted || place.exists() {
                    continue;
                }
                fs::create_dir_all(&place)?;
                if let Err(error) = self.download(&store, &artifact, &place, &mut limits).await {
                    warnings.push(format!(
                        "the artifact {} is left out: {error:#}",
                        artifact.name
                    ));
                } else if matches!(artifact.name.content, Content::Plan { .. }) {
                    let plan = workspace::read_plan(&place.join(PLAN_FILE));
                    planned = plan.map_or(1, |plan| plan.environments.len().max(1));
                }
            }
            // A whole environment may lag behind, which only the plan knows of.
            if planned <= seen.max(1) || std::mem::replace(&mut waited, true) {
                return Ok(warnings);
            }
        }
    }

    fn own_run(&self) -> Result<Store<'_>> {
        let service = self.service.as_ref();
        let service = service
            .context("this runner offers no artifacts here: use --plan-file or --reports")?;
        Ok(Store::OwnRun(service))
    }

    async fn download(
        &self,
        store: &Store<'_>,
        listed: &Listed,
        folder: &Utf8Path,
        limits: &mut Limits,
    ) -> Result<()> {
        let downloaded = store.download(listed).await?;
        let wanted = |name: &str| {
            [PLAN_FILE, HISTORY_FILE, RESULT_FILE].contains(&name) || SHARD_FILES.contains(&name)
        };
        for refused in archive::save(downloaded.file.reopen()?, limits, wanted, folder)? {
            console::warn(format!("{}: {refused}", listed.name));
        }
        Ok(())
    }

    /// What shards left: their files, and the whole workspace after fleets, whose tests may have been
    /// root, too.
    pub(crate) fn hand_over_shards(&self, work: &Utf8Path, in_fleets: bool) {
        self.hand_over(work);
        if in_fleets {
            self.hand_over(&self.context.workspace);
        }
    }

    /// Gives our files to the owner of the workspace: a container action runs as root.
    pub(crate) fn hand_over(&self, path: &Utf8Path) {
        if path.exists()
            && let Err(error) = workflow::own_like(path, &self.context.workspace)
        {
            console::warn(format!("{error:#}"));
        }
    }
}

/// The newest artifacts of a suite, once they are complete or the time is up.
async fn list_until(
    store: &Store<'_>,
    suite: &str,
    complete: impl Fn(&[Listed]) -> bool,
    wait: Wait,
) -> Result<Vec<Listed>> {
    let suite: SuiteName = suite.parse()?;
    let ours = |mut listed: Vec<Listed>| {
        listed.retain(|listed| listed.name.suite == suite);
        newest(listed)
    };
    let listed = store
        .list_until(|listed| complete(&ours(listed.to_vec())), wait)
        .await?;
    Ok(ours(listed))
}

/// The workspace as later `run:` steps of the job see it: the host's path of it.
pub(crate) fn on_host(
    path: &Utf8Path,
    workspace: &Utf8Path,
    host_workspace: Option<&str>,
) -> Utf8PathBuf {
    let host = host_workspace
        .map(|text| text.strip_prefix("host:").unwrap_or(text))
        .filter(|text| !text.is_empty());
    match (host, path.strip_prefix(workspace)) {
        (Some(host), Ok(inside)) if inside.as_str().is_empty() => host.into(),
        (Some(host), Ok(inside)) => Utf8Path::new(host).join(inside),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(change: impl FnOnce(&mut Context)) -> Job {
        let env = |name: &str| {
            let value = match name {
                "GITHUB_ACTIONS" => "true",
                "GITHUB_REPOSITORY" => "acme/shop",
                "GITHUB_SHA" => "1111111111111111111111111111111111111111",
                "GITHUB_RUN_ID" => "42",
                "GITHUB_REF_NAME" => "feature",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let context = Context::read(env).expect("a context");
        let mut context = context.expect("a job");
        context.default_branch = Some("main".to_owned());
        change(&mut context);
        Job {
            context,
            files: Files::default(),
            service: None,
        }
    }

    #[test]
    fn a_history_is_looked_for_on_the_nearest_branch_first() {
        let release = |context: &mut Context| context.base_branch = Some("release".to_owned());
        assert_eq!(
            job(release).branches_before(),
            ["feature", "release", "main"]
        );
        assert_eq!(
            job(|it| it.branch = "main".to_owned()).branches_before(),
            ["main"]
        );
        // A fork's branch may be called like one of ours.
        let fork = job(|context| {
            context.branch = "release".to_owned();
            context.base_branch = Some("main".to_owned());
            context.is_fork = true;
        });
        assert_eq!(fork.branches_before(), ["main"]);
    }

    #[test]
    fn only_what_stands_for_its_branch_is_left_as_its_history() {
        use crate::github::context::Run;
        assert!(job(|_| ()).may_leave_history());
        assert!(!job(|it| it.is_fork = true).may_leave_history());
        let triggered = Some(Run { id: 1, attempt: 1 });
        assert!(!job(|it| it.triggering_run = triggered).may_leave_history());
        let of_main = job(|it| {
            it.triggering_run = triggered;
            it.branch = "main".to_owned();
        });
        assert!(of_main.may_leave_history());
    }
}
