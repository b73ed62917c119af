//! An artifact as a list names it, of the own run or of another.

use super::name::ArtifactName;

/// An artifact with a name of ours. Who made it is not said: its content is a stranger's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: ArtifactName,
    /// Of the zip, in bytes.
    pub(crate) size: u64,
    /// `sha256:…`.
    pub(crate) digest: Option<String>,
    /// RFC 3339.
    pub(crate) created_at: String,
    pub(super) place: Place,
}

/// How to get at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Ids of the artifact service.
    OwnRun {
        run: String,
        job: String,
    },
    OtherRun {
        id: u64,
    },
}

impl Listed {
    /// `None`, with a notice, for a name that only resembles one of ours.
    pub(super) fn of(
        name: &str,
        size: u64,
        digest: Option<String>,
        created_at: String,
        place: Place,
    ) -> Option<Self> {
        match name.parse() {
            Ok(name) => Some(Self {
                name,
                size,
                digest,
                created_at,
                place,
            }),
            Err(error) => {
                if name.starts_with("parallel-pytest-") {
                    tracing::warn!("{error}: it is ignored");
                }
                None
            }
        }
    }
}
