//! What earlier runs taught. It only makes a plan better: without it, or with a broken one, there is
//! still a plan.

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use fs_err as fs;

use super::console;
use super::job::Job;
use super::work::WorkArgs;
use crate::github::http::http_client;
use crate::junit::found::ReadEnd;
use crate::junit::read;
use crate::model::history::{History, unpacked};
use crate::planner::import::{self, Reported};
use crate::workspace::{HISTORY_FILE, WorkDir};

/// Of a URL no more is read.
const MAX_DOWNLOAD: usize = 64 << 20;

#[derive(Args, Clone, Debug)]
pub(crate) struct HistoryArgs {
    /// What earlier runs taught: a history.json, pytest-split's durations or `JUnit` reports, as a
    /// path, a pattern or a URL [default: the history of this branch, else of the base or the default
    /// branch on GitHub, the one in the work folder elsewhere]
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<String>,
}

/// The history and where it comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) history: History,
    /// What others know; which files it is about is known when they are.
    pub(crate) reported: Vec<Reported>,
    pub(crate) source: Option<String>,
}

/// The history on this machine, or behind a URL.
pub(crate) fn of_disk(args: &HistoryArgs, suite: &WorkArgs, work: &WorkDir) -> Known {
    let own = work.path().join(HISTORY_FILE);
    match &args.history {
        Some(asked) => used(&without_secrets(asked), asked_for(asked, &suite.suite)),
        None if own.exists() => used(own.as_str(), history_file(&own, &suite.suite)),
        None => Known::default(),
    }
}

/// The history of this branch or of those before it, unless one was named.
pub(crate) async fn of_job(
    args: &HistoryArgs,
    suite: &WorkArgs,
    work: &WorkDir,
    job: &Job,
    token: Option<&str>,
) -> Known {
    if args.history.is_some() {
        return of_disk(args, suite, work);
    }
    let folder = work.path().join("history");
    match job.download_history(&suite.suite, &folder, token).await {
        Ok(Some((path, branch))) => {
            let source = format!("the branch {branch}");
            used(&source, history_file(&path, &suite.suite))
        }
        Ok(None) => Known::default(),
        Err(error) => {
            console::warn(format!("there is no history: {error:#}"));
            Known::default()
        }
    }
}

/// With its source, or nothing and a warning.
fn used(source: &str, known: Result<Known>) -> Known {
    match known {
        Ok(known) => Known {
            source: Some(source.to_owned()),
            ..known
        },
        Err(error) => {
            console::warn(format!("the history of {source} is not used: {error:#}"));
            Known::default()
        }
    }
}

/// The source is written into the plan: a URL may hold a password or a token.
fn without_secrets(asked: &str) -> String {
    let Some((scheme, rest)) = asked.split_once("://") else {
        return asked.to_owned();
    };
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    let host = rest.find('/').unwrap_or(rest.len());
    let secret = rest[..host].rfind('@').map_or(0, |at| at + 1);
    format!("{scheme}://{}", &rest[secret..])
}

fn history_file(path: &Utf8Path, suite: &str) -> Result<Known> {
    let history = History::from_bytes(&fs::read(path)?)?;
    of_suite(history, suite)
}

fn of_suite(history: History, suite: &str) -> Result<Known> {
    anyhow::ensure!(
        history.suite == suite,
        "it is of the suite `{}`",
        history.suite
    );
    Ok(Known {
        history,
        ..Known::default()
    })
}

fn asked_for(asked: &str, suite: &str) -> Result<Known> {
    if asked.starts_with("https://") || asked.starts_with("http://") {
        let runtime = tokio::runtime::Handle::try_current()?;
        let bytes = tokio::task::block_in_place(|| runtime.block_on(download(asked)))?;
        return parsed(&bytes, suite);
    }
    let path = Utf8Path::new(asked);
    if path.is_file() {
        return parsed(&fs::read(path)?, suite);
    }
    let mut all = Known::default();
    let mut files: Vec<Utf8PathBuf> = Vec::new();
    for file in glob::glob(asked)? {
        files.push(Utf8PathBuf::try_from(file?)?);
    }
    files.sort();
    anyhow::ensure!(!files.is_empty(), "there is no such file");
    for file in files {
        let known = fs::read(&file).map_err(anyhow::Error::new);
        let known = known.and_then(|bytes| parsed(&bytes, suite));
        let mut known = known.with_context(|| file.to_string())?;
        all.reported.append(&mut known.reported);
        if !known.history.files.is_empty() {
            all.history = known.history;
        }
    }
    Ok(all)
}

async fn download(url: &str) -> Result<Vec<u8>> {
    let answer = http_client()?.get(url).send().await;
    let answer = answer.and_then(reqwest::Response::error_for_status);
    let mut response = answer.map_err(reqwest::Error::without_url)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(reqwest::Error::without_url)?
    {
        bytes.extend_from_slice(&chunk);
        anyhow::ensure!(
            bytes.len() <= MAX_DOWNLOAD,
            "it has more than {MAX_DOWNLOAD} bytes"
        );
    }
    Ok(bytes)
}

/// Tells a history, durations and JUnit apart by what they look like.
fn parsed(bytes: &[u8], suite: &str) -> Result<Known> {
    let text = unpacked(bytes)?;
    let first = text.trim_ascii_start().first().copied();
    if first != Some(b'{') && first != Some(b'[') {
        let junit = read::read(&*text);
        anyhow::ensure!(
            junit.end == ReadEnd::Complete || !junit.cases.is_empty(),
            "it is neither a history, nor durations, nor JUnit: {}",
            junit.end
        );
        return Ok(Known {
            reported: import::cases(junit.cases.into_whole()),
            ..Known::default()
        });
    }
    match import::durations(&text) {
        Some(reported) => Ok(Known {
            reported,
            ..Known::default()
        }),
        None => of_suite(History::from_json(&text)?, suite),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::history::HISTORY_VERSION;

    #[test]
    fn shows_no_secret_of_a_url() {
        for (asked, shown) in [
            (
                "https://me:secret@host/a@b.json?token=x#y",
                "https://host/a@b.json",
            ),
            ("http://host", "http://host"),
            ("reports/*.xml", "reports/*.xml"),
        ] {
            assert_eq!(without_secrets(asked), shown);
        }
    }

    #[test]
    fn tells_what_a_file_is_by_its_content() {
        let history = History {
            version: HISTORY_VERSION,
            suite: "pytest".into(),
            ..History::default()
        };
        let known = parsed(&history.to_bytes(), "pytest").expect("a history");
        assert_eq!(known.history, history);
        let error = parsed(&history.to_bytes(), "other").expect_err("foreign");
        assert_eq!(error.to_string(), "it is of the suite `pytest`");
        let reported = |text: &str| parsed(text.as_bytes(), "pytest").map(|it| it.reported.len());
        assert_eq!(reported(r#"{"a.py::x": 1.5}"#).expect("durations"), 1);
        assert_eq!(
            reported("\n<testsuite><testcase name='x'/></testsuite>").expect("JUnit"),
            1
        );
        for broken in ["", "x", "{", "[1]", "<html></html>", "{\"version\": 1}"] {
            assert!(reported(broken).is_err(), "{broken}");
        }
    }
}
