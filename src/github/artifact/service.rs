//! The artifact service inside a run: Twirp with JSON, as `actions/toolkit` (`packages/artifact`)
//! speaks it. It needs the runner's token and address, which container and node actions get.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Client, Url};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::blob::{self, Downloaded, Reach};
use super::listed::Listed;
use super::name::ArtifactName;
use super::pack::Packed;
use super::patience::{Patience, Trouble};
use super::wire::{Artifact, Created, Finalized, List, Signed, Twirp};
use crate::github::token::Token;

const CALL_LIMIT: Duration = Duration::from_mins(1);
/// How many names are tried where a name is taken.
const COPIES: u32 = 5;

#[derive(Clone, Debug)]
pub(crate) struct Service {
    http: Client,
    origin: Url,
    token: Token,
    ids: Ids,
    patience: Patience,
}

/// Which job of which run the token belongs to, in the service's words.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ids {
    run: String,
    job: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Uploaded {
    /// With a higher `copy` than asked for, if the name was taken.
    pub(crate) name: ArtifactName,
    pub(crate) id: Option<u64>,
    /// Of the zip, in bytes.
    pub(crate) size: u64,
}

impl Service {
    /// `None` where the runner offers no such service: outside of GitHub, and in `run:` steps.
    pub(crate) fn read(
        env: impl Fn(&str) -> Option<String>,
        http: &Client,
    ) -> anyhow::Result<Option<Self>> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let (Some(url), Some(token)) = (set("ACTIONS_RESULTS_URL"), set("ACTIONS_RUNTIME_TOKEN"))
        else {
            return Ok(None);
        };
        let origin =
            Url::parse(&url).with_context(|| format!("ACTIONS_RESULTS_URL is `{url}`, no URL"))?;
        let ids = Ids::of_token(&token)?;
        let token = Token::new(&token).context("ACTIONS_RUNTIME_TOKEN is no token")?;
        Ok(Some(Self {
            http: http.clone(),
            origin,
            token,
            ids,
            patience: Patience::default(),
        }))
    }

    #[cfg(test)]
    pub(crate) fn with_patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Stores a zip under this name, or under its next copy where the name is taken: by an earlier
    /// upload of this attempt, or by one that failed before its end and is not even listed.
    pub(crate) async fn upload(
        &self,
        name: ArtifactName,
        packed: &Packed,
    ) -> anyhow::Result<Uploaded> {
        let mut name = name;
        for _ in 0..COPIES {
            let asked = json!({"name": name.to_string(), "version": 4});
            let created: Created = match self.call("CreateArtifact", &asked).await {
                Err(CallError::Taken) => {
                    name = name.next_copy();
                    continue;
                }
                Err(CallError::Trouble(error)) => {
                    return Err(error.context(format!("the artifact {name} could not be created")));
                }
                Ok(created) => created,
            };
            let reach = Reach::from(&self.origin);
            let sha256 = blob::upload(
                &self.http,
                &created.signed_upload_url,
                packed,
                reach,
                self.patience,
            )
            .await
            .with_context(|| format!("the artifact {name} could not be uploaded"))?;
            let id = self.finalize(&name, packed.size, &sha256).await?;
            return Ok(Uploaded {
                name,
                id,
                size: packed.size,
            });
        }
        Err(anyhow!(
            "the artifact could not be created: all names up to {name} are taken"
        ))
    }

    async fn finalize(
        &self,
        name: &ArtifactName,
        size: u64,
        sha256: &str,
    ) -> anyhow::Result<Option<u64>> {
        let asked = json!({"name": name.to_string(), "size": size.to_string(), "hash": format!("sha256:{sha256}")});
        let error = match self.call::<Finalized>("FinalizeArtifact", &asked).await {
            Ok(finalized) => return Ok(finalized.artifact_id.and_then(|id| id.number())),
            Err(CallError::Taken) => anyhow!("it exists already"),
            Err(CallError::Trouble(error)) => error,
        };
        // The call may have been carried out although its answer got lost.
        match self.list().await {
            Ok(listed) if listed.iter().any(|artifact| &artifact.name == name) => Ok(None),
            _ => Err(error.context(format!(
                "the artifact {name} was uploaded, but could not be completed"
            ))),
        }
    }

    /// The artifacts of this run with a name of ours, of all its attempts.
    pub(crate) async fn list(&self) -> anyhow::Result<Vec<Listed>> {
        let answer: List = self
            .call("ListArtifacts", &json!({}))
            .await
            .map_err(CallError::into_error)
            .context("the artifacts of this run could not be listed")?;
        Ok(answer
            .artifacts
            .into_iter()
            .filter_map(Artifact::listed)
            .collect())
    }

    pub(super) async fn download(
        &self,
        run: &str,
        job: &str,
        listed: &Listed,
    ) -> anyhow::Result<Downloaded> {
        let Listed { name, digest, .. } = listed;
        let failed = || format!("the artifact {name} could not be downloaded");
        let asked = json!({
            "workflow_run_backend_id": run,
            "workflow_job_run_backend_id": job,
            "name": name.to_string(),
        });
        let signed: Signed = self
            .call("GetSignedArtifactURL", &asked)
            .await
            .map_err(CallError::into_error)
            .with_context(failed)?;
        blob::download(
            &self.http,
            &signed.signed_url,
            digest.as_deref(),
            Reach::from(&self.origin),
            self.patience,
        )
        .await
        .map_err(Trouble::into_error)
        .with_context(failed)
    }

    async fn call<T: DeserializeOwned>(&self, method: &str, asked: &Value) -> Result<T, CallError> {
        let mut body = json!({
            "workflow_run_backend_id": self.ids.run,
            "workflow_job_run_backend_id": self.ids.job,
        });
        if let (Some(body), Some(asked)) = (body.as_object_mut(), asked.as_object()) {
            body.extend(asked.clone());
        }
        let mut url = self.origin.clone();
        url.set_path(&format!(
            "/twirp/github.actions.results.api.v1.ArtifactService/{method}"
        ));
        url.set_query(None);
        let body = body.to_string();
        let send = async || {
            let answer = self
                .http
                .post(url.clone())
                .bearer_auth(self.token.reveal())
                .header("content-type", "application/json")
                .timeout(CALL_LIMIT)
                .body(body.clone())
                .send()
                .await
                .map_err(Trouble::of_network)?;
            let status = answer.status();
            let text = answer.text().await.map_err(Trouble::of_network)?;
            if status.is_success() || status.as_u16() == 409 {
                return Ok((status, text));
            }
            let twirp: Twirp = serde_json::from_str(&text).unwrap_or_default();
            Err(Trouble::of_status(
                status,
                if twirp.msg.is_empty() {
                    &text
                } else {
                    &twirp.msg
                },
            ))
        };
        let (status, text) = self
            .patience
            .persist(method, send)
            .await
            .map_err(|trouble| CallError::Trouble(trouble.into_error()))?;
        if status.as_u16() == 409 {
            return Err(CallError::Taken);
        }
        serde_json::from_str(&text).map_err(|error| {
            CallError::Trouble(anyhow!("the answer to {method} is not understood: {error}"))
        })
    }
}

