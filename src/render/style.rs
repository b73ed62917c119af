//! How a report looks on a terminal: its width, its colours, the length of its lists.

use super::words;

/// Names in a list that is not about failures.
pub(super) const NAMES: usize = 10;

/// How text is decorated; it says the same without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Ansi,
}

impl Style {
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint(text, anstyle::Style::new().bold())
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint(text, anstyle::Style::new().dimmed())
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.paint(text, anstyle::AnsiColor::Red.on_default())
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.paint(text, anstyle::AnsiColor::Green.on_default())
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.paint(text, anstyle::AnsiColor::Yellow.on_default())
    }

    fn paint(self, text: &str, style: anstyle::Style) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Ansi => format!("{style}{text}{style:#}"),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Options<'a> {
    /// Columns.
    pub(crate) width: usize,
    pub(crate) style: Style,
    /// Where the whole report lies.
    pub(crate) report: Option<&'a str>,
}

pub(super) fn more(all: usize, shown: usize) -> String {
    match all.saturating_sub(shown) {
        0 => String::new(),
        hidden => format!("  … and {} more\n", words::number(hidden)),
    }
}
