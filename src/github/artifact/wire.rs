//! What the artifact service answers: in `snake_case` or, from some doubles of it, in `camelCase`.

use serde::Deserialize;

use super::listed::{Listed, Place};

#[derive(Default, Deserialize)]
pub(super) struct Twirp {
    #[serde(default)]
    pub(super) msg: String,
}

#[derive(Deserialize)]
pub(super) struct Created {
    #[serde(alias = "signedUploadUrl")]
    pub(super) signed_upload_url: String,
}

#[derive(Deserialize)]
pub(super) struct Finalized {
    #[serde(default, alias = "artifactId")]
    pub(super) artifact_id: Option<Number>,
}

#[derive(Deserialize)]
pub(super) struct Signed {
    #[serde(alias = "signedUrl")]
    pub(super) signed_url: String,
}

#[derive(Deserialize)]
pub(super) struct List {
    #[serde(default)]
    pub(super) artifacts: Vec<Artifact>,
}

#[derive(Deserialize)]
pub(super) struct Artifact {
    #[serde(alias = "workflowRunBackendId")]
    workflow_run_backend_id: String,
    #[serde(alias = "workflowJobRunBackendId")]
    workflow_job_run_backend_id: String,
    name: String,
    #[serde(default)]
    size: Option<Number>,
    #[serde(default, alias = "createdAt")]
    created_at: Option<String>,
    #[serde(default)]
    digest: Option<String>,
}

/// An int64 is a string in this JSON; doubles of the service also write a number.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Number {
    Number(u64),
    Text(String),
}

impl Number {
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

impl Artifact {
    pub(super) fn listed(self) -> Option<Listed> {
        Listed::of(
            &self.name,
            self.size.and_then(|size| size.number()).unwrap_or_default(),
            self.digest.filter(|digest| !digest.is_empty()),
            self.created_at.unwrap_or_default(),
            Place::OwnRun {
                run: self.workflow_run_backend_id,
                job: self.workflow_job_run_backend_id,
            },
        )
    }
}
