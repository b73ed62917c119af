//! What the page's script makes its lists of, in few bytes: rows instead of objects, a file's name
//! once, long texts packed away.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;

use camino::Utf8Path;
use serde::ser::{Error as _, SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::model::case::{Outcome, Phase, Problem, ProblemKind, TestCase};
use crate::model::case_table::Case;
use crate::model::comparison::Comparison;
use crate::model::coverage::{Coverage, FileCoverage, Line};
use crate::model::node_id::NodeId;
use crate::render::markdown::is_plain_url;
use crate::render::view::View;
use crate::render::visible;

use super::pack::{Packer, Place};
use super::safe_json::safe_json;

/// Budgets of the page, in bytes: together with the page's own they stay below 20 MB.
const ROWS_BYTES: usize = 7 << 20;
const TEXTS_BYTES: usize = 5 << 20;
const SOURCES_BYTES: usize = 6 << 20;

const NAME_BYTES: usize = 1000;
const MESSAGE_BYTES: usize = 300;
const TRACEBACK_BYTES: usize = 64 << 10;
const OUTPUT_BYTES: usize = 16 << 10;
/// Subtests and attempts of one test.
const MOST_PROBLEMS: usize = 50;

/// Reads a file of the repository; `None` where it may not or cannot be read.
pub(crate) type Sources<'a> = &'a dyn Fn(&Utf8Path) -> Option<String>;

/// File (its place in `files`), the rest of the id, outcome, shard (0 for none), then setup, call and
/// teardown in tenths of milliseconds, and the line of its definition (0 if it is not in that file).
type Row = (usize, String, usize, u16, u64, u64, u64, u32);

/// Path, statements, covered, branches, covered branches, and its text.
type FileRow = (String, usize, usize, usize, usize, Option<Place>);

/// What only some tests have.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Note {
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    /// Its outcome in each environment, unless it passed in all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    environments: Vec<(String, &'static str)>,
    /// Where it is defined, if not in the file of its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<(String, u32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Place>,
    /// What is different from the baseline.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    past: Vec<&'static str>,
    /// Its id in the baseline.
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<String>,
    /// Seconds in the baseline, where it is slower now.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<f64>,
    /// There is a text, but it had no room.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

#[derive(Serialize)]
struct CaseText {
    problems: Vec<ProblemText>,
    out: String,
    err: String,
}

#[derive(Serialize)]
struct ProblemText {
    kind: &'static str,
    phase: &'static str,
    message: String,
    text: String,
    place: Option<(String, u32)>,
    subtest: Option<String>,
}

#[derive(Serialize)]
struct SourceText {
    /// Empty where the file could not be read, or is not the one that was measured.
    source: String,
    /// A letter per line: `c`overed, `m`issing, `p`artly covered, e`x`cluded, or a space.
    marks: String,
    /// The lines a partly covered line never went to; 0 is the end of its function.
    partial: Vec<(Line, Vec<Line>)>,
}

/// Writes all of it as JSON that can stand in the page, the tests in the order of [`by_weight`].
///
/// # Errors
/// The writer's. None that data of ours could cause.
pub(super) fn write(
    view: &View<'_>,
    by_weight: &[u32],
    sources: Sources<'_>,
    out: impl io::Write,
) -> serde_json::Result<()> {
    let mut serializer = safe_json(out);
    let mut data = serializer.serialize_map(None)?;
    data.serialize_entry("outcomes", &Outcome::ALL.map(Outcome::name))?;
    // Where the repository's files are shown, if anywhere.
    let blob = view.links.blob_base.as_deref();
    data.serialize_entry("blob", &blob.filter(|url| is_plain_url(url)))?;
    // The folder of the suite inside of the repository, with a slash at its end, or empty.
    data.serialize_entry("folder", &name(folder(view)))?;
    // The worst first.
    let rows = Rows::new(view, by_weight);
    data.serialize_entry("tests", &rows)?;
    let Beside {
        files,
        notes,
        hidden,
        mut packer,
        known: _,
        folder: _,
        past: _,
        used: _,
    } = rows.beside.into_inner();
    // As the ids of the tests have them.
    data.serialize_entry("files", &files)?;
    // By their place in `tests`.
    data.serialize_entry("notes", &notes)?;
    // Tests that had no room.
    data.serialize_entry("hidden", &hidden)?;
    let coverage = view.coverage.as_ref();
    data.serialize_entry("branch", &coverage.is_some_and(|coverage| coverage.branch))?;
    let mut measured = Vec::new();
    if let Some(coverage) = coverage {
        packer.allow(SOURCES_BYTES);
        measured = file_rows(coverage.all, sources, &mut packer)?;
    }
    data.serialize_entry("sources", &measured)?;
    data.serialize_entry("texts", &packer.finish())?;
    SerializeMap::end(data)
}

/// The rows of all tests, made one by one while they are written.
struct Rows<'a> {
    view: &'a View<'a>,
    by_weight: &'a [u32],
    beside: RefCell<Beside<'a>>,
}

