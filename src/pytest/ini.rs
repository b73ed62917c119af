//! pytest's dialect of ini files: that of `iniconfig`
//! (<https://github.com/pytest-dev/iniconfig>), not that of Python's `configparser`.
//!
//! A value goes on in indented lines; a comment is a whole line; a section or a name twice is an
//! error.

use std::collections::BTreeMap;

/// The values of each section; the lines of a value are joined by `\n`.
pub(crate) type Sections = BTreeMap<String, BTreeMap<String, String>>;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {message}")]
pub(crate) struct IniError {
    /// Counted from 1.
    pub(crate) line: usize,
    pub(crate) message: String,
}

pub(crate) fn parse(text: &str) -> Result<Sections, IniError> {
    let text = text
        .strip_prefix('\u{feff}')
        .unwrap_or(text)
        .replace("\r\n", "\n");
    let mut sections = Sections::new();
    let mut section: Option<String> = None;
    let mut name: Option<String> = None;
    for (index, line) in text.split(is_line_end).enumerate() {
        let error = |message: String| IniError {
            line: index + 1,
            message,
        };
        match Line::of(line).map_err(error)? {
            Line::Blank => {}
            Line::Section(title) => {
                if sections.insert(title.to_owned(), BTreeMap::new()).is_some() {
                    return Err(error(format!("the section [{title}] is there twice")));
                }
                section = Some(title.to_owned());
                name = None;
            }
            Line::Value(key, value) => {
                let values = section
                    .as_ref()
                    .and_then(|section| sections.get_mut(section))
                    .ok_or_else(|| error(format!("`{key}` stands before the first section")))?;
                if values.insert(key.to_owned(), value.to_owned()).is_some() {
                    return Err(error(format!("`{key}` is there twice")));
                }
                name = Some(key.to_owned());
            }
            Line::More(more) => {
                let value = section
                    .as_ref()
                    .zip(name.as_ref())
                    .and_then(|(section, name)| sections.get_mut(section)?.get_mut(name))
                    .ok_or_else(|| error("an indented line without a value above it".into()))?;
                if !value.is_empty() {
                    value.push('\n');
                }
                value.push_str(more);
            }
        }
    }
    Ok(sections)
}

/// Python's `str.splitlines`, which ends lines at more than line feeds.
fn is_line_end(char: char) -> bool {
    matches!(
        char,
        '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

enum Line<'a> {
    Blank,
    Section(&'a str),
    Value(&'a str, &'a str),
    More(&'a str),
}

impl<'a> Line<'a> {
    fn of(line: &'a str) -> Result<Self, String> {
        let line = line.trim_end();
        if line.is_empty() || line.trim_start().starts_with(['#', ';']) {
            return Ok(Self::Blank);
        }
        if line.starts_with('[') {
            let title = line.split(['#', ';']).next().unwrap_or(line).trim_end();
            return match title.strip_suffix(']').map(|title| &title[1..]) {
                Some("") => Err("the section has no name".into()),
                Some(title) => Ok(Self::Section(title)),
                None => Ok(Self::More(line)),
            };
        }
        if line.starts_with(char::is_whitespace) {
            return Ok(Self::More(line.trim_start()));
        }
        let pair = match line.split_once('=') {
            Some((name, value)) if !name.contains(':') => Some((name, value)),
            _ => line.split_once(':'),
        };
        match pair {
            Some((name, value)) => Ok(Self::Value(name.trim(), value.trim())),
            None => Err(format!(
                "`{line}` is neither a [section] nor a `name = value`"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, section: &str, name: &str) -> Option<String> {
        parse(text)
            .expect("an ini file")
            .get(section)?
            .get(name)
            .cloned()
    }

    #[test]
    fn a_value_goes_on_in_indented_lines_past_blanks_and_comments() {
        let text = "\u{feff}; c\n[pytest]\r\na =\n  x\n\n# c\n  y = z # no comment\nb: 1\n";
        assert_eq!(
            value(text, "pytest", "a").as_deref(),
            Some("x\ny = z # no comment")
        );
        assert_eq!(value(text, "pytest", "b").as_deref(), Some("1"));
    }

    #[test]
    fn a_section_may_carry_a_comment_and_a_name_may_carry_a_colon() {
        assert_eq!(value("[a] # c\nx:y=z", "a", "x").as_deref(), Some("y=z"));
        assert_eq!(
            value("[tool:pytest]\nx=1", "tool:pytest", "x").as_deref(),
            Some("1")
        );
        assert_eq!(value("[ pytest ]\nx=1", "pytest", "x"), None);
    }

    #[test]
    fn says_in_which_line_the_mistake_is() {
        let message = |text: &str| parse(text).expect_err("a mistake").to_string();
        assert_eq!(
            message("a=1"),
            "line 1: `a` stands before the first section"
        );
        assert_eq!(message("[a]\nx=1\nx=2"), "line 3: `x` is there twice");
        assert_eq!(
            message("[a]\n[b]\n[a]"),
            "line 3: the section [a] is there twice"
        );
        assert_eq!(
            message("[a]\n\n  x"),
            "line 3: an indented line without a value above it"
        );
        assert_eq!(message("[]"), "line 1: the section has no name");
        assert_eq!(
            message("[a]\nnothing"),
            "line 2: `nothing` is neither a [section] nor a `name = value`"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_is_too_odd(text in "(\\PC|[\\[\\]=:#; \n\r\t])*") {
            let _ = parse(&text);
        }
    }
}
