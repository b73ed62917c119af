//! The test files of a project as pytest would find them, without Python.
//!
//! The rules are read from `_pytest/main.py`, `_pytest/python.py` and `_pytest/doctest.py` of
//! pytest 9. Where older versions differ (overlapping paths, virtual environments without
//! `pyvenv.cfg`) the newest one is followed: a file that is missed, or one too much, is still run
//! exactly once, it is only weighed badly.

use std::collections::BTreeSet;
use std::fs::FileType;
use std::io::Read as _;

use anyhow::Context as _;
use camino::{Utf8Path, Utf8PathBuf};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::count::{Counter, Function, Names};
use super::fnmatch::{PathPattern, Pattern, glob};
use super::selection::{Selection, absolute, file_of};
use super::settings::Settings;
use super::ties::Ties;

/// Of a source only so much is read to weigh it.
const MAX_SOURCE_BYTES: u64 = 8 << 20;

/// What pytest would collect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Discovery {
    /// Sorted by path.
    pub(crate) files: Vec<TestFile>,
    /// The file with pytest's settings, absolute.
    pub(crate) config: Option<Utf8PathBuf>,
    /// What could not be known or followed, a line each.
    pub(crate) notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TestFile {
    /// Relative to the folder of the search, with `/`; absolute outside of it.
    pub(crate) path: String,
    /// Tests it seems to hold, perhaps none.
    pub(crate) tests: usize,
    /// Its test functions as far as its source names them, in order.
    pub(crate) functions: Vec<Function>,
    pub(crate) ties: Ties,
}

/// Finds what `pytest ARGUMENTS…` would collect if it were started in `root`, with the
/// `PYTEST_ADDOPTS` of the environment. The arguments may be plain paths, or all that follows
/// `pytest` in a command (see [`super::selection::pytest_arguments`]).
///
/// # Errors
/// A broken settings file or unclosed quotes in options; pytest would not start either.
pub(crate) fn discover(root: &Utf8Path, arguments: &[String]) -> anyhow::Result<Discovery> {
    let addopts = std::env::var("PYTEST_ADDOPTS").unwrap_or_default();
    discover_with(root, arguments, &addopts)
}

fn discover_with(
    root: &Utf8Path,
    arguments: &[String],
    addopts: &str,
) -> anyhow::Result<Discovery> {
    // pytest starts from `getcwd`, which knows no symbolic links.
    let Ok(root) = root.canonicalize_utf8() else {
        return Ok(Discovery::default());
    };
    let mut arguments = [
        shlex::split(addopts).context("a quote in PYTEST_ADDOPTS is not closed: close it")?,
        arguments.to_vec(),
    ]
    .concat();
    let mut settings = Settings::find(&root, &Selection::of(&root, &arguments))?;
    arguments.splice(..0, settings.addopts()?);
    let selection = Selection::of(&root, &arguments);
    settings.override_with(&selection.overrides);

    let mut search = Search {
        rules: Rules::new(&root, &selection, &settings)?,
        root: &root,
        initial: BTreeSet::new(),
        found: Vec::new(),
        notes: Vec::new(),
        unreadable_names: 0,
    };
    if let Some(file) = settings.file.as_ref().filter(|file| !file.exists()) {
        search.notes.push(format!(
            "{file} is not here: pytest's own defaults are assumed"
        ));
    }
    search.run(&selection, &settings)?;
    search.found.sort();
    search.found.dedup();
    let found = search.found.par_iter();
    let files = found.map(|path| search.weighed(path)).collect();
    Ok(Discovery {
        files,
        config: settings.file,
        notes: search.notes,
    })
}

/// Which files and folders pytest takes.
struct Rules {
    python_files: Vec<PathPattern>,
    norecursedirs: Vec<PathPattern>,
    ignore: BTreeSet<Utf8PathBuf>,
    ignore_glob: Vec<Pattern>,
    /// `None` if the plugin is off.
    doctest_globs: Option<Vec<PathPattern>>,
    doctest_modules: bool,
    collect_in_virtualenv: bool,
    read_conftest: bool,
    counter: Counter,
}

impl Rules {
    fn new(root: &Utf8Path, selection: &Selection, settings: &Settings) -> anyhow::Result<Self> {
        let patterns = |texts: &[String]| texts.iter().map(|text| PathPattern::new(text)).collect();
        let globs = match selection.doctest_globs.as_slice() {
            [] => vec![PathPattern::new("test*.txt")],
            globs => patterns(globs),
        };
        let in_root = |path: &String| absolute(root, path);
        Ok(Self {
            python_files: patterns(&settings.python_files()?),
            norecursedirs: patterns(&settings.norecursedirs()?),
            ignore: selection.ignore.iter().map(in_root).collect(),
            ignore_glob: selection
                .ignore_glob
                .iter()
                .map(|text| Pattern::new(in_root(text).as_str()))
                .collect(),
            doctest_globs: (!selection.without_doctest).then_some(globs),
            doctest_modules: selection.doctest_modules && !selection.without_doctest,
            collect_in_virtualenv: selection.collect_in_virtualenv,
            read_conftest: !selection.noconftest,
            counter: Counter {
                functions: Names::new(&settings.python_functions()?),
                classes: Names::new(&settings.python_classes()?),
            },
        })
    }

