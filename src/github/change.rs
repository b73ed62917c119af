//! What a pull request changes, of exactly the tree that was tested: the merge beside its first parent
//! (<https://docs.github.com/en/rest/commits/commits#compare-two-commits>).
//!
//! Where that merge is not known, or changes more files than GitHub compares, the files of the pull
//! request tell it (<https://docs.github.com/en/rest/pulls/pulls#list-pull-requests-files>). Their lines
//! are those of its head, so a file that the base has changed too is left out: the merge has it otherwise.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;

use super::client::Client;
use super::context::Context;
use super::error::{Error, Purpose, Result};
use super::pull_request::{Pull, of_commit};
use crate::coverage::diff::{self, Added, Change};
use crate::render::words;

const PURPOSE: Purpose = Purpose {
    what: "the change that was tested",
    permission: "contents: read",
};

/// A comparison tells of no more files.
const MOST_COMPARED: usize = 300;
/// Nor the list of a pull request's.
const MOST_LISTED: usize = 3000;

/// The change, or why it is to be found another way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Change(Change),
    /// A checkout of this commit tells it whole.
    TooManyFiles {
        sha: String,
    },
}

/// The lines that this run's pull request or merge group adds; `None` for a run of anything else.
pub(crate) async fn of_run(client: &Client, context: &Context) -> Result<Option<Found>> {
    let (sha, base) = match (&context.base_sha, context.triggering_run) {
        (Some(base), None) => (context.sha.clone(), base.clone()),
        (None, None) => return Ok(None),
        // What triggered us names the head that was tested, and not the merge.
        (_, Some(_)) => return of_triggering_run(client, context).await,
    };
    let tested = match commit(client, context, &sha).await {
        // The merge of a run that is repeated late may be gone.
        Err(Error::NotFound(_)) if context.pull_request.is_some() => {
            return of_listed_files(client, context)
                .await
                .map(|change| Some(Found::Change(change)));
        }
        found => found?,
    };
    // What the event calls the base may be older than what was merged into.
    let before = match tested.parents.as_slice() {
        [first, _] => &first.sha,
        _ => &base,
    };
    let files = compared(client, context, before, &sha).await?;
    if files.len() >= MOST_COMPARED {
        return Ok(Some(Found::TooManyFiles { sha }));
    }
    whole(before, files).map(Some)
}

async fn of_triggering_run(client: &Client, context: &Context) -> Result<Option<Found>> {
    let Some(pull) = of_commit(client, context).await? else {
        return Ok(None);
    };
    let is_merged = context.triggering_event.as_deref() == Some("pull_request");
    if let (true, Some(sha)) = (is_merged, &pull.merge_commit_sha) {
        let merge = match commit(client, context, sha).await {
            Err(Error::NotFound(_)) => Commit::default(),
            found => found?,
        };
        let made = merge
            .committer
            .and_then(|committer| committer.date.parse::<Timestamp>().ok());
        let was_there =
            matches!((made, context.triggered_at), (Some(made), Some(run)) if made <= run);
        if let ([before, head], true) = (merge.parents.as_slice(), was_there)
            && head.sha == context.head_sha
        {
            let files = compared(client, context, &before.sha, sha).await?;
            if files.len() < MOST_COMPARED {
                return whole(&before.sha, files).map(Some);
            }
        }
    }
    let change = of_pull_request(client, context, &pull, is_merged).await?;
    Ok(Some(Found::Change(change)))
}

/// The change of a pull request that the event names, where there is no checkout to tell it.
///
/// # Errors
/// It is of too many files even so, or not of the head that was tested.
pub(crate) async fn of_listed_files(client: &Client, context: &Context) -> Result<Change> {
    let Some(number) = context.pull_request else {
        return Err(too_many(MOST_COMPARED));
    };
    let route = format!(
        "/repos/{}/{}/pulls/{number}",
        context.owner, context.repository
    );
    let pull: Pull = client.get(&route, &[], PURPOSE).await?;
    of_pull_request(client, context, &pull, true).await
}

/// `is_merged`: what was tested is not the head alone.
async fn of_pull_request(
    client: &Client,
    context: &Context,
    pull: &Pull,
    is_merged: bool,
) -> Result<Change> {
    if pull.head.sha != context.head_sha {
        return Err(unknown("the pull request has got other commits since"));
    }
    let route = format!(
        "/repos/{}/{}/pulls/{}/files",
        context.owner, context.repository, pull.number
    );
    let files = client
        .get_all(&route, &[], PURPOSE, |page: Vec<File>| page)
        .await?;
    if files.len() >= MOST_LISTED {
        return Err(too_many(MOST_LISTED));
    }
    let mut added = added(files)?;
    let mut against: String = pull.base.sha.chars().take(8).collect();
    if is_merged {
        let moved = compared(client, context, &context.head_sha, &pull.base.sha).await?;
        if moved.len() >= MOST_COMPARED {
            return Err(unknown(
                "its base has changed too many files since it was begun: bring it up to date",
            ));
        }
        let moved: BTreeSet<_> = moved.into_iter().map(|file| file.filename).collect();
        let all = added.len();
        added.retain(|path, _| !moved.contains(path.as_str()));
        if added.len() < all {
            let left_out = words::count(all - added.len(), "file");
            against = format!("{against}, without {left_out} that both changed");
        }
    }
    Ok(Change { against, added })
}

