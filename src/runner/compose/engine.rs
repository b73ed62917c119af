//! The docker command line, with a time limit on every call.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

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

    pub(super) fn not_started(command: &str, error: &std::io::Error) -> Self {
        Self::new(command.to_owned(), format!("did not start: {error}"))
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
    let failed = |said: String| EngineError {
        command: shown(&arguments),
        said,
    };
    let mut command = Command::new("docker");
    command
        .args(&arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C is for us, who then call docker to clean up.
        .process_group(0)
        .kill_on_drop(true);
    let output = tokio::time::timeout(limit, command.output()).await;
    match output {
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

/// The last lines that say something, in one.
fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.contains("level=warning"))
        .collect();
    let last = &lines[lines.len().saturating_sub(3)..];
    if last.is_empty() {
        "without a word".to_owned()
    } else {
        last.join("; ")
    }
}

/// The beginning of a call, enough to know it by.
fn shown(arguments: &[&str]) -> String {
    let mut words = vec!["docker"];
    words.extend(arguments.iter().take(8));
    if arguments.len() > 8 {
        words.push("…");
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
        assert_eq!(shown(&["ps", "-a"]), "docker ps -a");
        assert!(shown(&["x"; 20]).ends_with(" …"));
    }
}
