//! An annotation of a check run, as it is sent and as it comes back: within the limits of the API.

use std::fmt::Write as _;

use octocrab::params::checks::{CheckRunOutputAnnotation, CheckRunOutputAnnotationLevel};
use serde::Deserialize;

use super::error::cut_bytes;
use crate::model::annotation::{Annotation, Level};

/// Of an annotation's message and of its details, in bytes: a little below GitHub's 64 KB.
const MESSAGE_LIMIT: usize = 64_000;
/// Of an annotation's title, in characters.
const TITLE_LIMIT: usize = 255;

/// An annotation as it is sent and as it comes back: within its limits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Remark {
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

fn text_or_null<'de, D: serde::Deserializer<'de>>(value: D) -> Result<String, D::Error> {
    Option::deserialize(value).map(Option::unwrap_or_default)
}

impl Remark {
    pub(super) fn of(annotation: &Annotation) -> Self {
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
    let mut plain = String::with_capacity(text.len());
    for char in text.chars() {
        match u32::from(char) {
            code @ 0x1_0000.. => {
                let _ = write!(plain, "\\U{code:08x}");
            }
            _ => plain.push(char),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::case::Location;

    #[test]
    fn an_annotation_is_within_the_limits_of_the_api() {
        let annotation = Annotation {
            level: Level::Warning,
            location: Location {
                path: "a.py".into(),
                line: 0,
            },
            title: "é😀".repeat(300),
            message: "é".repeat(40_000),
            details: "😀".repeat(40_000),
        };
        let remark = Remark::of(&annotation);
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
            ..annotation
        };
        assert_eq!(Remark::of(&empty).message, "no message");
    }
}