    fn ignores(&self, path: &Utf8Path) -> bool {
        path.file_name() == Some("__pycache__")
            || self.ignore.contains(path)
            || self
                .ignore_glob
                .iter()
                .any(|pattern| pattern.matches(path.as_str()))
    }

    fn ignores_folder(&self, path: &Utf8Path) -> bool {
        self.ignores(path)
            || self
                .norecursedirs
                .iter()
                .any(|pattern| pattern.matches(path))
            || !self.collect_in_virtualenv && is_virtualenv(path)
    }

    /// `initial`: whether the path was given, and not found.
    fn takes(&self, path: &Utf8Path, initial: bool) -> bool {
        let matches = |patterns: &[PathPattern]| patterns.iter().any(|it| it.matches(path));
        match path.extension() {
            Some("py") => {
                initial || matches(&self.python_files) || self.doctest_modules && !is_script(path)
            }
            extension => self.doctest_globs.as_ref().is_some_and(|globs| {
                initial && matches!(extension, Some("txt" | "rst")) || matches(globs)
            }),
        }
    }
}

fn is_virtualenv(path: &Utf8Path) -> bool {
    path.join("pyvenv.cfg").is_file() || path.join("conda-meta/history").is_file()
}

/// What doctest would run by importing it.
fn is_script(path: &Utf8Path) -> bool {
    let installs = |source: &[u8]| {
        let says = |word: &[u8]| source.windows(word.len()).any(|part| part == word);
        says(b"setuptools") || says(b"distutils")
    };
    match path.file_name() {
        Some("__main__.py") => true,
        Some("setup.py") => source(path).is_some_and(|source| installs(&source)),
        _ => false,
    }
}

struct Search<'a> {
    root: &'a Utf8Path,
    rules: Rules,
    /// The paths given, without those inside others.
    initial: BTreeSet<Utf8PathBuf>,
    /// In the order of the search, some perhaps twice.
    found: Vec<Utf8PathBuf>,
    notes: Vec<String>,
    unreadable_names: usize,
}

