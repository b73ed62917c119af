//! What the page's script makes its lists of, in few bytes: rows instead of objects, a file's name
//! once, long texts packed away.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use camino::Utf8Path;
use serde::Serialize;

use crate::model::comparison::Comparison;
use crate::model::coverage::{Coverage, FileCoverage, Line};
use crate::model::node_id::NodeId;
use crate::model::report::{Outcome, Phase, Problem, ProblemKind, TestCase};
use crate::render::markdown::is_plain_url;
use crate::render::view::View;
use crate::render::visible;

use super::pack::{Packer, Place};

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

#[derive(Debug, Serialize)]
pub(super) struct Data<'a> {
    outcomes: Vec<&'static str>,
    /// Where the repository's files are shown, if anywhere.
    blob: Option<&'a str>,
    /// The folder of the suite inside of the repository, with a slash at its end, or empty.
    folder: String,
    /// Files of the tests, as their ids have them.
    files: Vec<String>,
    /// The worst first.
    tests: Vec<Row>,
    /// By their place in `tests`.
    notes: BTreeMap<usize, Note>,
    /// Tests that had no room.
    hidden: usize,
    branch: bool,
    sources: Vec<FileRow>,
    texts: Vec<String>,
}

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

impl<'a> Data<'a> {
    /// # Errors
    /// None that data of ours could cause.
    pub(super) fn new(view: &'a View<'_>, sources: Sources<'_>) -> serde_json::Result<Self> {
        let mut data = Self {
            outcomes: Outcome::ALL.map(Outcome::name).into(),
            blob: view
                .links
                .blob_base
                .as_deref()
                .filter(|url| is_plain_url(url)),
            folder: name(folder(view)),
            files: Vec::new(),
            tests: Vec::new(),
            notes: BTreeMap::new(),
            hidden: 0,
            branch: view
                .coverage
                .as_ref()
                .is_some_and(|coverage| coverage.branch),
            sources: Vec::new(),
            texts: Vec::new(),
        };
        let mut packer = Packer::new(TEXTS_BYTES);
        data.add_tests(view, &mut packer)?;
        if let Some(coverage) = &view.coverage {
            packer.allow(SOURCES_BYTES);
            data.add_sources(coverage.all, sources, &mut packer)?;
        }
        data.texts = packer.finish();
        Ok(data)
    }

    fn add_tests(&mut self, view: &'a View<'_>, packer: &mut Packer) -> serde_json::Result<()> {
        let mut files: BTreeMap<&str, usize> = BTreeMap::new();
        let mut used = 0;
        let folder = folder(view);
        let mut past = view.comparison.map(past).unwrap_or_default();
        for (position, case) in by_weight(view).into_iter().enumerate() {
            let file = case.id.file();
            let known = files.len();
            let file = *files.entry(file).or_insert_with(|| {
                let shown = name(file);
                used += shown.len();
                self.files.push(shown);
                known
            });
            let (row, mut note) = row(case, file, folder);
            if used > ROWS_BYTES / 2 {
                note.message.clear();
            }
            if let Some(past) = past.remove(&case.id) {
                note.past = past.past;
                note.was = past.was;
                note.before = past.before;
            }
            used += 40 + row.1.len() + note.message.len();
            used += 20 * note.past.len() + note.was.as_ref().map_or(0, String::len);
            if used > ROWS_BYTES {
                self.hidden = view.cases.len() - position;
                break;
            }
            if says_something(case) {
                if packer.has_room() {
                    note.text = packer.add(&case_text(case))?;
                }
                note.cut = note.text.is_none();
            }
            self.tests.push(row);
            if note != Note::default() {
                self.notes.insert(position, note);
            }
        }
        Ok(())
    }

    fn add_sources(
        &mut self,
        coverage: &Coverage,
        sources: Sources<'_>,
        packer: &mut Packer,
    ) -> serde_json::Result<()> {
        let mut files: Vec<(&Utf8Path, &FileCoverage)> = coverage
            .files
            .iter()
            .map(|(path, file)| (path.as_path(), file))
            .collect();
        // Where there is room for some only, it is for those with something to look at.
        files.sort_by_key(|(_, file)| file.missing.is_empty() && file.missing_arcs.is_empty());
        for (path, file) in files {
            let totals = file.totals();
            let text = packer.add(&source_text(file, sources(path)))?;
            self.sources.push((
                name(path.as_str()),
                totals.statements,
                totals.covered,
                totals.branches,
                totals.covered_branches,
                text,
            ));
        }
        self.sources.sort();
        Ok(())
    }
}

/// The worst first, and among equals by id.
pub(super) fn by_weight<'a>(view: &View<'a>) -> Vec<&'a TestCase> {
    let mut cases: Vec<&TestCase> = view.cases.iter().collect();
    cases.sort_by_key(|case| (Reverse(case.outcome), &case.id));
    cases
}

/// What the comparison says of each test.
fn past(found: &Comparison) -> BTreeMap<&NodeId, Note> {
    let mut notes: BTreeMap<&NodeId, Note> = BTreeMap::new();
    let lists: [(&str, &[NodeId]); 5] = [
        ("new failure", &found.new_failures),
        ("known failure", &found.known_failures),
        ("fixed", &found.fixed),
        ("newly skipped", &found.newly_skipped),
        ("added", &found.added),
    ];
    for (word, ids) in lists {
        for id in ids {
            notes.entry(id).or_default().past.push(word);
        }
    }
    for (old, new) in &found.renamed {
        let note = notes.entry(new).or_default();
        note.past.push("renamed");
        note.was = Some(name(old.as_str()));
    }
    for slower in &found.slower {
        let note = notes.entry(&slower.id).or_default();
        note.past.push("slower");
        note.before = Some((slower.before * 1e4).round() / 1e4);
    }
    notes
}

/// Ids are seen from the folder of the suite, locations from the repository.
fn folder<'a>(view: &View<'a>) -> &'a str {
    let above = |case: &'a TestCase| {
        let path = case.location.as_ref()?.path.as_str();
        path.strip_suffix(case.id.file())
    };
    view.cases.iter().find_map(above).unwrap_or_default()
}

fn row(case: &TestCase, file: usize, folder: &str) -> (Row, Note) {
    let id = case.id.as_str();
    let own = case
        .location
        .as_ref()
        .filter(|location| location.path.as_str().strip_prefix(folder) == Some(case.id.file()));
    let elsewhere = case.location.as_ref().filter(|_| own.is_none());
    let message = case.main_problem().map_or_else(String::new, |problem| {
        visible::cut(&visible::first_line(&problem.message), MESSAGE_BYTES).into_owned()
    });
    let tenths = |time: std::time::Duration| u64::try_from(time.as_micros() / 100).unwrap_or(0);
    let row = (
        file,
        name(&id[case.id.file().len()..]),
        Outcome::ALL
            .iter()
            .position(|outcome| *outcome == case.outcome)
            .unwrap_or(0),
        case.shard.map_or(0, crate::model::shard::Shard::index),
        tenths(case.setup),
        tenths(case.call),
        tenths(case.teardown),
        own.map_or(0, |location| location.line),
    );
    let note = Note {
        message,
        attempts: (case.attempts > 1).then_some(case.attempts),
        environments: environments(case),
        place: elsewhere.map(|location| (name(location.path.as_str()), location.line)),
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
