//! A double of the check runs of one repository, for tests.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use wiremock::{Request, Respond, ResponseTemplate};

use super::check_run::ANNOTATIONS_PER_REQUEST;

/// The check runs of one repository, annotations appended as GitHub does. The `n`-th write
/// request that `broken` names is carried out, but answered with a 500.
#[derive(Clone, Default)]
pub(super) struct Checks {
    runs: Arc<Mutex<Vec<Value>>>,
    writes: Arc<Mutex<usize>>,
    broken: Vec<usize>,
}

impl Respond for Checks {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let parts: Vec<&str> = request
            .url
            .path()
            .trim_start_matches('/')
            .split('/')
            .collect();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let number = |text: &str| text.parse::<usize>().expect("an id") - 1;
        let answer = match (request.method.as_str(), &parts[3..]) {
            ("GET", ["commits", _, "check-runs"]) => {
                let shown: Vec<Value> = runs.iter().cloned().collect();
                json!({"total_count": shown.len(), "check_runs": shown})
            }
            ("GET", ["check-runs", id, "annotations"]) => {
                let page = request
                    .url
                    .query_pairs()
                    .find(|(key, _)| key == "page")
                    .expect("a page")
                    .1;
                let all = runs[number(id)]["annotations"]
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
                all.into_iter()
                    .skip(number(&page) * 100)
                    .take(100)
                    .collect()
            }
            ("POST", ["check-runs"]) => {
                let mut run =
                    json!({"id": runs.len() + 1, "html_url": format!("page/{}", runs.len() + 1)});
                merge(&mut run, &body);
                runs.push(run.clone());
                run
            }
            ("PATCH", ["check-runs", id]) => {
                let run = &mut runs[number(id)];
                merge(run, &body);
                run.clone()
            }
            other => panic!("unexpected request {other:?}"),
        };
        if request.method.as_str() != "GET" {
            let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
            *writes += 1;
            if self.broken.contains(&*writes) {
                return ResponseTemplate::new(500);
            }
        }
        ResponseTemplate::new(200).set_body_json(answer)
    }
}

fn merge(run: &mut Value, body: &Value) {
    let sent = body["output"]["annotations"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert!(sent.len() <= ANNOTATIONS_PER_REQUEST);
    for key in ["name", "head_sha", "external_id", "conclusion"] {
        if !body[key].is_null() {
            run[key] = body[key].clone();
        }
    }
    let mut all = run["annotations"].as_array().cloned().unwrap_or_default();
    // GitHub keeps no order that could be relied on.
    all.splice(0..0, sent);
    let (title, summary, text) = (
        &body["output"]["title"],
        &body["output"]["summary"],
        &body["output"]["text"],
    );
    run["output"] =
        json!({"title": title, "summary": summary, "text": text, "annotations_count": all.len()});
    run["annotations"] = all.into();
}

impl Checks {
    pub(super) fn breaking(writes: &[usize]) -> Self {
        Self {
            broken: writes.to_vec(),
            ..Self::default()
        }
    }

    pub(super) fn writes(&self) -> usize {
        *self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many annotations each run has.
    pub(super) fn counts(&self) -> Vec<u64> {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.iter()
            .map(|run| {
                run["output"]["annotations_count"]
                    .as_u64()
                    .expect("a count")
            })
            .collect()
    }
}
