//! From the files coverage.py looks at to the settings.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{PARTIAL_ALWAYS, Settings, ini};

#[derive(Debug, thiserror::Error)]
#[error("{file}: {what}")]
pub(crate) struct SettingsError {
    file: String,
    what: String,
}

/// The files in the order of coverage.py, and whether each is its own.
const FILES: [(&str, bool); 5] = [
    (".coveragerc", true),
    (".coveragerc.toml", true),
    ("setup.cfg", false),
    ("tox.ini", false),
    ("pyproject.toml", false),
];

/// Options that say how to measure, or how reports look that are not made here.
const OTHERS: [(&str, &[&str]); 4] = [
    (
        "run",
        &[
            "_crash",
            "branch",
            "command_line",
            "concurrency",
            "context",
            "core",
            "cover_pylib",
            "data_file",
            "debug",
            "debug_file",
            "disable_warnings",
            "dynamic_context",
            "include",
            "omit",
            "parallel",
            "patch",
            "plugins",
            "sigterm",
            "source",
            "source_dirs",
            "source_pkgs",
            "timid",
        ],
    ),
    (
        "report",
        &["format", "ignore_errors", "include_namespace_packages"],
    ),
    (
        "html",
        &[
            "directory",
            "extra_css",
            "show_contexts",
            "skip_covered",
            "skip_empty",
            "title",
        ],
    ),
    ("lcov", &["output"]),
];

/// Options that would change a report made here.
const UNSUPPORTED: [&str; 3] = [
    "report:contexts",
    "json:show_contexts",
    "lcov:line_checksums",
];

/// Reads the settings. `file` gives the text of a file of the project, `None` if there is none;
/// `environment` a variable.
///
/// # Errors
/// A file or value that coverage.py refuses too.
pub(crate) fn read(
    file: impl Fn(&str) -> std::io::Result<Option<String>>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Settings, SettingsError> {
    let asked = environment("COVERAGE_RCFILE").filter(|name| !name.is_empty());
    let mut files = FILES.map(|(name, own)| (name.to_owned(), own));
    if let Some(name) = &asked {
        files[0].0.clone_from(name);
    }
    for (index, (name, own)) in files.into_iter().enumerate() {
        let failed = |what: String| SettingsError {
            file: name.clone(),
            what,
        };
        let text = file(&name).map_err(|error| failed(error.to_string()))?;
        if text.is_none() && index == 0 && asked.is_some() {
            return Err(failed(
                "there is no such file, which COVERAGE_RCFILE names".to_owned(),
            ));
        }
        let Some(text) = text else { continue };
        let options = Options::parse(&name, own, &text, &environment).map_err(failed)?;
        if own || !options.0.is_empty() {
            let mut settings = options.settle().map_err(failed)?;
            settings.file = Some(name);
            return Ok(settings);
        }
    }
    Ok(Settings::default())
}

/// The options of all sections by `section:option`.
struct Options(BTreeMap<String, Text>);

/// A value as it was written.
enum Text {
    /// Of an ini file: lists are lines, or separated by commas.
    Ini(String),
    One(String),
    List(Vec<String>),
}

impl Options {
    fn parse(
        name: &str,
        own: bool,
        text: &str,
        environment: &impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let is_toml = std::path::Path::new(name)
            .extension()
            .is_some_and(|end| end == "toml");
        let mut options = BTreeMap::new();
        if is_toml {
            let document: Table = text
                .parse()
                .map_err(|error: toml::de::Error| error.message().to_owned())?;
            let tool = document
                .get("tool")
                .and_then(|tool| tool.get("coverage"))
                .and_then(Value::as_table);
            let sections = match tool {
                Some(table) => table,
                None if own => &document,
                None => return Ok(Self(options)),
            };
            for (section, table) in sections {
                for (option, value) in table.as_table().into_iter().flatten() {
                    let value = from_toml(value, environment).ok_or_else(|| {
                        format!("[{section}] {option}: a table or a date is no value")
                    })?;
                    options.insert(format!("{section}:{option}"), value);
                }
            }
            return Ok(Self(options));
        }
        let document =
            ini::parse(text).map_err(|line| format!("line {line} is no option of a section"))?;
        for (section, values) in document {
            let section = match section.strip_prefix("coverage:") {
                Some(section) => section,
                None if own => &section,
                None => continue,
            };
            for (option, value) in values {
                let value = Text::Ini(substitute(&value, environment));
                options.insert(format!("{section}:{option}"), value);
            }
        }
        Ok(Self(options))
    }

    fn settle(mut self) -> Result<Settings, String> {
        let mut settings = Settings::default();
        let mut expressions = |name: &str, into: &mut Vec<String>, replace: Option<&[&str]>| {
            if let Some(text) = self.0.remove(name) {
                if let Some(rest) = replace {
                    *into = rest.iter().map(ToString::to_string).collect();
                }
                let texts = text.lines().into_iter().map(|text| text.trim().to_owned());
                into.extend(texts.filter(|text| !text.is_empty()));
            }
        };
        let always: &mut Vec<String> = &mut PARTIAL_ALWAYS.map(str::to_owned).to_vec();
        settings
            .partial
            .truncate(settings.partial.len() - PARTIAL_ALWAYS.len());
        expressions("report:exclude_lines", &mut settings.exclude, Some(&[]));
        expressions("report:exclude_also", &mut settings.exclude, None);
        expressions("report:partial_branches", &mut settings.partial, Some(&[]));
        expressions("report:partial_also", &mut settings.partial, None);
        expressions("report:partial_branches_always", always, Some(&[]));
        settings.partial.append(always);
        settings.include = self.list("report:include");
        settings.omit = self.list("report:omit");
        settings.relative_files = self.truth("run:relative_files")?;
        settings.show_missing = self.truth("report:show_missing")?;
        settings.skip_covered = self.truth("report:skip_covered")?;
        settings.skip_empty = self.truth("report:skip_empty")?;
        settings.pretty_json = self.truth("json:pretty_print")?;
        settings.fail_under = self.number("report:fail_under")?.unwrap_or(0.0);
        settings.precision = self.number("report:precision")?.unwrap_or(0);
        settings.package_depth = self.number("xml:package_depth")?.unwrap_or(99);
        if let Some(column) = self.0.remove("report:sort") {
            settings.sort = column.one().to_lowercase();
        }
        let names: Vec<String> = self
            .0
            .keys()
            .filter(|name| name.starts_with("paths:"))
            .cloned()
            .collect();
        settings.paths = names
            .iter()
            .map(|name| self.list(name))
            .filter(|list| !list.is_empty())
            .collect();
        settings.warnings = self.0.keys().filter_map(|name| complaint(name)).collect();
        Ok(settings)
    }

    fn list(&mut self, name: &str) -> Vec<String> {
        self.0.remove(name).map(Text::list).unwrap_or_default()
    }

    fn truth(&mut self, name: &str) -> Result<bool, String> {
        let Some(text) = self.0.remove(name) else {
            return Ok(false);
        };
        match text.one().to_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            other => Err(format!("{name}: `{other}` is neither true nor false")),
        }
    }

    fn number<T: std::str::FromStr>(&mut self, name: &str) -> Result<Option<T>, String> {
        let text = self.0.remove(name).map(Text::one);
        let parse = |text: String| {
            text.trim()
                .parse()
                .map_err(|_| format!("{name}: `{text}` is no number"))
        };
        text.map(parse).transpose()
    }
}

