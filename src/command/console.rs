//! Words to people on stderr, data on stdout. A reader that has gone away is no failure.

use std::io::Write as _;

/// A line to the person who watches.
pub(crate) fn say(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", line.as_ref());
}

/// A line that is the result of the command.
pub(crate) fn print(line: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout().lock(), "{}", line.as_ref());
}

/// `warning: …`, once a line.
pub(crate) fn warn(line: impl AsRef<str>) {
    say(format!("warning: {}", line.as_ref().replace('\n', " ")));
}
