//! What the commit that is checked out adds to another, as git tells it.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

use crate::coverage::diff::{self, Change};
use crate::model::exit::UsageError;

/// What the paths of a change are relative to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// The folder we work in; nothing outside of it counts.
    Here,
    Repository,
}

/// The lines added since `base`, else since the first parent of a merge.
///
/// # Errors
/// git does not know the commit, or cannot be started.
pub(crate) fn of_checkout(base: Option<&str>, root: Root) -> Result<Change> {
    let (base, against) = self::base(base)?;
    let relative = match root {
        Root::Here => "--relative",
        Root::Repository => "--no-relative",
    };
    let text = git(&[
        "-c",
        "core.quotepath=false",
        "diff",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        "--unified=0",
        relative,
        "--src-prefix=a/",
        "--dst-prefix=b/",
        "--find-renames",
        &base,
        "--",
    ])
    .with_context(|| format!("git cannot compare with {against}"))?;
    let added = diff::added_lines(&text).map_err(anyhow::Error::msg)?;
    Ok(Change { against, added })
}

/// The lines that the merge `sha` adds to its first parent; `None` where it is not what is checked out,
/// or its parents are not there.
pub(crate) fn of_merge(sha: &str) -> Option<Change> {
    let head = git(&["rev-parse", "--verify", "--quiet", "HEAD"]).ok()?;
    if one_line(&head) != sha {
        return None;
    }
    of_checkout(None, Root::Repository).ok()
}

/// The commit to compare with, and how to call it.
fn base(asked: Option<&str>) -> Result<(String, String)> {
    if let Some(name) = asked {
        let usage = |what: String| UsageError(format!("--base {name}: {what}"));
        if name.starts_with('-') {
            return Err(usage("this is no branch, tag or commit".to_owned()).into());
        }
        let commit = format!("{name}^{{commit}}");
        let known = git(&["rev-parse", "--verify", "--quiet", &commit]);
        known.map_err(|_| {
            usage(
                "git knows no such commit here; in a workflow, check out with `fetch-depth: 0`"
                    .to_owned(),
            )
        })?;
        let fork = git(&["merge-base", name, "HEAD"]).map_err(|_| {
            usage("it has no commit in common with what is checked out; in a workflow, check out with `fetch-depth: 0`".to_owned())
        })?;
        return Ok((one_line(&fork), format!("{name}...")));
    }
    // What a workflow for a pull request checks out is its merge into the base.
    let parents =
        ["HEAD^2", "HEAD^1"].map(|parent| git(&["rev-parse", "--verify", "--quiet", parent]));
    if let [Ok(_), Ok(first)] = parents {
        return Ok((
            one_line(&first),
            "the first parent of this merge".to_owned(),
        ));
    }
    let hint = "say with --base what the change is compared with, such as --base origin/main, \
         or check out a pull request with `fetch-depth: 2`";
    let message = format!("the commit here is no merge that has its parents: {hint}");
    Err(UsageError(message).into())
}

fn one_line(output: &[u8]) -> String {
    String::from_utf8_lossy(output).trim().to_owned()
}

/// What git prints.
fn git(arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new("git")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("git cannot be started")?;
    let words = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(
        output.status.success(),
        "git {}: {}",
        arguments[0],
        words.trim()
    );
    Ok(output.stdout)
}
