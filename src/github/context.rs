//! Where we run: the repository, the commit and the run, read once from the runner's variables and
//! the event's payload (<https://docs.github.com/en/actions/reference/workflows-and-actions/variables>).

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde_json::Value;

/// One run of a workflow on GitHub, as the runner and the event tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) owner: String,
    pub(crate) repository: String,
    pub(crate) event_name: String,
    /// `GITHUB_SHA`: for a pull request the merge commit, for `workflow_run` the default branch.
    pub(crate) sha: String,
    /// The commit that was tested and that results belong to.
    pub(crate) head_sha: String,
    /// Where `head_sha` comes from; `None` if the event does not say, or its repository is gone.
    pub(crate) head: Option<Head>,
    /// The number that the event itself names.
    pub(crate) pull_request: Option<u64>,
    /// The commit comes from another repository, so its data is a stranger's and, in a pull request's
    /// own run, the token can only read.
    pub(crate) is_fork: bool,
    /// The branch a pull request wants to go to.
    pub(crate) base_branch: Option<String>,
    pub(crate) base_sha: Option<String>,
    pub(crate) default_branch: Option<String>,
    /// The branch or tag of this run; of the triggering run for `workflow_run`.
    pub(crate) branch: String,
    pub(crate) run_id: u64,
    /// Counted from 1.
    pub(crate) run_attempt: u32,
    /// The run that a `workflow_run` event reports on.
    pub(crate) triggering_run: Option<Run>,
    /// What that run was triggered by, such as `pull_request`.
    pub(crate) triggering_event: Option<String>,
    /// When that run was made, which is when its commit was chosen.
    pub(crate) triggered_at: Option<Timestamp>,
    pub(crate) workflow: String,
    pub(crate) job: String,
    pub(crate) actor: String,
    /// Without a slash at the end.
    pub(crate) api_url: String,
    /// Without a slash at the end.
    pub(crate) server_url: String,
    pub(crate) workspace: Utf8PathBuf,
}

/// A branch of a repository, perhaps a fork's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) owner: String,
    /// `owner/name`.
    pub(crate) repository: String,
    pub(crate) branch: String,
}

/// Another run of this repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) id: u64,
    pub(crate) attempt: u32,
}

impl Context {
    /// The run whose result this is.
    pub(crate) fn reported_run(&self) -> Run {
        self.triggering_run.unwrap_or(Run {
            id: self.run_id,
            attempt: self.run_attempt,
        })
    }

