//! The run that a result is compared with: the newest of the base branch whose commit is an ancestor of
//! the tested one. A list of what runs have left and one to three of commits are all it takes
//! (<https://docs.github.com/en/rest/commits/commits#list-commits>).

use serde::Deserialize;

use super::artifact::name::SuiteName;
use super::artifact::rest::{self, Legacy};
use super::client::Client;
use super::context::Context;
use super::error::{Purpose, Result};

const PURPOSE: Purpose = Purpose {
    what: "the commits before this one",
    permission: "contents: read",
};

/// Pages of 100 ancestors that are looked through.
const MOST_PAGES: u32 = 3;

/// What was found; or why there is nothing, in words that complete "not compared: …".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    Found(Legacy),
    Nothing(String),
}

/// Looks on the base branch; without one on the default branch, then on our own: so a second push to a
/// branch is not compared with its first one, whose failures would be known ones.
pub(crate) async fn find(client: &Client, context: &Context, suite: &SuiteName) -> Result<Search> {
    let branches = branches(context);
    let own = context.triggering_run.map(|run| run.id);
    let is_own = |run: u64| run == context.run_id || Some(run) == own;
    let mut before = Ancestors::of(client, context);
    let mut reason = "no run of this repository has left a result to compare with yet".to_owned();
    for branch in &branches {
        let mut left = rest::legacies(client, context, suite, branch).await?;
        left.retain(|legacy| !is_own(legacy.run));
        if left.is_empty() {
            continue;
        }
        if let Some(found) = before.nearest(left).await? {
            return Ok(Search::Found(found));
        }
        reason = format!(
            "of the runs of {branch}, none with a result is of one of the {} commits before this one",
            before.known.len()
        );
    }
    Ok(Search::Nothing(reason))
}

fn branches(context: &Context) -> Vec<&str> {
    let Context {
        branch,
        base_branch,
        default_branch,
        is_fork,
        ..
    } = context;
    let mut branches: Vec<&str> = match (base_branch, default_branch) {
        (Some(base), _) => vec![base],
        (None, default) => default
            .iter()
            // A fork's branch may be called like one of ours and is another.
            .chain((!is_fork).then_some(branch))
            .map(String::as_str)
            .collect(),
    };
    branches.dedup();
    branches.retain(|branch| !branch.is_empty());
    branches
}

/// The commits before the tested one, read as far as they are asked for.
struct Ancestors<'a> {
    client: &'a Client,
    context: &'a Context,
    known: Vec<String>,
    pages: u32,
    whole: bool,
}

#[derive(Deserialize)]
struct Commit {
    sha: String,
}

impl<'a> Ancestors<'a> {
    fn of(client: &'a Client, context: &'a Context) -> Self {
        Self {
            client,
            context,
            known: Vec::new(),
            pages: 0,
            whole: false,
        }
    }

