//! What went wrong with a call of GitHub's API, and what that means for sending it again. Waiting
//! follows
//! <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately>.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use http::{HeaderMap, StatusCode};

/// What GitHub asks for where a limit was hit and no header says how long.
const UNSAID_WAIT: Duration = Duration::from_mins(1);

/// Why a call of the API failed, as far as the caller can do something about it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "GitHub refused ({message}): grant the token `{permission}`, under `permissions:` of the workflow"
    )]
    MissingPermission {
        /// Such as `checks: write`.
        permission: &'static str,
        message: String,
    },
    #[error("GitHub's rate limit is used up ({message}), it asks to wait {} s: run the job again later", wait.as_secs())]
    RateLimited { wait: Duration, message: String },
    #[error("GitHub does not know {0}, or the token may not see it")]
    NotFound(String),
    #[error("GitHub refused the request with {status}: {message}")]
    Refused { status: u16, message: String },
    /// The network or the server failed. Whether the request was carried out is open.
    #[error("GitHub could not be reached or failed: {0:#}")]
    World(anyhow::Error),
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The request may have been carried out although it failed.
    pub(super) fn fate_is_open(&self) -> bool {
        matches!(self, Self::World(_))
    }
}

/// What is to be done, and which permission it takes: for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Purpose {
    pub(super) what: &'static str,
    pub(super) permission: &'static str,
}

/// What an answer means for repeating the request.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{message}")]
    Limited { wait: Duration, message: String },
    #[error("{error:#}")]
    Open {
        connected: bool,
        error: anyhow::Error,
    },
    #[error(transparent)]
    Final(Error),
}

impl Failure {
    pub(super) fn of(error: octocrab::Error, purpose: Purpose) -> Self {
        let octocrab::Error::GitHub { source, .. } = error else {
            // A success whose body is not what we expect: the server has worked, asking again does not help.
            if matches!(error, octocrab::Error::Json { .. }) {
                return Self::Final(Error::World(anyhow!(
                    "the answer about {} is not understood: {error}",
                    purpose.what
                )));
            }
            return Self::Open {
                connected: !never_connected(&error),
                error: without_urls(error),
            };
        };
        let nothing = HeaderMap::new();
        let headers = source.headers.as_ref().unwrap_or(&nothing);
        let details = source.errors.as_deref().unwrap_or_default();
        let message = described(&source.message, details);
        let status = source.status_code;
        if status == StatusCode::TOO_MANY_REQUESTS
            || (status == StatusCode::FORBIDDEN && is_limit(headers, &message))
        {
            return Self::Limited {
                wait: asked_wait(headers, SystemTime::now()),
                message,
            };
        }
        if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
            return Self::Open {
                connected: true,
                error: anyhow!("{status}: {message}"),
            };
        }
        Self::Final(match status {
            StatusCode::FORBIDDEN => Error::MissingPermission {
                permission: purpose.permission,
                message,
            },
            StatusCode::NOT_FOUND | StatusCode::GONE => Error::NotFound(purpose.what.to_owned()),
            _ => Error::Refused {
                status: status.as_u16(),
                message,
            },
        })
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Limited { wait, message } => Self::RateLimited { wait, message },
            Failure::Open { error, .. } => Self::World(error),
            Failure::Final(error) => error,
        }
    }
}

/// GitHub's message with the details of a 422, on one line.
fn described(message: &str, details: &[serde_json::Value]) -> String {
    let details = details.iter().map(|detail| match detail {
        serde_json::Value::String(text) => text.clone(),
        other => other["message"]
            .as_str()
            .map_or_else(|| other.to_string(), str::to_owned),
    });
    let text: Vec<String> = std::iter::once(message.to_owned()).chain(details).collect();
    let line = text
        .join("; ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    cut_bytes(&line, 1000).to_owned()
}

/// A 403 may mean the permission or the limit; GitHub tells them apart by headers and words.
fn is_limit(headers: &HeaderMap, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    headers.contains_key("retry-after")
        || header_number(headers, "x-ratelimit-remaining") == Some(0)
        || ["rate limit", "abuse detection"]
            .iter()
            .any(|words| message.contains(words))
}

fn asked_wait(headers: &HeaderMap, now: SystemTime) -> Duration {
    if let Some(seconds) = header_number(headers, "retry-after") {
        return Duration::from_secs(seconds);
    }
    let reset = header_number(headers, "x-ratelimit-reset")
        .filter(|_| header_number(headers, "x-ratelimit-remaining") == Some(0));
    reset.map_or(UNSAID_WAIT, |reset| {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        // One second more, since both clocks count whole seconds.
        Duration::from_secs(reset).saturating_sub(now) + Duration::from_secs(1)
    })
}

fn header_number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn never_connected(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        error
            .downcast_ref::<reqwest::Error>()
            .is_some_and(reqwest::Error::is_connect)
    })
}

/// The deepest causes are the useful ones, and only they are sure not to contain a URL.
fn without_urls(error: octocrab::Error) -> anyhow::Error {
    let chain: Vec<String> = std::iter::successors(
        Some(&error as &(dyn std::error::Error + 'static)),
        |error| error.source(),
    )
    .map(ToString::to_string)
    .filter(|text| !text.contains("://"))
    .collect();
    match chain.last() {
        Some(cause) => anyhow!("{cause}"),
        None => anyhow::Error::new(error),
    }
}

/// The longest start of a text with at most `limit` bytes that ends between two characters.
pub(super) fn cut_bytes(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_comes_from_the_headers_in_githubs_order() {
        let wait = |headers: &[(&'static str, &str)]| {
            let headers: HeaderMap = headers
                .iter()
                .map(|(name, value)| {
                    (
                        (*name).parse().expect("a name"),
                        value.parse().expect("a value"),
                    )
                })
                .collect();
            asked_wait(&headers, UNIX_EPOCH + Duration::from_secs(1000)).as_secs()
        };
        assert_eq!(
            wait(&[
                ("retry-after", "7"),
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "1020")
            ]),
            7
        );
        assert_eq!(
            wait(&[
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "1020")
            ]),
            21
        );
        assert_eq!(
            wait(&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "900")]),
            1
        );
        assert_eq!(
            wait(&[
                ("x-ratelimit-remaining", "12"),
                ("x-ratelimit-reset", "1020")
            ]),
            60
        );
        assert_eq!(wait(&[("retry-after", "soon")]), 60);
    }
}