    /// `None` when this is no GitHub runner. Reads the event's file; a payload that is missing or
    /// broken costs only what it alone would have told.
    pub(crate) fn read(env: impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<Self>> {
        if env("GITHUB_ACTIONS").as_deref() != Some("true") {
            return Ok(None);
        }
        let event =
            env("GITHUB_EVENT_PATH").map_or(Value::Null, |path| read_event(Utf8Path::new(&path)));
        Self::of(&env, &event).map(Some)
    }

    fn of(env: &impl Fn(&str) -> Option<String>, event: &Value) -> anyhow::Result<Self> {
        let needed = |name: &str| {
            env(name)
                .filter(|value| !value.is_empty())
                .with_context(|| format!("{name} is not set although GITHUB_ACTIONS is: pass the runner's GITHUB_* variables on"))
        };
        let optional = |name: &str| env(name).filter(|value| !value.is_empty());
        let url = |name: &str, default: &str| {
            optional(name)
                .unwrap_or_else(|| default.to_owned())
                .trim_end_matches('/')
                .to_owned()
        };

        let full_name = needed("GITHUB_REPOSITORY")?;
        let (owner, repository) = full_name
            .split_once('/')
            .with_context(|| format!("GITHUB_REPOSITORY is `{full_name}`, not owner/name"))?;
        let sha = needed("GITHUB_SHA")?;
        let run_id = needed("GITHUB_RUN_ID")?;
        let run_id = run_id
            .parse()
            .with_context(|| format!("GITHUB_RUN_ID is `{run_id}`, not a number"))?;
        let event_name = optional("GITHUB_EVENT_NAME").unwrap_or_default();

        let pull_request = &event["pull_request"];
        let workflow_run = match event_name.as_str() {
            "workflow_run" => &event["workflow_run"],
            _ => &Value::Null,
        };
        let (head, is_fork, head_sha) = if pull_request.is_object() {
            let head = &pull_request["head"];
            let foreign = text(&head["repo"]["full_name"])
                .is_none_or(|name| !name.eq_ignore_ascii_case(&full_name));
            (
                head_of(&head["repo"], &head["ref"]),
                foreign,
                text(&head["sha"]),
            )
        } else if workflow_run.is_object() {
            let repo = &workflow_run["head_repository"];
            let foreign =
                text(&repo["full_name"]).is_none_or(|name| !name.eq_ignore_ascii_case(&full_name));
            (
                head_of(repo, &workflow_run["head_branch"]),
                foreign,
                text(&workflow_run["head_sha"]),
            )
        } else {
            (None, false, None)
        };

        // A queue's branch is made for one try.
        let queue = &event["merge_group"];
        let queue_base = text(&queue["base_ref"]);
        let queue_base = queue_base.map(|name| name.trim_start_matches("refs/heads/").to_owned());
        let branch = text(&workflow_run["head_branch"])
            .or_else(|| optional("GITHUB_HEAD_REF"))
            .or_else(|| optional("GITHUB_REF_NAME"))
            .unwrap_or_default();
        Ok(Self {
            owner: owner.to_owned(),
            repository: repository.to_owned(),
            head_sha: head_sha.unwrap_or_else(|| sha.clone()),
            sha,
            head,
            pull_request: pull_request["number"].as_u64(),
            is_fork,
            base_branch: text(&pull_request["base"]["ref"])
                .or_else(|| optional("GITHUB_BASE_REF"))
                .or(queue_base),
            base_sha: text(&pull_request["base"]["sha"]).or_else(|| text(&queue["base_sha"])),
            default_branch: text(&event["repository"]["default_branch"]),
            branch,
            run_id,
            run_attempt: optional("GITHUB_RUN_ATTEMPT")
                .and_then(|text| text.parse().ok())
                .unwrap_or(1),
            triggering_run: workflow_run["id"].as_u64().map(|id| Run {
                id,
                attempt: workflow_run["run_attempt"]
                    .as_u64()
                    .and_then(|n| u32::try_from(n).ok())
                    .unwrap_or(1),
            }),
            triggering_event: text(&workflow_run["event"]),
            triggered_at: text(&workflow_run["created_at"]).and_then(|text| text.parse().ok()),
            workflow: optional("GITHUB_WORKFLOW").unwrap_or_default(),
            job: optional("GITHUB_JOB").unwrap_or_default(),
            actor: optional("GITHUB_ACTOR").unwrap_or_default(),
            api_url: url("GITHUB_API_URL", "https://api.github.com"),
            server_url: url("GITHUB_SERVER_URL", "https://github.com"),
            workspace: optional("GITHUB_WORKSPACE")
                .unwrap_or_else(|| ".".to_owned())
                .into(),
            event_name,
        })
    }

    /// `owner/name`.
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.repository)
    }

    /// The page of this attempt of the run.
    pub(crate) fn run_url(&self) -> String {
        let Self {
            server_url,
            owner,
            repository,
            run_id,
            run_attempt,
            ..
        } = self;
        format!("{server_url}/{owner}/{repository}/actions/runs/{run_id}/attempts/{run_attempt}")
    }
}

fn read_event(path: &Utf8Path) -> Value {
    let read = || -> anyhow::Result<Value> { Ok(serde_json::from_slice(&fs_err::read(path)?)?) };
    read().unwrap_or_else(|error| {
        tracing::warn!(
            "the event's payload could not be read, so only variables are used: {error:#}"
        );
        Value::Null
    })
}

fn head_of(repository: &Value, branch: &Value) -> Option<Head> {
    let full_name = text(&repository["full_name"])?;
    let owner = text(&repository["owner"]["login"])
        .or_else(|| full_name.split('/').next().map(str::to_owned))?;
    Some(Head {
        owner,
        repository: full_name,
        branch: text(branch)?,
    })
}

