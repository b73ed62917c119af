//! The table of `coverage report` (`coverage/report.py` of coverage.py 7.17).

use std::cmp::Ordering;
use std::fmt::Write as _;

use camino::Utf8Path;

use super::human::human_key;
use super::percent::display;
use super::visible::printable;
use crate::model::coverage::{Coverage, CoverageTotals, FileCoverage, Line};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Text,
    Markdown,
    /// Nothing but the percentage.
    Total,
}

#[derive(Clone, Debug)]
pub(crate) struct TableOptions {
    pub(crate) layout: Layout,
    pub(crate) precision: usize,
    pub(crate) show_missing: bool,
    pub(crate) skip_covered: bool,
    pub(crate) skip_empty: bool,
    /// A column, `-` in front for descending order.
    pub(crate) sort: String,
}

/// # Errors
/// No such column to sort by.
pub(crate) fn table(coverage: &Coverage, options: &TableOptions) -> Result<String, String> {
    let totals = coverage.totals();
    if options.layout == Layout::Total {
        return Ok(format!(
            "{}\n",
            display(totals.percent(), options.precision)
        ));
    }
    let mut files: Vec<(&Utf8Path, &FileCoverage, CoverageTotals)> = Vec::new();
    let (mut covered, mut empty) = (0, 0);
    for (path, file) in &coverage.files {
        let totals = file.totals();
        if options.skip_covered && totals.missing() == 0 && totals.partial_branches == 0 {
            covered += 1;
        } else if options.skip_empty && totals.statements == 0 {
            empty += 1;
        } else {
            files.push((path, file, totals));
        }
    }
    sort(&mut files, &options.sort)?;
    let mut head = vec!["Name", "Stmts", "Miss"];
    if coverage.branch {
        head.extend(["Branch", "BrPart"]);
    }
    head.push("Cover");
    if options.show_missing {
        head.push("Missing");
    }
    let row = |name: &str, totals: CoverageTotals, missing: String| {
        let mut row = vec![
            name.to_owned(),
            totals.statements.to_string(),
            totals.missing().to_string(),
        ];
        if coverage.branch {
            row.extend([
                totals.branches.to_string(),
                totals.partial_branches.to_string(),
            ]);
        }
        row.push(display(totals.percent(), options.precision));
        if options.show_missing {
            row.push(missing);
        }
        row
    };
    let rows = files
        .iter()
        .map(|(path, file, totals)| row(&printable(path.as_str()), *totals, missing(file)));
    let rows: Vec<Vec<String>> = rows.collect();
    let total = row("TOTAL", totals, String::new());
    let mut text = match options.layout {
        Layout::Markdown => markdown(&head, &rows, &total),
        _ => plain(&head, &rows, &total),
    };
    let plural = |number: usize| if number == 1 { "" } else { "s" };
    if covered > 0 {
        let _ = writeln!(
            text,
            "\n{covered} file{} skipped due to complete coverage.",
            plural(covered)
        );
    }
    if empty > 0 {
        let _ = writeln!(text, "\n{empty} empty file{} skipped.", plural(empty));
    }
    Ok(text)
}

fn sort(
    files: &mut [(&Utf8Path, &FileCoverage, CoverageTotals)],
    column: &str,
) -> Result<(), String> {
    let (name, down) = match column.strip_prefix('-') {
        Some(name) => (name, true),
        None => (column.strip_prefix('+').unwrap_or(column), false),
    };
    let number: Option<fn(&CoverageTotals) -> f64> = match name {
        "name" => None,
        "stmts" => Some(|totals| float(totals.statements)),
        "miss" => Some(|totals| float(totals.missing())),
        "branch" => Some(|totals| float(totals.branches)),
        "brpart" => Some(|totals| float(totals.partial_branches)),
        "cover" => Some(|totals| totals.percent()),
        other => {
            return Err(format!(
                "there is no column `{other}` to sort by: take name, stmts, miss, branch, brpart or cover"
            ));
        }
    };
    files.sort_by(|one, two| {
        let order = match number {
            None => human_key(one.0.as_str()).cmp(&human_key(two.0.as_str())),
            Some(number) => number(&one.2)
                .partial_cmp(&number(&two.2))
                .unwrap_or(Ordering::Equal)
                .then(one.0.as_str().cmp(two.0.as_str())),
        };
        if down { order.reverse() } else { order }
    });
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of lines fit into an f64"
)]
fn float(number: usize) -> f64 {
    number as f64
}

