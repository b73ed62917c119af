//! Artifacts of other runs, through the REST API
//! (<https://docs.github.com/en/rest/actions/artifacts>).

use anyhow::Context as _;
use reqwest::Url;
use serde::Deserialize;

use super::blob::{self, Downloaded, Reach};
use super::listed::{Listed, Place};
use super::name::{ArtifactName, Content, SuiteName};
use super::patience::{Patience, Trouble};
use crate::github::client::Client;
use crate::github::context::Context;
use crate::github::error::{Purpose, Result};

const PURPOSE: Purpose = Purpose {
    what: "the artifacts of the run",
    permission: "actions: read",
};

/// The artifacts of a run with a name of ours, of all its attempts.
pub(super) async fn list(client: &Client, context: &Context, run: u64) -> Result<Vec<Listed>> {
    let route = format!(
        "/repos/{}/{}/actions/runs/{run}/artifacts",
        context.owner, context.repository
    );
    let found = client
        .get_all(&route, &[], PURPOSE, |page: Page| page.artifacts)
        .await?;
    Ok(found.into_iter().filter_map(Artifact::listed).collect())
}

/// Pages of 100 that are looked through for what earlier runs left. Runs of other branches fill them
/// too; what is older has soon expired.
const MOST_PAGES: u32 = 3;

/// What a run of this repository has left for later ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Legacy {
    pub(crate) listed: Listed,
    pub(crate) run: u64,
    pub(crate) commit: String,
}

/// What runs of this repository on `branch` have left of a suite, the newest first; only as much of
/// it as there is on the first page with any. That of forks does not count, whatever their branch
/// is called.
pub(crate) async fn legacies(
    client: &Client,
    context: &Context,
    suite: &SuiteName,
    branch: &str,
) -> Result<Vec<Legacy>> {
    let route = format!(
        "/repos/{}/{}/actions/artifacts",
        context.owner, context.repository
    );
    let name = ArtifactName::new(suite.clone(), Content::History).to_string();
    for page in 1..=MOST_PAGES {
        let page = page.to_string();
        let query = [
            ("name", name.as_str()),
            ("per_page", "100"),
            ("page", &page),
        ];
        let page: Page = client.get(&route, &query, PURPOSE).await?;
        let last = page.artifacts.len() < 100;
        let left = page.artifacts.into_iter();
        let mut left: Vec<Legacy> = left.filter_map(|it| it.left_by(branch)).collect();
        if last || !left.is_empty() {
            left.sort_by(|one, other| other.listed.created_at.cmp(&one.listed.created_at));
            return Ok(left);
        }
    }
    Ok(Vec::new())
}

/// The zip stands behind a redirect that is good for a minute, so a second try begins before it.
/// The token stays with the API: what is behind is asked without.
pub(super) async fn download(
    client: &Client,
    context: &Context,
    id: u64,
    listed: &Listed,
    patience: Patience,
) -> anyhow::Result<Downloaded> {
    let route = format!(
        "/repos/{}/{}/actions/artifacts/{id}/zip",
        context.owner, context.repository
    );
    let api = Url::parse(&context.api_url)
        .with_context(|| format!("`{}` is no URL of an API", context.api_url))?;
    let once = Patience {
        tries: 1,
        ..patience
    };
    let bring = async || {
        let lasting = |error: anyhow::Error| Trouble::Lasting(error);
        let (status, headers) = client
            .get_head(&route, PURPOSE)
            .await
            .map_err(|error| lasting(error.into()))?;
        let location = headers
            .get("location")
            .and_then(|location| location.to_str().ok())
            .with_context(|| format!("GitHub answered with {status} and no place to download from"))
            .map_err(lasting)?;
        blob::download(
            client.http(),
            location,
            listed.digest.as_deref(),
            Reach::from(&api),
            once,
        )
        .await
    };
    patience
        .persist("the download", bring)
        .await
        .map_err(Trouble::into_error)
        .with_context(|| format!("the artifact {} could not be downloaded", listed.name))
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    artifacts: Vec<Artifact>,
}