fn text(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    /// A push to `acme/shop` whose API is at `api_url`.
    pub(crate) fn context(api_url: &str) -> Context {
        Context::of(&env(&[("GITHUB_API_URL", api_url)]), &Value::Null).expect("a context")
    }

    fn env(more: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> + use<> {
        let usual = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "acme/shop"),
            ("GITHUB_SHA", "1111111111111111111111111111111111111111"),
            ("GITHUB_RUN_ID", "42"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_EVENT_NAME", "push"),
            ("GITHUB_REF_NAME", "main"),
            ("GITHUB_WORKFLOW", "CI"),
        ];
        let variables: BTreeMap<String, String> = usual
            .iter()
            .chain(more)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        move |name| variables.get(name).cloned()
    }

    #[test]
    fn there_is_no_context_outside_of_github() {
        assert_eq!(Context::read(|_| None).expect("no error"), None);
        assert_eq!(
            Context::read(env(&[("GITHUB_ACTIONS", "false")])).expect("no error"),
            None
        );
    }

    #[test]
    fn a_missing_variable_is_named() {
        let error = Context::read(env(&[("GITHUB_SHA", "")])).expect_err("no sha");
        assert!(
            error.to_string().starts_with("GITHUB_SHA is not set"),
            "{error:#}"
        );
        let error = Context::read(env(&[("GITHUB_REPOSITORY", "shop")])).expect_err("no owner");
        assert_eq!(
            error.to_string(),
            "GITHUB_REPOSITORY is `shop`, not owner/name"
        );
    }

    #[test]
    fn a_push_is_published_to_its_own_commit() {
        let context = context("https://ghe.example/api/v3/");
        assert_eq!(context.head_sha, context.sha);
        assert_eq!(
            (context.pull_request, context.is_fork, context.run_attempt),
            (None, false, 2)
        );
        assert_eq!(
            (context.branch.as_str(), context.api_url.as_str()),
            ("main", "https://ghe.example/api/v3")
        );
        assert_eq!(
            context.run_url(),
            "https://github.com/acme/shop/actions/runs/42/attempts/2"
        );
    }

    #[test]
    fn a_pull_request_is_published_to_its_head_and_not_to_the_merge() {
        let event = json!({
            "number": 7,
            "pull_request": {
                "number": 7,
                "head": {"sha": "2222", "ref": "fix", "repo": {"full_name": "Acme/Shop", "owner": {"login": "Acme"}}},
                "base": {"sha": "3333", "ref": "main"},
            },
            "repository": {"default_branch": "trunk"},
        });
        let context =
            Context::of(&env(&[("GITHUB_EVENT_NAME", "pull_request")]), &event).expect("a context");
        assert_eq!(
            (
                context.head_sha.as_str(),
                context.pull_request,
                context.is_fork
            ),
            ("2222", Some(7), false)
        );
        assert_eq!(
            (context.base_sha.as_deref(), context.base_branch.as_deref()),
            (Some("3333"), Some("main"))
        );
        assert_eq!(context.default_branch.as_deref(), Some("trunk"));
        let head = context.head.expect("a head");
        assert_eq!((head.owner.as_str(), head.branch.as_str()), ("Acme", "fix"));
    }

    #[test]
    fn a_head_in_another_repository_or_in_a_deleted_one_is_a_fork() {
        for repo in [
            json!({"full_name": "mallory/shop", "owner": {"login": "mallory"}}),
            Value::Null,
        ] {
            let event = json!({"pull_request": {"number": 7, "head": {"sha": "2222", "ref": "fix", "repo": repo}}});
            let context = Context::of(&env(&[("GITHUB_EVENT_NAME", "pull_request")]), &event)
                .expect("a context");
            assert!(context.is_fork, "{event}");
            assert_eq!(context.head_sha, "2222");
        }
    }

    #[test]
    fn a_merge_group_wants_to_go_to_its_base() {
        let event =
            json!({"merge_group": {"base_ref": "refs/heads/release/2", "base_sha": "3333"}});
        let context =
            Context::of(&env(&[("GITHUB_EVENT_NAME", "merge_group")]), &event).expect("a context");
        assert_eq!(context.base_branch.as_deref(), Some("release/2"));
        assert_eq!(context.base_sha.as_deref(), Some("3333"));
    }

    #[test]
    fn a_workflow_run_is_published_to_the_run_it_reports_on() {
        let event = json!({"workflow_run": {
            "id": 41, "run_attempt": 3, "head_sha": "4444", "head_branch": "fix",
            "head_repository": {"full_name": "mallory/shop", "owner": {"login": "mallory"}},
            "pull_requests": [],
        }});
        let context =
            Context::of(&env(&[("GITHUB_EVENT_NAME", "workflow_run")]), &event).expect("a context");
        assert_eq!(
            (
                context.head_sha.as_str(),
                context.is_fork,
                context.branch.as_str()
            ),
            ("4444", true, "fix")
        );
        assert_eq!(context.triggering_run, Some(Run { id: 41, attempt: 3 }));
        assert_eq!(context.pull_request, None);
    }

    #[test]
    fn an_event_of_an_unexpected_shape_is_no_error() {
        for event in [
            json!([]),
            json!({"pull_request": 3}),
            json!({"workflow_run": {"id": "x"}}),
            json!(null),
        ] {
            for name in ["pull_request", "workflow_run", "merge_group"] {
                let context =
                    Context::of(&env(&[("GITHUB_EVENT_NAME", name)]), &event).expect("a context");
                assert_eq!(context.head_sha, context.sha);
            }
        }
    }
}
