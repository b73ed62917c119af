//! Workflow commands: lines in the log of a job that the runner obeys
//! (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>).

use crate::model::annotation::{Annotation, Level};

use super::visible;

/// Of a message in the log: the runner shows no more than a few lines of it anyway.
const MESSAGE_BYTES: usize = 4096;

/// The text of a command, as `@actions/core` escapes it.
pub(crate) fn escape_data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The value of a property, as `@actions/core` escapes it.
pub(crate) fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Whether the runner would take something in a text for a command: a line that begins with `::`, or the
/// older `##[…]` anywhere (`ActionCommand` of <https://github.com/actions/runner>).
pub(crate) fn has_command(text: &str) -> bool {
    let begins = |line: &str| line.trim_start().starts_with("::");
    text.contains("##[") || text.split(['\n', '\r']).any(begins)
}

/// A warning of ours on the page of the run.
pub(crate) fn warning(message: &str) -> String {
    format!("::warning title=parallel-pytest::{}", escape_data(message))
}

/// `::error file=a.py,line=3,title=…::message`, without a line break.
pub(crate) fn annotation_line(annotation: &Annotation) -> String {
    let Annotation {
        level,
        location,
        title,
        message,
        details: _,
    } = annotation;
    let command = match level {
        Level::Warning => "warning",
        Level::Failure => "error",
    };
    format!(
        "::{command} file={},line={},title={}::{}",
        escape_property(&visible::line(location.path.as_str())),
        location.line,
        escape_property(&visible::line(title)),
        escape_data(&visible::cut(&visible::lines(message), MESSAGE_BYTES)),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::model::case::Location;
    use crate::render::gfm::hostile;

    use super::*;

    fn annotation(path: &str, title: &str, message: &str) -> Annotation {
        Annotation {
            level: Level::Failure,
            location: Location {
                path: path.into(),
                line: 3,
            },
            title: title.to_owned(),
            message: message.to_owned(),
            details: String::new(),
        }
    }

    /// What the runner understands (`ActionCommand.TryParseV2`).
    fn obeyed(line: &str) -> (String, Vec<(String, String)>, String) {
        let unescaped = |text: &str| {
            text.replace("%3A", ":")
                .replace("%2C", ",")
                .replace("%0D", "\r")
                .replace("%0A", "\n")
                .replace("%25", "%")
        };
        let rest = line.trim_start().strip_prefix("::").expect("a command");
        let end = rest.find("::").expect("an end");
        let (command, properties) = rest[..end].split_once(' ').expect("properties");
        let properties = properties
            .split(',')
            .map(|pair| pair.split_once('=').expect("a pair"))
            .map(|(key, value)| (key.to_owned(), unescaped(value)))
            .collect();
        (command.to_owned(), properties, unescaped(&rest[end + 2..]))
    }

    #[test]
    fn knows_what_the_runner_takes_for_a_command() {
        for text in [
            "::add-mask::x",
            "a\n\t ::error::x",
            "a\r::x",
            "a ##[group]x",
        ] {
            assert!(has_command(text), "{text}");
        }
        for text in ["tests/test_a.py::test_b", "x ::error::", "## [x]", ""] {
            assert!(!has_command(text), "{text}");
        }
    }

    #[test]
    fn escapes_what_ends_a_line_or_a_property() {
        assert_eq!(
            annotation_line(&annotation("a,b.py", "t: x, 100%", "one\r\ntwo::three")),
            "::error file=a%2Cb.py,line=3,title=t%3A x%2C 100%25::one%0Atwo::three"
        );
    }

    proptest! {
        #[test]
        fn the_runner_reads_back_what_was_said(path in hostile(), title in hostile(), message in hostile()) {
            let line = annotation_line(&annotation(&path, &title, &message));
            prop_assert!(!line.contains(['\n', '\r']));
            let (command, properties, said) = obeyed(&line);
            prop_assert_eq!(command, "error");
            prop_assert_eq!(said, visible::lines(&message));
            prop_assert_eq!(
                properties,
                vec![
                    ("file".to_owned(), visible::line(&path)),
                    ("line".to_owned(), "3".to_owned()),
                    ("title".to_owned(), visible::line(&title)),
                ]
            );
        }
    }
}
