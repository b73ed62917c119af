//! The comment that several suites share, each writing its own section from a job of its own.
//!
//! GitHub has no conditional write of a comment: whoever writes puts everything there that was read
//! before, and a section written in between is gone. So nobody is through before a later read shows
//! nothing left to do. What overwrites a section is a write begun before that section was there; it is
//! sent at once after its read or not at all, so it has landed by the time of the look, which comes
//! seconds later, at a random moment, and twice where others are expected. Comments that two suites
//! created at one moment become one: the oldest gets the sections of all, the others are removed.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use serde_json::json;

use super::check_run::same_text;
use super::client::Client;
use super::comment::{Change, Comment, Need, PURPOSE, Published, own_comments, remove};
use super::context::Context;
use super::error::{Error, Result};

/// Looks before somebody else has to mend it: with the next publish.
const MOST_LOOKS: u32 = 12;
/// Before the look after a write; the same again at random, and more each time.
const PAUSE: Duration = Duration::from_secs(1);

/// What the comment should say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) body: String,
    /// Others are likely to write soon.
    pub(crate) waits: bool,
}

/// Where the comment is.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) pull_request: u64,
    /// The first line of the comment.
    pub(crate) marker: &'a str,
}

/// Makes the comment say what `compose` makes of what it says at any time; of several comments with
/// this marker it gets all. What `compose` has made it must leave as it is. `None` if there is no
/// comment, and no need for one.
pub(crate) async fn share(
    client: &Client,
    context: &Context,
    place: Place<'_>,
    need: Need,
    compose: impl Fn(&[&str]) -> Wanted,
) -> Result<Option<Published>> {
    share_with(client, context, place, need, compose, PAUSE).await
}

