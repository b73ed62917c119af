//! The line of one shard while it runs.

use crate::model::shard::Shard;

use super::bar;
use super::style::Style;
use super::visible;
use super::words;

const BAR_COLUMNS: usize = 10;

/// What is known about a running shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProgressLine<'a> {
    pub(crate) shard: Shard,
    pub(crate) done: usize,
    /// `None` until its tests are collected.
    pub(crate) total: Option<usize>,
    pub(crate) failed: usize,
    /// What happens now: the running test, or the step before the tests.
    pub(crate) now: &'a str,
}

impl ProgressLine<'_> {
    /// `3/6  ██████      142/231  2 failed  tests/test_x.py::test_y`, at most `width` columns.
    pub(crate) fn live(&self, width: usize, style: Style) -> String {
        let counts = match self.total {
            Some(total) => format!("{}/{}", words::number(self.done), words::number(total)),
            None => words::number(self.done),
        };
        let label = format!(
            "{:>len$}",
            self.shard.to_string(),
            len = label_columns(self.shard)
        );
        let bar = bar::padded(self.share(), BAR_COLUMNS);
        let failed = match self.failed {
            0 => String::new(),
            failed => format!("{} failed", words::number(failed)),
        };
        let mut line = Line::new(width, style);
        line.push(&label, Style::bold);
        line.push(
            &bar,
            if self.failed > 0 {
                Style::red
            } else {
                Style::green
            },
        );
        line.push(&format!("{counts:>11}"), |_, text| text.to_owned());
        if !failed.is_empty() {
            line.push(&failed, Style::red);
        }
        line.fill(&visible::line(self.now));
        line.text
    }

    /// `shard 3/6: 142 of 231 tests, 2 failed`, for a log.
    pub(crate) fn plain(&self) -> String {
        let done = match self.total {
            Some(total) => format!(
                "{} of {}",
                words::number(self.done),
                words::count(total, "test")
            ),
            None => words::count(self.done, "test"),
        };
        match self.failed {
            0 => format!("shard {}: {done}", self.shard),
            failed => format!(
                "shard {}: {done}, {} failed",
                self.shard,
                words::number(failed)
            ),
        }
    }

    fn share(&self) -> f64 {
        match self.total {
            Some(total) if total > 0 => words::float(self.done) / words::float(total),
            _ => 0.0,
        }
    }
}

/// As wide as the label of the last shard, so that the lines of all shards stand in columns.
fn label_columns(shard: Shard) -> usize {
    2 * shard.total().to_string().len() + 1
}

/// A line that grows up to a width; colours do not count.
struct Line {
    text: String,
    room: usize,
    style: Style,
}

impl Line {
    const GAP: &'static str = "  ";

    fn new(width: usize, style: Style) -> Self {
        Self {
            text: String::new(),
            room: width,
            style,
        }
    }

    fn push(&mut self, part: &str, paint: fn(Style, &str) -> String) {
        let gap = if self.text.is_empty() { "" } else { Self::GAP };
        let columns = gap.len() + visible::width(part);
        if let Some(room) = self.room.checked_sub(columns) {
            self.text += gap;
            self.text += &paint(self.style, part);
            self.room = room;
        } else {
            self.room = 0;
        }
    }

    fn fill(&mut self, part: &str) {
        let columns = self.room.saturating_sub(Self::GAP.len());
        if columns > 0 && !part.is_empty() {
            self.push(&visible::fit_width(part, columns, true), |_, text| {
                text.to_owned()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::render::gfm::hostile;

    use super::*;

    fn progress(now: &str) -> ProgressLine<'_> {
        ProgressLine {
            shard: Shard::new(3, 6).expect("a shard"),
            done: 142,
            total: Some(231),
            failed: 2,
            now,
        }
    }

    #[test]
    fn shows_where_a_shard_is() {
        let line = progress("tests/test_x.py::test_y");
        assert_eq!(
            line.live(80, Style::Plain),
            "3/6  ██████▏         142/231  2 failed  tests/test_x.py::test_y"
        );
        assert_eq!(
            line.live(50, Style::Plain),
            "3/6  ██████▏         142/231  2 failed  …y::test_y"
        );
        assert_eq!(line.live(20, Style::Plain), "3/6  ██████▏   ");
        assert_eq!(line.plain(), "shard 3/6: 142 of 231 tests, 2 failed");
    }

    #[test]
    fn shows_a_shard_that_has_not_collected() {
        let line = ProgressLine {
            done: 0,
            total: None,
            failed: 0,
            ..progress("collecting")
        };
        assert_eq!(
            line.live(80, Style::Plain),
            "3/6                        0  collecting"
        );
        assert_eq!(line.plain(), "shard 3/6: 0 tests");
    }

    #[test]
    fn lines_of_all_shards_stand_in_columns() {
        let bar_at = |index| {
            let shard = Shard::new(index, 12).expect("a shard");
            let line = ProgressLine {
                shard,
                ..progress("x")
            }
            .live(80, Style::Plain);
            visible::width(&line[..line.find('█').expect("a bar")])
        };
        assert_eq!(bar_at(3), bar_at(12));
    }

    proptest! {
        #[test]
        fn never_wraps_nor_moves_the_cursor(now in hostile(), width in 0_usize..120) {
            let line = progress(&now).live(width, Style::Plain);
            prop_assert!(visible::width(&line) <= width);
            prop_assert!(!line.contains(char::is_control));
        }
    }
}
