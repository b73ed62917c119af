//! The comment on a pull request: one, found again by a hidden marker and updated in place
//! (<https://docs.github.com/en/rest/issues/comments>).
//!
//! Anyone can write our marker into a comment, so a comment is ours only if it *starts* with the
//! marker and was written by a bot, or by the very user of our token. The oldest of ours is kept;
//! later ones, which two runs at the same moment can leave, are removed.

use serde::Deserialize;
use serde_json::json;

use super::check_run::same_text;
use super::client::Client;
use super::context::Context;
use super::error::{Error, Purpose, Result, cut_bytes};

/// Of a comment, in bytes (GitHub counts characters, so bytes are safe).
pub(crate) const BODY_LIMIT: usize = 65_536;

pub(super) const PURPOSE: Purpose = Purpose {
    what: "the comment on the pull request",
    permission: "pull-requests: write",
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) change: Change,
    pub(crate) url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Created,
    Updated,
    Unchanged,
}

/// Whether a comment is worth making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Wanted,
    /// Only one that is there already is brought up to date: it must not tell of an earlier run.
    IfThere,
}

/// What becomes of a comment that says something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewal {
    InPlace,
    /// A new one at the end of the thread, which notifies, and the old one is removed.
    Anew,
}

/// Makes the one comment of this marker say `body`. The marker, an HTML comment on one line, is put
/// before the body, unless it is there already. `None` if there is no comment, and no need for one.
pub(crate) async fn upsert(
    client: &Client,
    context: &Context,
    pull_request: u64,
    marker: &str,
    body: &str,
    need: Need,
    renewal: Renewal,
) -> Result<Option<Published>> {
    let body = if body.starts_with(marker) {
        body.to_owned()
    } else {
        format!("{marker}\n{body}")
    };
    let body = cut_bytes(&body, BODY_LIMIT);
    client
        .reconcile(async || {
            step(client, context, pull_request, marker, body, (need, renewal)).await
        })
        .await
}

async fn step(
    client: &Client,
    context: &Context,
    pull_request: u64,
    marker: &str,
    body: &str,
    (need, renewal): (Need, Renewal),
) -> Result<Option<Published>> {
    let issues = format!("/repos/{}/{}/issues", context.owner, context.repository);
    let thread = format!("{issues}/{pull_request}/comments");
    let mut own = own_comments(client, &thread, marker).await?;
    if renewal == Renewal::Anew && !own.is_empty() {
        // An earlier try may have made the new one already.
        let last = own.pop_if(|last| same_text(last.body.as_deref().unwrap_or_default(), body));
        let published = match last {
            Some(last) => last.published(Change::Unchanged),
            None => client
                .post::<Comment>(&thread, &json!({"body": body}), PURPOSE)
                .await?
                .published(Change::Created),
        };
        for old in own {
            remove(client, &issues, &old).await;
        }
        return Ok(Some(published));
    }
    let mut own = own.into_iter();
    if let Some(first) = own.next() {
        let kept = keep(client, &issues, first, body).await?;
        for duplicate in own {
            remove(client, &issues, &duplicate).await;
        }
        if kept.is_some() {
            return Ok(kept);
        }
    }
    if need == Need::IfThere {
        return Ok(None);
    }
    let made: Comment = client
        .post(&thread, &json!({"body": body}), PURPOSE)
        .await?;
    Ok(Some(made.published(Change::Created)))
}

/// Only tidying: whatever hinders it, the result is published.
pub(super) async fn remove(client: &Client, issues: &str, duplicate: &Comment) {
    let route = format!("{issues}/comments/{}", duplicate.id);
    if let Err(error) = client.delete(&route, PURPOSE).await {
        tracing::warn!("a second comment of ours could not be removed: {error}");
    }
}

/// `None` if somebody has removed the comment in the meantime.
async fn keep(
    client: &Client,
    issues: &str,
    comment: Comment,
    body: &str,
) -> Result<Option<Published>> {
    if same_text(comment.body.as_deref().unwrap_or_default(), body) {
        return Ok(Some(comment.published(Change::Unchanged)));
    }
    let route = format!("{issues}/comments/{}", comment.id);
    match client
        .patch::<Comment>(&route, &json!({"body": body}), PURPOSE)
        .await
    {
        Ok(updated) => Ok(Some(updated.published(Change::Updated))),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Oldest first.
pub(super) async fn own_comments(
    client: &Client,
    thread: &str,
    marker: &str,
) -> Result<Vec<Comment>> {
    let mut found = client
        .get_all(thread, &[], PURPOSE, |page: Vec<Comment>| page)
        .await?;
    found.retain(|comment| {
        comment
            .body
            .as_deref()
            .and_then(|body| body.trim_start().strip_prefix(marker))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['\r', '\n']))
    });
    // A workflow's own token may not ask who it is, and is a bot's anyway; so the question is asked
    // only where a person's comment could be ours.
    let person = found.iter().any(|comment| !comment.is_by_bot());
    let me = if person { login(client).await } else { None };
    found.retain(|comment| match &me {
        Some(me) => comment.user.as_ref().is_some_and(|user| &user.login == me),
        None => comment.is_by_bot(),
    });
    found.sort_by_key(|comment| comment.id);
    Ok(found)
}

