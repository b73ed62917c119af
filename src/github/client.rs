//! The connection to GitHub: one HTTP stack for the REST API (octocrab) and for signed URLs, our own
//! rules for repeating a request, and errors that a sink can act on.
//!
//! octocrab's own retries are off: they repeat at once, a POST too.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use http::{HeaderMap, StatusCode};
use octocrab::Octocrab;
use octocrab::service::middleware::retry::RetryConfig;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{Error, Failure, Purpose, Result};
use super::http::http_client;
use super::token::Token;

/// The longest one call of the API may take, its answer included.
const CALL_LIMIT: Duration = Duration::from_mins(1);
/// All waiting between the tries of one call, together.
const WAIT_BUDGET: Duration = Duration::from_mins(1);
/// Pages of 100 that a list may have; more is no list of ours.
const MAX_PAGES: u32 = 50;

#[derive(Clone, Debug)]
pub(crate) struct Client {
    api: Octocrab,
    http: reqwest::Client,
    wait_budget: Duration,
    first_wait: Duration,
}

impl Client {
    /// A client of the API at `api_url`, such as `https://api.github.com`. The token goes to that
    /// origin only. Must be called within a tokio runtime.
    pub(crate) fn new(api_url: &str, token: &Token) -> anyhow::Result<Self> {
        let http = http_client()?;
        let api = Octocrab::builder()
            .base_uri(api_url)
            .with_context(|| format!("`{api_url}` is no URL of an API"))?
            .personal_token(token.reveal())
            .add_header(
                http::header::ACCEPT,
                "application/vnd.github+json".to_owned(),
            )
            .add_retry_config(RetryConfig::None)
            .build_with_reqwest(http.clone())
            .context("the client of GitHub's API could not be built")?;
        Ok(Self {
            api,
            http,
            wait_budget: WAIT_BUDGET,
            first_wait: Duration::from_secs(1),
        })
    }

    /// The plain client behind, which sends no token: for signed URLs.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Waits at most `budget` in all between the tries of one call, the first time for `first`.
    #[cfg(test)]
    pub(super) fn with_waits(mut self, budget: Duration, first: Duration) -> Self {
        self.wait_budget = budget;
        self.first_wait = first;
        self
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        route: &str,
        query: &[(&str, &str)],
        purpose: Purpose,
    ) -> Result<T> {
        let query = Some(query).filter(|query| !query.is_empty());
        self.repeated(purpose, || self.api.get(route, query)).await
    }

    /// Every item of a list that comes in pages; `items` takes them out of a page.
    pub(super) async fn get_all<P: DeserializeOwned, T>(
        &self,
        route: &str,
        query: &[(&str, &str)],
        purpose: Purpose,
        items: impl Fn(P) -> Vec<T>,
    ) -> Result<Vec<T>> {
        let mut all = Vec::new();
        for page in 1..=MAX_PAGES {
            let page = page.to_string();
            let query: Vec<_> = query
                .iter()
                .copied()
                .chain([("per_page", "100"), ("page", &page)])
                .collect();
            let found = items(self.get(route, &query, purpose).await?);
            let last = found.len() < 100;
            all.extend(found);
            if last {
                return Ok(all);
            }
        }
        tracing::warn!(
            "the list of {} is longer than {} entries, the rest is not read",
            purpose.what,
            MAX_PAGES * 100
        );
        Ok(all)
    }

    /// Sets something to a state that does not depend on the one before, so it may be repeated.
    pub(super) async fn patch<T: DeserializeOwned>(
        &self,
        route: &str,
        body: &(impl Serialize + ?Sized),
        purpose: Purpose,
    ) -> Result<T> {
        self.repeated(purpose, || self.api.patch(route, Some(body)))
            .await
    }

    /// Sent once, at once: for a change that is right only while what was read just before is there.
    pub(super) async fn patch_now<T: DeserializeOwned>(
        &self,
        route: &str,
        body: &(impl Serialize + ?Sized),
        purpose: Purpose,
    ) -> Result<T> {
        self.tried(purpose, || self.api.patch(route, Some(body)), |_| false)
            .await
    }

    pub(super) async fn delete(&self, route: &str, purpose: Purpose) -> Result<()> {
        self.repeated(purpose, || async {
            let answer = self.api._delete(route, None::<&()>).await?;
            octocrab::map_github_error(answer).await.map(drop)
        })
        .await
    }

    /// Like `post`, for a change that adds to what is there.
    pub(super) async fn patch_once<T: DeserializeOwned>(
        &self,
        route: &str,
        body: &(impl Serialize + ?Sized),
        purpose: Purpose,
    ) -> Result<T> {
        self.refused_or_once(purpose, || self.api.patch(route, Some(body)))
            .await
    }

