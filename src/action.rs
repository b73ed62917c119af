//! The container action: GitHub starts the binary under another name and passes inputs as
//! `INPUT_*`; both become the arguments anyone could have typed.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::model::exit::UsageError;

/// The names the image starts us by (`entrypoint` and `post-entrypoint` of action.yml).
const MAIN: &str = "parallel-pytest-action";
const POST: &str = "parallel-pytest-post";

/// The arguments of this process. `input` looks up an environment variable.
///
/// # Errors
/// As the action, without the input `command`.
pub(crate) fn arguments(
    args: Vec<OsString>,
    input: impl Fn(&str) -> Option<OsString>,
) -> Result<Vec<OsString>, UsageError> {
    let name = args
        .first()
        .and_then(|program| Path::new(program).file_name());
    let command = if name == Some(OsStr::new(MAIN)) {
        input("INPUT_COMMAND").filter(|command| !command.is_empty()).ok_or_else(|| {
            UsageError::new("the input `command` is missing: write `with: { command: plan }`, or another command")
        })?
    } else if name == Some(OsStr::new(POST)) {
        "post".into()
    } else {
        return Ok(args);
    };
    let command = command.to_string_lossy();
    // `coverage report` are two words.
    let words = command.split_whitespace().map(OsString::from);
    Ok(std::iter::once("parallel-pytest".into())
        .chain(words)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments_of(program: &str, command: Option<&str>) -> Result<Vec<OsString>, String> {
        let input = |name: &str| (name == "INPUT_COMMAND").then_some(command?.into());
        arguments(vec![program.into(), "--version".into()], input)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_action_takes_its_command_from_the_inputs() {
        let typed = |words: &[&str]| Ok(words.iter().map(OsString::from).collect());
        let (main, post) = (
            "/usr/local/bin/parallel-pytest-action",
            "/bin/parallel-pytest-post",
        );
        assert_eq!(
            arguments_of(main, Some("plan")),
            typed(&["parallel-pytest", "plan"])
        );
        assert_eq!(
            arguments_of(post, Some("plan")),
            typed(&["parallel-pytest", "post"])
        );
        assert_eq!(
            arguments_of(main, Some("coverage report")),
            typed(&["parallel-pytest", "coverage", "report"])
        );
        assert_eq!(
            arguments_of("./parallel-pytest", None),
            typed(&["./parallel-pytest", "--version"])
        );
        assert!(arguments_of(main, None).is_err_and(|message| message.contains("`command`")));
    }
}