impl Text {
    fn one(self) -> String {
        match self {
            Self::Ini(text) | Self::One(text) => text,
            Self::List(texts) => texts.join("\n"),
        }
    }

    fn lines(self) -> Vec<String> {
        match self {
            Self::List(texts) => texts,
            Self::Ini(text) | Self::One(text) => text.lines().map(str::to_owned).collect(),
        }
    }

    fn list(self) -> Vec<String> {
        let texts = match self {
            Self::List(texts) => texts,
            Self::Ini(text) | Self::One(text) => text
                .split(['\n', ','])
                .map(|text| text.trim().to_owned())
                .collect(),
        };
        texts.into_iter().filter(|text| !text.is_empty()).collect()
    }
}

fn from_toml(value: &Value, environment: &impl Fn(&str) -> Option<String>) -> Option<Text> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(substitute(text, environment)),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    };
    match value {
        Value::Array(values) => values
            .iter()
            .map(one)
            .collect::<Option<_>>()
            .map(Text::List),
        value => one(value).map(Text::One),
    }
}

/// What to say about an option that nobody took.
fn complaint(name: &str) -> Option<String> {
    let (section, option) = name.split_once(':')?;
    if UNSUPPORTED.contains(&name) {
        return Some(format!(
            "coverage's option [{section}] {option} is not supported here: it is passed by"
        ));
    }
    let others = OTHERS.iter().find(|(known, _)| *known == section);
    let known = match section {
        "run" | "report" | "html" | "lcov" => {
            others.is_some_and(|(_, options)| options.contains(&option))
        }
        "xml" | "json" => option == "output",
        // Of a plugin.
        _ => true,
    };
    (!known).then(|| format!("coverage has no option [{section}] {option}: it is passed by"))
}

