//! A command with what it needs, as a child process and as text for a shell.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::process::Stdio;

use camino::{Utf8Path, Utf8PathBuf};
use tokio::process::{Child, Command};

/// Words that a shell does not take for the name of a program unless they are quoted.
const RESERVED: [&str; 18] = [
    "if", "then", "elif", "else", "fi", "do", "done", "case", "esac", "while", "until", "for",
    "in", "function", "select", "time", "coproc", "repeat",
];

/// What to run. Its [`Display`](fmt::Display) can be pasted into any POSIX shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandLine {
    pub(crate) program: String,
    pub(crate) args: Vec<String>,
    /// Only the changes to our own environment; `None` removes the variable.
    pub(crate) env: BTreeMap<String, Option<String>>,
    pub(crate) cwd: Option<Utf8PathBuf>,
}

impl CommandLine {
    pub(crate) fn new(
        program: impl Into<String>,
        args: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            program: program.into(),
            args: args.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            cwd: None,
        }
    }

    pub(crate) fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), Some(value.into()));
        self
    }

    pub(crate) fn without_env(mut self, name: impl Into<String>) -> Self {
        self.env.insert(name.into(), None);
        self
    }

    #[cfg(test)]
    pub(crate) fn current_dir(mut self, dir: impl Into<Utf8PathBuf>) -> Self {
        self.cwd = Some(dir.into());
        self
    }

    /// Starts it in a process group of its own, with no input, and with both outputs going into one
    /// pipe so that their lines keep the order in which they were written.
    ///
    /// The error says what to do.
    pub(super) fn spawn(&self, output: io::PipeWriter) -> Result<Child, String> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .process_group(0)
            .stdin(Stdio::null());
        for (name, value) in &self.env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(cwd) = &self.cwd {
            command.current_dir(cwd);
        }
        output
            .try_clone()
            .and_then(|both| command.stdout(both).stderr(output).spawn())
            .map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &io::Error) -> String {
        let Self { program, cwd, .. } = self;
        if let Some(cwd) = cwd.as_deref().filter(|cwd| !cwd.is_dir()) {
            return format!("the working directory `{cwd}` does not exist");
        }
        let path = cwd.as_deref().unwrap_or(Utf8Path::new("")).join(program);
        match error.kind() {
            io::ErrorKind::NotFound if !program.contains('/') => format!(
                "`{program}` is not installed or not on the PATH: install it, activate the \
                 environment that has it, or give its path"
            ),
            io::ErrorKind::NotFound if path.exists() => format!(
                "`{program}` cannot start: the interpreter that its first line names does not exist"
            ),
            io::ErrorKind::NotFound => format!("`{program}` does not exist"),
            io::ErrorKind::PermissionDenied => {
                format!(
                    "`{program}` is not executable: run `chmod +x` on it or name its interpreter"
                )
            }
            _ => format!("`{program}` did not start: {error}"),
        }
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cwd) = &self.cwd {
            let option_end = if cwd.as_str().starts_with('-') {
                "-- "
            } else {
                ""
            };
            write!(out, "(cd {option_end}{} && ", quoted(cwd.as_str()))?;
        }
        let is_plain = |(name, value): (&String, &Option<String>)| value.is_some() && is_name(name);
        if !self.env.iter().all(is_plain) {
            write!(out, "env ")?;
        }
        for name in self
            .env
            .iter()
            .filter(|(_, value)| value.is_none())
            .map(|(name, _)| name)
        {
            write!(out, "-u {} ", quoted(name))?;
        }
        for (name, value) in &self.env {
            let Some(value) = value else { continue };
            if is_name(name) {
                write!(out, "{name}={} ", quoted(value))?;
            } else {
                write!(out, "{} ", quoted(&format!("{name}={value}")))?;
            }
        }
        if RESERVED.contains(&self.program.as_str()) {
            write!(out, "'{}'", self.program)?;
        } else {
            write!(out, "{}", quoted(&self.program))?;
        }
        for arg in &self.args {
            write!(out, " {}", quoted(arg))?;
        }
        if self.cwd.is_some() {
            write!(out, ")")?;
        }
        Ok(())
    }
}

