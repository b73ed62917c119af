//! What a pull request changes, of exactly the tree that was tested: the merge beside its first parent
//! (<https://docs.github.com/en/rest/commits/commits#compare-two-commits>).

use serde::Deserialize;

use super::client::Client;
use super::context::Context;
use super::error::{Error, Purpose, Result};
use crate::coverage::diff::{self, Added, Change};

const PURPOSE: Purpose = Purpose {
    what: "the change that was tested",
    permission: "contents: read",
};

/// A comparison tells of no more files.
const MOST_FILES: usize = 300;

/// The lines that this run's pull request or merge group adds; `None` for a run of anything else, and
/// for that of another workflow, of which only the head is known and not the merge that was tested.
pub(crate) async fn of_run(client: &Client, context: &Context) -> Result<Option<Change>> {
    let (Some(base), None) = (&context.base_sha, context.triggering_run) else {
        return Ok(None);
    };
    let Context {
        owner,
        repository,
        sha,
        ..
    } = context;
    let repository = format!("/repos/{owner}/{repository}");
    let tested: Commit = client
        .get(&format!("{repository}/git/commits/{sha}"), &[], PURPOSE)
        .await?;
    // What the event calls the base may be older than what was merged into.
    let before = match tested.parents.as_slice() {
        [first, _] => &first.sha,
        _ => base,
    };
    let route = format!("{repository}/compare/{before}...{sha}");
    let found: Comparison = client.get(&route, &[("per_page", "1")], PURPOSE).await?;
    if found.files.len() >= MOST_FILES {
        return Err(Error::World(anyhow::anyhow!(
            "it is of more files than GitHub tells of ({MOST_FILES}): name the base with --base, and check out with `fetch-depth: 0`"
        )));
    }
    Ok(Some(Change {
        against: before.chars().take(8).collect(),
        added: added(found.files)?,
    }))
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

#[derive(Deserialize)]
struct Commit {
    #[serde(default)]
    parents: Vec<Parent>,
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
    use super::super::context::tests::context;
    use super::*;

    const SHA: &str = "1111111111111111111111111111111111111111";

    async fn of(parents: &[&str], from: &str, files: Value) -> Result<Option<Change>> {
        let server = MockServer::start().await;
        let parents: Vec<Value> = parents.iter().map(|sha| json!({"sha": sha})).collect();
        let answers = [
            (format!("git/commits/{SHA}"), json!({"parents": parents})),
            (format!("compare/{from}...{SHA}"), json!({"files": files})),
        ];
        for (place, body) in answers {
            Mock::given(path(format!("/repos/acme/shop/{place}")))
                .respond_with(ResponseTemplate::new(200).set_body_json(body))
                .mount(&server)
                .await;
        }
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
        let change = of(&["main-tip", "head"], "main-tip", files).await;
        let change = change.expect("an answer").expect("a change");
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
        let change = of(&["x"], "base", json!([])).await;
        assert_eq!(
            change.expect("an answer").expect("a change").against,
            "base"
        );
    }

    #[tokio::test]
    async fn a_change_that_is_not_told_whole_is_not_taken_for_whole() {
        let files: Vec<Value> = (0..300)
            .map(|n| json!({"filename": format!("{n}.py")}))
            .collect();
        let error = of(&["x", "y"], "x", json!(files))
            .await
            .expect_err("too many");
        assert!(error.to_string().contains("more files"), "{error}");
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
}