async fn share_with(
    client: &Client,
    context: &Context,
    place: Place<'_>,
    need: Need,
    compose: impl Fn(&[&str]) -> Wanted,
    pause: Duration,
) -> Result<Option<Published>> {
    let (mut done, mut quiet) = (None, 0);
    for look in 1..=MOST_LOOKS {
        let step = client.reconcile(async || step(client, context, place, need, &compose).await);
        let (published, waits) = match step.await {
            Ok(None) => return Ok(done),
            Ok(Some(found)) => found,
            // The next look decides anew what to write.
            Err(Error::RateLimited { wait, .. }) if wait <= Duration::from_mins(1) => {
                tokio::time::sleep(wait).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        let unchanged = published.change == Change::Unchanged;
        quiet = if unchanged { quiet + 1 } else { 0 };
        let enough = match (&done, waits) {
            (None, _) => 1,
            (Some(_), waits) => 1 + u32::from(waits),
        };
        if done.is_none() || !unchanged {
            done = Some(published);
        }
        if quiet >= enough {
            return Ok(done);
        }
        tokio::time::sleep(pause + (pause * look).mul_f64(chance())).await;
    }
    tracing::warn!("others keep writing the comment on the pull request: it may lack this suite");
    Ok(done)
}

/// One look, and one write if something is to be changed; with whether others are awaited.
async fn step(
    client: &Client,
    context: &Context,
    place: Place<'_>,
    need: Need,
    compose: impl Fn(&[&str]) -> Wanted,
) -> Result<Option<(Published, bool)>> {
    let issues = format!("/repos/{}/{}/issues", context.owner, context.repository);
    let thread = format!("{issues}/{}/comments", place.pull_request);
    let found = own_comments(client, &thread, place.marker).await?;
    let bodies: Vec<&str> = found.iter().filter_map(|own| own.body.as_deref()).collect();
    let Wanted { body, waits } = compose(&bodies);
    let body = json!({ "body": body });
    let text = body["body"].as_str().unwrap_or_default();
    let Some((first, others)) = found.split_first() else {
        if need == Need::IfThere {
            return Ok(None);
        }
        let made: Comment = client.post(&thread, &body, PURPOSE).await?;
        return Ok(Some((made.published(Change::Created), waits)));
    };
    let mut published = first.published(Change::Unchanged);
    if !same_text(first.body.as_deref().unwrap_or_default(), text) {
        let route = format!("{issues}/comments/{}", first.id);
        let written: Result<Comment> = client.patch_now(&route, &body, PURPOSE).await;
        published = match written {
            Ok(updated) => updated.published(Change::Updated),
            // Somebody has removed it; the next look finds what is there instead.
            Err(Error::NotFound(_)) => first.published(Change::Updated),
            Err(error) => return Err(error),
        };
    }
    for duplicate in others {
        remove(client, &issues, duplicate).await;
        published.change = Change::Updated;
    }
    Ok(Some((published, waits)))
}

/// 0 to 1.
fn chance() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    f64::from(u16::try_from(random & 0xFFFF).unwrap_or_default()) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use wiremock::matchers::{method, path};
    use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

    use super::super::client::tests::client;
    use super::super::context::tests::context;
    use super::*;

    const MARKER: &str = "<!-- shared -->";
    const PLACE: Place<'_> = Place {
        pull_request: 7,
        marker: MARKER,
    };

    /// A thread of comments that keeps what is written; a write lands a random time after it was sent.
    #[derive(Clone, Default)]
    struct Thread(Arc<Mutex<Vec<(u64, String)>>>);

    impl Thread {
        fn bodies(&self) -> Vec<String> {
            let comments = self.0.lock().expect("whole");
            comments.iter().map(|(_, body)| body.clone()).collect()
        }

        fn shown((id, body): &(u64, String)) -> Value {
            json!({"id": id, "body": body, "user": {"login": "b", "type": "Bot"}})
        }
    }

    impl Respond for Thread {
        fn respond(&self, request: &Request) -> ResponseTemplate {
            let sent = || {
                let sent: Value = serde_json::from_slice(&request.body).expect("JSON");
                sent["body"].as_str().expect("a text").to_owned()
            };
            let id = request.url.path().rsplit('/').next().unwrap_or_default();
            let id: u64 = id.parse().unwrap_or_default();
            let mut comments = self.0.lock().expect("whole");
            let position = comments.iter().position(|(known, _)| *known == id);
            let answer = match (request.method.as_str(), position) {
                ("GET", _) => json!(comments.iter().map(Self::shown).collect::<Vec<_>>()),
                ("POST", _) => {
                    let id = comments.len() as u64 + 100;
                    comments.push((id, sent()));
                    Self::shown(comments.last().expect("just made"))
                }
                ("PATCH", Some(at)) => {
                    comments[at].1 = sent();
                    Self::shown(&comments[at])
                }
                ("DELETE", Some(at)) => {
                    comments.remove(at);
                    return ResponseTemplate::new(204);
                }
                _ => return ResponseTemplate::new(404).set_body_json(json!({"message": "gone"})),
            };
            // The answer of a read is old when it arrives.
            let delay = Duration::from_millis(30).mul_f64(chance());
            ResponseTemplate::new(200)
                .set_body_json(answer)
                .set_delay(delay)
        }
    }

    async fn thread() -> (MockServer, Thread) {
        let (server, thread) = (MockServer::start().await, Thread::default());
        Mock::given(wiremock::matchers::any())
            .respond_with(thread.clone())
            .mount(&server)
            .await;
        (server, thread)
    }

    /// The sections are lines, in order.
    fn with(own: &str) -> impl Fn(&[&str]) -> Wanted {
        move |now| {
            let lines = now.iter().flat_map(|body| body.lines().skip(1));
            let lines: BTreeSet<&str> = lines.chain([own]).collect();
            let lines: Vec<&str> = lines.into_iter().collect();
            Wanted {
                body: format!("{MARKER}\n{}", lines.join("\n")),
                waits: true,
            }
        }
    }

    async fn say(server: &MockServer, text: &str, need: Need) -> Option<Published> {
        let context = context(&server.uri());
        let pause = Duration::from_millis(60);
        share_with(&client(server), &context, PLACE, need, with(text), pause)
            .await
            .expect("published")
    }

    #[tokio::test]
    async fn suites_that_publish_at_once_lose_nothing() {
        for _ in 0..3 {
            let (server, thread) = thread().await;
            let names = ["a", "b", "c", "d"];
            let [a, b, c, d] = names.map(|name| say(&server, name, Need::Wanted));
            let _ = tokio::join!(a, b, c, d);
            assert_eq!(thread.bodies(), [format!("{MARKER}\na\nb\nc\nd")]);
        }
    }

    #[tokio::test]
    async fn saying_the_same_again_writes_nothing_and_waits_for_nobody() {
        let (server, thread) = thread().await;
        say(&server, "a", Need::Wanted).await;
        let before = server.received_requests().await.expect("recorded").len();
        let again = say(&server, "a", Need::Wanted).await.expect("a comment");
        assert_eq!(again.change, Change::Unchanged);
        let after = server.received_requests().await.expect("recorded").len();
        assert_eq!((after - before, thread.bodies().len()), (1, 1));
    }

    #[tokio::test]
    async fn without_need_only_a_comment_that_is_there_is_joined() {
        let (server, thread) = thread().await;
        assert_eq!(say(&server, "b", Need::IfThere).await, None);
        assert_eq!(thread.bodies().len(), 0);
        say(&server, "a", Need::Wanted).await;
        let joined = say(&server, "b", Need::IfThere).await.expect("a comment");
        assert_eq!(joined.change, Change::Updated);
        assert_eq!(thread.bodies(), [format!("{MARKER}\na\nb")]);
    }

    #[tokio::test]
    async fn a_write_that_was_not_carried_out_is_made_of_what_is_there_then() {
        let (server, thread) = thread().await;
        say(&server, "a", Need::Wanted).await;
        Mock::given(method("PATCH"))
            .and(path("/repos/acme/shop/issues/comments/100"))
            .respond_with(ResponseTemplate::new(502))
            .up_to_n_times(2)
            .with_priority(1)
            .mount(&server)
            .await;
        let (c, b) = tokio::join!(
            say(&server, "c", Need::Wanted),
            say(&server, "b", Need::Wanted)
        );
        assert!(c.is_some() && b.is_some());
        assert_eq!(thread.bodies(), [format!("{MARKER}\na\nb\nc")]);
    }
}