/// `$NAME`, `${NAME}` and `${NAME-default}` become the variable; `$$` a dollar.
fn substitute(text: &str, environment: &impl Fn(&str) -> Option<String>) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let braced = rest
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'));
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((inner, after)) = braced {
            let end = inner.find(|c| !is_word(c)).unwrap_or(inner.len());
            let (name, default) = inner.split_at(end);
            match (name, default) {
                ("", _) => out.extend(["${", inner, "}"]),
                (name, "" | "?") => out.push_str(&environment(name).unwrap_or_default()),
                (name, default) if default.starts_with('-') => {
                    out.push_str(&environment(name).unwrap_or_else(|| default[1..].to_owned()));
                }
                _ => out.extend(["${", inner, "}"]),
            }
            rest = after;
        } else {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            match &rest[..end] {
                "" => out.push('$'),
                name => out.push_str(&environment(name).unwrap_or_default()),
            }
            rest = &rest[end..];
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(files: &[(&str, &str)]) -> Result<Settings, String> {
        let file = |name: &str| {
            let found = files.iter().find(|(known, _)| *known == name);
            Ok(found.map(|(_, text)| (*text).to_owned()))
        };
        let environment = |name: &str| (name == "SUB").then(|| "sub".to_owned());
        read(file, environment).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_file_they_are_those_of_coverage_py() {
        let nothing = settings(&[
            ("setup.cfg", "[metadata]\nname = x\n"),
            ("pyproject.toml", "[tool.other]\n"),
        ]);
        assert_eq!(nothing, Ok(Settings::default()));
        assert_eq!(Settings::default().partial.len(), 3);
    }

    #[test]
    fn the_same_options_in_any_file_are_the_same_settings() {
        let ini = "[run]\nrelative_files = yes\nbranch = true\n[report]\nomit =\n  a.py, b.py\n  $SUB/c.py\nexclude_also =\n  x, y$\n  ^z\npartial_branches = never\nfail_under = 87.5\nprecision = 2\nskip_empty = 1\nsort = -Cover\n[paths]\nsource =\n  src\n  */site-packages\n";
        let toml = "[run]\nrelative_files = true\nbranch = true\n[report]\nomit = ['a.py', 'b.py', '${SUB}/c.py']\nexclude_also = ['x, y$', '^z']\npartial_branches = ['never']\nfail_under = 87.5\nprecision = 2\nskip_empty = true\nsort = '-Cover'\n[paths]\nsource = ['src', '*/site-packages']\n";
        let [own, own_toml] = [(".coveragerc", ini), (".coveragerc.toml", toml)]
            .map(|file| settings(&[file]).expect("settings"));
        let prefixed = ini
            .replace("\n[", "\n[coverage:")
            .replacen("[run", "[coverage:run", 1);
        let by_tool =
            toml.replace("\n[", "\n[tool.coverage.")
                .replacen("[run", "[tool.coverage.run", 1);
        let [setup, tox] =
            ["setup.cfg", "tox.ini"].map(|name| settings(&[(name, &prefixed)]).expect("settings"));
        let pyproject =
            settings(&[("pyproject.toml", &by_tool), ("tox.ini", "[tox]\n")]).expect("settings");
        for other in [own_toml, setup, tox, pyproject] {
            assert_eq!(
                Settings {
                    file: None,
                    ..other
                },
                Settings {
                    file: None,
                    ..own.clone()
                }
            );
        }
        assert_eq!(own.omit, ["a.py", "b.py", "sub/c.py"]);
        assert_eq!(own.exclude[3..], ["x, y$", "^z"]);
        assert_eq!(own.partial, ["never", PARTIAL_ALWAYS[0], PARTIAL_ALWAYS[1]]);
        assert_eq!(
            (own.fail_under, own.precision, own.sort.as_str()),
            (87.5, 2, "-cover")
        );
        assert_eq!(own.paths, [["src", "*/site-packages"]]);
        assert!(own.warnings.is_empty() && own.skip_empty && own.relative_files);
    }

    #[test]
    fn names_what_it_does_not_do() {
        let text = "[run]\nplugins = p\nbrunch = 1\n[report]\ncontexts = a\n[lcov]\nline_checksums = true\n[p]\nx = 1\n";
        let warnings = settings(&[(".coveragerc", text)])
            .expect("settings")
            .warnings;
        insta::assert_snapshot!(warnings.join("\n"), @"
        coverage's option [lcov] line_checksums is not supported here: it is passed by
        coverage's option [report] contexts is not supported here: it is passed by
        coverage has no option [run] brunch: it is passed by
        ");
        let refused = |text| settings(&[(".coveragerc", text)]).expect_err("refused");
        insta::assert_snapshot!(refused("[report]\nprecision = two\n"), @".coveragerc: report:precision: `two` is no number");
        insta::assert_snapshot!(refused("precision = 2\n"), @".coveragerc: line 1 is no option of a section");
    }

    #[test]
    fn variables_are_put_in() {
        let environment = |name: &str| (name == "A").then(|| "1".to_owned());
        for (text, expected) in [
            ("$A-${A}-${B-x}-$B.", "1-1-x-."),
            ("a$ $$A ${A?} ${-}", "a$ $A 1 ${-}"),
            ("é$", "é$"),
        ] {
            assert_eq!(substitute(text, &environment), expected);
        }
    }
}