async fn commit(client: &Client, context: &Context, sha: &str) -> Result<Commit> {
    let route = format!(
        "/repos/{}/{}/git/commits/{sha}",
        context.owner, context.repository
    );
    client.get(&route, &[], PURPOSE).await
}

/// What `to` has that their common ancestor has not; the parent of a merge is that ancestor.
async fn compared(client: &Client, context: &Context, from: &str, to: &str) -> Result<Vec<File>> {
    let route = format!(
        "/repos/{}/{}/compare/{from}...{to}",
        context.owner, context.repository
    );
    let found: Comparison = client.get(&route, &[("per_page", "1")], PURPOSE).await?;
    Ok(found.files)
}

fn whole(before: &str, files: Vec<File>) -> Result<Found> {
    Ok(Found::Change(Change {
        against: before.chars().take(8).collect(),
        added: added(files)?,
    }))
}

fn unknown(why: &str) -> Error {
    Error::World(anyhow::anyhow!("{why}"))
}

fn too_many(most: usize) -> Error {
    unknown(&format!(
        "it is of more files than GitHub tells of ({most}): check out with `fetch-depth: 2`, or name the base with --base and check out with `fetch-depth: 0`"
    ))
}

fn added(files: Vec<File>) -> Result<Added> {
    let mut all = Added::new();
    for file in files {
        // GitHub sends none for what is not text or too long.
        let Some(patch) = file.patch else { continue };
        let lines = diff::added_by(&patch).map_err(|what| {
            Error::World(anyhow::anyhow!("the change of {}: {what}", file.filename))
        })?;
        all.insert(file.filename.into(), lines);
    }
    Ok(all)
}

#[derive(Default, Deserialize)]
struct Commit {
    #[serde(default)]
    parents: Vec<Parent>,
    #[serde(default)]
    committer: Option<Committer>,
}

#[derive(Deserialize)]
struct Committer {
    #[serde(default)]
    date: String,
}

#[derive(Deserialize)]
struct Parent {
    sha: String,
}

#[derive(Deserialize)]
struct Comparison {
    #[serde(default)]
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    filename: String,
    #[serde(default)]
    patch: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wiremock::matchers::path;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::client::tests::client;
    use super::super::context::Run;
    use super::super::context::tests::context;
    use super::*;

    const SHA: &str = "1111111111111111111111111111111111111111";

    fn change(found: Result<Option<Found>>) -> Change {
        match found.expect("an answer").expect("a pull request") {
            Found::Change(change) => change,
            Found::TooManyFiles { sha } => panic!("{sha} has too many"),
        }
    }

    async fn serve(answers: impl IntoIterator<Item = (String, Value)>) -> MockServer {
        let server = MockServer::start().await;
        for (place, body) in answers {
            Mock::given(path(format!("/repos/acme/shop/{place}")))
                .respond_with(ResponseTemplate::new(200).set_body_json(body))
                .mount(&server)
                .await;
        }
        server
    }

    async fn of(parents: &[&str], from: &str, files: Value) -> Result<Option<Found>> {
        let parents: Vec<Value> = parents.iter().map(|sha| json!({"sha": sha})).collect();
        let answers = [
            (format!("git/commits/{SHA}"), json!({"parents": parents})),
            (format!("compare/{from}...{SHA}"), json!({"files": files})),
        ];
        let server = serve(answers).await;
        let mut context = context(&server.uri());
        context.base_sha = Some("base".to_owned());
        of_run(&client(&server), &context).await
    }

    #[tokio::test]
    async fn the_lines_that_the_tested_merge_adds_to_its_first_parent() {
        let patch = "@@ -1,3 +1,4 @@\n one\n+two\n three\n four\n\\ No newline at end of file";
        let files = json!([
            {"filename": "src/a b.py", "patch": patch},
            {"filename": "logo.png"},
            {"filename": "gone.py", "patch": "@@ -1 +0,0 @@\n-x"},
        ]);
        let change = change(of(&["main-tip", "head"], "main-tip", files).await);
        assert_eq!(change.against, "main-tip");
        let lines: Vec<_> = change
            .added
            .iter()
            .map(|(path, lines)| (path.as_str(), lines.len()))
            .collect();
        assert_eq!(lines, [("gone.py", 0), ("src/a b.py", 1)]);
    }

