//! What the template fills in: the overview, in words, and nothing escaped yet.

use std::cmp::Reverse;

use serde::Serialize;

use crate::model::case::{Location, Outcome, TestCase};
use crate::model::case_table::Case;
use crate::model::comparison::Comparison;
use crate::model::coverage::CoverageTotals;
use crate::model::node_id::NodeId;
use crate::model::quarantine::Quarantined;
use crate::render::explanation::Explanation;
use crate::render::patch_view::{PatchFile, PatchView};
use crate::render::sentence::{Part, Sentence};
use crate::render::view::{CoverageView, View, named_counts};
use crate::render::visible;
use crate::render::words;
use crate::render::{environment_blocks, environments};

use super::timeline::Timeline;

/// Tests in one list of the overview; the list of tests has all.
const LIST: usize = 50;
const NAME_BYTES: usize = 400;
const MESSAGE_BYTES: usize = 400;

#[derive(Debug, Serialize)]
pub(super) struct Overview {
    title: String,
    suite: String,
    green: bool,
    headline: Vec<Piece>,
    commit: Option<String>,
    run_url: Option<String>,
    workflow: Option<String>,
    outcomes: Vec<Slice>,
    all: String,
    facts: Vec<Fact>,
    reasons: Vec<Reason>,
    muted: Vec<Vec<Piece>>,
    failed: List,
    known: List,
    comparison: Option<Compared>,
    not_compared: Option<String>,
    lost: List,
    flaky: List,
    quarantined: List,
    quarantine: Vec<Muted>,
    slowest: Vec<Test>,
    coverage: Option<Covered>,
    patch: Option<Patched>,
    environments: Option<Environments>,
    timeline: Timeline,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Piece {
    name: bool,
    text: String,
}

#[derive(Debug, Serialize)]
struct Slice {
    outcome: &'static str,
    count: String,
    /// Against the baseline.
    change: String,
    /// Per cent of all tests, and where its part of the bar begins.
    share: f64,
    at: f64,
}

#[derive(Debug, Serialize)]
struct Fact {
    name: &'static str,
    value: String,
    more: String,
}

#[derive(Debug, Serialize)]
struct Reason {
    what: Vec<Piece>,
    advice: Vec<Piece>,
    place: Option<Place>,
}

#[derive(Debug, Serialize)]
struct Place {
    text: String,
    url: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct List {
    tests: Vec<Test>,
    more: usize,
}

#[derive(Debug, Serialize)]
struct Test {
    /// Its place among the page's tests.
    index: usize,
    outcome: &'static str,
    /// The id in two parts.
    file: String,
    name: String,
    message: String,
    place: Option<Place>,
    shard: String,
    time: String,
    /// Of the slowest, in per cent.
    share: f64,
}

/// What became of the suite and of tests in each of several environments.
#[derive(Debug, Serialize)]
struct Environments {
    rows: Vec<EnvironmentRow>,
    tests: Vec<Uneven>,
    more: usize,
}

#[derive(Debug, Serialize)]
struct EnvironmentRow {
    name: String,
    good: bool,
    tests: String,
    problems: String,
    time: String,
}

#[derive(Debug, Serialize)]
struct Uneven {
    name: String,
    /// Empty where an environment does not have the test.
    outcomes: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct Compared {
    baseline: String,
    fixed: Names,
    newly_skipped: Names,
    added: Names,
    removed: Names,
    renamed: Vec<(String, String)>,
    renamed_more: usize,
    slower: Vec<Slower>,
    slower_more: usize,
}

#[derive(Debug, Serialize)]
struct Names {
    count: String,
    tests: Vec<String>,
    more: usize,
}

#[derive(Debug, Serialize)]
struct Slower {
    name: String,
    before: String,
    now: String,
}

#[derive(Debug, Serialize)]
struct Covered {
    percent: String,
    change: String,
    share: f64,
    figures: String,
    files: String,
    lowest: Vec<CoveredFile>,
}

#[derive(Debug, Serialize)]
struct CoveredFile {
    path: String,
    percent: String,
    share: f64,
    missing: String,
}

/// An entry of the quarantine that was needed.
#[derive(Debug, Serialize)]
struct Muted {
    name: String,
    reason: String,
    owner: String,
    expires: String,
}

/// Of a change.
#[derive(Debug, Serialize)]
struct Patched {
    against: String,
    figures: String,
    files: Vec<PatchedFile>,
    more: usize,
}

#[derive(Debug, Serialize)]
struct PatchedFile {
    path: String,
    missing: String,
    percent: String,
    share: f64,
}

/// The order of [`by_weight`](super::data::by_weight).
fn weight(case: Case<'_>) -> (Reverse<Outcome>, (&str, &str)) {
    (Reverse(case.outcome()), case.id_parts())
}

impl Overview {
    pub(super) fn new(view: &View<'_>, by_weight: &[u32]) -> Self {
        let place_of = |case: &TestCase| {
            let place = |place: &u32| weight(view.cases.get(*place as usize));
            by_weight
                .binary_search_by_key(&weight(case.into()), place)
                .unwrap_or(0)
        };
        let list = |cases: &[&TestCase]| List {
            tests: cases
                .iter()
                .take(LIST)
                .map(|case| test(view, case, place_of(case)))
                .collect(),
            more: cases.len().saturating_sub(LIST),
        };
        let headline = pieces(&view.headline);
        let suite = visible::line(view.title.unwrap_or(view.suite));
        Self {
            title: format!("{} {suite}", if view.green { "✓" } else { "✗" }),
            suite,
            green: view.green,
            headline,
            commit: view
                .links
                .sha
                .as_ref()
                .map(|sha| visible::line(sha).chars().take(8).collect()),
            run_url: view
                .links
                .run_url
                .clone()
                .filter(|url| crate::render::markdown::is_plain_url(url)),
            workflow: view.links.workflow.as_deref().map(visible::line),
            outcomes: outcomes(view),
            all: words::number(view.totals.all()),
            facts: facts(view),
            reasons: view
                .reasons_to_tell()
                .iter()
                .map(|reason| self::reason(view, reason))
                .collect(),
            muted: view
                .muted
                .iter()
                .map(|muted| pieces(&muted.brief))
                .collect(),
            failed: list(&view.failed_before(false)),
            known: list(&view.failed_before(true)),
            comparison: view.comparison.map(compared),
            lost: list(&view.lost),
            flaky: list(&view.flaky),
            quarantined: list(&view.quarantined.iter().map(|it| it.0).collect::<Vec<_>>()),
            quarantine: view.quarantined.iter().take(LIST).map(muted).collect(),
            slowest: list(&view.slowest.iter().collect::<Vec<_>>()).tests,
            coverage: view.coverage.as_ref().map(|coverage| {
                let before = view.comparison.and_then(|found| found.coverage);
                covered(coverage, before)
            }),
            patch: view.patch.as_ref().map(patched),
            not_compared: view.not_compared.map(visible::first_line),
            environments: columns(view),
            timeline: Timeline::new(view),
            warnings: view
                .warnings
                .iter()
                .take(LIST)
                .map(|warning| visible::cut(&visible::first_line(warning), 1000).into_owned())
                .collect(),
        }
    }
}

fn pieces(sentence: &Sentence) -> Vec<Piece> {
    let piece = |part: &Part| match part {
        Part::Words(words) => Piece {
            name: false,
            text: visible::line(words),
        },
        Part::Name(name) => Piece {
            name: true,
            text: visible::cut(&visible::line(name), NAME_BYTES).into_owned(),
        },
    };
    sentence.parts().iter().map(piece).collect()
}

fn outcomes(view: &View<'_>) -> Vec<Slice> {
    let all = view.totals.all().max(1);
    let mut at = 0.0;
    // The worst first, as everywhere on the page.
    let counts = Outcome::ALL.into_iter().rev().filter_map(|outcome| {
        let count = view.totals.get(outcome);
        let share = 100.0 * words::float(count) / words::float(all);
        let begin = at;
        at += share;
        (count > 0).then(|| Slice {
            outcome: outcome.name(),
            count: words::number(count),
            change: view.comparison.map_or_else(String::new, |found| {
                words::change(found.totals.get(outcome), count)
            }),
            share,
            at: begin,
        })
    });
    counts.collect()
}

fn facts(view: &View<'_>) -> Vec<Fact> {
    let mut facts = Vec::new();
    if let Some(wall) = view.wall_seconds {
        let shards = view.shards.len();
        facts.push(Fact {
            name: "Wall time",
            value: words::duration(wall),
            more: if shards == 0 {
                String::new()
            } else {
                words::count(shards, "shard")
            },
        });
    }
    let more = match view.wall_seconds {
        Some(wall) if wall > 0.0 && view.test_seconds > wall => {
            format!("{:.1}× the wall time", view.test_seconds / wall)
        }
        _ => "one after another".to_owned(),
    };
    facts.push(Fact {
        name: "Test time",
        value: words::duration(view.test_seconds),
        more,
    });
    facts
}

fn reason(view: &View<'_>, explanation: &Explanation) -> Reason {
    Reason {
        what: pieces(&explanation.what),
        advice: explanation.advice.as_ref().map(pieces).unwrap_or_default(),
        place: explanation.location.as_ref().map(|at| place(view, at)),
    }
}

fn place(view: &View<'_>, location: &Location) -> Place {
    let path = visible::cut(location.path.as_str(), NAME_BYTES);
    Place {
        text: format!("{}:{}", visible::line(&path), location.line),
        url: view
            .links
            .line(location)
            .filter(|url| crate::render::markdown::is_plain_url(url)),
    }
}

fn test(view: &View<'_>, case: &TestCase, index: usize) -> Test {
    let id = case.id.as_str();
    let (file, name) = id.split_at(case.id.file().len());
    let shown = |text: &str| visible::cut(&visible::line(text), NAME_BYTES).into_owned();
    let longest = view
        .slowest
        .first()
        .map_or(1.0, |case| case.duration().as_secs_f64());
    let seconds = case.duration().as_secs_f64();
    Test {
        index,
        outcome: case.outcome.name(),
        file: shown(file),
        name: shown(name.strip_prefix("::").unwrap_or(name)),
        message: case.main_problem().map_or_else(String::new, |problem| {
            visible::cut(&visible::first_line(&problem.message), MESSAGE_BYTES).into_owned()
        }),
        place: case.best_location().map(|location| place(view, location)),
        shard: environment_blocks::place(view, case).unwrap_or_default(),
        time: words::duration(seconds),
        share: 100.0 * seconds / longest,
    }
}

fn columns(view: &View<'_>) -> Option<Environments> {
    if view.environments.is_empty() {
        return None;
    }
    let row = |row: &environments::EnvironmentRow<'_>| {
        let bad = [
            Outcome::Failed,
            Outcome::Error,
            Outcome::Lost,
            Outcome::Flaky,
        ];
        let bad = named_counts(row.totals, &bad);
        EnvironmentRow {
            name: row.name.to_owned(),
            good: bad.is_empty() && row.totals.all() > 0,
            tests: words::number(row.totals.all()),
            problems: bad.join(", "),
            time: row.wall_seconds.map_or_else(String::new, words::duration),
        }
    };
    let cases = environment_blocks::uneven(view);
    let uneven = |case: &&TestCase| Uneven {
        name: visible::cut(&visible::line(case.id.as_str()), NAME_BYTES).into_owned(),
        outcomes: (view.environments.iter())
            .map(|it| environment_blocks::outcome_in(case, it.name).map_or("", Outcome::name))
            .collect(),
    };
    Some(Environments {
        rows: view.environments.iter().map(row).collect(),
        tests: cases.iter().take(LIST).map(uneven).collect(),
        more: cases.len().saturating_sub(LIST),
    })
}

fn compared(found: &Comparison) -> Compared {
    let shown = |id: &NodeId| visible::cut(&visible::line(id.as_str()), NAME_BYTES).into_owned();
    let names = |ids: &[NodeId]| Names {
        count: words::number(ids.len()),
        tests: ids.iter().take(LIST).map(shown).collect(),
        more: ids.len().saturating_sub(LIST),
    };
    let renamed: Vec<(String, String)> = found
        .renamed
        .iter()
        .take(LIST)
        .map(|(old, new)| (shown(old), shown(new)))
        .collect();
    Compared {
        baseline: found.commit.as_ref().map_or_else(
            || "the baseline".to_owned(),
            |commit| visible::line(commit).chars().take(8).collect(),
        ),
        fixed: names(&found.fixed),
        newly_skipped: names(&found.newly_skipped),
        added: names(&found.added),
        removed: names(&found.removed),
        renamed,
        renamed_more: found.renamed.len().saturating_sub(LIST),
        slower: found
            .slower
            .iter()
            .take(LIST)
            .map(|slower| Slower {
                name: shown(&slower.id),
                before: words::duration(slower.before),
                now: words::duration(slower.now),
            })
            .collect(),
        slower_more: found.slower.len().saturating_sub(LIST),
    }
}

fn muted((case, why): &(&TestCase, &Quarantined)) -> Muted {
    let shown = |text: &str| visible::cut(&visible::first_line(text), NAME_BYTES).into_owned();
    Muted {
        name: shown(case.id.as_str()),
        reason: shown(&why.reason),
        owner: shown(&why.owner),
        expires: shown(&why.expires),
    }
}

fn patched(patch: &PatchView<'_>) -> Patched {
    let file = |file: &PatchFile<'_>| PatchedFile {
        path: visible::cut(&visible::line(file.path.as_str()), NAME_BYTES).into_owned(),
        missing: visible::cut(&file.missing_lines(), NAME_BYTES).into_owned(),
        percent: words::percent(file.new.totals().percent()),
        share: file.new.totals().percent(),
    };
    Patched {
        against: visible::line(patch.against),
        figures: patch.figures(),
        files: patch.files.iter().take(LIST).map(file).collect(),
        more: patch.files.len().saturating_sub(LIST),
    }
}

fn covered(coverage: &CoverageView<'_>, before: Option<CoverageTotals>) -> Covered {
    Covered {
        percent: words::percent(coverage.totals.percent()),
        change: before.map_or_else(String::new, |before| {
            words::percent_change(before.percent(), coverage.totals.percent())
        }),
        share: coverage.totals.percent(),
        figures: coverage.figures(),
        files: words::count(coverage.files, "file"),
        lowest: coverage
            .lowest
            .iter()
            .map(|(path, totals)| CoveredFile {
                path: visible::cut(&visible::line(path.as_str()), NAME_BYTES).into_owned(),
                percent: words::percent(totals.percent()),
                share: totals.percent(),
                missing: words::count(totals.missing(), "missing line"),
            })
            .collect(),
    }
}
