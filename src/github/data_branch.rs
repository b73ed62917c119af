//! Files on a branch of their own, such as badges, written without a clone
//! (<https://docs.github.com/en/rest/git>): a tree on top of the branch's, a commit, and the branch moved on.

use serde::Deserialize;
use serde_json::{Value, json};

use super::client::Client;
use super::context::Context;
use super::error::{Error, Purpose, Result};

const PURPOSE: Purpose = Purpose {
    what: "the branch with the badges",
    permission: "contents: write",
};

/// Another run may have moved the branch on in between.
const TRIES: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) content: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Created,
    Updated,
    Unchanged,
}

#[derive(Deserialize)]
struct Reference {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    sha: String,
}

#[derive(Deserialize)]
struct Commit {
    tree: Object,
}

/// Makes these files of the branch say this, and leaves the others. The branch is made where there is
/// none; it has no history in common with the code.
pub(crate) async fn write(
    client: &Client,
    context: &Context,
    branch: &str,
    files: &[File],
) -> Result<Written> {
    let mut tries = 1;
    loop {
        match write_once(client, context, branch, files).await {
            // Not a fast-forward any more, or made by another run at the same moment.
            Err(Error::Refused {
                status: 409 | 422, ..
            }) if tries < TRIES => tries += 1,
            result => return result,
        }
    }
}

async fn write_once(
    client: &Client,
    context: &Context,
    branch: &str,
    files: &[File],
) -> Result<Written> {
    let git = format!("/repos/{}/{}/git", context.owner, context.repository);
    let route = format!("{git}/ref/heads/{branch}");
    let head = match client.get::<Reference>(&route, &[], PURPOSE).await {
        Ok(reference) => Some(reference.object.sha),
        Err(Error::NotFound(_)) => None,
        Err(error) => return Err(error),
    };
    let base = match &head {
        Some(sha) => {
            let route = format!("{git}/commits/{sha}");
            let commit: Commit = client.get(&route, &[], PURPOSE).await?;
            Some(commit.tree.sha)
        }
        None => None,
    };
    let entries: Vec<Value> = files
        .iter()
        .map(|File { path, content }| json!({"path": path, "mode": "100644", "type": "blob", "content": content}))
        .collect();
    let mut tree = json!({"tree": entries});
    if let Some(base) = &base {
        tree["base_tree"] = json!(base);
    }
    // Trees and commits that nothing points to vanish, so sending one twice leaves nothing.
    let tree: Object = client.post(&format!("{git}/trees"), &tree, PURPOSE).await?;
    if base.as_deref() == Some(tree.sha.as_str()) {
        return Ok(Written::Unchanged);
    }
    let parents: Vec<&String> = head.iter().collect();
    let message = format!("Badges of {}", context.head_sha);
    let commit = json!({"message": message, "tree": tree.sha, "parents": parents});
    let commit: Object = client
        .post(&format!("{git}/commits"), &commit, PURPOSE)
        .await?;
    if head.is_some() {
        let body = json!({"sha": commit.sha, "force": false});
        let route = format!("{git}/refs/heads/{branch}");
        client.patch::<Value>(&route, &body, PURPOSE).await?;
        Ok(Written::Updated)
    } else {
        let body = json!({"ref": format!("refs/heads/{branch}"), "sha": commit.sha});
        client
            .post::<Value>(&format!("{git}/refs"), &body, PURPOSE)
            .await?;
        Ok(Written::Created)
    }
}

#[cfg(test)]
mod tests {
    use wiremock::matchers::{body_partial_json, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::client::tests::client;
    use super::super::context::tests::context;
    use super::*;

    async fn answers(server: &MockServer, verb: &str, place: &str, status: u16, body: Value) {
        Mock::given(method(verb))
            .and(path(format!("/repos/acme/shop/git/{place}")))
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .mount(server)
            .await;
    }

    fn files() -> Vec<File> {
        vec![File {
            path: "unit/tests.svg".to_owned(),
            content: "<svg/>".to_owned(),
        }]
    }

    async fn written(server: &MockServer) -> Result<Written> {
        write(&client(server), &context(&server.uri()), "badges", &files()).await
    }

    async fn without_a_branch() -> MockServer {
        let server = MockServer::start().await;
        answers(
            &server,
            "GET",
            "ref/heads/badges",
            404,
            json!({"message": "Not Found"}),
        )
        .await;
        server
    }

    /// Its head is `c1`, of the tree `t1`.
    async fn with_a_branch() -> MockServer {
        let server = MockServer::start().await;
        answers(
            &server,
            "GET",
            "ref/heads/badges",
            200,
            json!({"object": {"sha": "c1"}}),
        )
        .await;
        answers(
            &server,
            "GET",
            "commits/c1",
            200,
            json!({"tree": {"sha": "t1"}}),
        )
        .await;
        server
    }

    #[tokio::test]
    async fn the_first_badges_make_a_branch_without_a_past() {
        let server = without_a_branch().await;
        answers(&server, "POST", "trees", 201, json!({"sha": "t1"})).await;
        answers(&server, "POST", "commits", 201, json!({"sha": "c1"})).await;
        Mock::given(method("POST"))
            .and(path("/repos/acme/shop/git/refs"))
            .and(body_partial_json(
                json!({"ref": "refs/heads/badges", "sha": "c1"}),
            ))
            .respond_with(ResponseTemplate::new(201).set_body_json(json!({})))
            .mount(&server)
            .await;
        assert_eq!(written(&server).await.expect("written"), Written::Created);
    }

    #[tokio::test]
    async fn badges_that_say_the_same_are_no_commit() {
        let server = with_a_branch().await;
        answers(&server, "POST", "trees", 201, json!({"sha": "t1"})).await;
        assert_eq!(written(&server).await.expect("written"), Written::Unchanged);
    }

    #[tokio::test]
    async fn a_branch_that_moved_on_in_between_is_read_again() {
        let server = with_a_branch().await;
        answers(&server, "POST", "trees", 201, json!({"sha": "t2"})).await;
        answers(&server, "POST", "commits", 201, json!({"sha": "c2"})).await;
        let place = path("/repos/acme/shop/git/refs/heads/badges");
        Mock::given(method("PATCH"))
            .and(place)
            .respond_with(
                ResponseTemplate::new(422)
                    .set_body_json(json!({"message": "Update is not a fast forward"})),
            )
            .up_to_n_times(2)
            .mount(&server)
            .await;
        answers(&server, "PATCH", "refs/heads/badges", 200, json!({})).await;
        assert_eq!(written(&server).await.expect("written"), Written::Updated);
    }

    #[tokio::test]
    async fn a_token_that_may_not_write_names_the_permission() {
        let server = without_a_branch().await;
        answers(
            &server,
            "POST",
            "trees",
            403,
            json!({"message": "Resource not accessible by integration"}),
        )
        .await;
        let error = written(&server).await.expect_err("refused");
        assert!(error.to_string().contains("`contents: write`"), "{error}");
    }
}