    #[tokio::test]
    async fn a_commit_that_is_no_merge_is_compared_with_the_base() {
        let change = change(of(&["x"], "base", json!([])).await);
        assert_eq!(change.against, "base");
    }

    #[tokio::test]
    async fn a_change_that_is_not_told_whole_is_not_taken_for_whole() {
        let files: Vec<Value> = (0..300)
            .map(|n| json!({"filename": format!("{n}.py")}))
            .collect();
        let found = of(&["x", "y"], "x", json!(files)).await.expect("an answer");
        assert_eq!(
            found,
            Some(Found::TooManyFiles {
                sha: SHA.to_owned()
            })
        );
        assert!(
            of(
                &["x", "y"],
                "x",
                json!([{"filename": "a", "patch": "@@ x"}])
            )
            .await
            .is_err()
        );
    }

    /// A run that another one triggered, with a merge made at `merged`.
    async fn of_triggered(merged: &str, event: &str) -> Change {
        let (head, old) = ("2".repeat(40), "3".repeat(40));
        let patch = |line: u32| format!("@@ -{line},0 +{line},1 @@\n+new");
        let side =
            |sha: &str| json!({"sha": sha, "ref": "fix", "repo": {"full_name": "acme/shop"}});
        let pull = json!({"number": 7, "state": "open", "head": side(&head), "base": side(&old), "merge_commit_sha": SHA});
        let merge =
            json!({"parents": [{"sha": "before"}, {"sha": head}], "committer": {"date": merged}});
        let answers = [
            (format!("commits/{head}/pulls"), json!([pull])),
            (format!("git/commits/{SHA}"), merge),
            (
                format!("compare/before...{SHA}"),
                json!({"files": [{"filename": "a.py", "patch": patch(5)}]}),
            ),
            (
                "pulls/7/files".to_owned(),
                json!([{"filename": "a.py", "patch": patch(4)}, {"filename": "b.py", "patch": patch(2)}]),
            ),
            (
                format!("compare/{head}...{old}"),
                json!({"files": [{"filename": "a.py", "patch": patch(1)}]}),
            ),
        ];
        let server = serve(answers).await;
        let mut context = context(&server.uri());
        (context.head_sha, context.head, context.pull_request) = (head, None, None);
        context.triggering_run = Some(Run { id: 41, attempt: 1 });
        context.triggering_event = Some(event.to_owned());
        context.triggered_at = "2026-01-01T12:00:00Z".parse().ok();
        change(of_run(&client(&server), &context).await)
    }

    fn lines(change: &Change) -> Vec<(&str, Vec<u32>)> {
        let files = change.added.iter();
        files
            .map(|(path, lines)| (path.as_str(), lines.iter().copied().collect()))
            .collect()
    }

    #[tokio::test]
    async fn of_a_run_whose_merge_is_gone_the_list_of_files_tells() {
        let (head, old) = ("2".repeat(40), "3".repeat(40));
        let side = |sha: &str| json!({"sha": sha, "ref": "x", "repo": {"full_name": "acme/shop"}});
        let pull = json!({"number": 7, "state": "open", "head": side(&head), "base": side(&old)});
        let new = |path: &str| json!({"filename": path, "patch": "@@ -1,0 +2,1 @@\n+new"});
        let answers = [
            ("pulls/7".to_owned(), pull),
            (
                "pulls/7/files".to_owned(),
                json!([new("a.py"), new("b.py")]),
            ),
            (
                format!("compare/{head}...{old}"),
                json!({"files": [new("a.py")]}),
            ),
        ];
        let server = serve(answers).await;
        let mut context = context(&server.uri());
        (context.head_sha, context.pull_request) = (head, Some(7));
        context.base_sha = Some(old);
        let told = change(of_run(&client(&server), &context).await);
        assert_eq!(lines(&told), [("b.py", vec![2])]);
        context.head_sha = "4".repeat(40);
        let other = of_run(&client(&server), &context).await;
        assert!(other.is_err_and(|error| error.to_string().contains("other commits since")));
    }

    #[tokio::test]
    async fn another_workflows_pull_request_is_told_by_the_merge_that_was_there() {
        let change = of_triggered("2026-01-01T11:59:00Z", "pull_request").await;
        assert_eq!(change.against, "before");
        assert_eq!(lines(&change), [("a.py", vec![5])]);
    }

    #[tokio::test]
    async fn of_a_merge_that_is_gone_only_files_count_that_it_has_as_the_head_has_them() {
        let change = of_triggered("2026-01-01T12:00:01Z", "pull_request").await;
        assert_eq!(change.against, "33333333, without 1 file that both changed");
        assert_eq!(lines(&change), [("b.py", vec![2])]);
    }

    #[tokio::test]
    async fn a_push_that_another_workflow_tested_is_its_head() {
        let change = of_triggered("2026-01-01T11:59:00Z", "push").await;
        assert_eq!(lines(&change), [("a.py", vec![4]), ("b.py", vec![2])]);
    }
}
