//! The check run: one named result beside a commit, with annotations in its files
//! (<https://docs.github.com/en/rest/checks/runs>).
//!
//! Publishing is done by comparing: what is there under our name and external id is read, then only
//! what is missing is sent. GitHub *appends* the annotations of an update, so a run whose
//! annotations are all among the wanted ones is completed; one that has others cannot be made right
//! any more and is superseded by a new run of the same name, which GitHub then shows instead. So
//! publishing twice changes nothing, and neither does a request that was carried out although its
//! answer got lost.

use octocrab::params::checks::{
    CheckRunConclusion, CheckRunOutput, CheckRunOutputAnnotation, CheckRunOutputAnnotationLevel,
    CheckRunStatus,
};
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::context::Context;
use super::error::{Error, Purpose, Result, cut_bytes};
use crate::model::annotation::{Annotation, Level};

/// In one request, by GitHub's OpenAPI description.
pub(crate) const ANNOTATIONS_PER_REQUEST: usize = 50;
/// Of a summary and of a text, in bytes.
pub(crate) const TEXT_LIMIT: usize = 65_535;
/// Of an annotation's message and of its details, in bytes: a little below GitHub's 64 KB.
const MESSAGE_LIMIT: usize = 64_000;
/// Of an annotation's title, in characters.
const TITLE_LIMIT: usize = 255;

const PURPOSE: Purpose = Purpose {
    what: "the check run",
    permission: "checks: write",
};

/// A finished check run as it shall be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckRun<'a> {
    /// Unique in the repository, since GitHub decides below which workflow it shows the run.
    pub(crate) name: &'a str,
    /// What makes a later publishing of the same result find this one.
    pub(crate) external_id: &'a str,
    pub(crate) conclusion: Conclusion,
    pub(crate) title: &'a str,
    /// Markdown, at most [`TEXT_LIMIT`] bytes.
    pub(crate) summary: &'a str,
    /// Markdown, at most [`TEXT_LIMIT`] bytes.
    pub(crate) text: Option<&'a str>,
    pub(crate) details_url: Option<&'a str>,
    pub(crate) annotations: &'a [Annotation],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conclusion {
    Success,
    Failure,
    Neutral,
}

/// Makes the check run of the tested commit what it shall be. Returns its page.
pub(crate) async fn publish(
    client: &Client,
    context: &Context,
    wanted: &CheckRun<'_>,
) -> Result<Option<String>> {
    client
        .reconcile(async || step(client, context, wanted).await)
        .await
}

async fn step(client: &Client, context: &Context, wanted: &CheckRun<'_>) -> Result<Option<String>> {
    let annotations: Vec<_> = wanted.annotations.iter().map(Remark::of).collect();
    let runs = format!("/repos/{}/{}/check-runs", context.owner, context.repository);
    if let Some(found) = find(client, context, wanted).await? {
        let run = format!("{runs}/{}", found.id);
        let existing: Vec<Remark> = match found.output.annotations_count {
            0 => Vec::new(),
            _ => {
                client
                    .get_all(
                        &format!("{run}/annotations"),
                        &[],
                        PURPOSE,
                        |page: Vec<Remark>| page,
                    )
                    .await?
            }
        };
        if let Some(missing) = missing(&annotations, &existing) {
            if missing.is_empty() && found.says(wanted) {
                return Ok(found.html_url);
            }
            match complete(client, &run, wanted, &missing).await {
                // Made by another app: only that one may change it.
                Err(Error::MissingPermission { .. }) => {}
                result => return result.map(|()| found.html_url),
            }
        }
    }
    let (first, rest) = annotations.split_at(annotations.len().min(ANNOTATIONS_PER_REQUEST));
    let body = Body {
        name: Some(wanted.name),
        head_sha: Some(&context.head_sha),
        external_id: Some(wanted.external_id),
        ..Body::of(wanted, first)
    };
    let made: Found = client.post(&runs, &body, PURPOSE).await?;
    if !rest.is_empty() {
        complete(client, &format!("{runs}/{}", made.id), wanted, rest).await?;
    }
    Ok(made.html_url)
}

