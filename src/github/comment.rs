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

const PURPOSE: Purpose = Purpose {
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

/// Makes the one comment of this marker say `body`. The marker, an HTML comment on one line, is put
/// before the body, unless it is there already.
pub(crate) async fn upsert(
    client: &Client,
    context: &Context,
    pull_request: u64,
    marker: &str,
    body: &str,
) -> Result<Published> {
    let body = if body.starts_with(marker) {
        body.to_owned()
    } else {
        format!("{marker}\n{body}")
    };
    let body = cut_bytes(&body, BODY_LIMIT);
    client
        .reconcile(async || step(client, context, pull_request, marker, body).await)
        .await
}

async fn step(
    client: &Client,
    context: &Context,
    pull_request: u64,
    marker: &str,
    body: &str,
) -> Result<Published> {
    let issues = format!("/repos/{}/{}/issues", context.owner, context.repository);
    let thread = format!("{issues}/{pull_request}/comments");
    let mut own = own_comments(client, &thread, marker).await?.into_iter();
    if let Some(first) = own.next() {
        let kept = keep(client, &issues, first, body).await?;
        for duplicate in own {
            // Only tidying: whatever hinders it, the result is published.
            if let Err(error) = client
                .delete(&format!("{issues}/comments/{}", duplicate.id), PURPOSE)
                .await
            {
                tracing::warn!("a second comment of ours could not be removed: {error}");
            }
        }
        if let Some(kept) = kept {
            return Ok(kept);
        }
    }
    let made: Comment = client
        .post(&thread, &json!({"body": body}), PURPOSE)
        .await?;
    Ok(Published {
        change: Change::Created,
        url: made.html_url,
    })
}

/// `None` if somebody has removed the comment in the meantime.
async fn keep(
    client: &Client,
    issues: &str,
    comment: Comment,
    body: &str,
) -> Result<Option<Published>> {
    if same_text(comment.body.as_deref().unwrap_or_default(), body) {
        return Ok(Some(Published {
            change: Change::Unchanged,
            url: comment.html_url,
        }));
    }
    let route = format!("{issues}/comments/{}", comment.id);
    match client
        .patch::<Comment>(&route, &json!({"body": body}), PURPOSE)
        .await
    {
        Ok(updated) => Ok(Some(Published {
            change: Change::Updated,
            url: updated.html_url,
        })),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Oldest first.
async fn own_comments(client: &Client, thread: &str, marker: &str) -> Result<Vec<Comment>> {
    let mut marked = client
        .get_all(thread, &[], PURPOSE, |page: Vec<Comment>| page)
        .await?;
    marked.retain(|comment| {
        comment
            .body
            .as_deref()
            .and_then(|body| body.trim_start().strip_prefix(marker))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['\r', '\n']))
    });
    // A workflow's own token may not ask who it is, and is a bot's anyway; so the question is asked
    // only where a person's comment could be ours.
    let person = marked.iter().any(|comment| !comment.is_by_bot());
    let me = if person { login(client).await } else { None };
    marked.retain(|comment| match &me {
        Some(me) => comment.user.as_ref().is_some_and(|user| &user.login == me),
        None => comment.is_by_bot(),
    });
    marked.sort_by_key(|comment| comment.id);
    Ok(marked)
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
struct Comment {
    id: u64,
    #[serde(default)]
    body: Option<String>,
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
    fn is_by_bot(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.kind == "Bot")
    }
}
