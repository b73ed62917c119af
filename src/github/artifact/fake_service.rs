//! A double of the artifact service and its blob store, for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use wiremock::{Request, Respond, ResponseTemplate};

use super::blob::hex;

/// The service and its blob store on one port. The n-th requests of `broken` are carried out,
/// but answered with a 503.
#[derive(Clone, Default)]
pub(super) struct Fake {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) broken: Vec<usize>,
    pub(super) camel: bool,
}

#[derive(Default)]
pub(super) struct State {
    requests: usize,
    taken: Vec<String>,
    blocks: BTreeMap<String, Vec<u8>>,
    blobs: BTreeMap<String, Vec<u8>>,
    finished: BTreeMap<String, Value>,
}

impl Respond for Fake {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.requests += 1;
        let broken = self.broken.contains(&state.requests);
        let answer = if request.url.path().starts_with("/twirp/") {
            self.twirp(&mut state, request)
        } else {
            assert!(
                request.headers.get("authorization").is_none(),
                "no token to the store"
            );
            blob(&mut state, request)
        };
        if broken {
            ResponseTemplate::new(503)
        } else {
            answer
        }
    }
}

impl Fake {
    fn twirp(&self, state: &mut State, request: &Request) -> ResponseTemplate {
        assert_eq!(
            request.headers["authorization"].to_str().ok(),
            Some(format!("Bearer {}", token()).as_str())
        );
        let body: Value = serde_json::from_slice(&request.body).expect("JSON");
        assert_eq!(body["workflow_run_backend_id"], "run-1");
        let name = body["name"].as_str().unwrap_or_default().to_owned();
        let host = format!(
            "http://{}",
            request.headers["host"].to_str().expect("a host")
        );
        let method = request.url.path().rsplit('/').next().expect("a method");
        let answer = match method {
            "CreateArtifact" if state.taken.contains(&name) => {
                return ResponseTemplate::new(409)
                    .set_body_json(json!({"code": "already_exists", "msg": "exists"}));
            }
            "CreateArtifact" => {
                assert_eq!(body["version"], 4);
                state.taken.push(name.clone());
                let key = if self.camel {
                    "signedUploadUrl"
                } else {
                    "signed_upload_url"
                };
                json!({"ok": true, key: format!("{host}/blob/{name}?sig=a%2Bb")})
            }
            "FinalizeArtifact" => {
                let blob = &state.blobs[&name];
                assert_eq!(body["size"], blob.len().to_string());
                let digest = format!("sha256:{}", hex(&Sha256::digest(blob)));
                assert_eq!(body["hash"], digest);
                if state.finished.contains_key(&name) {
                    return ResponseTemplate::new(404)
                        .set_body_json(json!({"code": "not_found", "msg": "no such upload"}));
                }
                let listed = json!({
                    "workflow_run_backend_id": "run-1", "workflow_job_run_backend_id": "job-9",
                    "database_id": "7", "name": name, "size": blob.len().to_string(), "digest": digest,
                });
                state.finished.insert(name, listed);
                json!({"ok": true, "artifact_id": "7"})
            }
            "ListArtifacts" => {
                json!({"artifacts": state.finished.values().collect::<Vec<_>>()})
            }
            "GetSignedArtifactURL" => {
                assert_eq!(body["workflow_job_run_backend_id"], "job-9");
                let key = if self.camel {
                    "signedUrl"
                } else {
                    "signed_url"
                };
                json!({key: format!("{host}/blob/{name}?sig=x")})
            }
            other => panic!("unexpected method {other}"),
        };
        ResponseTemplate::new(200).set_body_json(answer)
    }
}

fn blob(state: &mut State, request: &Request) -> ResponseTemplate {
    let query: BTreeMap<String, String> = request.url.query_pairs().into_owned().collect();
    let name = request.url.path().trim_start_matches("/blob/").to_owned();
    match query.get("comp").map(String::as_str) {
        Some("block") => {
            assert_eq!(query["sig"], "a+b");
            state
                .blocks
                .insert(query["blockid"].clone(), request.body.clone());
            ResponseTemplate::new(201)
        }
        Some("blocklist") => {
            let list = std::str::from_utf8(&request.body).expect("XML");
            let ids = list
                .split("<Latest>")
                .skip(1)
                .map(|part| part.split('<').next().expect("an id"));
            let blob = ids.flat_map(|id| state.blocks[id].clone()).collect();
            state.blobs.insert(name, blob);
            ResponseTemplate::new(201)
        }
        _ => ResponseTemplate::new(200).set_body_bytes(state.blobs[&name].clone()),
    }
}

pub(super) fn token() -> String {
    let payload =
        json!({"scp": "Actions.GenericRead:x Actions.Results:run-1:job-1 Actions.Other:a:b:c"});
    format!(
        "head.{}.signature",
        URL_SAFE_NO_PAD.encode(payload.to_string())
    )
}
