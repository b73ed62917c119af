//! The docker command line, with a time limit on every call.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// Of a call that only asks or tells the daemon something.
pub(super) const QUICK: Duration = Duration::from_secs(30);

/// A call that failed: what was tried, and the last that docker said about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{command}` {said}")]
pub(crate) struct EngineError {
    command: String,
    said: String,
}

impl EngineError {
    pub(super) fn new(command: String, said: String) -> Self {
        Self { command, said }
    }

    /// What was asked about is not there.
    pub(super) fn is_about_nothing(&self) -> bool {
        self.said.contains("o such") || self.said.contains("not found")
    }

    /// The daemon has no addresses for one more network.
    pub(super) fn is_about_addresses(&self) -> bool {
        self.said.contains("IPv4 address pool")
    }

    pub(super) fn not_started(command: &str, error: &std::io::Error) -> Self {
        Self::new(command.to_owned(), format!("did not start: {error}"))
    }
}

/// Which compose there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compose {
    /// `docker compose`, a plugin of docker's client.
    V2,
    /// `docker-compose`, a program of its own.
    V1,
}

impl Compose {
    /// v1 where it is the only one; to be asked once v2 has failed.
    pub(super) async fn find() -> Self {
        if docker(&["compose", "version"], QUICK).await.is_err()
            && call("docker-compose", &["version"], QUICK).await.is_ok()
        {
            Self::V1
        } else {
            Self::V2
        }
    }

    /// The program and its first arguments.
    pub(super) fn words(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::V2 => ("docker", &["compose"]),
            Self::V1 => ("docker-compose", &[]),
        }
    }

    /// As [`docker`].
    ///
    /// # Errors
    /// As [`docker`].
    pub(super) async fn call(
        self,
        arguments: &[String],
        limit: Duration,
    ) -> Result<String, EngineError> {
        let (program, first) = self.words();
        let rest = arguments.iter().map(String::as_str);
        let all: Vec<&str> = first.iter().copied().chain(rest).collect();
        call(program, &all, limit).await
    }
}

/// Runs `docker` with these arguments and returns its standard output.
///
/// # Errors
/// It is not installed, took too long, or failed.
pub(super) async fn docker<S: AsRef<str>>(
    arguments: &[S],
    limit: Duration,
) -> Result<String, EngineError> {
    let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
    call("docker", &arguments, limit).await
}

async fn call(program: &str, arguments: &[&str], limit: Duration) -> Result<String, EngineError> {
    let failed = |said: String| EngineError::new(shown(program, arguments), said);
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = async {
        let (child, _family) = spawn(&mut command)?;
        child.wait_with_output().await
    };
    match tokio::time::timeout(limit, output).await {
        Err(_) => Err(failed(format!("did not end within {} s", limit.as_secs()))),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Err(failed(
            "cannot run: install docker with its compose plugin".to_owned(),
        )),
        Ok(Err(error)) => Err(failed(format!("did not start: {error}"))),
        Ok(Ok(output)) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(Ok(output)) => Err(failed(format!(
            "failed: {}",
            last_words(&String::from_utf8_lossy(&output.stderr))
        ))),
    }
}

/// Starts docker's client. Ctrl-C is for us, who then call docker to clean up, so it has a process
/// group of its own.
pub(super) fn spawn(command: &mut Command) -> std::io::Result<(Child, Family)> {
    let child = command.process_group(0).kill_on_drop(true).spawn()?;
    let leader = child
        .id()
        .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    Ok((child, Family(leader)))
}

/// Ends a client that nobody waits for any more, with its plugins: compose is a process of its own,
/// which would go on.
pub(super) struct Family(Option<Pid>);

impl Drop for Family {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// The last lines that say something, in one.
fn last_words(text: &str) -> String {
    const PROGRESS: [&str; 4] = ["Container ", "Image ", "Network ", "Volume "];
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.contains("level=warning"))
        .collect();
    let is_progress =
        |line: &str| line.contains("  ") && PROGRESS.iter().any(|word| line.starts_with(word));
    let mut telling: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|line| !is_progress(line))
        .collect();
    if telling.is_empty() {
        telling = lines;
    }
    let last = &telling[telling.len().saturating_sub(3)..];
    if last.is_empty() {
        "without a word".to_owned()
    } else {
        last.join("; ")
    }
}

/// The beginning of a call, enough to know it by: which project it is about is our own affair.
fn shown(program: &str, arguments: &[&str]) -> String {
    let mut words = vec![program];
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        if matches!(*word, "--project-name" | "--file") {
            rest.next();
        } else if words.len() > 8 {
            words.push("…");
            break;
        } else {
            words.push(word);
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_the_last_that_was_said() {
        assert_eq!(last_words(""), "without a word");
        assert_eq!(
            last_words("time=x level=warning msg=old\n\n a \nb\nc\nd\n"),
            "b; c; d"
        );
        assert_eq!(
            last_words(" Network x  Creating\n Network x  Error\nno addresses are left\n"),
            "no addresses are left"
        );
        assert_eq!(last_words(" Network x  Error\n"), "Network x  Error");
        assert_eq!(shown("docker", &["ps", "-a"]), "docker ps -a");
        assert_eq!(
            shown(
                "docker",
                &["compose", "--project-name", "p", "--file", "f", "up"]
            ),
            "docker compose up"
        );
        assert_eq!(shown("docker", &["x"; 20]), "docker x x x x x x x x …");
    }
}