/// Updates the run and appends annotations, in as many requests as that takes.
async fn complete(
    client: &Client,
    run: &str,
    wanted: &CheckRun<'_>,
    missing: &[Remark],
) -> Result<()> {
    let batches = missing.chunks(ANNOTATIONS_PER_REQUEST);
    let batches = if missing.is_empty() {
        vec![missing]
    } else {
        batches.collect()
    };
    for batch in batches {
        let _: Found = client
            .patch_once(run, &Body::of(wanted, batch), PURPOSE)
            .await?;
    }
    Ok(())
}

async fn find(client: &Client, context: &Context, wanted: &CheckRun<'_>) -> Result<Option<Found>> {
    let route = format!(
        "/repos/{}/{}/commits/{}/check-runs",
        context.owner, context.repository, context.head_sha
    );
    let query = [("check_name", wanted.name), ("filter", "all")];
    let found = client
        .get_all(&route, &query, PURPOSE, |page: Page| page.check_runs)
        .await?;
    Ok(found
        .into_iter()
        .filter(|run| run.external_id.as_deref() == Some(wanted.external_id))
        .max_by_key(|run| run.id))
}

/// What must be appended to `existing` to have `wanted`; `None` if appending cannot do that.
fn missing(wanted: &[Remark], existing: &[Remark]) -> Option<Vec<Remark>> {
    let mut missing = wanted.to_vec();
    for remark in existing {
        let place = missing.iter().position(|other| other == remark)?;
        missing.remove(place);
    }
    Some(missing)
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    check_runs: Vec<Found>,
}

/// What we need of a check run that exists.
#[derive(Deserialize)]
struct Found {
    id: u64,
    #[serde(default)]
    html_url: Option<String>,
    #[serde(default)]
    external_id: Option<String>,
    #[serde(default)]
    conclusion: Option<String>,
    #[serde(default)]
    output: FoundOutput,
}

#[derive(Default, Deserialize)]
struct FoundOutput {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    annotations_count: u64,
}

impl Found {
    fn says(&self, wanted: &CheckRun<'_>) -> bool {
        let same = |there: &Option<String>, wanted: &str| {
            same_text(there.as_deref().unwrap_or_default(), wanted)
        };
        self.conclusion.as_deref() == Some(wanted.conclusion.name())
            && same(&self.output.title, wanted.title)
            && same(&self.output.summary, cut_bytes(wanted.summary, TEXT_LIMIT))
            && same(
                &self.output.text,
                cut_bytes(wanted.text.unwrap_or_default(), TEXT_LIMIT),
            )
    }
}

/// Equal but for what GitHub may do to line ends and to space around.
pub(super) fn same_text(one: &str, other: &str) -> bool {
    one.replace("\r\n", "\n").trim() == other.replace("\r\n", "\n").trim()
}

impl Conclusion {
    fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Neutral => "neutral",
        }
    }
}

impl From<Conclusion> for CheckRunConclusion {
    fn from(conclusion: Conclusion) -> Self {
        match conclusion {
            Conclusion::Success => Self::Success,
            Conclusion::Failure => Self::Failure,
            Conclusion::Neutral => Self::Neutral,
        }
    }
}

/// The body of a creation or of an update.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    head_sha: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details_url: Option<&'a str>,
    status: CheckRunStatus,
    conclusion: CheckRunConclusion,
    output: CheckRunOutput,
}

impl<'a> Body<'a> {
    fn of(wanted: &CheckRun<'a>, annotations: &[Remark]) -> Self {
        Self {
            name: None,
            head_sha: None,
            external_id: None,
            details_url: wanted.details_url,
            status: CheckRunStatus::Completed,
            conclusion: wanted.conclusion.into(),
            output: CheckRunOutput {
                title: wanted.title.to_owned(),
                summary: cut_bytes(wanted.summary, TEXT_LIMIT).to_owned(),
                text: wanted
                    .text
                    .map(|text| cut_bytes(text, TEXT_LIMIT).to_owned()),
                annotations: annotations
                    .iter()
                    .map(CheckRunOutputAnnotation::from)
                    .collect(),
                images: Vec::new(),
            },
        }
    }
}

/// An annotation as it is sent and as it comes back: within its limits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Remark {
    path: String,
    start_line: u32,
    annotation_level: String,
    #[serde(default, deserialize_with = "text_or_null")]
    title: String,
    #[serde(default, deserialize_with = "text_or_null")]
    message: String,
    #[serde(default, deserialize_with = "text_or_null")]
    raw_details: String,
}

