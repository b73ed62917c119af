//! Words to people on stderr, data on stdout. A reader that has gone away is no failure.

use std::io::{IsTerminal as _, Write as _};

use crate::render::style::Style;
use crate::render::workflow_command::has_command;
use crate::runner::output::Guard;
use crate::runner::token::RunToken;

/// A line to the person who watches.
pub(crate) fn say(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", line.as_ref());
}

/// A line that is the result of the command.
pub(crate) fn print(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout().lock(), "{}", line.as_ref());
}

/// What keeps text that is not ours from being understood as commands to the CI that reads it.
pub(crate) fn guard() -> Guard {
    if std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true") {
        Guard::StopCommands(RunToken::random().to_string())
    } else {
        Guard::None
    }
}

/// Like [`say`], of what tests, containers and branches may have written.
pub(crate) fn say_foreign(text: impl AsRef<str>) {
    say(guarded(text.as_ref()));
}

/// The text so that the CI finds no command in it.
fn guarded(text: &str) -> String {
    let guard = if has_command(text) {
        guard()
    } else {
        Guard::None
    };
    guard.around(text)
}

/// Like [`print`], of what tests, containers and branches may have written.
pub(crate) fn print_foreign(text: impl AsRef<str>) {
    print(guarded(text.as_ref()));
}

/// Says what guards stderr until it is dropped, for what others write there.
pub(crate) struct Guarded(Guard);

impl Guarded {
    pub(crate) fn stderr() -> Self {
        let guard = guard();
        if let Some((begin, _)) = guard.lines() {
            say(begin);
        }
        Self(guard)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if let Some((_, end)) = self.0.lines() {
            say(end);
        }
    }
}

/// `warning: …`, once a line.
pub(crate) fn warn(line: impl AsRef<str>) {
    say_foreign(format!(
        "warning: {}",
        line.as_ref().replace(['\n', '\r'], " ")
    ));
}

/// Columns of the terminal; 100 where there is none.
pub(crate) fn width() -> usize {
    rustix::termios::tcgetwinsize(std::io::stdout()).map_or(100, |size| size.ws_col.max(40).into())
}

/// Colours only where somebody watches and `NO_COLOR` is not set (<https://no-color.org>).
pub(crate) fn style() -> Style {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if is_terminal() && !unwanted {
        Style::Ansi
    } else {
        Style::Plain
    }
}

/// Whether somebody watches live.
pub(crate) fn is_terminal() -> bool {
    std::io::stderr().is_terminal() && std::io::stdout().is_terminal()
}
