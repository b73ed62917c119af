//! coverage.py's patterns for paths (`coverage/files.py`): `*` stays in its folder, `**` does not,
//! `/` is either separator, and a pattern without one matches a name anywhere.

use fancy_regex::Regex;

/// Any of some patterns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Globs(Vec<Regex>);

impl Globs {
    /// Patterns of `include` and `omit`: relative ones are those of `folder` as well, and all of
    /// the path has to match.
    ///
    /// # Errors
    /// What coverage.py refuses too: the pattern and what is wrong with it.
    pub(crate) fn of_files(patterns: &[String], folder: &str) -> Result<Self, String> {
        let mut all = Vec::new();
        for pattern in patterns {
            all.push(regex(pattern, r"\z")?);
            if !pattern.starts_with(['*', '?', '/']) {
                all.push(regex(&format!("{folder}/{pattern}"), r"\z")?);
            }
        }
        Ok(Self(all))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        self.0
            .iter()
            .any(|regex| regex.is_match(path).unwrap_or(false))
    }
}

/// A folder to look for at the start of paths, without regard to case.
///
/// # Errors
/// As [`Globs::of_files`].
pub(super) fn folder(pattern: &str) -> Result<Regex, String> {
    regex(
        &format!("{}/", pattern.trim_end_matches(['/', '\\'])),
        "(?i)",
    )
}

fn regex(pattern: &str, option: &str) -> Result<Regex, String> {
    let body = translate(&pattern.replace('\\', "/"))
        .map_err(|part| format!("file pattern `{pattern}` can't include `{part}`"))?;
    let text = match option {
        "(?i)" => format!("(?i)^(?:{body})"),
        end => format!("^(?:{body}){end}"),
    };
    Regex::new(&text).map_err(|error| format!("file pattern `{pattern}`: {error}"))
}

/// The regular expression, or the part of the pattern that is not allowed.
fn translate(pattern: &str) -> Result<String, String> {
    let anywhere = if pattern.contains('/') { "" } else { "**/" };
    let pattern = format!("{anywhere}{pattern}");
    let mut regex = String::new();
    let mut rest = pattern.as_str();
    while let Some(first) = rest.chars().next() {
        let stars = rest.len() - rest.trim_start_matches('*').len();
        let behind = &rest[stars..];
        let at_start = rest.len() == pattern.len();
        let after_slash = !at_start && pattern[..pattern.len() - rest.len()].ends_with('/');
        let (piece, length) = match first {
            '*' if stars > 2 => return Err("***".to_owned()),
            '*' if stars == 2 && !behind.is_empty() && !behind.starts_with('/') => {
                return Err(rest[..=stars].chars().collect());
            }
            '*' if stars == 2 && behind.starts_with("/**") => return Err("**/**".to_owned()),
            '*' if stars == 2 && !at_start && !after_slash => return Err("x**".to_owned()),
            '*' if at_start && behind.starts_with('/') => (r"(.*[/\\])?", stars + 1),
            '*' if stars == 2 && behind.starts_with('/') => (r"(.*[/\\])?", 3),
            '/' if rest.len() > 1 && rest[1..].chars().all(|c| c == '*') => {
                (r"[/\\].*", rest.len())
            }
            '/' => (r"[/\\]", 1),
            '*' => (r"[^/\\]*", 1),
            '?' => (r"[^/\\]", 1),
            '[' => {
                let end = rest.find(']').ok_or("[")?;
                regex.push_str(&rest[..=end]);
                ("", end + 1)
            }
            ']' => return Err("]".to_owned()),
            other => {
                regex.push_str(&fancy_regex::escape(other.encode_utf8(&mut [0; 4])));
                ("", other.len_utf8())
            }
        };
        regex.push_str(piece);
        rest = &rest[length..];
    }
    Ok(regex)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        let globs = Globs::of_files(&[pattern.to_owned()], "/repo").expect("a pattern");
        globs.matches(path)
    }

    #[test]
    fn match_as_in_coverage_py() {
        for (pattern, path) in [
            ("*/tests/*", "/repo/pkg/tests/a.py"),
            ("*/tests/*", "tests/a/b.py"),
            ("src/*", "/repo/src/a/b.py"),
            ("conftest.py", "/repo/x/conftest.py"),
            ("test_*.py", "/repo/x/test_a.py"),
            ("**/gen/*.py", "/a/b/gen/c.py"),
            ("/repo/**/x.py", "/repo/a/b/x.py"),
            ("/repo/**/x.py", "/repo/x.py"),
            ("a[0-9].py", "/repo/a7.py"),
            ("src\\*", "/repo/src/a.py"),
            ("?.py", "/repo/q/a.py"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("src/*.py", "/repo/src/a/b.py"),
            ("src/*", "/other/src/a.py"),
            ("conftest.py", "/repo/conftest.pyx"),
            ("a.b", "/repo/axb"),
            ("/repo/x*/a.py", "/repo/x/y/a.py"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
        for refused in ["a***", "x**", "**x", "**/**", "a[", "a]"] {
            assert!(
                Globs::of_files(&[refused.to_owned()], "/").is_err(),
                "{refused}"
            );
        }
    }
}
