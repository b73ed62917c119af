//! What the user's command says about the files pytest will collect.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use super::options::{Takes, long, short};

/// The arguments of pytest that decide which files it opens. Paths are as written.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of pytest")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Files, folders and node ids.
    pub(crate) paths: Vec<String>,
    /// `--ignore`
    pub(crate) ignore: Vec<String>,
    /// `--ignore-glob`
    pub(crate) ignore_glob: Vec<String>,
    /// `-c`
    pub(crate) config_file: Option<String>,
    /// `--rootdir`
    pub(crate) rootdir: Option<String>,
    /// `-o name=value`, in order.
    pub(crate) overrides: Vec<(String, String)>,
    pub(crate) doctest_modules: bool,
    /// `--doctest-glob`; pytest's own default is used if there is none.
    pub(crate) doctest_globs: Vec<String>,
    /// `-p no:doctest`
    pub(crate) without_doctest: bool,
    pub(crate) collect_in_virtualenv: bool,
    pub(crate) keep_duplicates: bool,
    pub(crate) noconftest: bool,
    /// Paths may be names of modules.
    pub(crate) pyargs: bool,
}

impl Selection {
    /// Reads the arguments of pytest in `root`.
    ///
    /// What follows an option nobody knows is a path only if it exists in `root`.
    pub(crate) fn of(root: &Utf8Path, arguments: &[String]) -> Self {
        let mut selection = Self::default();
        let mut rest = expanded(root, arguments, 0).into_iter().peekable();
        let mut after_unknown = false;
        while let Some(argument) = rest.next() {
            let doubtful = std::mem::take(&mut after_unknown);
            if argument == "--" {
                selection.paths.extend(rest);
                break;
            }
            let Some((name, takes, mut value)) = option(&argument) else {
                if !doubtful || absolute(root, file_of(&argument)).exists() {
                    selection.paths.push(argument);
                }
                continue;
            };
            if value.is_none() && matches!(takes, Takes::Value | Takes::Perhaps) {
                value = rest.next_if(|next| !looks_like_option(next));
            }
            after_unknown = takes == Takes::Unknown && value.is_none();
            selection.set(&name, value);
        }
        selection
    }

    fn set(&mut self, name: &str, value: Option<String>) {
        match (name, value) {
            ("--doctest-modules", _) => self.doctest_modules = true,
            ("--collect-in-virtualenv", _) => self.collect_in_virtualenv = true,
            ("--keep-duplicates" | "--keepduplicates", _) => self.keep_duplicates = true,
            ("--noconftest", _) => self.noconftest = true,
            ("--pyargs", _) => self.pyargs = true,
            ("--ignore", Some(path)) => self.ignore.push(path),
            ("--ignore-glob", Some(path)) => self.ignore_glob.push(path),
            ("--rootdir", Some(path)) => self.rootdir = Some(path),
            ("--doctest-glob", Some(pattern)) => self.doctest_globs.push(pattern),
            ("-c" | "--config-file", Some(file)) => self.config_file = Some(file),
            ("-p", Some(plugin)) if plugin.trim() == "no:doctest" => self.without_doctest = true,
            ("-o" | "--override-ini", Some(pair)) => {
                if let Some((name, value)) = pair.split_once('=') {
                    self.overrides.push((name.to_owned(), value.to_owned()));
                }
            }
            _ => {}
        }
    }
}

/// Name, kind and joined value of an argument that is an option. Of joined short options (`-xvk`)
/// only the one that takes a value matters.
fn option(argument: &str) -> Option<(String, Takes, Option<String>)> {
    if !looks_like_option(argument) {
        return None;
    }
    if argument.starts_with("--") {
        return Some(match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), long(name), Some(value.to_owned())),
            None => (argument.to_owned(), long(argument), None),
        });
    }
    for (index, letter) in argument.char_indices().skip(1) {
        let takes = short(letter);
        if takes != Takes::Nothing {
            let joined = &argument[index + letter.len_utf8()..];
            let value = Some(joined.strip_prefix('=').unwrap_or(joined)).filter(|v| !v.is_empty());
            return Some((format!("-{letter}"), takes, value.map(str::to_owned)));
        }
    }
    Some((argument.to_owned(), Takes::Nothing, None))
}

