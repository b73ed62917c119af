//! pytest's own settings: which file they come from, and what they say about collection.
//!
//! The rules are those of `_pytest/config/findpaths.py` of pytest 9, which only knows more files
//! than pytest 7 and 8 (`pytest.toml`, a native `[tool.pytest]`).

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};

use super::ini;
use super::selection::{Selection, absolute, file_of};

/// In the order pytest looks for them in one folder.
const NAMES: [&str; 7] = [
    "pytest.toml",
    ".pytest.toml",
    "pytest.ini",
    ".pytest.ini",
    "pyproject.toml",
    "tox.ini",
    "setup.cfg",
];

const NORECURSEDIRS: &[&str] = &[
    "*.egg",
    ".*",
    "_darcs",
    "build",
    "CVS",
    "dist",
    "node_modules",
    "venv",
    "{arch}",
];

/// Settings of more than this are not a file that somebody wrote.
const MAX_BYTES: u64 = 16 << 20;

#[derive(Debug)]
pub(crate) struct Settings {
    /// The file with the settings, absolute.
    pub(crate) file: Option<Utf8PathBuf>,
    pub(crate) rootdir: Utf8PathBuf,
    values: Values,
}

type Values = BTreeMap<String, Value>;

#[derive(Debug, PartialEq)]
enum Value {
    /// Still to be split as a shell does.
    Text(String),
    List(Vec<String>),
}

struct Located {
    file: Utf8PathBuf,
    folder: Utf8PathBuf,
    values: Values,
}

impl Settings {
    /// Finds the settings for a run of pytest in `root`, an absolute path.
    ///
    /// # Errors
    /// A broken settings file, named with its line: pytest would refuse it too.
    pub(crate) fn find(root: &Utf8Path, selection: &Selection) -> anyhow::Result<Self> {
        let (located, rootdir) = match &selection.config_file {
            Some(file) => {
                let file = absolute(root, file);
                let folder = file.parent().unwrap_or(root).to_owned();
                let values = load_named(&file)?;
                (
                    Some(Located {
                        file,
                        folder: folder.clone(),
                        values,
                    }),
                    folder,
                )
            }
            None => locate(root, &argument_folders(root, selection))?,
        };
        let rootdir = selection
            .rootdir
            .as_ref()
            .map_or(rootdir, |folder| absolute(root, folder));
        let (file, values) = located.map(|found| (found.file, found.values)).unzip();
        Ok(Self {
            file,
            rootdir,
            values: values.unwrap_or_default(),
        })
    }

    /// What `-o name=value` says wins over the file.
    pub(crate) fn override_with(&mut self, overrides: &[(String, String)]) {
        for (name, value) in overrides {
            self.values.insert(name.clone(), Value::Text(value.clone()));
        }
    }

    pub(crate) fn addopts(&self) -> anyhow::Result<Vec<String>> {
        self.words("addopts", &[])
    }

    pub(crate) fn testpaths(&self) -> anyhow::Result<Vec<String>> {
        self.words("testpaths", &[])
    }

    pub(crate) fn norecursedirs(&self) -> anyhow::Result<Vec<String>> {
        self.words("norecursedirs", NORECURSEDIRS)
    }

    pub(crate) fn python_files(&self) -> anyhow::Result<Vec<String>> {
        self.words("python_files", &["test_*.py", "*_test.py"])
    }

    pub(crate) fn python_classes(&self) -> anyhow::Result<Vec<String>> {
        self.words("python_classes", &["Test"])
    }

    pub(crate) fn python_functions(&self) -> anyhow::Result<Vec<String>> {
        self.words("python_functions", &["test"])
    }

    fn words(&self, name: &str, default: &[&str]) -> anyhow::Result<Vec<String>> {
        match self.values.get(name) {
            None => Ok(default.iter().map(|&word| word.to_owned()).collect()),
            Some(Value::List(words)) => Ok(words.clone()),
            Some(Value::Text(text)) => shlex::split(text).with_context(|| {
                let file = self.file.as_ref().map_or("-o", |file| file.as_str());
                format!(
                    "{file}: a quote in `{name}` is not closed: close it, pytest stops at it too"
                )
            }),
        }
    }
}

/// The folders of the paths given, as far as they exist.
fn argument_folders(root: &Utf8Path, selection: &Selection) -> Vec<Utf8PathBuf> {
    let paths = selection
        .paths
        .iter()
        .map(|path| absolute(root, file_of(path)));
    paths
        .filter(|path| path.exists())
        .map(|path| match path.parent() {
            Some(parent) if !path.is_dir() => parent.to_owned(),
            _ => path,
        })
        .collect()
}

/// pytest's `determine_setup` without `-c`: the settings, and the rootdir they or the paths decide.
fn locate(
    root: &Utf8Path,
    folders: &[Utf8PathBuf],
) -> anyhow::Result<(Option<Located>, Utf8PathBuf)> {
    let ancestor = common_ancestor(folders).unwrap_or_else(|| root.to_owned());
    if let Some(found) = search(&[&ancestor])? {
        let folder = found.folder.clone();
        return Ok((Some(found), folder));
    }
    if let Some(folder) = ancestor
        .ancestors()
        .find(|folder| folder.join("setup.py").is_file())
    {
        return Ok((None, folder.to_owned()));
    }
    let folders: Vec<&Utf8Path> = folders.iter().map(Utf8PathBuf::as_path).collect();
    if folders != [&ancestor]
        && let Some(found) = search(&folders)?
    {
        let folder = found.folder.clone();
        return Ok((Some(found), folder));
    }
    let both = common_ancestor(&[root.to_owned(), ancestor.clone()]).unwrap_or(ancestor.clone());
    Ok((None, if both == "/" { ancestor } else { both }))
}

