//! A report that somebody brings instead of data, in any of the formats.

use crate::model::coverage::Coverage;

/// One report. Paths are as the producer wrote them.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) coverage: Coverage,
    /// Folders the paths may be relative to.
    pub(crate) sources: Vec<String>,
    /// It tells of no branch, in a format that says nothing where there are none to tell of.
    pub(crate) maybe_branch: bool,
    /// What is not right in it, though it can be used.
    pub(crate) warnings: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("it is not coverage.py's JSON report (`coverage json` writes one): {0}")]
    Json(#[from] serde_json::Error),
    #[error("it is not a Cobertura report: {0}")]
    Cobertura(String),
    #[error("it is not an lcov report: {0}")]
    Lcov(String),
}

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Data,
    Json,
    Cobertura,
    Lcov,
}

impl Kind {
    /// `start` are the first bytes of a file; 4 KiB are enough.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        if start.starts_with(super::sqlite::MAGIC) || start.starts_with(b"!coverage.py: ") {
            return Some(Self::Data);
        }
        let text = start
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(start)
            .trim_ascii_start();
        let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        match text.first()? {
            b'{' => Some(Self::Json),
            b'<' => Some(Self::Cobertura),
            _ if [b"TN:".as_slice(), b"SF:", b"VER:", b"#"]
                .iter()
                .any(|start| line.starts_with(start)) =>
            {
                Some(Self::Lcov)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_it_holds() {
        for (start, kind) in [
            (b"SQLite format 3\0\x10\0".as_slice(), Some(Kind::Data)),
            (b"\xef\xbb\xbf\n{\"meta\"", Some(Kind::Json)),
            (b"<?xml", Some(Kind::Cobertura)),
            (b"TN:\nSF:a.py", Some(Kind::Lcov)),
            (b"SF:a.py", Some(Kind::Lcov)),
            (b"mode: set\n", None),
            (b"", None),
        ] {
            assert_eq!(Kind::of(start), kind);
        }
    }
}
