//! The report at the end of a run on a terminal.

use std::fmt::Write as _;

use crate::model::case::{Location, Outcome, TestCase};
use crate::model::coverage::CoverageTotals;

use super::bar;
use super::comparison_lines;
use super::environment_blocks;
use super::patch_view::PatchView;
use super::sentence::{Part, Sentence};
use super::style::{NAMES, Options, Style, more};
use super::view::{CoverageView, ShardRow, View, named_counts};
use super::visible;
use super::words;

const BAR_COLUMNS: usize = 30;
/// Of each traceback, from its end.
const TRACEBACK_LINES: usize = 12;
/// Failures with their messages; the others are in the report.
const FAILURES: usize = 200;
/// With more failures than this only the first ones have a traceback.
const TRACEBACKS: usize = 20;
const MESSAGE_COLUMNS: usize = 1000;

/// The report, with line breaks; what matters most comes last, next to the prompt.
pub(crate) fn report(view: &View<'_>, options: Options<'_>) -> String {
    let out = Out { options };
    let before = view.comparison.and_then(|found| found.coverage);
    let sections = [
        out.failed(view),
        out.names(view, "Lost", Style::red, &view.lost),
        out.names(view, "Flaky", Style::yellow, &view.flaky),
        out.names(
            view,
            "Quarantined",
            Style::yellow,
            &view.quarantined.iter().map(|it| it.0).collect::<Vec<_>>(),
        ),
        view.comparison
            .and_then(|found| comparison_lines::lines(found, options)),
        out.slowest(view),
        out.shards(view),
        out.environments(view),
        view.coverage
            .as_ref()
            .map(|coverage| out.coverage(coverage, before)),
        view.patch.as_ref().map(|patch| out.patch(patch)),
        out.warnings(view),
        out.reasons(view),
        Some(out.verdict(view)),
    ];
    let sections: Vec<String> = sections.into_iter().flatten().collect();
    sections.join("\n")
}

struct Out<'a> {
    options: Options<'a>,
}