/// What is found out while the rows are made.
struct Beside<'a> {
    /// Files of the tests.
    files: Vec<String>,
    notes: BTreeMap<usize, Note>,
    hidden: usize,
    packer: Packer,
    /// Of each file its place in `files`.
    known: BTreeMap<&'a str, usize>,
    folder: &'a str,
    past: BTreeMap<&'a str, Note>,
    /// Bytes of rows so far, about.
    used: usize,
}

impl<'a> Rows<'a> {
    fn new(view: &'a View<'a>, by_weight: &'a [u32]) -> Self {
        Self {
            view,
            by_weight,
            beside: RefCell::new(Beside {
                files: Vec::new(),
                notes: BTreeMap::new(),
                hidden: 0,
                packer: Packer::new(TEXTS_BYTES),
                known: BTreeMap::new(),
                folder: folder(view),
                past: view.comparison.map(past).unwrap_or_default(),
                used: 0,
            }),
        }
    }
}

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut beside = self.beside.borrow_mut();
        let cases = self.view.cases;
        let mut rows = serializer.serialize_seq(None)?;
        for (position, place) in self.by_weight.iter().enumerate() {
            let made = beside.row(position, cases.get(*place as usize));
            let Some(row) = made.map_err(S::Error::custom)? else {
                beside.hidden = cases.len() - position;
                break;
            };
            rows.serialize_element(&row)?;
        }
        SerializeSeq::end(rows)
    }
}

impl<'a> Beside<'a> {
    /// `None` where there is no room left.
    fn row(&mut self, position: usize, case: Case<'a>) -> serde_json::Result<Option<Row>> {
        let file = case.file();
        let next = self.files.len();
        let file = *self.known.entry(file).or_insert_with(|| {
            let shown = name(file);
            self.used += shown.len();
            self.files.push(shown);
            next
        });
        let (row, mut note) = row(case, file, self.folder);
        if self.used > ROWS_BYTES / 2 {
            note.message.clear();
        }
        if !self.past.is_empty()
            && let Some(past) = self.past.remove(&*case.id())
        {
            note.past = past.past;
            note.was = past.was;
            note.before = past.before;
        }
        self.used += 40 + row.1.len() + note.message.len();
        self.used += 20 * note.past.len() + note.was.as_ref().map_or(0, String::len);
        if self.used > ROWS_BYTES {
            return Ok(None);
        }
        if let Some(case) = case.told().filter(|case| says_something(case)) {
            if self.packer.has_room() {
                note.text = self.packer.add(&case_text(case))?;
            }
            note.cut = note.text.is_none();
        }
        if note != Note::default() {
            self.notes.insert(position, note);
        }
        Ok(Some(row))
    }
}

fn file_rows(
    coverage: &Coverage,
    sources: Sources<'_>,
    packer: &mut Packer,
) -> serde_json::Result<Vec<FileRow>> {
    let mut files: Vec<(&Utf8Path, &FileCoverage)> = coverage
        .files
        .iter()
        .map(|(path, file)| (path.as_path(), file))
        .collect();
    // Where there is room for some only, it is for those with something to look at.
    files.sort_by_key(|(_, file)| file.missing.is_empty() && file.missing_arcs.is_empty());
    let mut rows = Vec::new();
    for (path, file) in files {
        let totals = file.totals();
        let text = packer.add(&source_text(file, sources(path)))?;
        rows.push((
            name(path.as_str()),
            totals.statements,
            totals.covered,
            totals.branches,
            totals.covered_branches,
            text,
        ));
    }
    rows.sort();
    Ok(rows)
}

/// Places in the view's cases: the worst first, and among equals by id.
pub(super) fn by_weight(view: &View<'_>) -> Vec<u32> {
    let all = u32::try_from(view.cases.len()).unwrap_or(u32::MAX);
    let mut places: Vec<u32> = (0..all).collect();
    places.sort_by_key(|place| Reverse(view.cases.get(*place as usize).outcome()));
    places
}

/// What the comparison says of each test.
fn past(found: &Comparison) -> BTreeMap<&str, Note> {
    let mut notes: BTreeMap<&str, Note> = BTreeMap::new();
    let lists: [(&str, &[NodeId]); 5] = [
        ("new failure", &found.new_failures),
        ("known failure", &found.known_failures),
        ("fixed", &found.fixed),
        ("newly skipped", &found.newly_skipped),
        ("added", &found.added),
    ];
    for (word, ids) in lists {
        for id in ids {
            notes.entry(id.as_str()).or_default().past.push(word);
        }
    }
    for (old, new) in &found.renamed {
        let note = notes.entry(new.as_str()).or_default();
        note.past.push("renamed");
        note.was = Some(name(old.as_str()));
    }
    for slower in &found.slower {
        let note = notes.entry(slower.id.as_str()).or_default();
        note.past.push("slower");
        note.before = Some((slower.before * 1e4).round() / 1e4);
    }
    notes
}