enum CallError {
    /// The name exists in this run already.
    Taken,
    Trouble(anyhow::Error),
}

impl CallError {
    fn into_error(self) -> anyhow::Error {
        match self {
            Self::Taken => anyhow!("it exists already"),
            Self::Trouble(error) => error,
        }
    }
}

impl Ids {
    /// They stand in the token's payload, in the scope `Actions.Results:<run>:<job>`.
    fn of_token(token: &str) -> anyhow::Result<Self> {
        let read = || {
            let payload = token.trim().split('.').nth(1)?;
            let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
            let payload: Value = serde_json::from_slice(&payload).ok()?;
            payload["scp"].as_str()?.split(' ').find_map(|scope| {
                match scope.split(':').collect::<Vec<_>>()[..] {
                    ["Actions.Results", run, job] => Some(Self {
                        run: run.to_owned(),
                        job: job.to_owned(),
                    }),
                    _ => None,
                }
            })
        };
        read()
            .context("ACTIONS_RUNTIME_TOKEN names no run and job, so artifacts cannot be used here")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tempfile::NamedTempFile;
    use wiremock::matchers::any;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::fake_service::{Fake, token};
    use super::super::name::{Content, SuiteName};
    use super::super::store::Store;
    use super::*;
    use crate::github::http::http_client;

    async fn start(fake: &Fake) -> (MockServer, Service) {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(fake.clone())
            .mount(&server)
            .await;
        let env = |name: &str| match name {
            "ACTIONS_RESULTS_URL" => Some(format!("{}/some/path", server.uri())),
            "ACTIONS_RUNTIME_TOKEN" => Some(token()),
            _ => None,
        };
        let service = Service::read(env, &http_client().expect("a client"))
            .expect("readable")
            .expect("a service");
        let patience = Patience {
            tries: 3,
            first: Duration::from_millis(1),
        };
        (server, service.with_patience(patience))
    }

    fn packed(bytes: &[u8]) -> Packed {
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(bytes).expect("written");
        Packed {
            file,
            size: bytes.len() as u64,
        }
    }

    fn plan() -> ArtifactName {
        ArtifactName::new(
            "unit".parse::<SuiteName>().expect("a suite"),
            Content::Plan { attempt: 1 },
        )
    }

    /// More than one block, of bytes that differ.
    fn large() -> Vec<u8> {
        (0..9_000_000_u32)
            .map(|number| u8::try_from(number % 251).expect("small"))
            .collect()
    }

    #[tokio::test]
    async fn what_goes_up_in_blocks_comes_down_the_same() {
        for camel in [false, true] {
            let fake = Fake {
                camel,
                ..Fake::default()
            };
            let (_server, service) = start(&fake).await;
            let content = large();
            let uploaded = service
                .upload(plan(), &packed(&content))
                .await
                .expect("uploaded");
            assert_eq!(
                (uploaded.name, uploaded.id, uploaded.size),
                (plan(), Some(7), 9_000_000)
            );
            let store = Store::OwnRun(&service);
            let listed = store.list().await.expect("a list");
            assert_eq!(
                (listed.len(), &listed[0].name, listed[0].size),
                (1, &plan(), 9_000_000)
            );
            let downloaded = store.download(&listed[0]).await.expect("brought");
            assert_eq!(
                fs_err::read(downloaded.file.path()).expect("a file"),
                content
            );
        }
    }

    #[tokio::test]
    async fn a_taken_name_gets_a_suffix() {
        let fake = Fake::default();
        let (_server, service) = start(&fake).await;
        for expected in [
            "parallel-pytest-unit-plan-a1",
            "parallel-pytest-unit-plan-a1-2",
            "parallel-pytest-unit-plan-a1-3",
        ] {
            let uploaded = service
                .upload(plan(), &packed(b"zip"))
                .await
                .expect("uploaded");
            assert_eq!(uploaded.name.to_string(), expected);
        }
    }

    #[tokio::test]
    async fn a_lost_answer_at_any_point_loses_nothing() {
        for broken in 1..=4 {
            let fake = Fake {
                broken: vec![broken],
                ..Fake::default()
            };
            let (_server, service) = start(&fake).await;
            let uploaded = service
                .upload(plan(), &packed(b"zip"))
                .await
                .expect("uploaded");
            let listed = service.list().await.expect("a list");
            assert_eq!(
                listed
                    .iter()
                    .map(|artifact| &artifact.name)
                    .collect::<Vec<_>>(),
                [&uploaded.name],
                "{broken}"
            );
            // A creation whose answer got lost has taken the name.
            assert_eq!(uploaded.name.copy, if broken == 1 { 2 } else { 1 });
        }
    }

    #[tokio::test]
    async fn a_quota_is_told_and_not_tried_again() {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(429).set_body_json(
            json!({"code": "resource_exhausted", "msg": "insufficient usage to create artifact"}),
        );
        Mock::given(any())
            .respond_with(answer)
            .expect(1)
            .mount(&server)
            .await;
        let env = |name: &str| {
            Some(if name == "ACTIONS_RESULTS_URL" {
                server.uri()
            } else {
                token()
            })
        };
        let service = Service::read(env, &http_client().expect("a client"))
            .expect("readable")
            .expect("a service");
        let error = service
            .upload(plan(), &packed(b"zip"))
            .await
            .expect_err("a quota");
        assert_eq!(
            format!("{error:#}"),
            "the artifact parallel-pytest-unit-plan-a1 could not be created: 429 Too Many Requests: insufficient usage to create artifact"
        );
    }

    #[test]
    fn the_ids_come_from_the_scope_of_the_token() {
        let ids = Ids::of_token(&token()).expect("ids");
        assert_eq!((ids.run.as_str(), ids.job.as_str()), ("run-1", "job-1"));
        for token in [
            "",
            "a.b.c",
            "no token",
            &format!(
                "x.{}.y",
                URL_SAFE_NO_PAD.encode("{\"scp\":\"Actions.Results:one\"}")
            ),
        ] {
            assert!(Ids::of_token(token).is_err(), "{token}");
        }
    }

    #[test]
    fn without_the_runners_variables_there_is_no_service() {
        assert!(
            Service::read(|_| None, &http_client().expect("a client"))
                .expect("no error")
                .is_none()
        );
    }
}