impl Out<'_> {
    fn title(&self, title: &str) -> String {
        self.options.style.bold(title) + "\n"
    }

    /// A line that the terminal does not wrap.
    fn line(&self, indent: usize, text: &str, paint: fn(Style, &str) -> String) -> String {
        if text.is_empty() {
            return "\n".to_owned();
        }
        let columns = self.options.width.saturating_sub(indent);
        let text = visible::fit_width(text, columns, false);
        format!(
            "{}{}\n",
            " ".repeat(indent),
            paint(self.options.style, &text)
        )
    }

    fn failed(&self, view: &View<'_>) -> Option<String> {
        if view.failed.is_empty() {
            return None;
        }
        let mut text = self.title("Failed");
        // What is new matters most: it comes last, but is the last to be left out.
        let mut failed = view.failed_before(false);
        failed.extend(view.failed_before(true));
        failed.truncate(FAILURES);
        failed.sort_by_key(|case| (!view.known.contains(&case.id), &case.id));
        for (position, case) in failed.into_iter().enumerate() {
            text += &self.failure(view, case, position < TRACEBACKS);
        }
        text += &more(view.failed.len(), FAILURES);
        Some(text)
    }

    fn failure(&self, view: &View<'_>, case: &TestCase, with_traceback: bool) -> String {
        let style = self.options.style;
        let shard = environment_blocks::place(view, case);
        let past = match view.comparison {
            Some(_) if view.known.contains(&case.id) => Some("known".to_owned()),
            Some(_) => Some("new".to_owned()),
            None => None,
        };
        let facts: Vec<String> = [past, shard].into_iter().flatten().collect();
        let facts = match facts.as_slice() {
            [] => String::new(),
            facts => format!(" ({})", facts.join(", ")),
        };
        let mut text = format!(
            "  {}{}\n",
            style.red(&visible::line(case.id.as_str())),
            style.dim(&facts)
        );
        let Some(problem) = case.main_problem() else {
            return text;
        };
        let place = case.best_location().map(place);
        let message = Some(visible::first_line(&problem.message)).filter(|line| !line.is_empty());
        let facts: Vec<String> = [place, message].into_iter().flatten().collect();
        if !facts.is_empty() {
            let line = facts.join(": ");
            let _ = writeln!(
                text,
                "    {}",
                visible::fit_width(&line, MESSAGE_COLUMNS, false)
            );
        }
        if with_traceback {
            let traceback = visible::lines(&problem.text).replace('\t', "    ");
            let lines: Vec<&str> = traceback.trim_end().lines().collect();
            let hidden = lines.len().saturating_sub(TRACEBACK_LINES);
            if hidden > 0 {
                let more = format!("… {} before", words::count(hidden, "line"));
                text += &self.line(6, &more, Style::dim);
            }
            for line in &lines[hidden..] {
                // pytest marks the lines of the error itself so.
                let paint = if line.starts_with("E ") {
                    Style::red
                } else {
                    Style::dim
                };
                text += &self.line(6, line, paint);
            }
            let others = case.problems.len() - 1;
            if others > 0 {
                let _ = writeln!(text, "    and {}", words::count(others, "more problem"));
            }
        }
        text
    }

    fn names(
        &self,
        view: &View<'_>,
        title: &str,
        paint: fn(Style, &str) -> String,
        cases: &[&TestCase],
    ) -> Option<String> {
        if cases.is_empty() {
            return None;
        }
        let mut text = self.title(title);
        for case in cases.iter().take(NAMES) {
            let shard = environment_blocks::place(view, case);
            let shard = shard.map_or_else(String::new, |it| format!(" ({it})"));
            let name = paint(self.options.style, &visible::line(case.id.as_str()));
            let _ = writeln!(text, "  {name}{}", self.options.style.dim(&shard));
        }
        text += &more(cases.len(), NAMES);
        Some(text)
    }

    fn slowest(&self, view: &View<'_>) -> Option<String> {
        if view.slowest.is_empty() {
            return None;
        }
        let mut text = self.title("Slowest");
        for case in &view.slowest {
            let time = words::duration(case.duration().as_secs_f64());
            let room = self.options.width.saturating_sub(12);
            let id = visible::line(case.id.as_str());
            let _ = writeln!(text, "  {time:>8}  {}", visible::fit_width(&id, room, true));
        }
        Some(text)
    }

    fn shards(&self, view: &View<'_>) -> Option<String> {
        if view.shards.len() < 2 {
            return None;
        }
        let mut text = self.title("Shards");
        let label = view
            .shards
            .iter()
            .map(|row| row.run.name().chars().count())
            .max();
        let bar = BAR_COLUMNS.min(self.options.width.saturating_sub(50).max(5));
        for row in &view.shards {
            text += &self.shard(row, label.unwrap_or(0), bar);
        }
        Some(text)
    }

    fn environments(&self, view: &View<'_>) -> Option<String> {
        let names = view.environments.iter().map(|it| it.name.chars().count());
        let label = names.max()?;
        let mut text = self.title("Environments");
        for row in &view.environments {
            let bad = [Outcome::Failed, Outcome::Error, Outcome::Lost];
            let mut facts = vec![words::count(row.totals.all(), "test")];
            let bad = named_counts(row.totals, &bad);
            let is_good = bad.is_empty() && row.totals.all() > 0;
            let paint = if is_good { Style::green } else { Style::red };
            facts.extend(bad);
            facts.extend(row.wall_seconds.map(words::duration));
            let name = format!("{:<label$}", visible::line(row.name));
            let name = paint(self.options.style, &name);
            let _ = writeln!(text, "  {name}  {}", facts.join(", "));
        }
        Some(text)
    }

    fn shard(&self, row: &ShardRow, label: usize, columns: usize) -> String {
        let style = self.options.style;
        let totals = row.run.totals;
        let bad = named_counts(totals, &[Outcome::Failed, Outcome::Error, Outcome::Lost]);
        let paint = if bad.is_empty() && row.seconds.is_some() {
            Style::green
        } else {
            Style::red
        };
        let bar = paint(style, &bar::padded(row.share, columns));
        let shard = visible::line(&row.run.name());
        let Some(seconds) = row.seconds else {
            return format!("  {shard:>label$}  {bar}  {}\n", style.red("no results"));
        };
        let mut facts = vec![words::count(totals.all(), "test")];
        facts.extend(bad);
        facts.extend(row.predicted().map(|it| format!("predicted {it}")));
        let time = words::duration(seconds);
        format!(
            "  {shard:>label$}  {bar}  {time:>7}  {}\n",
            facts.join(", ")
        )
    }

    fn coverage(&self, coverage: &CoverageView<'_>, before: Option<CoverageTotals>) -> String {
        let before = before.map(CoverageTotals::percent);
        let change = before.map_or_else(String::new, |before| {
            words::percent_change(before, coverage.totals.percent())
        });
        let mut text = format!(
            "{} {}{change}\n",
            self.options.style.bold("Coverage"),
            coverage.figures()
        );
        for (path, totals) in coverage.lowest.iter().take(5) {
            let percent = words::percent(totals.percent());
            let room = self.options.width.saturating_sub(12);
            let path = visible::line(path.as_str());
            let _ = writeln!(
                text,
                "  {percent:>8}  {}",
                visible::fit_width(&path, room, true)
            );
        }
        text
    }

    fn patch(&self, patch: &PatchView<'_>) -> String {
        let mut text = format!(
            "{} {}, since {}\n",
            self.options.style.bold("Coverage of the change"),
            patch.figures(),
            visible::line(patch.against)
        );
        let missing = patch.files.iter().filter(|file| file.missing() > 0);
        for file in missing.take(NAMES) {
            let line = format!(
                "{}: {}",
                visible::line(file.path.as_str()),
                file.missing_lines()
            );
            text += &self.line(2, &line, Style::yellow);
        }
        text
    }

    fn warnings(&self, view: &View<'_>) -> Option<String> {
        if view.warnings.is_empty() {
            return None;
        }
        let mut text = self.title("Warnings");
        for warning in view.warnings.iter().take(NAMES) {
            let _ = writeln!(
                text,
                "  {}",
                self.options.style.yellow(&visible::first_line(warning))
            );
        }
        text += &more(view.warnings.len(), NAMES);
        Some(text)
    }

    fn reasons(&self, view: &View<'_>) -> Option<String> {
        if view.reasons_to_tell().is_empty() {
            return None;
        }
        let mut text = self.title("Why it is red");
        for reason in view.reasons_to_tell().iter().take(NAMES) {
            let place = reason
                .location
                .as_ref()
                .map(|at| format!(" at {}", place(at)));
            let _ = writeln!(
                text,
                "  {}{}",
                self.sentence(&reason.what),
                place.unwrap_or_default()
            );
            if let Some(advice) = &reason.advice {
                let _ = writeln!(text, "    {}", self.sentence(advice));
            }
        }
        text += &more(view.reasons_to_tell().len(), NAMES);
        Some(text)
    }

    fn verdict(&self, view: &View<'_>) -> String {
        let style = self.options.style;
        let paint = if view.green { Style::green } else { Style::red };
        let mut text = String::new();
        for muted in &view.muted {
            let line = format!("{} (does not count, by the settings)", muted.brief.plain());
            text += &(style.yellow(&line) + "\n");
        }
        text += &(paint(style, &view.headline.plain()) + "\n");
        if let Some(report) = self.options.report {
            let _ = writeln!(text, "The whole report is in {}", visible::line(report));
        }
        text
    }

    fn sentence(&self, sentence: &Sentence) -> String {
        match self.options.style {
            Style::Plain => sentence.plain(),
            Style::Ansi => sentence
                .parts()
                .iter()
                .fold(String::new(), |text, part| match part {
                    Part::Words(words) => text + &visible::line(words),
                    Part::Name(name) => text + &Style::Ansi.bold(&visible::line(name)),
                }),
        }
    }
}

/// `tests/test_a.py:12`, which editors open.
fn place(location: &Location) -> String {
    format!(
        "{}:{}",
        visible::line(location.path.as_str()),
        location.line
    )
}
