//! Marks that tie tests together, as far as a source says them plainly.
//!
//! What the marks of a test really are only pytest knows, and its event log tells it. This is for
//! sources that no log has told about yet, so it would rather see a tie too many.

use std::collections::BTreeSet;

/// What the tests of a file are tied by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ties {
    /// Names of `xdist_group`, which may tie tests of several files.
    pub(crate) groups: BTreeSet<String>,
    /// Tests of the file may need each other: `dependency` or `incremental`.
    pub(crate) ordered: bool,
}

/// A name that is not written down as a string is none.
const UNNAMED: &str = "?";

impl Ties {
    pub(crate) fn of(source: &[u8]) -> Self {
        let groups = after(source, b"xdist_group").filter_map(|rest| {
            let arguments = rest.trim_ascii_start().strip_prefix(b"(")?;
            Some(first_string(arguments).unwrap_or_else(|| UNNAMED.to_owned()))
        });
        let is_needed = |rest: &[u8]| {
            let words: [&[u8]; 2] = [b"dependency", b"incremental"];
            let mut after = words.iter().filter_map(|word| rest.strip_prefix(*word));
            after.any(|rest| !rest.first().copied().is_some_and(is_part_of_name))
        };
        Self {
            groups: groups.collect(),
            ordered: after(source, b"mark.").any(is_needed),
        }
    }
}

fn is_part_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// What follows each place where a word stands.
fn after<'a>(source: &'a [u8], word: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = source;
    std::iter::from_fn(move || {
        loop {
            let at = rest.iter().position(|byte| *byte == word[0])?;
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix(word) {
                rest = after;
                return Some(after);
            }
            rest = &rest[1..];
        }
    })
}

/// `"db"` or `name="db"`.
fn first_string(arguments: &[u8]) -> Option<String> {
    let arguments = arguments.trim_ascii_start();
    let value = arguments.strip_prefix(b"name").map_or(arguments, |rest| {
        let rest = rest.trim_ascii_start();
        rest.strip_prefix(b"=").unwrap_or(rest).trim_ascii_start()
    });
    let quote = *value.first().filter(|byte| matches!(byte, b'"' | b'\''))?;
    let end = value[1..].iter().position(|byte| *byte == quote)?;
    Some(String::from_utf8_lossy(&value[1..=end]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(source: &str) -> Vec<String> {
        Ties::of(source.as_bytes()).groups.into_iter().collect()
    }

    #[test]
    fn reads_the_names_of_groups() {
        let source = "
pytestmark = pytest.mark.xdist_group('db')
@pytest.mark.xdist_group( name = \"cache\" )
@xdist_group(name=name_of('x'))
import xdist_group
";
        assert_eq!(groups(source), [UNNAMED, "cache", "db"]);
        assert_eq!(groups("xdist_group('"), [UNNAMED]);
        assert_eq!(groups("xdist_group"), [""; 0]);
    }

    #[test]
    fn knows_files_whose_tests_need_each_other() {
        let ordered = |source: &str| Ties::of(source.as_bytes()).ordered;
        assert!(ordered("@pytest.mark.dependency(depends=['a'])"));
        assert!(ordered("pytestmark = mark.incremental"));
        assert!(!ordered("@pytest.mark.dependency_injection"));
        assert!(!ordered("dependency = 1"));
    }
}