fn plain(head: &[&str], rows: &[Vec<String>], total: &[String]) -> String {
    let cover = head.iter().position(|name| *name == "Cover").unwrap_or(0);
    let names = rows
        .iter()
        .map(|row| row[0].chars().count())
        .max()
        .unwrap_or(0)
        .max(5)
        + 1;
    let covers = rows
        .iter()
        .map(|row| row[cover].len() + 2)
        .max()
        .unwrap_or(0);
    let covers = covers.max((total[cover].len() + 2).max(6) + 1);
    let line = |cells: &[String], is_head: bool| {
        let mut line = String::new();
        for (name, cell) in head.iter().zip(cells) {
            let _ = match *name {
                "Name" => write!(line, "{cell:names$}"),
                "Cover" if is_head => write!(line, "{cell:>covers$}"),
                "Cover" => write!(line, "{cell:>width$}%", width = covers - 1),
                "Missing" if is_head => write!(line, "{cell:>10}"),
                "Missing" => write!(line, "   {cell:9}"),
                _ => write!(line, "{cell:>7}"),
            };
        }
        line
    };
    let heads: Vec<String> = head.iter().map(ToString::to_string).collect();
    let head = line(&heads, true);
    let rule = "-".repeat(head.chars().count());
    let mut lines = vec![head, rule.clone()];
    lines.extend(rows.iter().map(|row| line(row, false)));
    if !rows.is_empty() {
        lines.push(rule);
    }
    lines.push(line(total, false));
    lines
        .iter()
        .fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

fn markdown(head: &[&str], rows: &[Vec<String>], total: &[String]) -> String {
    let cover = head.iter().position(|name| *name == "Cover").unwrap_or(0);
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| escape(cell)).collect())
        .collect();
    let names = rows
        .iter()
        .map(|row| row[0].chars().count())
        .max()
        .unwrap_or(0)
        .max("**TOTAL**".len())
        + 1;
    let covers = (total[cover].len() + 6).max(" Cover ".len());
    let line = |cells: &[String]| {
        let mut line = String::new();
        for (name, cell) in head.iter().zip(cells) {
            let _ = match *name {
                "Name" => write!(line, "| {cell:names$}|"),
                "Cover" => write!(line, "{cell:>width$}% |", width = covers - 1),
                "Missing" => write!(line, "{cell:>10} |"),
                _ => write!(line, "{cell:>9} |"),
            };
        }
        line
    };
    let mut heads = format!("| {:names$}|", "Name");
    let mut rule = format!("|{:->width$}", "- |", width = names + 2);
    for name in &head[1..] {
        let width = match *name {
            "Cover" => covers,
            "Missing" => 10,
            _ => 9,
        };
        let _ = write!(heads, "{name:>width$} |");
        let _ = write!(rule, " {:->width$}", "-: |", width = width + 1);
    }
    let mut last = String::new();
    for (name, cell) in head.iter().zip(total) {
        let bold = match (*name, cell.is_empty()) {
            (_, true) => String::new(),
            ("Cover", _) => format!(" **{cell}%**"),
            _ => format!(" **{cell}**"),
        };
        let _ = match *name {
            "Name" => write!(last, "|{bold:names$} |"),
            "Cover" => write!(last, "{bold:>covers$} |"),
            "Missing" => write!(last, "{bold:>10} |"),
            _ => write!(last, "{bold:>9} |"),
        };
    }
    let lines = [heads, rule]
        .into_iter()
        .chain(rows.iter().map(|row| line(row)))
        .chain([last]);
    lines.fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

/// A cell of a Markdown table: nothing in it is markup.
fn escape(cell: &str) -> String {
    let mut text = String::new();
    for c in cell.chars() {
        if c.is_ascii_punctuation() && !".,/-".contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// First and last lines of statements that did not run, joined over whatever is no statement.
pub(crate) fn stretches(file: &FileCoverage) -> Vec<(Line, Line)> {
    let mut stretches = Vec::new();
    let mut open: Option<(Line, Line)> = None;
    for line in &file.executed | &file.missing {
        if file.missing.contains(&line) {
            open = Some((open.map_or(line, |(first, _)| first), line));
        } else {
            stretches.extend(open.take());
        }
    }
    stretches.extend(open);
    stretches
}

/// `1-2, 5-11, 13->exit`: statements that did not run, joined over whatever is no statement, and
/// ways that lines which did run never took.
pub(crate) fn missing(file: &FileCoverage) -> String {
    let pair = |(first, last): (Line, Line)| {
        let text = if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        };
        (first, text)
    };
    let mut items: Vec<(Line, String)> = stretches(file).into_iter().map(pair).collect();
    for (from, to) in &file.missing_arcs {
        let is_missing =
            |end: i32| Line::try_from(end).is_ok_and(|line| file.missing.contains(&line));
        if let Ok(line) = Line::try_from(*from)
            && !is_missing(*from)
            && !is_missing(*to)
        {
            let target = if *to > 0 {
                to.to_string()
            } else {
                "exit".to_owned()
            };
            items.push((line, format!("{from}->{target}")));
        }
    }
    items.sort();
    let texts: Vec<String> = items.into_iter().map(|(_, text)| text).collect();
    texts.join(", ")
}