fn text_or_null<'de, D: serde::Deserializer<'de>>(
    value: D,
) -> std::result::Result<String, D::Error> {
    Option::deserialize(value).map(Option::unwrap_or_default)
}

impl Remark {
    fn of(annotation: &Annotation) -> Self {
        let Annotation {
            level,
            location,
            title,
            message,
            details,
        } = annotation;
        let limited = |text: &str| {
            cut_bytes(&basic_plane(text), MESSAGE_LIMIT)
                .trim()
                .to_owned()
        };
        let title: String = basic_plane(title)
            .trim()
            .chars()
            .take(TITLE_LIMIT)
            .collect();
        let message = limited(message);
        Self {
            path: location.path.to_string(),
            start_line: location.line.max(1),
            annotation_level: match level {
                Level::Notice => "notice",
                Level::Warning => "warning",
                Level::Failure => "failure",
            }
            .to_owned(),
            // An empty message is refused.
            message: if message.is_empty() {
                "no message".to_owned()
            } else {
                message
            },
            title,
            raw_details: limited(details),
        }
    }
}

impl From<&Remark> for CheckRunOutputAnnotation {
    fn from(remark: &Remark) -> Self {
        let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Self {
            path: remark.path.clone(),
            start_line: remark.start_line,
            end_line: remark.start_line,
            start_column: None,
            end_column: None,
            annotation_level: match remark.annotation_level.as_str() {
                "notice" => CheckRunOutputAnnotationLevel::Notice,
                "warning" => CheckRunOutputAnnotationLevel::Warning,
                _ => CheckRunOutputAnnotationLevel::Failure,
            },
            message: remark.message.clone(),
            title: some(&remark.title),
            raw_details: some(&remark.raw_details),
        }
    }
}