impl Search<'_> {
    fn run(&mut self, selection: &Selection, settings: &Settings) -> anyhow::Result<()> {
        let paths = self.given(selection, settings)?;
        let inside_another = |path: &Utf8Path| {
            let mut above = path.ancestors().skip(1);
            !selection.keep_duplicates && above.any(|folder| paths.contains(folder))
        };
        self.initial = paths
            .iter()
            .filter(|path| !inside_another(path))
            .cloned()
            .collect();
        for path in self.initial.clone() {
            self.conftests_above(&path);
            if path.is_dir() {
                let real = path.canonicalize_utf8().unwrap_or_else(|_| path.clone());
                self.folder(&path, &mut vec![real]);
            } else if self.rules.takes(&path, true) {
                self.found.push(path);
            } else {
                self.notes.push(format!(
                    "{}: pytest collects nothing from such a file",
                    self.shown(&path)
                ));
            }
        }
        if self.unreadable_names > 0 {
            let names = self.unreadable_names;
            self.notes.push(format!(
                "names that are not UTF-8 were passed over ({names}): rename them"
            ));
        }
        Ok(())
    }

    /// The absolute paths to start from.
    fn given(
        &mut self,
        selection: &Selection,
        settings: &Settings,
    ) -> anyhow::Result<BTreeSet<Utf8PathBuf>> {
        let mut paths = BTreeSet::new();
        for argument in &selection.paths {
            let path = absolute(self.root, file_of(argument));
            let module = || self.module(file_of(argument)).filter(|_| selection.pyargs);
            match Some(path.clone())
                .filter(|path| path.exists())
                .or_else(module)
            {
                Some(path) => drop(paths.insert(path)),
                None => self
                    .notes
                    .push(format!("{} does not exist here", self.shown(&path))),
            }
        }
        if selection.paths.is_empty() && settings.rootdir == self.root {
            for pattern in settings.testpaths()? {
                paths.extend(
                    glob(self.root, &pattern)
                        .iter()
                        .map(|path| absolute(self.root, path.as_str())),
                );
            }
        }
        if selection.paths.is_empty() && paths.is_empty() {
            paths.insert(self.root.to_owned());
        }
        Ok(paths)
    }

    /// Where the module of `--pyargs` lies, if it is part of the project.
    fn module(&self, name: &str) -> Option<Utf8PathBuf> {
        let path = name.replace('.', "/");
        ["", "src"]
            .iter()
            .map(|folder| self.root.join(folder).join(&path))
            .find_map(|path| {
                let file = path.with_extension("py");
                if path.join("__init__.py").is_file() {
                    Some(path)
                } else {
                    Some(file).filter(|it| it.is_file())
                }
            })
    }

    /// `trail`: the real folders on the way here.
    fn folder(&mut self, folder: &Utf8Path, trail: &mut Vec<Utf8PathBuf>) {
        for (name, kind) in self.entries(folder) {
            let path = folder.join(&name);
            let is_link = kind.is_symlink();
            if kind.is_dir() || is_link && path.is_dir() {
                if self.rules.ignores_folder(&path) && !self.leads_to_a_given_path(&path) {
                    continue;
                }
                let real = match trail.last() {
                    Some(parent) if !is_link => parent.join(&name),
                    _ => path.canonicalize_utf8().unwrap_or_else(|_| path.clone()),
                };
                if is_link && trail.iter().any(|above| above.starts_with(&real)) {
                    let path = self.shown(&path);
                    self.notes.push(format!(
                        "{path} leads back to a folder above it and is not followed"
                    ));
                    continue;
                }
                trail.push(real);
                self.folder(&path, trail);
                trail.pop();
            } else if kind.is_file() || is_link && path.is_file() {
                let initial = self.initial.contains(&path);
                if (initial || !self.rules.ignores(&path)) && self.rules.takes(&path, initial) {
                    self.found.push(path.clone());
                }
                if name == "conftest.py" {
                    self.conftest(&path);
                }
            }
        }
    }

    /// Only with `--keep-duplicates` a given path lies below another one.
    fn leads_to_a_given_path(&self, folder: &Utf8Path) -> bool {
        self.initial.iter().any(|path| path.starts_with(folder))
    }

    /// Sorted by name.
    fn entries(&mut self, folder: &Utf8Path) -> Vec<(String, FileType)> {
        let entries = match fs_err::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                self.notes
                    .push(format!("cannot look into a folder: {error}"));
                return Vec::new();
            }
        };
        let mut names = Vec::new();
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            match entry.file_name().into_string() {
                Ok(name) => names.push((name, kind)),
                Err(_) => self.unreadable_names += 1,
            }
        }
        names.sort_by(|one, other| one.0.cmp(&other.0));
        names
    }

    fn conftests_above(&mut self, path: &Utf8Path) {
        let root = self.root;
        for folder in path
            .ancestors()
            .skip(1)
            .filter(|folder| folder.starts_with(root))
        {
            let path = folder.join("conftest.py");
            if path.is_file() {
                self.conftest(&path);
            }
        }
    }

    /// What a conftest.py does to collection only Python knows.
    fn conftest(&mut self, path: &Utf8Path) {
        let source = source(path)
            .filter(|_| self.rules.read_conftest)
            .unwrap_or_default();
        let says = |word: &&str| {
            source
                .windows(word.len())
                .any(|part| part == word.as_bytes())
        };
        let words = [
            "collect_ignore",
            "pytest_ignore_collect",
            "pytest_collect_file",
        ];
        if let Some(word) = words.iter().find(|word| says(word)) {
            let note = format!(
                "{} uses {word}: the plan may name other files than it leaves",
                self.shown(path)
            );
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    fn weighed(&self, path: &Utf8Path) -> TestFile {
        let mut file = TestFile {
            path: self.shown(path),
            tests: 1,
            functions: Vec::new(),
            ties: Ties::default(),
        };
        let Some(source) = source(path).filter(|_| path.extension() == Some("py")) else {
            return file;
        };
        let is_module = self.initial.contains(path)
            || self
                .rules
                .python_files
                .iter()
                .any(|pattern| pattern.matches(path));
        let counted = self.rules.counter.count(&source);
        file.tests = 0;
        if is_module {
            file.tests = counted.tests;
            file.functions = counted.functions;
            file.ties = Ties::of(&source);
        }
        if self.rules.doctest_modules {
            file.tests += counted.doctests;
        }
        file
    }

    /// Relative to the root where it lies below it, else absolute: as the plugin names files.
    fn shown(&self, path: &Utf8Path) -> String {
        let real = || {
            path.canonicalize_utf8()
                .ok()?
                .strip_prefix(self.root)
                .ok()
                .map(ToOwned::to_owned)
        };
        let inside = path
            .strip_prefix(self.root)
            .ok()
            .map(ToOwned::to_owned)
            .or_else(real);
        let parts = |inside: Utf8PathBuf| {
            inside
                .components()
                .map(|part| part.as_str().to_owned())
                .collect::<Vec<_>>()
                .join("/")
        };
        inside.map_or_else(|| path.to_string(), parts)
    }
}

fn source(path: &Utf8Path) -> Option<Vec<u8>> {
    let file = fs_err::File::open(path).ok()?;
    // To read to its size is one call, to its end would be two.
    let size = file.metadata().ok()?.len().min(MAX_SOURCE_BYTES);
    let mut source = Vec::with_capacity(usize::try_from(size).ok()?);
    file.take(size).read_to_end(&mut source).ok()?;
    Some(source)
}