/// The user of the token; `None` for the token of an app.
async fn login(client: &Client) -> Option<String> {
    client
        .get::<User>("/user", &[], PURPOSE)
        .await
        .ok()
        .map(|user| user.login)
}

#[derive(Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    #[serde(default)]
    pub(super) body: Option<String>,
    #[serde(default)]
    html_url: Option<String>,
    #[serde(default)]
    user: Option<User>,
}

#[derive(Deserialize)]
struct User {
    login: String,
    #[serde(default, rename = "type")]
    kind: String,
}

impl Comment {
    pub(super) fn published(&self, change: Change) -> Published {
        Published {
            change,
            url: self.html_url.clone(),
        }
    }

    fn is_by_bot(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.kind == "Bot")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use wiremock::matchers::{method, path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::client::tests::client;
    use super::super::context::tests::context;
    use super::*;

    const MARKER: &str = "<!-- parallel-pytest: unit -->";

    fn by(login: &str, kind: &str, id: u64, body: &str) -> Value {
        json!({"id": id, "body": body, "html_url": format!("page/{id}"), "user": {"login": login, "type": kind}})
    }

    fn ours(id: u64, text: &str) -> Value {
        by(
            "github-actions[bot]",
            "Bot",
            id,
            &format!("{MARKER}\r\n{text}\n"),
        )
    }

    fn noise(count: u64) -> Vec<Value> {
        (0..count)
            .map(|id| by("octocat", "User", id, "nice"))
            .collect()
    }

    async fn thread(pages: &[Vec<Value>]) -> MockServer {
        let server = MockServer::start().await;
        for (index, page) in pages.iter().enumerate() {
            Mock::given(method("GET"))
                .and(path("/repos/acme/shop/issues/7/comments"))
                .and(query_param("page", (index + 1).to_string()))
                .respond_with(ResponseTemplate::new(200).set_body_json(page))
                .mount(&server)
                .await;
        }
        for (verb, place) in [
            ("POST", "/repos/acme/shop/issues/7/comments"),
            ("PATCH", "/repos/acme/shop/issues/comments/500"),
        ] {
            let id = if verb == "POST" { 900 } else { 500 };
            Mock::given(method(verb))
                .and(path(place))
                .respond_with(ResponseTemplate::new(200).set_body_json(ours(id, "new")))
                .mount(&server)
                .await;
        }
        server
    }

    async fn say(server: &MockServer, text: &str) -> Published {
        let published = say_if(server, text, Need::Wanted).await;
        published.expect("a comment")
    }

    async fn say_if(server: &MockServer, text: &str, need: Need) -> Option<Published> {
        let context = context(&server.uri());
        let renewal = Renewal::InPlace;
        upsert(&client(server), &context, 7, MARKER, text, need, renewal)
            .await
            .expect("published")
    }

    async fn writes(server: &MockServer) -> Vec<String> {
        let requests = server.received_requests().await.expect("recorded");
        let writes = requests
            .iter()
            .filter(|request| request.method.as_str() != "GET");
        writes
            .map(|request| format!("{} {}", request.method, request.url.path()))
            .collect()
    }

    #[tokio::test]
    async fn the_first_comment_is_created_with_its_marker() {
        let server = thread(&[noise(3)]).await;
        let published = say(&server, "new").await;
        assert_eq!(
            published,
            Published {
                change: Change::Created,
                url: Some("page/900".to_owned())
            }
        );
        let requests = server.received_requests().await.expect("recorded");
        let sent: Value =
            serde_json::from_slice(&requests.last().expect("a post").body).expect("JSON");
        assert_eq!(sent, json!({"body": format!("{MARKER}\nnew")}));
    }

    #[tokio::test]
    async fn our_comment_is_found_on_a_later_page_and_updated() {
        let mut second = noise(5);
        second.push(ours(500, "old"));
        let server = thread(&[noise(100), second]).await;
        assert_eq!(say(&server, "new").await.change, Change::Updated);
        assert_eq!(
            writes(&server).await,
            ["PATCH /repos/acme/shop/issues/comments/500"]
        );
    }

    #[tokio::test]
    async fn saying_the_same_again_writes_nothing() {
        let server = thread(&[vec![ours(500, "same")]]).await;
        let published = say(&server, "same").await;
        assert_eq!(
            published,
            Published {
                change: Change::Unchanged,
                url: Some("page/500".to_owned())
            }
        );
        assert_eq!(writes(&server).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_comment_can_be_made_anew_at_the_end() {
        for (last, change, expected) in [
            ("old", Change::Created, &["POST", "DELETE", "DELETE"][..]),
            ("new", Change::Unchanged, &["DELETE"]),
        ] {
            let server = thread(&[vec![ours(500, "old"), ours(501, last)]]).await;
            Mock::given(method("DELETE"))
                .respond_with(ResponseTemplate::new(204))
                .mount(&server)
                .await;
            let context = context(&server.uri());
            let (need, renewal) = (Need::IfThere, Renewal::Anew);
            let client = client(&server);
            let published = upsert(&client, &context, 7, MARKER, "new", need, renewal);
            let published = published.await.expect("published").expect("a comment");
            assert_eq!(published.change, change);
            let sent = writes(&server).await;
            let verbs: Vec<_> = sent
                .iter()
                .filter_map(|line| line.split(' ').next())
                .collect();
            assert_eq!(verbs, expected);
        }
    }

    #[tokio::test]
    async fn without_need_only_a_comment_that_is_there_is_updated() {
        let server = thread(&[noise(3)]).await;
        assert_eq!(say_if(&server, "new", Need::IfThere).await, None);
        assert_eq!(writes(&server).await, Vec::<String>::new());
        let server = thread(&[vec![ours(500, "old")]]).await;
        let updated = say_if(&server, "new", Need::IfThere).await;
        assert_eq!(updated.map(|updated| updated.change), Some(Change::Updated));
    }

    #[tokio::test]
    async fn a_planted_marker_does_not_make_a_comment_ours() {
        let planted = vec![
            by("mallory", "User", 500, &format!("{MARKER}\nall green")),
            by("other-app[bot]", "Bot", 501, &format!("> {MARKER}\nquoted")),
            by(
                "other-app[bot]",
                "Bot",
                502,
                &format!("{MARKER}x\nother suite"),
            ),
            json!({"id": 503, "body": MARKER, "user": null}),
            json!({"id": 504, "body": null, "user": null}),
        ];
        let server = thread(&[planted]).await;
        Mock::given(path("/user"))
            .respond_with(
                ResponseTemplate::new(403)
                    .set_body_json(json!({"message": "Resource not accessible by integration"})),
            )
            .mount(&server)
            .await;
        assert_eq!(say(&server, "new").await.change, Change::Created);
    }

    #[tokio::test]
    async fn with_a_persons_token_that_persons_comment_is_ours() {
        let server = thread(&[vec![
            by("mallory", "User", 400, MARKER),
            by("octocat", "User", 500, MARKER),
        ]])
        .await;
        let me = json!({"login": "octocat", "type": "User"});
        Mock::given(path("/user"))
            .respond_with(ResponseTemplate::new(200).set_body_json(me))
            .mount(&server)
            .await;
        assert_eq!(say(&server, "new").await.change, Change::Updated);
    }

    #[tokio::test]
    async fn later_duplicates_of_ours_are_removed() {
        let server = thread(&[vec![
            ours(502, "third"),
            ours(500, "first"),
            ours(501, "second"),
        ]])
        .await;
        Mock::given(method("DELETE"))
            .respond_with(ResponseTemplate::new(204))
            .mount(&server)
            .await;
        assert_eq!(say(&server, "new").await.change, Change::Updated);
        let expected = ["PATCH …500", "DELETE …501", "DELETE …502"]
            .map(|text| text.replace('…', "/repos/acme/shop/issues/comments/"));
        assert_eq!(writes(&server).await, expected);
    }

    #[tokio::test]
    async fn a_comment_whose_answer_got_lost_is_not_written_twice() {
        let server = MockServer::start().await;
        let list = |comments: Value| {
            Mock::given(method("GET"))
                .respond_with(ResponseTemplate::new(200).set_body_json(comments))
        };
        list(json!([]))
            .up_to_n_times(1)
            .with_priority(1)
            .mount(&server)
            .await;
        list(json!([ours(900, "new")])).mount(&server).await;
        Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(502))
            .expect(1)
            .mount(&server)
            .await;
        assert_eq!(say(&server, "new").await.change, Change::Unchanged);
    }

    #[tokio::test]
    async fn a_body_is_cut_to_what_github_takes() {
        let server = thread(&[vec![]]).await;
        say(&server, &"é".repeat(BODY_LIMIT)).await;
        let requests = server.received_requests().await.expect("recorded");
        let sent: Value =
            serde_json::from_slice(&requests.last().expect("a post").body).expect("JSON");
        let length = sent["body"].as_str().expect("text").len();
        assert!(length <= BODY_LIMIT && length > BODY_LIMIT - 2, "{length}");
    }
}