fn looks_like_option(argument: &str) -> bool {
    argument.len() > 1 && argument.starts_with('-') && !argument.contains(' ')
        || argument.starts_with("--") && argument.contains('=')
}

/// Puts the lines of `@file` in place of it, as pytest does since 8.2.
fn expanded(root: &Utf8Path, arguments: &[String], depth: u8) -> Vec<String> {
    let lines = |argument: &String| -> Option<Vec<String>> {
        let file = argument.strip_prefix('@').filter(|_| depth < 8)?;
        let text = fs_err::read_to_string(absolute(root, file)).ok()?;
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        Some(expanded(root, &lines, depth + 1))
    };
    arguments
        .iter()
        .flat_map(|argument| lines(argument).unwrap_or_else(|| vec![argument.clone()]))
        .collect()
}

/// The path part of an argument that may be a node id.
pub(crate) fn file_of(argument: &str) -> &str {
    argument.split("::").next().unwrap_or(argument)
}

/// The path below `root`, without `.` and `..`, symbolic links untouched (Python's `abspath`).
pub(crate) fn absolute(root: &Utf8Path, path: &str) -> Utf8PathBuf {
    let mut clean = Utf8PathBuf::new();
    for part in root.join(path).components() {
        match part {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// The arguments of the pytest that a command starts, however it does: directly, by `python -m`,
/// `coverage run -m`, `uv run`, `poetry run`, `env`, `docker compose run`, or in `sh -c`. `None` if
/// none is to be seen, as in `make test`.
pub(crate) fn pytest_arguments(command: &[String]) -> Option<Vec<String>> {
    let found = command.iter().enumerate().position(|(index, word)| {
        let before = index.checked_sub(1).map(|before| command[before].as_str());
        is_pytest(word) && !before.is_some_and(|before| NAMES_A_PACKAGE.contains(&before))
    });
    if let Some(index) = found {
        return Some(command[index + 1..].to_vec());
    }
    let script = command.windows(2).find_map(|pair| {
        (pair[0].starts_with('-') && !pair[0].starts_with("--") && pair[0].ends_with('c'))
            .then_some(&pair[1])
    })?;
    let words = shlex::split(script).filter(|words| words.len() > 1)?;
    let mut arguments = Vec::new();
    for word in pytest_arguments(&words)? {
        let bare = word.strip_suffix(';').unwrap_or(&word);
        if !bare.is_empty() && !ENDS_A_COMMAND.contains(&bare) {
            arguments.push(bare.to_owned());
        }
        if bare != word || ENDS_A_COMMAND.contains(&bare) {
            break;
        }
    }
    Some(arguments)
}

/// Options after which `pytest` is something to install.
const NAMES_A_PACKAGE: [&str; 8] = [
    "--with",
    "--with-editable",
    "--from",
    "--package",
    "--group",
    "--only-group",
    "--extra",
    "--spec",
];

/// Whether these arguments of pytest make pytest-xdist distribute the tests.
pub(crate) fn distributes(arguments: &[String]) -> bool {
    let mut rest = arguments.iter().peekable();
    while let Some(argument) = rest.next() {
        let Some((name, _, joined)) = option(argument) else {
            continue;
        };
        if matches!(name.as_str(), "-n" | "--numprocesses") {
            let count = joined.or_else(|| rest.peek().map(|next| (*next).clone()));
            return count.is_some_and(|count| count != "0");
        }
    }
    false
}

const ENDS_A_COMMAND: [&str; 4] = ["&&", "||", "|", "&"];

fn is_pytest(word: &str) -> bool {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    let name = name.strip_suffix(".exe").unwrap_or(name);
    matches!(name, "pytest" | "py.test" | "-mpytest")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        shlex::split(text).expect("words")
    }

    fn selection(text: &str) -> Selection {
        Selection::of(Utf8Path::new("/nowhere"), &words(text))
    }

    #[test]
    fn a_value_is_not_a_path() {
        for arguments in [
            "-k 'a or b' x",
            "-m slow x",
            "-p cacheprovider x",
            "-n 2 x",
            "-n2 x",
            "-xvk expr x",
            "-kexpr x",
            "--cov src x",
            "--cov=src --cov-report xml x",
            "-o a=b x",
            "--junitxml out.xml x",
            "--tb short -ra x",
            "-r a x",
            "-W error x",
            "--unknown value -- x",
            "--unknown=value x",
            "--unknown value --lf x",
            "-x x",
            "--doctest-modules x",
            "--ds my.settings --reuse-db x",
            "x --color yes",
        ] {
            assert_eq!(selection(arguments).paths, ["x"], "{arguments}");
        }
    }

    #[test]
    fn sees_that_xdist_distributes() {
        for yes in [
            "-n 2",
            "-n2 x",
            "-x -nauto",
            "--numprocesses=logical",
            "-vn 3 x",
        ] {
            assert!(distributes(&words(yes)), "{yes}");
        }
        for no in ["", "-n 0", "-n0", "x --dist load", "-k n2"] {
            assert!(!distributes(&words(no)), "{no}");
        }
    }

    #[test]
    fn an_option_takes_no_other_option_for_its_value() {
        let selection = selection("--cov --ignore a --cov-report -v x");
        assert_eq!(
            (selection.ignore, selection.paths),
            (words("a"), words("x"))
        );
    }

    #[test]
    fn after_an_unknown_option_only_what_exists_is_a_path() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Utf8Path::from_path(folder.path()).expect("UTF-8");
        fs_err::write(root.join("test_a.py"), "").expect("a file");
        let paths = |text: &str| Selection::of(root, &words(text)).paths;
        assert_eq!(paths("--unknown test_a.py::test_x"), ["test_a.py::test_x"]);
        assert_eq!(paths("--unknown test_b.py test_c.py"), ["test_c.py"]);
        fs_err::write(root.join("list"), "-k\nexpr\ntest_a.py\r\n@list\n").expect("a file");
        assert_eq!(paths("@list other")[0], "test_a.py");
    }

    #[test]
    fn reads_what_decides_about_files() {
        let selection = selection(
            "--ignore=a --ignore b --ignore-glob '*c' -c my.ini --rootdir r -o python_files='t*.py x' \
             --doctest-modules --doctest-glob '*.md' -pno:doctest --noconftest a.py::test[x::y]",
        );
        let expected = Selection {
            paths: words("a.py::test[x::y]"),
            ignore: words("a b"),
            ignore_glob: vec!["*c".into()],
            config_file: Some("my.ini".into()),
            rootdir: Some("r".into()),
            overrides: vec![("python_files".into(), "t*.py x".into())],
            doctest_modules: true,
            doctest_globs: vec!["*.md".into()],
            without_doctest: true,
            noconftest: true,
            ..Selection::default()
        };
        assert_eq!(selection, expected);
    }

    #[test]
    fn finds_pytest_in_a_command() {
        for command in [
            "pytest a",
            "/venv/bin/pytest a",
            "python -m pytest a",
            "python3.12 -X dev -mpytest a",
            "coverage run --source src -m pytest a",
            "uv run --with pytest --group test pytest a",
            "uvx --from pytest pytest a",
            "poetry run py.test a",
            "docker compose run --rm app pytest a",
            "env A=b pytest a",
            "bash -ec 'cd x && pytest a && echo done'",
            "docker compose run app sh -c 'pytest a | tee log'",
            "sh -c 'pytest a; echo'",
            "sh -c 'pytest a ; echo'",
        ] {
            assert_eq!(
                pytest_arguments(&words(command)),
                Some(words("a")),
                "{command}"
            );
        }
        for command in [
            "make test",
            "tox",
            "python -c 'import x'",
            "sh -c pytestx",
            "",
        ] {
            assert_eq!(pytest_arguments(&words(command)), None, "{command}");
        }
    }

    #[test]
    fn a_path_is_cleaned_as_python_does() {
        let clean = |path: &str| absolute(Utf8Path::new("/r/s"), path).into_string();
        assert_eq!(clean(""), "/r/s");
        assert_eq!(clean("./a/../b/"), "/r/s/b");
        assert_eq!(clean("../../../x"), "/x");
        assert_eq!(clean("/y"), "/y");
    }

    proptest::proptest! {
        #[test]
        fn any_arguments_are_read(arguments in proptest::collection::vec("(-|--|@|)?[a-zé= ]*", 0..8)) {
            Selection::of(Utf8Path::new("/nowhere"), &arguments);
            pytest_arguments(&arguments);
        }
    }
}
