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
    CheckRunConclusion, CheckRunOutput, CheckRunOutputAnnotation, CheckRunStatus,
};
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::context::Context;
use super::error::{Error, Purpose, Result, cut_bytes};
use super::remark::Remark;
use crate::model::annotation::Annotation;
use crate::render::check::Conclusion;

/// In one request, by the API's description.
pub(crate) const ANNOTATIONS_PER_REQUEST: usize = 50;
/// Of a summary and of a text, in bytes.
pub(crate) const TEXT_LIMIT: usize = 65_535;
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

impl From<Conclusion> for CheckRunConclusion {
    fn from(conclusion: Conclusion) -> Self {
        match conclusion {
            Conclusion::Success => Self::Success,
            Conclusion::Failure => Self::Failure,
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

#[cfg(test)]
mod tests {
    use wiremock::matchers::any;
    use wiremock::{Mock, MockServer};

    use super::super::client::tests::client;
    use super::super::context::tests::context;
    use super::super::fake_checks::Checks;
    use super::*;
    use crate::model::annotation::Level;
    use crate::model::case::Location;

    async fn start(checks: &Checks) -> (MockServer, Client, Context) {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(checks.clone())
            .mount(&server)
            .await;
        let (client, context) = (client(&server), context(&server.uri()));
        (server, client, context)
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