/// The first settings in one of the folders or above it. A pyproject.toml that says nothing about
/// pytest still marks the rootdir.
fn search(folders: &[&Utf8Path]) -> anyhow::Result<Option<Located>> {
    let mut silent = None;
    for folder in folders.iter().flat_map(|folder| folder.ancestors()) {
        for name in NAMES {
            let file = folder.join(name);
            if !file.is_file() {
                continue;
            }
            if let Some(values) = load(&file, name)? {
                return Ok(Some(Located {
                    file,
                    folder: folder.to_owned(),
                    values,
                }));
            }
            if name == "pyproject.toml" && silent.is_none() {
                let values = Values::new();
                silent = Some(Located {
                    file,
                    folder: folder.to_owned(),
                    values,
                });
            }
        }
    }
    Ok(silent)
}

fn common_ancestor(paths: &[Utf8PathBuf]) -> Option<Utf8PathBuf> {
    let (first, rest) = paths.split_first()?;
    let shared = rest.iter().fold(first.as_path(), |shared, path| {
        let mut candidates = shared.ancestors();
        candidates
            .find(|candidate| path.starts_with(candidate))
            .unwrap_or(shared)
    });
    Some(shared.to_owned())
}

/// The file of `-c`, which may have any name.
fn load_named(file: &Utf8Path) -> anyhow::Result<Values> {
    // It may exist only where pytest runs, such as in a container.
    if !file.is_file() {
        return Ok(Values::new());
    }
    let values = match file.file_name() {
        Some(name) if NAMES.contains(&name) => load(file, name)?,
        _ => match file.extension() {
            Some("ini") => load(file, "tox.ini")?,
            Some("cfg") => load(file, "setup.cfg")?,
            Some("toml") => match load(file, "pyproject.toml")? {
                Some(values) => Some(values),
                None => load(file, "pytest.toml")?,
            },
            _ => bail!(
                "the settings file {file} is neither .toml, .ini nor .cfg: correct pytest's -c"
            ),
        },
    };
    Ok(values.unwrap_or_default())
}

/// The settings in a file, read as the file of that name; `None` if it says nothing about pytest.
fn load(file: &Utf8Path, name: &str) -> anyhow::Result<Option<Values>> {
    let text = read(file)?;
    let section = |title: &str| -> anyhow::Result<Option<Values>> {
        let mut sections = ini::parse(&text).with_context(|| format!("cannot read {file}"))?;
        let values = sections.remove(title);
        if title != "pytest" && values.is_none() && sections.contains_key("pytest") {
            bail!(
                "{file}: rename the section [pytest] to [{title}], pytest refuses it in this file"
            );
        }
        let text = |(name, value)| (name, Value::Text(value));
        Ok(values.map(|values| values.into_iter().map(text).collect()))
    };
    match name {
        "pytest.ini" | ".pytest.ini" => Ok(Some(section("pytest")?.unwrap_or_default())),
        "tox.ini" => section("pytest"),
        "setup.cfg" => section("tool:pytest"),
        "pyproject.toml" => tool_table(file, &toml_table(file, &text)?),
        _ => {
            let document = toml_table(file, &text)?;
            Ok(Some(
                document
                    .get("pytest")
                    .and_then(toml::Value::as_table)
                    .map(values)
                    .unwrap_or_default(),
            ))
        }
    }
}

fn tool_table(file: &Utf8Path, document: &toml::Table) -> anyhow::Result<Option<Values>> {
    let table = |parent: &toml::Table, name: &str| parent.get(name)?.as_table().cloned();
    let Some(mut native) = table(document, "tool").and_then(|tool| table(&tool, "pytest")) else {
        return Ok(None);
    };
    let ini_options = native.remove("ini_options");
    let ini_options = ini_options.as_ref().and_then(toml::Value::as_table);
    match (native.is_empty(), ini_options) {
        (true, options) => Ok(options.map(values)),
        (false, Some(options)) if !options.is_empty() => {
            bail!(
                "{file}: use either [tool.pytest] or [tool.pytest.ini_options], pytest refuses both"
            )
        }
        (false, _) => Ok(Some(values(&native))),
    }
}

/// Only texts and lists of texts: no setting of collection is a number.
fn values(table: &toml::Table) -> Values {
    let value = |value: &toml::Value| match value {
        toml::Value::String(text) => Some(Value::Text(text.clone())),
        toml::Value::Array(items) => Some(Value::List(
            items
                .iter()
                .filter_map(toml::Value::as_str)
                .map(str::to_owned)
                .collect(),
        )),
        _ => None,
    };
    table
        .iter()
        .filter_map(|(name, toml)| Some((name.clone(), value(toml)?)))
        .collect()
}

fn toml_table(file: &Utf8Path, text: &str) -> anyhow::Result<toml::Table> {
    text.parse().map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = 1 + text
            .bytes()
            .take(start)
            .filter(|byte| *byte == b'\n')
            .count();
        let message = error.message().replace('\n', ", ");
        anyhow::anyhow!("cannot read {file}: line {line}: {message}")
    })
}

fn read(file: &Utf8Path) -> anyhow::Result<String> {
    if fs_err::metadata(file)?.len() > MAX_BYTES {
        bail!(
            "cannot read {file}: it is larger than {} MiB",
            MAX_BYTES >> 20
        );
    }
    let bytes = fs_err::read(file)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        anyhow::anyhow!("cannot read {file}: line {line}: it is not UTF-8")
    })
}
