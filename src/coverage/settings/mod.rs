//! coverage.py's own settings, as far as they bear upon reports (`coverage/config.py`).

mod ini;
mod read;

pub(crate) use read::read;

/// A comment that takes a line out of the count.
const EXCLUDE: [&str; 3] = [
    r"#\s*(pragma|PRAGMA)[:\s]?\s*(no|NO)\s*(cover|COVER)",
    r"^\s*(((async )?def .*?)?[\])]+(\s*->.*?)?:\s*)?\.\.\.\s*(#|$)",
    r"^\s*if (typing\.)?TYPE_CHECKING:",
];

const PARTIAL: [&str; 1] = [r"#\s*(pragma|PRAGMA)[:\s]?\s*(no|NO)\s*(branch|BRANCH)"];

/// Branches that cannot go both ways.
const PARTIAL_ALWAYS: [&str; 2] = [r"^\s*while (True|1|False|0):", r"^\s*if (True|1|False|0):"];

#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are options that are on or off"
)]
pub(crate) struct Settings {
    /// The file they were read from, if any.
    pub(crate) file: Option<String>,
    /// Regular expressions of Python's `re`, multi-line.
    pub(crate) exclude: Vec<String>,
    pub(crate) partial: Vec<String>,
    /// Patterns of files that are reported, and of those that are not; see [`super::globs`].
    pub(crate) include: Vec<String>,
    pub(crate) omit: Vec<String>,
    /// Folders that are one: the first is the result, the others are patterns.
    pub(crate) paths: Vec<Vec<String>>,
    pub(crate) relative_files: bool,
    /// In per cent; 0 for none.
    pub(crate) fail_under: f64,
    /// Digits behind the point.
    pub(crate) precision: usize,
    pub(crate) show_missing: bool,
    pub(crate) skip_covered: bool,
    pub(crate) skip_empty: bool,
    /// A column, `-` in front for descending order.
    pub(crate) sort: String,
    pub(crate) package_depth: usize,
    pub(crate) pretty_json: bool,
    /// Options that bear upon reports and are not supported, or are not coverage.py's.
    pub(crate) warnings: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
        Self {
            file: None,
            exclude: texts(&EXCLUDE),
            partial: texts(&[PARTIAL.as_slice(), &PARTIAL_ALWAYS].concat()),
            include: Vec::new(),
            omit: Vec::new(),
            paths: Vec::new(),
            relative_files: false,
            fail_under: 0.0,
            precision: 0,
            show_missing: false,
            skip_covered: false,
            skip_empty: false,
            sort: "name".to_owned(),
            package_depth: 99,
            pretty_json: false,
            warnings: Vec::new(),
        }
    }
}