fn quoted(word: &str) -> String {
    // No process can be given a NUL, so it is enough that it does not break the display.
    let quoter = shlex::Quoter::new().allow_nul(true);
    quoter
        .quote(word)
        .map_or_else(|_| word.to_owned(), std::borrow::Cow::into_owned)
}

/// Whether a shell takes `name=value` as an assignment.
fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn started(command: &CommandLine) -> Result<(), String> {
        let (_reader, writer) = io::pipe().expect("a pipe");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let _entered = runtime.enter();
        command.spawn(writer).map(drop)
    }

    #[test]
    fn prints_what_a_shell_takes() {
        let command =
            CommandLine::new("pytest", ["-k", "a and b", "tests/test_a.py::test_x[it's]"])
                .env("PYTHONHASHSEED", "7")
                .env("EMPTY", "");
        insta::assert_snapshot!(
            command,
            @r#"EMPTY='' PYTHONHASHSEED=7 pytest -k 'a and b' "tests/test_a.py::test_x[it's]""#
        );
        let command = command
            .without_env("CI")
            .env("INPUT_A-B", "1")
            .current_dir("/my code");
        insta::assert_snapshot!(
            command,
            @r#"(cd '/my code' && env -u CI EMPTY='' 'INPUT_A-B=1' PYTHONHASHSEED=7 pytest -k 'a and b' "tests/test_a.py::test_x[it's]")"#
        );
        insta::assert_snapshot!(CommandLine::new("time", ["-p", ""]), @"'time' -p ''");
    }

    #[test]
    fn a_command_that_does_not_start_says_what_to_do() {
        let dir = tempfile::tempdir().expect("a folder");
        let script = dir.path().join("script");
        std::fs::write(&script, "#!/no/such/interpreter\n").expect("a file");
        let program = script.to_str().expect("UTF-8").to_owned();
        let message = |command: CommandLine| {
            let text = started(&command).expect_err("it cannot start");
            text.replace(&program, "SCRIPT")
        };
        let none: [String; 0] = [];
        insta::assert_snapshot!(
            message(CommandLine::new("no-such-pytest", none.clone())),
            @"`no-such-pytest` is not installed or not on the PATH: install it, activate the environment that has it, or give its path"
        );
        insta::assert_snapshot!(
            message(CommandLine::new("./no/such", none.clone())),
            @"`./no/such` does not exist"
        );
        insta::assert_snapshot!(
            message(CommandLine::new(program.clone(), none.clone())),
            @"`SCRIPT` is not executable: run `chmod +x` on it or name its interpreter"
        );
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&script, mode).expect("permissions");
        insta::assert_snapshot!(
            message(CommandLine::new(program.clone(), none.clone())),
            @"`SCRIPT` cannot start: the interpreter that its first line names does not exist"
        );
        insta::assert_snapshot!(
            message(CommandLine::new("true", none).current_dir("/no/such/dir")),
            @"the working directory `/no/such/dir` does not exist"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_shell_reads_back_the_same_words(
            args in proptest::collection::vec("[^\0]{0,12}", 0..4),
            value in "[^\0]{0,12}",
            odd in "[^\0]{0,12}",
        ) {
            let script = "import os,sys;sys.stdout.buffer.write(b'\\0'.join([os.fsencode(a) for a in \
                          sys.argv[1:]]+[os.environb[b'A'],os.environb[b'B-C'],str('HOME' in os.environ).encode()]))";
            let command = CommandLine::new("python3", ["-S", "-c", script].into_iter().map(String::from).chain(args.clone()))
                .env("A", value.clone())
                .env("B-C", odd.clone())
                .without_env("HOME")
                .current_dir("/");
            let shell = std::process::Command::new("sh").arg("-c").arg(command.to_string()).output();
            let expected: Vec<String> = args.into_iter().chain([value, odd, "False".into()]).collect();
            prop_assert_eq!(String::from_utf8(shell.expect("a shell").stdout).expect("UTF-8"), expected.join("\0"));
        }
    }
}
