//! Python's `fnmatch` and `glob`, and pytest's rule about which part of a path a pattern is for.
//!
//! `*` matches `/` too, names are case-sensitive, as in CPython on anything but Windows
//! (<https://docs.python.org/3/library/fnmatch.html>, <https://docs.python.org/3/library/glob.html>).

use camino::{Utf8Path, Utf8PathBuf};

/// A pattern of Python's `fnmatch`.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Vec<Token>);

#[derive(Clone, Debug)]
enum Token {
    /// `*`
    Many,
    /// `?`
    One,
    Exactly(char),
    /// `[a-z]`, `[!a-z]`
    Set {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        let pattern: Vec<char> = text.chars().collect();
        let mut tokens = Vec::with_capacity(pattern.len());
        let mut at = 0;
        while let Some(&char) = pattern.get(at) {
            at += 1;
            tokens.push(match char {
                '*' => Token::Many,
                '?' => Token::One,
                '[' => match set(&pattern[at..]) {
                    Some((token, length)) => {
                        at += length;
                        token
                    }
                    None => Token::Exactly('['),
                },
                other => Token::Exactly(other),
            });
        }
        Self(tokens)
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut token) = (0, 0);
        // Where to go on after a mismatch: one more character into the last star.
        let mut star: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(token) {
                Some(Token::Many) => {
                    star = Some((token + 1, at));
                    token += 1;
                }
                Some(one) if one.accepts(text[at]) => {
                    at += 1;
                    token += 1;
                }
                _ => match star {
                    Some((after, from)) => {
                        star = Some((after, from + 1));
                        (token, at) = (after, from + 1);
                    }
                    None => return false,
                },
            }
        }
        self.0[token..]
            .iter()
            .all(|rest| matches!(rest, Token::Many))
    }
}

impl Token {
    fn accepts(&self, char: char) -> bool {
        match self {
            Self::Many | Self::One => true,
            Self::Exactly(wanted) => *wanted == char,
            Self::Set { negated, ranges } => {
                ranges
                    .iter()
                    .any(|(low, high)| (*low..=*high).contains(&char))
                    != *negated
            }
        }
    }
}

/// The set that begins after a `[`, and how many characters it takes with its `]`.
fn set(rest: &[char]) -> Option<(Token, usize)> {
    let negated = rest.first() == Some(&'!');
    let start = usize::from(negated);
    // A bracket right at the start belongs to the set.
    let end = rest.iter().skip(start + 1).position(|char| *char == ']')? + start + 1;
    let inside = &rest[start..end];
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < inside.len() {
        if inside.get(at + 1) == Some(&'-') && at + 2 < inside.len() {
            ranges.push((inside[at], inside[at + 2]));
            at += 3;
        } else {
            ranges.push((inside[at], inside[at]));
            at += 1;
        }
    }
    Some((Token::Set { negated, ranges }, end + 1))
}

/// A pattern of `python_files`, `norecursedirs` or `--doctest-glob`: without a slash it is for the
/// name, with one for the end of the absolute path (pytest's `fnmatch_ex`).
#[derive(Clone, Debug)]
pub(crate) struct PathPattern {
    whole_path: bool,
    pattern: Pattern,
}

impl PathPattern {
    pub(crate) fn new(text: &str) -> Self {
        let whole_path = text.contains('/');
        let pattern = if whole_path && !text.starts_with('/') {
            Pattern::new(&format!("*/{text}"))
        } else {
            Pattern::new(text)
        };
        Self {
            whole_path,
            pattern,
        }
    }

    /// Whether it matches an absolute path.
    pub(crate) fn matches(&self, path: &Utf8Path) -> bool {
        let name = path.file_name().unwrap_or_default();
        self.pattern
            .matches(if self.whole_path { path.as_str() } else { name })
    }
}

