//! Which pull request a run belongs to. Told by the event or asked from the API, never read from a
//! file that the tested code could have written.

use serde::Deserialize;

use super::client::Client;
use super::context::Context;
use super::error::{Error, Purpose, Result};

const PURPOSE: Purpose = Purpose {
    what: "the pull request of the commit",
    permission: "pull-requests: read",
};

/// The number of the open pull request of this repository whose head is the tested commit. Where
/// there are several, the one into the default branch, else the oldest: all show the same commit.
pub(crate) async fn of_run(client: &Client, context: &Context) -> Result<Option<u64>> {
    if context.pull_request.is_some() {
        return Ok(context.pull_request);
    }
    Ok(of_commit(client, context).await?.map(|pull| pull.number))
}

/// Like [`of_run`], where the event names none.
pub(super) async fn of_commit(client: &Client, context: &Context) -> Result<Option<Pull>> {
    let repository = format!("/repos/{}/{}", context.owner, context.repository);
    let mut found = Vec::new();
    // A fork's commit is not among those of our repository, but its branch has a name.
    if let Some(head) = &context.head {
        let branch = format!("{}:{}", head.owner, head.branch);
        let query = [("state", "open"), ("head", branch.as_str())];
        found = client
            .get_all(
                &format!("{repository}/pulls"),
                &query,
                PURPOSE,
                |page: Vec<Pull>| page,
            )
            .await?;
        found.retain(|pull| pull.head.is_in(&head.repository));
    }
    if !found.iter().any(|pull| pull.fits(context)) {
        let route = format!("{repository}/commits/{}/pulls", context.head_sha);
        found = match client
            .get_all(&route, &[], PURPOSE, |page: Vec<Pull>| page)
            .await
        {
            // The commit is only in the fork.
            Err(Error::NotFound(_) | Error::Refused { status: 422, .. }) => Vec::new(),
            result => result?,
        };
        if let Some(head) = &context.head {
            found.retain(|pull| pull.head.is_in(&head.repository));
        }
    }
    found.retain(|pull| pull.fits(context));
    let default = context.default_branch.as_deref();
    found.sort_by_key(|pull| (default != Some(pull.base.branch.as_str()), pull.number));
    Ok(found.into_iter().next())
}

#[derive(Deserialize)]
pub(super) struct Pull {
    pub(super) number: u64,
    #[serde(default)]
    state: String,
    pub(super) head: Side,
    pub(super) base: Side,
    /// The merge that GitHub has last tried.
    #[serde(default)]
    pub(super) merge_commit_sha: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Side {
    pub(super) sha: String,
    #[serde(rename = "ref")]
    branch: String,
    #[serde(default)]
    repo: Option<Repository>,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

impl Pull {
    fn fits(&self, context: &Context) -> bool {
        self.state == "open"
            && self.head.sha == context.head_sha
            && self.base.is_in(&context.full_name())
    }
}

impl Side {
    fn is_in(&self, full_name: &str) -> bool {
        self.repo
            .as_ref()
            .is_some_and(|repo| repo.full_name.eq_ignore_ascii_case(full_name))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wiremock::matchers::{path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::client::tests::client;
    use super::super::context::Head;
    use super::super::context::tests::context;
    use super::*;

    const SHA: &str = "1111111111111111111111111111111111111111";

    fn pull(number: u64, sha: &str, head: &str, base: &str) -> Value {
        json!({
            "number": number, "state": "open",
            "head": {"sha": sha, "ref": "fix", "repo": {"full_name": head}},
            "base": {"sha": "0", "ref": "main", "repo": {"full_name": base}},
        })
    }

    async fn found(of_branch: &[Value], of_commit: &[Value], head: Option<&str>) -> Option<u64> {
        let server = MockServer::start().await;
        Mock::given(path("/repos/acme/shop/pulls"))
            .and(query_param("head", "mallory:fix"))
            .and(query_param("state", "open"))
            .respond_with(ResponseTemplate::new(200).set_body_json(of_branch))
            .mount(&server)
            .await;
        Mock::given(path(format!("/repos/acme/shop/commits/{SHA}/pulls")))
            .respond_with(ResponseTemplate::new(200).set_body_json(of_commit))
            .mount(&server)
            .await;
        let mut context = context(&server.uri());
        context.head = head.map(|full_name| Head {
            owner: "mallory".to_owned(),
            repository: full_name.to_owned(),
            branch: "fix".to_owned(),
        });
        of_run(&client(&server), &context).await.expect("an answer")
    }

    #[tokio::test]
    async fn the_event_is_believed_without_a_question() {
        let server = MockServer::start().await;
        let context = Context {
            pull_request: Some(7),
            ..context(&server.uri())
        };
        assert_eq!(
            of_run(&client(&server), &context).await.expect("known"),
            Some(7)
        );
        assert!(
            server
                .received_requests()
                .await
                .expect("recorded")
                .is_empty()
        );
    }

    #[tokio::test]
    async fn the_pull_request_of_a_fork_is_the_one_whose_head_was_tested() {
        let pulls = [
            pull(5, "9999", "mallory/shop", "acme/shop"),
            pull(6, SHA, "mallory/shop", "mallory/shop"),
            pull(7, SHA, "mallory/shop", "acme/shop"),
            pull(4, SHA, "mallory/other", "acme/shop"),
        ];
        assert_eq!(found(&pulls, &[], Some("mallory/shop")).await, Some(7));
    }

    #[tokio::test]
    async fn a_closed_or_moved_on_pull_request_is_none() {
        let mut closed = pull(7, SHA, "acme/shop", "acme/shop");
        closed["state"] = "closed".into();
        let gone = json!({"number": 8, "state": "open", "head": {"sha": SHA, "ref": "x", "repo": null}, "base": {"sha": "0", "ref": "main", "repo": null}});
        assert_eq!(
            found(
                &[],
                &[closed, pull(6, "9999", "acme/shop", "acme/shop"), gone],
                None
            )
            .await,
            None
        );
    }

    #[tokio::test]
    async fn of_several_the_one_into_the_default_branch_is_taken_and_else_the_oldest() {
        let mut release = pull(3, SHA, "acme/shop", "acme/shop");
        release["base"]["ref"] = "release".into();
        let pulls = [
            pull(9, SHA, "acme/shop", "acme/shop"),
            pull(8, SHA, "acme/shop", "acme/shop"),
            release,
        ];
        assert_eq!(found(&[], &pulls, None).await, Some(3));
        let server = MockServer::start().await;
        Mock::given(path(format!("/repos/acme/shop/commits/{SHA}/pulls")))
            .respond_with(ResponseTemplate::new(200).set_body_json(&pulls))
            .mount(&server)
            .await;
        let context = Context {
            default_branch: Some("main".to_owned()),
            ..context(&server.uri())
        };
        assert_eq!(
            of_run(&client(&server), &context).await.expect("an answer"),
            Some(8)
        );
    }
}