#[derive(Deserialize)]
struct Artifact {
    id: u64,
    name: String,
    #[serde(default)]
    size_in_bytes: u64,
    #[serde(default)]
    expired: bool,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    digest: Option<String>,
    #[serde(default)]
    workflow_run: Option<WorkflowRun>,
}

#[derive(Deserialize)]
struct WorkflowRun {
    #[serde(default)]
    id: u64,
    #[serde(default)]
    head_sha: String,
    #[serde(default)]
    repository_id: Option<u64>,
    #[serde(default)]
    head_repository_id: Option<u64>,
    #[serde(default)]
    head_branch: Option<String>,
}

impl Artifact {
    fn left_by(self, branch: &str) -> Option<Legacy> {
        let run = self.workflow_run.as_ref()?;
        let own = run.repository_id.is_some() && run.repository_id == run.head_repository_id;
        if !own || run.head_branch.as_deref() != Some(branch) {
            return None;
        }
        let (run, commit) = (run.id, run.head_sha.clone());
        let listed = self.listed()?;
        Some(Legacy {
            listed,
            run,
            commit,
        })
    }

    fn listed(self) -> Option<Listed> {
        if self.expired {
            return None;
        }
        let created_at = self.created_at.unwrap_or_default();
        Listed::of(
            &self.name,
            self.size_in_bytes,
            self.digest,
            created_at,
            Place::OtherRun { id: self.id },
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};
    use wiremock::matchers::{header_exists, path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::store::Store;
    use super::*;
    use crate::github::client::tests::client;
    use crate::github::context::tests::context;

    fn artifact(id: u64, name: &str) -> Value {
        json!({"id": id, "name": name, "size_in_bytes": 3, "expired": false, "created_at": format!("2026-01-01T00:00:{id:02}Z")})
    }

    async fn page(server: &MockServer, place: &str, number: &str, artifacts: &[Value]) {
        let body = json!({"total_count": artifacts.len(), "artifacts": artifacts});
        Mock::given(path(place))
            .and(query_param("page", number))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(server)
            .await;
    }

    #[tokio::test]
    async fn all_pages_are_read_and_only_our_names_count() {
        let server = MockServer::start().await;
        let mut first: Vec<Value> = (0..100).map(|id| artifact(id, "dist")).collect();
        first[0]["name"] = "parallel-pytest-unit-plan-a1".into();
        first[1]["name"] = "parallel-pytest-../etc-plan-a1".into();
        let mut expired = artifact(102, "parallel-pytest-unit-report-a1");
        expired["expired"] = true.into();
        let place = "/repos/acme/shop/actions/runs/41/artifacts";
        page(&server, place, "1", &first).await;
        page(
            &server,
            place,
            "2",
            &[
                artifact(101, "parallel-pytest-unit-shard-1-of-2-a1"),
                expired,
            ],
        )
        .await;
        let (client, context) = (client(&server), context(&server.uri()));
        let store = Store::OtherRun {
            client: &client,
            context: &context,
            run: 41,
        };
        let names: Vec<_> = store
            .list()
            .await
            .expect("a list")
            .iter()
            .map(|listed| listed.name.to_string())
            .collect();
        assert_eq!(
            names,
            [
                "parallel-pytest-unit-plan-a1",
                "parallel-pytest-unit-shard-1-of-2-a1"
            ]
        );
    }

    #[tokio::test]
    async fn a_zip_is_brought_from_the_other_origin_without_the_token() {
        let (server, other) = (MockServer::start().await, MockServer::start().await);
        page(
            &server,
            "/repos/acme/shop/actions/runs/41/artifacts",
            "1",
            &[artifact(5, "parallel-pytest-unit-plan-a1")],
        )
        .await;
        let there = format!("{}/zip?sig=secret", other.uri());
        Mock::given(path("/repos/acme/shop/actions/artifacts/5/zip"))
            .and(header_exists("authorization"))
            .respond_with(ResponseTemplate::new(302).insert_header("location", there))
            .expect(2)
            .mount(&server)
            .await;
        Mock::given(header_exists("authorization"))
            .respond_with(ResponseTemplate::new(400))
            .with_priority(1)
            .mount(&other)
            .await;
        Mock::given(path("/zip"))
            .respond_with(ResponseTemplate::new(503))
            .up_to_n_times(1)
            .with_priority(2)
            .mount(&other)
            .await;
        Mock::given(path("/zip"))
            .respond_with(ResponseTemplate::new(200).set_body_string("zip"))
            .mount(&other)
            .await;
        let (client, context) = (client(&server), context(&server.uri()));
        let listed = list(&client, &context, 41).await.expect("a list").remove(0);
        let patience = Patience {
            tries: 3,
            first: Duration::from_millis(1),
        };
        let downloaded = download(&client, &context, 5, &listed, patience)
            .await
            .expect("brought");
        assert_eq!(
            fs_err::read_to_string(downloaded.file.path()).expect("a file"),
            "zip"
        );
    }

    #[tokio::test]
    async fn an_artifact_that_is_gone_is_said_to_be() {
        let server = MockServer::start().await;
        Mock::given(wiremock::matchers::any())
            .respond_with(
                ResponseTemplate::new(410)
                    .set_body_json(json!({"message": "Artifact has expired"})),
            )
            .mount(&server)
            .await;
        let (client, context) = (client(&server), context(&server.uri()));
        let listed = Listed::of(
            "parallel-pytest-unit-plan-a1",
            0,
            None,
            String::new(),
            Place::OtherRun { id: 5 },
        )
        .expect("ours");
        let error = download(&client, &context, 5, &listed, Patience::default())
            .await
            .expect_err("gone");
        assert_eq!(
            format!("{error:#}"),
            "the artifact parallel-pytest-unit-plan-a1 could not be downloaded: GitHub does not know the artifacts of the run, or the token may not see it"
        );
    }

    #[tokio::test]
    async fn the_history_of_a_fork_is_not_believed() {
        let server = MockServer::start().await;
        let name = "parallel-pytest-unit-history";
        let of = |id: u64, branch: &str, repository: Value| {
            let mut artifact = artifact(id, name);
            artifact["workflow_run"] = json!({"id": id, "head_sha": format!("sha{id}"), "repository_id": 10, "head_repository_id": repository, "head_branch": branch});
            artifact
        };
        let artifacts = [
            of(1, "main", json!(10)),
            of(2, "main", json!(10)),
            of(3, "fix", json!(10)),
            of(4, "main", json!(66)),
            of(5, "main", Value::Null),
            artifact(6, name),
        ];
        Mock::given(path("/repos/acme/shop/actions/artifacts"))
            .and(query_param("name", name))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"artifacts": artifacts})))
            .mount(&server)
            .await;
        let suite = "unit".parse().expect("a suite");
        let found = legacies(&client(&server), &context(&server.uri()), &suite, "main")
            .await
            .expect("an answer");
        let found: Vec<(u64, &str)> = found
            .iter()
            .map(|it| (it.run, it.commit.as_str()))
            .collect();
        assert_eq!(found, [(2, "sha2"), (1, "sha1")]);
    }

    #[tokio::test]
    async fn what_other_branches_left_is_passed_over_page_by_page() {
        let server = MockServer::start().await;
        let left = |id: u64, branch: &str| {
            let mut artifact = artifact(id, "parallel-pytest-unit-history");
            artifact["workflow_run"] = json!({"id": id, "head_sha": "s", "repository_id": 1, "head_repository_id": 1, "head_branch": branch});
            artifact
        };
        let place = "/repos/acme/shop/actions/artifacts";
        let others: Vec<Value> = (1..=100).map(|id| left(id, "fix")).collect();
        page(&server, place, "1", &others).await;
        page(&server, place, "2", &[left(101, "main")]).await;
        let suite = "unit".parse().expect("a suite");
        let found = legacies(&client(&server), &context(&server.uri()), &suite, "main").await;
        assert_eq!(found.expect("an answer")[0].run, 101);
    }
}
