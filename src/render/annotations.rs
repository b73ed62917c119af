//! Annotations: each failure on the line of the repository where it happened.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use crate::model::annotation::{Annotation, Level};
use crate::model::case::{Location, Outcome, TestCase};
use crate::model::node_id::NodeId;
use crate::model::verdict::Reason;

use super::sentence::Sentence;
use super::view::View;
use super::visible;
use super::words;

/// Limits of one annotation in the API, the two of 64 KB with a margin
/// (<https://docs.github.com/en/rest/checks/runs>).
const TITLE_BYTES: usize = 255;
const MESSAGE_BYTES: usize = 64_000;
const PATH_BYTES: usize = 4096;
/// The API's integers have 32 bits with a sign.
const MOST_LINES: u32 = u32::MAX >> 1;

/// Ten requests of fifty: nobody reads more, and each request costs seconds.
pub(crate) const MOST: usize = 500;

/// At most [`MOST`], the worst first: what could not be collected, what failed, what was lost, and
/// what was flaky as a warning.
pub(crate) fn annotations(view: &View<'_>) -> Vec<Annotation> {
    let reasons = view.verdict.reasons.iter();
    let collection: Vec<(&str, Annotation)> = reasons.filter_map(of_collection).collect();
    let known: BTreeSet<&str> = collection.iter().map(|(what, _)| *what).collect();
    let failed = view
        .failed
        .iter()
        .filter(|case| !known.contains(case.id.as_str()));
    let failed = failed.map(|case| of_case(Level::Failure, case));
    let lost = view.lost.iter().map(|case| of_lost(case));
    let flaky = view.flaky.iter().map(|case| of_case(Level::Warning, case));
    let collection = collection.iter().map(|(_, annotation)| annotation.clone());
    collection
        .chain(failed)
        .chain(lost)
        .chain(flaky)
        .take(MOST)
        .collect()
}

/// New lines that no test runs, after everything else and within the same limit.
pub(crate) fn uncovered(view: &View<'_>, others: usize) -> Vec<Annotation> {
    let files = view.patch.iter().flat_map(|patch| &patch.files);
    let stretches = files.flat_map(|file| {
        let stretches = file.stretches().into_iter();
        stretches.map(move |(first, last)| (file.path, first, last))
    });
    let all = stretches.map(|(path, first, last)| {
        let place = Location {
            path: path.to_owned(),
            line: first,
        };
        let what = if first == last {
            format!("line {first} is new and no test runs it")
        } else {
            format!("lines {first} to {last} are new and no test runs them")
        };
        annotation(Level::Warning, &place, "not covered", &what, "")
    });
    all.take(MOST.saturating_sub(others)).collect()
}

fn of_collection(reason: &Reason) -> Option<(&str, Annotation)> {
    let Reason::CollectionFailed {
        shard: _,
        what,
        message,
        location,
    } = reason
    else {
        return None;
    };
    let title = Sentence::words("could not collect ").name(what);
    let place = or_file(location.as_ref(), &NodeId::new(what.as_str()));
    Some((
        what,
        annotation(Level::Failure, &place, &title.plain(), message, ""),
    ))
}

fn of_case(level: Level, case: &TestCase) -> Annotation {
    let attempts = words::count(
        usize::try_from(case.attempts).unwrap_or(usize::MAX),
        "attempt",
    );
    let title = match level {
        Level::Warning => format!(
            "{} is flaky: it passed after {attempts}",
            short_name(&case.id)
        ),
        Level::Failure if case.attempts > 1 => {
            format!("{} {} in {attempts}", short_name(&case.id), ended(case))
        }
        Level::Failure => format!("{} {}", short_name(&case.id), ended(case)),
    };
    let problem = case.main_problem();
    let message = problem.map_or("", |problem| problem.message.as_str());
    let text = problem.map_or("", |problem| problem.text.as_str());
    annotation(
        level,
        &or_file(case.best_location(), &case.id),
        &title,
        message,
        text,
    )
}

fn of_lost(case: &TestCase) -> Annotation {
    let shard = case
        .shard
        .map(|shard| format!(" in shard {shard}"))
        .unwrap_or_default();
    annotation(
        Level::Failure,
        &or_file(case.location.as_ref(), &case.id),
        &format!("{} was lost", short_name(&case.id)),
        &format!("it was to run{shard} and never came to its end"),
        "",
    )
}

fn ended(case: &TestCase) -> &'static str {
    match case.outcome {
        Outcome::Error => "had an error",
        _ => "failed",
    }
}

/// Without the file, which the annotation names itself.
fn short_name(id: &NodeId) -> &str {
    let name = &id.as_str()[id.file().len()..];
    name.strip_prefix("::")
        .filter(|name| !name.is_empty())
        .unwrap_or(id.as_str())
}

/// The location, or at least the first line of the file.
fn or_file(location: Option<&Location>, id: &NodeId) -> Location {
    location.cloned().unwrap_or_else(|| Location {
        path: id.file().into(),
        line: 1,
    })
}

fn annotation(
    level: Level,
    location: &Location,
    title: &str,
    message: &str,
    text: &str,
) -> Annotation {
    let basic = |text: &str, bytes: usize| {
        visible::cut_middle(&visible::basic_plane(text), bytes).into_owned()
    };
    let title = visible::basic_plane(&visible::line(title)).into_owned();
    let message = match visible::excerpt(message, MESSAGE_BYTES) {
        // The API refuses an annotation without a message.
        empty if empty.is_empty() => title.clone(),
        message => message,
    };
    Annotation {
        level,
        location: Location {
            path: plain_path(&location.path),
            line: location.line.clamp(1, MOST_LINES),
        },
        title: visible::cut(&title, TITLE_BYTES).into_owned(),
        message: basic(&message, MESSAGE_BYTES),
        details: basic(&visible::excerpt(text, MESSAGE_BYTES), MESSAGE_BYTES),
    }
}

/// The API refuses an empty path, and a repository has this one.
const NO_FILE: &str = ".github";

fn plain_path(path: &Utf8Path) -> Utf8PathBuf {
    let shown = visible::line(path.as_str());
    match visible::cut(&visible::basic_plane(&shown), PATH_BYTES).into_owned() {
        empty if empty.is_empty() => NO_FILE.into(),
        path => path.into(),
    }
}