    /// What the nearest commit has left; of several runs the newest one.
    async fn nearest(&mut self, left: Vec<Legacy>) -> Result<Option<Legacy>> {
        let mut looked = 0;
        loop {
            let at = |commit: &String| left.iter().find(|legacy| legacy.commit == *commit);
            if let Some(found) = self.known[looked..].iter().find_map(at) {
                return Ok(Some(found.clone()));
            }
            looked = self.known.len();
            if self.whole || self.pages == MOST_PAGES {
                return Ok(None);
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<()> {
        let Context {
            owner,
            repository,
            sha,
            head_sha,
            triggering_run,
            ..
        } = self.context;
        // What a pull request's own run tests is its merge into the base, and so what comes before is
        // the base as it was merged. Of another run only the head is known.
        let tested = match triggering_run {
            Some(_) => head_sha,
            None => sha,
        };
        self.pages += 1;
        let page = self.pages.to_string();
        let query = [
            ("sha", tested.as_str()),
            ("per_page", "100"),
            ("page", &page),
        ];
        let route = format!("/repos/{owner}/{repository}/commits");
        let commits: Vec<Commit> = self.client.get(&route, &query, PURPOSE).await?;
        self.whole = commits.len() < 100;
        let before = commits.into_iter().map(|commit| commit.sha);
        self.known.extend(before.filter(|commit| commit != tested));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wiremock::matchers::{path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::client::tests::client;
    use super::super::context::tests::context;
    use super::*;

    const SHA: &str = "1111111111111111111111111111111111111111";

    fn left(id: u64, branch: &str, commit: &str) -> Value {
        json!({"id": id, "name": "parallel-pytest-unit-history", "size_in_bytes": 3, "expired": false,
            "created_at": format!("2026-01-01T00:00:{id:02}Z"),
            "workflow_run": {"id": id, "repository_id": 1, "head_repository_id": 1, "head_branch": branch, "head_sha": commit}})
    }

    async fn commits(server: &MockServer, page: &str, commits: &[&str]) {
        let body: Vec<Value> = commits.iter().map(|sha| json!({"sha": sha})).collect();
        Mock::given(path("/repos/acme/shop/commits"))
            .and(query_param("sha", SHA))
            .and(query_param("page", page))
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(server)
            .await;
    }

    async fn found(
        server: &MockServer,
        left: &[Value],
        change: impl FnOnce(&mut Context),
    ) -> Search {
        Mock::given(path("/repos/acme/shop/actions/artifacts"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"artifacts": left})))
            .mount(server)
            .await;
        let mut context = context(&server.uri());
        context.default_branch = Some("main".to_owned());
        change(&mut context);
        let suite = "unit".parse().expect("a suite");
        find(&client(server), &context, &suite)
            .await
            .expect("an answer")
    }

    fn run_of(search: &Search) -> Option<u64> {
        match search {
            Search::Found(legacy) => Some(legacy.run),
            Search::Nothing(_) => None,
        }
    }

    #[tokio::test]
    async fn the_nearest_ancestor_with_a_result_is_the_baseline_and_its_last_run_counts() {
        let server = MockServer::start().await;
        commits(&server, "1", &[SHA, "c3", "c2", "c1"]).await;
        let all = [
            left(9, "main", "not-an-ancestor"),
            left(8, "main", SHA),
            left(7, "fix", "c3"),
            left(6, "main", "c1"),
            left(5, "main", "c2"),
            left(4, "main", "c2"),
        ];
        assert_eq!(run_of(&found(&server, &all, |_| ()).await), Some(5));
        assert_eq!(server.received_requests().await.expect("recorded").len(), 2);
    }

    #[tokio::test]
    async fn a_pull_request_is_compared_with_its_base_and_never_with_its_own_runs() {
        let server = MockServer::start().await;
        commits(&server, "1", &[SHA, "c2", "c1"]).await;
        let all = [
            left(42, "release", "c2"),
            left(7, "main", "c2"),
            left(6, "fix", "c2"),
            left(5, "release", "c1"),
        ];
        let base = |context: &mut Context| {
            context.branch = "fix".to_owned();
            context.base_branch = Some("release".to_owned());
        };
        assert_eq!(run_of(&found(&server, &all, base).await), Some(5));
    }

    #[tokio::test]
    async fn commits_far_behind_are_found_and_farther_ones_are_said_not_to_be() {
        let server = MockServer::start().await;
        let names: Vec<String> = (0..300).map(|number| format!("c{number}")).collect();
        for (page, part) in ["1", "2", "3"].into_iter().zip(names.chunks(100)) {
            let part: Vec<&str> = part.iter().map(String::as_str).collect();
            commits(&server, page, &part).await;
        }
        assert_eq!(
            run_of(&found(&server, &[left(3, "main", "c250")], |_| ()).await),
            Some(3)
        );
        server.reset().await;
        for (page, part) in ["1", "2", "3"].into_iter().zip(names.chunks(100)) {
            let part: Vec<&str> = part.iter().map(String::as_str).collect();
            commits(&server, page, &part).await;
        }
        let nothing = found(&server, &[left(3, "main", "c301")], |_| ()).await;
        let said =
            "of the runs of main, none with a result is of one of the 300 commits before this one";
        assert_eq!(nothing, Search::Nothing(said.to_owned()));
    }

    #[tokio::test]
    async fn the_first_run_of_a_project_asks_for_no_commits() {
        let server = MockServer::start().await;
        let nothing = found(&server, &[], |_| ()).await;
        let said = "no run of this repository has left a result to compare with yet";
        assert_eq!(nothing, Search::Nothing(said.to_owned()));
        assert_eq!(server.received_requests().await.expect("recorded").len(), 1);
    }
}