/// Writes what lies above U+FFFF as `\U0001f600`: the Checks API fails over such in annotations.
fn basic_plane(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut plain, char| {
            if u32::from(char) > 0xFFFF {
                plain.push_str(&format!("\\U{:08x}", u32::from(char)));
            } else {
                plain.push(char);
            }
            plain
        })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use serde_json::{Value, json};
    use wiremock::matchers::any;
    use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

    use super::super::client::tests::client;
    use super::super::context::tests::context;
    use super::*;
    use crate::model::report::Location;

    /// The check runs of one repository, annotations appended as GitHub does. The `n`-th write
    /// request that `broken` names is carried out, but answered with a 500.
    #[derive(Clone, Default)]
    struct Checks {
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
                    Value::from_iter(all.into_iter().skip(number(&page) * 100).take(100))
                }
                ("POST", ["check-runs"]) => {
                    let mut run = json!({"id": runs.len() + 1, "html_url": format!("page/{}", runs.len() + 1)});
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
        run["output"] = json!({"title": title, "summary": summary, "text": text, "annotations_count": all.len()});
        run["annotations"] = all.into();
    }

    async fn start(checks: &Checks) -> (MockServer, Client, Context) {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(checks.clone())
            .mount(&server)
            .await;
        let (client, context) = (client(&server), context(&server.uri()));
        (server, client, context)
    }

    impl Checks {
        fn breaking(writes: &[usize]) -> Self {
            Self {
                broken: writes.to_vec(),
                ..Self::default()
            }
        }

        fn writes(&self) -> usize {
            *self.writes.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// How many annotations each run has.
        fn counts(&self) -> Vec<u64> {
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

    fn annotations(count: u32) -> Vec<Annotation> {
        (1..=count)
            .map(|line| Annotation {
                level: Level::Failure,
                location: Location {
                    path: "tests/test_a.py".into(),
                    line,
                },
                title: format!("test {line} failed"),
                message: "assert 1 == 2".to_owned(),
                details: String::new(),
            })
            .collect()
    }

    fn wanted(annotations: &[Annotation]) -> CheckRun<'_> {
        CheckRun {
            name: "tests (CI)",
            external_id: "unit-42",
            conclusion: Conclusion::Failure,
            title: "3 failed",
            summary: "# 3 failed",
            text: None,
            details_url: None,
            annotations,
        }
    }

    #[tokio::test]
    async fn annotations_go_in_batches_of_fifty_to_one_run() {
        let checks = Checks::default();
        let (_server, client, context) = start(&checks).await;
        let url = publish(&client, &context, &wanted(&annotations(120)))
            .await
            .expect("published");
        assert_eq!(url.as_deref(), Some("page/1"));
        assert_eq!((checks.writes(), checks.counts()), (3, vec![120]));
    }

    #[tokio::test]
    async fn publishing_twice_writes_nothing_the_second_time() {
        let checks = Checks::default();
        let (_server, client, context) = start(&checks).await;
        for count in [0, 1, 120] {
            let all = annotations(count);
            let wanted = CheckRun {
                external_id: &format!("unit-{count}"),
                ..wanted(&all)
            };
            publish(&client, &context, &wanted)
                .await
                .expect("published");
            let writes = checks.writes();
            publish(&client, &context, &wanted)
                .await
                .expect("published");
            assert_eq!(checks.writes(), writes, "{count} annotations");
        }
    }

    #[tokio::test]
    async fn a_lost_answer_leads_to_no_second_run_and_no_second_annotation() {
        for broken in [&[1][..], &[2], &[3], &[1, 2, 3]] {
            let checks = Checks::breaking(broken);
            let (_server, client, context) = start(&checks).await;
            publish(&client, &context, &wanted(&annotations(120)))
                .await
                .expect("published");
            assert_eq!(
                (checks.writes(), checks.counts()),
                (3, vec![120]),
                "{broken:?}"
            );
        }
    }

    #[tokio::test]
    async fn more_annotations_are_appended_and_a_new_text_is_an_update() {
        let checks = Checks::default();
        let (_server, client, context) = start(&checks).await;
        publish(&client, &context, &wanted(&annotations(2)))
            .await
            .expect("published");
        publish(&client, &context, &wanted(&annotations(3)))
            .await
            .expect("published");
        publish(
            &client,
            &context,
            &CheckRun {
                summary: "# new",
                ..wanted(&annotations(3))
            },
        )
        .await
        .expect("published");
        assert_eq!((checks.writes(), checks.counts()), (3, vec![3]));
    }

    #[tokio::test]
    async fn a_run_with_annotations_that_are_no_longer_true_is_superseded() {
        let checks = Checks::default();
        let (_server, client, context) = start(&checks).await;
        publish(&client, &context, &wanted(&annotations(3)))
            .await
            .expect("published");
        let url = publish(&client, &context, &wanted(&annotations(2)))
            .await
            .expect("published");
        assert_eq!(
            (checks.counts(), url.as_deref()),
            (vec![3, 2], Some("page/2"))
        );
        publish(&client, &context, &wanted(&annotations(2)))
            .await
            .expect("published");
        assert_eq!(checks.writes(), 2);
    }

    #[tokio::test]
    async fn a_run_of_another_external_id_is_left_alone() {
        let checks = Checks::default();
        let (_server, client, context) = start(&checks).await;
        publish(&client, &context, &wanted(&[]))
            .await
            .expect("published");
        publish(
            &client,
            &context,
            &CheckRun {
                external_id: "e2e-42",
                ..wanted(&[])
            },
        )
        .await
        .expect("published");
        assert_eq!(checks.counts(), [0, 0]);
    }

    #[test]
    fn an_annotation_is_within_the_limits_of_the_api() {
        let remark = Remark::of(&Annotation {
            level: Level::Warning,
            location: Location {
                path: "a.py".into(),
                line: 0,
            },
            title: "é😀".repeat(300),
            message: "é".repeat(40_000),
            details: "😀".repeat(40_000),
        });
        assert_eq!(remark.title.chars().count(), 255);
        assert!(remark.title.starts_with("é\\U0001f600é"));
        assert_eq!(
            (
                remark.message.len(),
                remark.raw_details.len(),
                remark.start_line
            ),
            (64_000, 64_000, 1)
        );
        let empty = Annotation {
            message: " \n".to_owned(),
            ..annotations(1).remove(0)
        };
        assert_eq!(Remark::of(&empty).message, "no message");
    }

    #[test]
    fn a_summary_is_cut_by_bytes_between_characters() {
        let summary = "é".repeat(40_000);
        let body = Body::of(
            &CheckRun {
                summary: &summary,
                ..wanted(&[])
            },
            &[],
        );
        assert_eq!(body.output.summary.len(), TEXT_LIMIT - 1);
    }
}