    /// Sent again only where it was surely not carried out. After [`Error::World`] it may have been:
    /// look before a second try, as [`Client::reconcile`] does.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        route: &str,
        body: &(impl Serialize + ?Sized),
        purpose: Purpose,
    ) -> Result<T> {
        self.refused_or_once(purpose, || self.api.post(route, Some(body)))
            .await
    }

    /// The answer's status and headers without following it elsewhere.
    pub(super) async fn get_head(
        &self,
        route: &str,
        purpose: Purpose,
    ) -> Result<(StatusCode, HeaderMap)> {
        self.repeated(purpose, || async {
            let answer = self.api._get(route).await?;
            let answer = if answer.status().is_redirection() {
                answer
            } else {
                octocrab::map_github_error(answer).await?
            };
            Ok((answer.status(), answer.headers().clone()))
        })
        .await
    }

    /// Runs `step`, which looks what is there and does what is missing. Where its fate is open, runs
    /// it again: it looks first, so nothing is done twice.
    pub(super) async fn reconcile<T>(&self, step: impl AsyncFn() -> Result<T>) -> Result<T> {
        let mut waits = self.backoff().build();
        loop {
            match step().await {
                Err(error) if error.fate_is_open() => match waits.next() {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Err(error),
                },
                result => return result,
            }
        }
    }

    async fn repeated<T, F: Future<Output = octocrab::Result<T>>>(
        &self,
        purpose: Purpose,
        call: impl Fn() -> F,
    ) -> Result<T> {
        self.tried(purpose, call, |failure| {
            matches!(failure, Failure::Limited { .. } | Failure::Open { .. })
        })
        .await
    }

    async fn refused_or_once<T, F: Future<Output = octocrab::Result<T>>>(
        &self,
        purpose: Purpose,
        call: impl Fn() -> F,
    ) -> Result<T> {
        self.tried(purpose, call, |failure| {
            matches!(
                failure,
                Failure::Limited { .. }
                    | Failure::Open {
                        connected: false,
                        ..
                    }
            )
        })
        .await
    }

    async fn tried<T, F: Future<Output = octocrab::Result<T>>>(
        &self,
        purpose: Purpose,
        call: impl Fn() -> F,
        may_repeat: impl Fn(&Failure) -> bool,
    ) -> Result<T> {
        let mut left = self.wait_budget;
        let attempt = || async {
            match tokio::time::timeout(CALL_LIMIT, call()).await {
                Ok(result) => result.map_err(|error| Failure::of(error, purpose)),
                Err(_) => Err(Failure::Open {
                    connected: true,
                    error: anyhow!("no answer within {} s", CALL_LIMIT.as_secs()),
                }),
            }
        };
        attempt
            .retry(self.backoff())
            .when(|failure| may_repeat(failure))
            .adjust(|failure, backoff| {
                let wait = match failure {
                    Failure::Limited { wait, .. } => backoff.map(|_| *wait),
                    _ => backoff,
                }?;
                left = left.checked_sub(wait)?;
                Some(wait)
            })
            .notify(|failure, wait| {
                tracing::info!(
                    "{}: trying again in {:.1} s ({failure})",
                    purpose.what,
                    wait.as_secs_f32()
                );
            })
            .await
            .map_err(Error::from)
    }

    fn backoff(&self) -> ExponentialBuilder {
        ExponentialBuilder::new()
            .with_min_delay(self.first_wait)
            .with_max_times(4)
            .with_jitter()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};
    use wiremock::matchers::{any, header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    const PURPOSE: Purpose = Purpose {
        what: "the thing",
        permission: "things: write",
    };

    /// A client of the server that waits milliseconds only, ten seconds in all.
    pub(crate) fn client(server: &MockServer) -> Client {
        let token = Token::new("secret-token").expect("a token");
        Client::new(&server.uri(), &token)
            .expect("a client")
            .with_waits(Duration::from_secs(10), Duration::from_millis(1))
    }

    async fn answer(
        status: u16,
        headers: &[(&'static str, &'static str)],
        message: &str,
    ) -> (MockServer, Client) {
        let server = MockServer::start().await;
        let mut answer = ResponseTemplate::new(status).set_body_json(json!({"message": message}));
        for (name, value) in headers {
            answer = answer.insert_header(*name, *value);
        }
        Mock::given(any()).respond_with(answer).mount(&server).await;
        let client = client(&server);
        (server, client)
    }

    async fn requests(server: &MockServer) -> usize {
        server.received_requests().await.expect("recorded").len()
    }

    #[tokio::test]
    async fn the_token_and_the_version_go_with_a_call() {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .and(path("/repos/a/b"))
            .and(header("authorization", "Bearer secret-token"))
            .and(header("x-github-api-version", "2022-11-28"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"ok": true})))
            .mount(&server)
            .await;
        let value: Value = client(&server)
            .get("/repos/a/b", &[], PURPOSE)
            .await
            .expect("an answer");
        assert_eq!(value, json!({"ok": true}));
    }

    #[tokio::test]
    async fn a_server_error_is_repeated_for_a_get_and_never_for_a_post() {
        let (server, client) = answer(500, &[], "oops").await;
        let error = client
            .get::<Value>("/x", &[], PURPOSE)
            .await
            .expect_err("500");
        assert!(matches!(error, Error::World(_)), "{error}");
        assert_eq!(requests(&server).await, 5);
        server.reset().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(502))
            .mount(&server)
            .await;
        client
            .post::<Value>("/x", &json!({}), PURPOSE)
            .await
            .expect_err("502");
        assert_eq!(requests(&server).await, 1);
    }

    #[tokio::test]
    async fn a_missing_permission_is_named_and_not_repeated() {
        let (server, client) = answer(403, &[], "Resource not accessible by integration").await;
        let error = client
            .post::<Value>("/x", &json!({}), PURPOSE)
            .await
            .expect_err("403");
        assert_eq!(
            error.to_string(),
            "GitHub refused (Resource not accessible by integration): grant the token `things: write`, under `permissions:` of the workflow"
        );
        assert!(matches!(
            error,
            Error::MissingPermission {
                permission: "things: write",
                ..
            }
        ));
        assert_eq!(requests(&server).await, 1);
    }

    #[tokio::test]
    async fn a_rate_limit_is_waited_for_also_with_a_post() {
        let (server, client) = answer(
            403,
            &[("retry-after", "0")],
            "You have exceeded a secondary rate limit",
        )
        .await;
        let error = client
            .post::<Value>("/x", &json!({}), PURPOSE)
            .await
            .expect_err("limited");
        assert!(matches!(error, Error::RateLimited { .. }), "{error}");
        assert_eq!(requests(&server).await, 5);
    }

    #[tokio::test]
    async fn a_wait_beyond_the_budget_is_not_begun() {
        for headers in [
            &[("retry-after", "3600")][..],
            &[
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "9999999999"),
            ],
            &[],
        ] {
            let (server, client) = answer(429, headers, "slow down").await;
            let error = client
                .get::<Value>("/x", &[], PURPOSE)
                .await
                .expect_err("limited");
            assert!(matches!(error, Error::RateLimited { .. }), "{error}");
            assert_eq!(requests(&server).await, 1);
        }
    }

    #[tokio::test]
    async fn what_github_says_about_a_refusal_is_told_in_full() {
        let server = MockServer::start().await;
        let body = json!({"message": "Validation Failed", "errors": [{"code": "custom", "message": "body is too long"}, "and\nmore"]});
        Mock::given(any())
            .respond_with(ResponseTemplate::new(422).set_body_json(body))
            .mount(&server)
            .await;
        let error = client(&server)
            .post::<Value>("/x", &json!({}), PURPOSE)
            .await
            .expect_err("422");
        assert_eq!(
            error.to_string(),
            "GitHub refused the request with 422: Validation Failed; body is too long; and more"
        );
    }

    #[tokio::test]
    async fn nobody_there_is_a_failure_of_the_world() {
        let free = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port");
        let client = Client::new(
            &format!("http://{free}"),
            &Token::new("x").expect("a token"),
        )
        .expect("a client")
        .with_waits(Duration::from_secs(1), Duration::from_millis(1));
        let error = client
            .post::<Value>("/x", &json!({}), PURPOSE)
            .await
            .expect_err("nobody");
        assert!(matches!(error, Error::World(_)), "{error}");
        assert!(!error.to_string().contains("://"), "{error}");
    }

    #[tokio::test]
    async fn a_redirect_is_followed_only_within_its_origin() {
        let (home, away) = (MockServer::start().await, MockServer::start().await);
        let to = |location: String| ResponseTemplate::new(302).insert_header("location", location);
        Mock::given(path("/moved"))
            .respond_with(to("/here".to_owned()))
            .mount(&home)
            .await;
        Mock::given(path("/away"))
            .respond_with(to(format!("{}/x", away.uri())))
            .mount(&home)
            .await;
        Mock::given(path("/here"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!(1)))
            .mount(&home)
            .await;
        let client = client(&home);
        assert_eq!(
            client
                .get::<u8>("/moved", &[], PURPOSE)
                .await
                .expect("followed"),
            1
        );
        let (status, headers) = client
            .get_head("/away", PURPOSE)
            .await
            .expect("not followed");
        assert_eq!(
            (status.as_u16(), headers["location"].to_str().expect("text")),
            (302, format!("{}/x", away.uri()).as_str())
        );
        assert_eq!(requests(&away).await, 0);
    }

    #[tokio::test]
    async fn a_list_is_read_to_its_last_page() {
        let server = MockServer::start().await;
        let page = |number: &str, items: Vec<u32>| {
            Mock::given(wiremock::matchers::query_param("page", number))
                .respond_with(ResponseTemplate::new(200).set_body_json(items))
        };
        page("1", (0..100).collect()).mount(&server).await;
        page("2", (100..150).collect()).mount(&server).await;
        let all: Vec<u32> = client(&server)
            .get_all("/list", &[("q", "a b")], PURPOSE, |page: Vec<u32>| page)
            .await
            .expect("all");
        assert_eq!(all, (0..150).collect::<Vec<_>>());
    }
}
