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
    Ok(found.first().map(|pull| pull.number))
}

#[derive(Deserialize)]
struct Pull {
    number: u64,
    #[serde(default)]
    state: String,
    head: Side,
    base: Side,
}

#[derive(Deserialize)]
struct Side {
    sha: String,
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