/// Ids are seen from the folder of the suite, locations from the repository.
fn folder<'a>(view: &View<'a>) -> &'a str {
    let above = |case: Case<'a>| case.location()?.0.strip_suffix(case.file());
    view.cases.iter().find_map(above).unwrap_or_default()
}

fn row(case: Case<'_>, file: usize, folder: &str) -> (Row, Note) {
    let location = case.location();
    let is_own = |(path, _): &(&str, u32)| path.strip_prefix(folder) == Some(case.file());
    let own = location.filter(is_own);
    let elsewhere = location.filter(|_| own.is_none());
    let told = case.told();
    let problem = told.and_then(TestCase::main_problem);
    let message = problem.map_or_else(String::new, |problem| {
        visible::cut(&visible::first_line(&problem.message), MESSAGE_BYTES).into_owned()
    });
    let tenths = |time: std::time::Duration| u64::try_from(time.as_micros() / 100).unwrap_or(0);
    let [setup, call, teardown] = case.times().map(tenths);
    let (head, tail) = case.id_parts();
    let row = (
        file,
        name(&[&head[case.file().len()..], tail].concat()),
        Outcome::ALL
            .iter()
            .position(|outcome| *outcome == case.outcome())
            .unwrap_or(0),
        case.shard().map_or(0, crate::model::shard::Shard::index),
        setup,
        call,
        teardown,
        own.map_or(0, |(_, line)| line),
    );
    let note = Note {
        message,
        attempts: told.map(|case| case.attempts).filter(|times| *times > 1),
        environments: told.map(environments).unwrap_or_default(),
        place: elsewhere.map(|(path, line)| (name(path), line)),
        ..Note::default()
    };
    (row, note)
}

fn environments(case: &TestCase) -> Vec<(String, &'static str)> {
    let all = || case.environments.iter();
    if all().all(|(_, outcome)| *outcome == Outcome::Passed) {
        return Vec::new();
    }
    let shown = all().map(|(environment, outcome)| (name(environment), outcome.name()));
    shown.collect()
}

fn name(text: &str) -> String {
    visible::cut(&visible::line(text), NAME_BYTES).into_owned()
}

fn says_something(case: &TestCase) -> bool {
    !(case.problems.is_empty() && case.stdout.is_empty() && case.stderr.is_empty())
}

fn case_text(case: &TestCase) -> CaseText {
    CaseText {
        problems: case
            .problems
            .iter()
            .take(MOST_PROBLEMS)
            .map(problem_text)
            .collect(),
        out: visible::excerpt(&case.stdout, OUTPUT_BYTES),
        err: visible::excerpt(&case.stderr, OUTPUT_BYTES),
    }
}

fn problem_text(problem: &Problem) -> ProblemText {
    let kind = match problem.kind {
        ProblemKind::Failure => "failure",
        ProblemKind::Error => "error",
        ProblemKind::Skip => "skip",
        ProblemKind::Xfail => "xfail",
        ProblemKind::Rerun => "rerun",
    };
    let phase = match problem.phase {
        Phase::Collect => "collection",
        Phase::Setup => "setup",
        Phase::Call => "call",
        Phase::Teardown => "teardown",
    };
    ProblemText {
        kind,
        phase,
        message: visible::excerpt(&problem.message, TRACEBACK_BYTES / 8),
        text: visible::excerpt(&problem.text, TRACEBACK_BYTES),
        place: problem
            .location
            .as_ref()
            .map(|location| (name(location.path.as_str()), location.line)),
        subtest: problem.subtest.as_deref().map(name),
    }
}

fn source_text(file: &FileCoverage, source: Option<String>) -> SourceText {
    let mut partial: BTreeMap<Line, Vec<Line>> = BTreeMap::new();
    for (from, to) in &file.missing_arcs {
        let Ok(from) = Line::try_from(*from) else {
            continue;
        };
        if file.executed.contains(&from) {
            let to = Line::try_from(*to).unwrap_or(0);
            partial.entry(from).or_default().push(to);
        }
    }
    let last = [&file.executed, &file.missing, &file.excluded]
        .into_iter()
        .filter_map(|lines| lines.last())
        .max()
        .copied()
        .unwrap_or(0);
    // Of another version of the file the marks would lie.
    let fits =
        |source: &String| Line::try_from(source.lines().count()).is_ok_and(|has| has >= last);
    let source = source.map(|text| visible::lines(&text)).filter(fits);
    let mark = |line: Line| match () {
        () if partial.contains_key(&line) => 'p',
        () if file.executed.contains(&line) => 'c',
        () if file.missing.contains(&line) => 'm',
        () if file.excluded.contains(&line) => 'x',
        () => ' ',
    };
    // A line number is only a claim: no mark is made for a line that nobody can see.
    let shown = source.as_ref().map_or_else(
        || last.min(100_000),
        |text| Line::try_from(text.lines().count()).unwrap_or(0),
    );
    SourceText {
        marks: (1..=shown).map(mark).collect(),
        source: source.unwrap_or_default(),
        partial: partial.into_iter().collect(),
    }
}