/// What Python's `glob.glob(pattern, recursive=True)` finds below `root`, absolute and sorted.
pub(crate) fn glob(root: &Utf8Path, pattern: &str) -> Vec<Utf8PathBuf> {
    let start = if pattern.starts_with('/') {
        Utf8Path::new("/")
    } else {
        root
    };
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let mut found = vec![start.to_owned()];
    for (index, part) in parts.iter().enumerate() {
        let last = index + 1 == parts.len();
        let mut next = Vec::new();
        for folder in found {
            match *part {
                "**" => descendants(&folder, !last, &mut next),
                part if part.contains(['*', '?', '[']) => {
                    let wanted = Pattern::new(part);
                    let hidden = part.starts_with('.');
                    next.extend(
                        names(&folder)
                            .filter(|name| {
                                (hidden || !name.starts_with('.')) && wanted.matches(name)
                            })
                            .map(|name| folder.join(name)),
                    );
                }
                part => next.push(folder.join(part)),
            }
        }
        next.retain(|path| if last { path.exists() } else { path.is_dir() });
        found = next;
    }
    if pattern.ends_with('/') {
        found.retain(|path| path.is_dir());
    }
    found.sort();
    found.dedup();
    found
}

/// The folder itself and everything in it that is not hidden. Symbolic links to folders are not
/// followed further, because they may lead in a circle.
fn descendants(folder: &Utf8Path, only_folders: bool, into: &mut Vec<Utf8PathBuf>) {
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for name in names(&folder).filter(|name| !name.starts_with('.')) {
            let path = folder.join(name);
            if path.is_dir() {
                if path.is_symlink() {
                    into.push(path);
                } else {
                    open.push(path);
                }
            } else if !only_folders {
                into.push(path);
            }
        }
        into.push(folder);
    }
}

fn names(folder: &Utf8Path) -> impl Iterator<Item = String> {
    let entries = folder.read_dir_utf8().into_iter().flatten();
    entries.flatten().map(|entry| entry.file_name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).matches(text)
    }

    #[test]
    fn matches_as_python_does() {
        for (pattern, text, expected) in [
            ("test_*.py", "test_.py", true),
            ("test_*.py", "Test_a.py", false),
            ("*_test.py", "a_test.py", true),
            ("*", "", true),
            ("?", "", false),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXbXbcd", false),
            ("*", "a/b\nc", true),
            ("[ab]x", "bx", true),
            ("[!ab]x", "bx", false),
            ("[!ab]x", "ax", false),
            ("[!ab]x", "cx", true),
            ("[a-c-]", "-", true),
            ("[]a]", "]", true),
            ("[!]a]", "]", false),
            ("[c-a]", "b", false),
            ("[", "[", true),
            ("[ab", "[ab", true),
            ("[!", "[!", true),
            ("[a-]", "-", true),
            ("{arch}", "{arch}", true),
            ("é?", "éü", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_slash_makes_a_pattern_look_at_the_whole_path() {
        let matches =
            |pattern: &str, path: &str| PathPattern::new(pattern).matches(Utf8Path::new(path));
        assert!(matches("test_*.py", "/r/a/test_x.py"));
        assert!(!matches("a/test_*.py", "/r/b/test_x.py"));
        assert!(matches("a/test_*.py", "/r/a/test_x.py"));
        assert!(matches("a/*.py", "/r/a/b/c.py"));
        assert!(matches("/r/*.py", "/r/b/c.py"));
        assert!(!matches("r/*.py", "r/c.py"));
    }

    #[test]
    fn a_star_never_takes_exponential_time() {
        let pattern = "*a".repeat(200);
        assert!(!matches(&pattern, &"a".repeat(190)));
        assert!(!matches(&format!("{pattern}b"), &"a".repeat(5_000)));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_pattern(pattern in ".*", text in ".*") {
            matches(&pattern, &text);
        }

        #[test]
        fn a_text_without_wildcards_matches_itself_alone(text in "[a-z./]*", other in "[a-z./]*") {
            proptest::prop_assert!(matches(&text, &text));
            proptest::prop_assert_eq!(matches(&text, &other), text == other);
        }
    }
}
