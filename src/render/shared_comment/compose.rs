//! The whole comment out of its sections.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::section::{Facts, Own, Section};
use crate::render::amount::NAME_BYTES;
use crate::render::comment::COMMENT_BYTES;
use crate::render::markdown::{html_code, inline_code, link, row, table_head};
use crate::render::percent::encoded;
use crate::render::{visible, words};

/// Suites that share a comment; of more, or where they have no room, green ones are not shown.
const MOST_SUITES: usize = 100;
/// Red suites that the first line names.
const MOST_NAMES: usize = 5;
/// The last part of a section that had to make room for others.
const SHORTENED: &str = "… and more in the run\n\n";

/// A comment as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Composed {
    pub(crate) text: String,
    /// Other suites are likely to write soon: they are of another commit, or none is known.
    pub(crate) waits: bool,
}

/// The hidden first line of the comment of this name.
pub(crate) fn marker(name: &str) -> String {
    let name: String = name.chars().take(50).collect();
    format!("<!-- parallel-pytest-comment {} -->", encoded(&name, b"._"))
}

/// What the comment is to say, from what all comments of this name say now (one, unless several suites
/// have just begun) and the result of one suite. Of each suite the newest run counts. The same again
/// changes nothing.
pub(crate) fn compose(now: &[&str], own: &Own<'_>, name: &str) -> Composed {
    let mut newest: BTreeMap<String, Section> = BTreeMap::new();
    for section in now.iter().flat_map(|text| Section::read_all(text)) {
        match newest.get(&section.facts.suite) {
            Some(known) if known.facts.run >= section.facts.run => {}
            _ => {
                newest.insert(section.facts.suite.clone(), section);
            }
        }
    }
    let present = newest.get(&own.facts.suite).map(|known| &known.facts);
    let is_new = present.is_none_or(|known| {
        known.run < own.facts.run || known.run == own.facts.run && known.digest != own.facts.digest
    });
    if is_new {
        let section = Section {
            facts: own.facts.clone(),
            parts: Vec::new(),
        };
        newest.insert(own.facts.suite.clone(), section);
    }
    let mut sections: Vec<Section> = newest.into_values().collect();
    let newest_commit = sections.iter().max_by_key(|section| section.facts.run);
    let commit = newest_commit.map_or_else(String::new, |newest| newest.facts.commit.clone());
    sections.sort_by_key(|section| State::of(&section.facts, &commit));
    sections.truncate(MOST_SUITES);
    let mut head = head(&sections, &commit, name);
    let fixed = |sections: &[Section]| -> usize {
        let frames = sections
            .iter()
            .map(|section| frame_size(&section.facts, &commit));
        frames.sum()
    };
    while head.len() + fixed(&sections) > COMMENT_BYTES && sections.pop().is_some() {
        head = self::head(&sections, &commit, name);
    }
    let room = COMMENT_BYTES.saturating_sub(head.len() + fixed(&sections));
    if is_new
        && let Some(at) = sections
            .iter()
            .position(|section| section.facts.suite == own.facts.suite)
    {
        let others: usize = sections.iter().map(Section::size).sum();
        let fair = room / sections.len();
        sections[at].parts = own.parts(room.saturating_sub(others).max(fair));
    }
    shorten(&mut sections, room);
    let mut text = head;
    for section in &sections {
        let (before, after) = frame(&section.facts, &commit);
        text += &before;
        section.write(&mut text);
        text += after;
    }
    let others = sections.len() > 1;
    let waits = !others
        || sections
            .iter()
            .any(|section| section.facts.commit != commit);
    Composed { text, waits }
}

/// How a suite stands; the first is the first to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Red,
    /// Its newest result is of another commit.
    Earlier,
    Green,
}

impl State {
    fn of(facts: &Facts, commit: &str) -> Self {
        match (facts.commit == commit, facts.green) {
            (false, _) => Self::Earlier,
            (true, true) => Self::Green,
            (true, false) => Self::Red,
        }
    }

    fn mark(self) -> &'static str {
        match self {
            Self::Red => "❌",
            Self::Earlier => "⏳",
            Self::Green => "✅",
        }
    }
}

type Cell = fn(&Facts) -> String;

/// The verdict of all suites, and a row of each.
fn head(sections: &[Section], commit: &str, name: &str) -> String {
    let state = |section: &Section| State::of(&section.facts, commit);
    let count = |wanted: State| {
        sections
            .iter()
            .filter(|section| state(section) == wanted)
            .count()
    };
    let (red, earlier, green) = (
        count(State::Red),
        count(State::Earlier),
        count(State::Green),
    );
    let all = sections.len();
    let verb = |count: usize| if count == 1 { "is" } else { "are" };
    let suites = words::count(all, "suite");
    let (worst, mut said) = match (red, earlier) {
        (0, 0) if all == 1 => (State::Green, format!("{suites} is green")),
        (0, 0) => (State::Green, format!("all {suites} are green")),
        (0, _) => (
            State::Earlier,
            format!("{green} of {suites} {} green", verb(green)),
        ),
        _ => (State::Red, format!("{red} of {suites} {} red", verb(red))),
    };
    if red > 0 {
        let first = sections.iter().take(red.min(MOST_NAMES));
        let mut names: Vec<String> = first.map(|section| suite_name(&section.facts)).collect();
        if red > MOST_NAMES {
            names.push(format!("{} more", red - MOST_NAMES));
        }
        let _ = write!(said, " ({})", words::list(&names));
    }
    if earlier > 0 {
        let _ = write!(said, ", {earlier} not at this commit yet");
    }
    let mut text = format!("{}\n## {} {said}\n\n", marker(name), worst.mark());
    let columns: [(&str, Cell); 5] = [
        ("failed", |facts| words::number(facts.failed)),
        ("lost", |facts| words::number(facts.lost)),
        ("flaky", |facts| words::number(facts.flaky)),
        ("coverage", |facts| facts.coverage.clone()),
        ("commit", |facts| short(&facts.commit)),
    ];
    let is_told = |cell: Cell| {
        sections
            .iter()
            .any(|section| !["", "0"].contains(&cell(&section.facts).as_str()))
    };
    let columns: Vec<_> = columns
        .into_iter()
        .filter(|(_, cell)| is_told(*cell))
        .collect();
    let mut heads = vec!["", "suite", "tests"];
    heads.extend(columns.iter().map(|(name, _)| *name));
    text += &table_head(&heads, heads.len() - 2);
    for section in sections {
        let facts = &section.facts;
        let mut cells = vec![
            state(section).mark().to_owned(),
            link(&suite_name(facts), Some(&facts.url)),
            words::number(facts.tests),
        ];
        cells.extend(columns.iter().map(|(name, cell)| match cell(facts) {
            said if *name == "commit" => inline_code(&said),
            // Read from the comment, so it may be anything.
            said => crate::render::markdown::text(&said),
        }));
        text += &row(&cells);
    }
    text + "\n"
}

fn suite_name(facts: &Facts) -> String {
    inline_code(&visible::cut(&facts.suite, NAME_BYTES))
}

fn short(commit: &str) -> String {
    commit.chars().take(8).collect()
}

/// Before and after a section: nobody looks for more about a suite that is green.
fn frame(facts: &Facts, commit: &str) -> (String, &'static str) {
    match State::of(facts, commit) {
        State::Red => (String::new(), "\n"),
        state => {
            let name = html_code(&visible::cut(&facts.suite, NAME_BYTES));
            let summary = format!("<details><summary>{} {name}</summary>\n\n", state.mark());
            (summary, "\n</details>\n\n")
        }
    }
}

/// All that a section takes beside its parts.
fn frame_size(facts: &Facts, commit: &str) -> usize {
    let (before, after) = frame(facts, commit);
    let empty = Section {
        facts: facts.clone(),
        parts: Vec::new(),
    };
    let mut markers = String::new();
    empty.write(&mut markers);
    before.len() + markers.len() + after.len()
}

/// Takes the last part of the longest section until all have room.
fn shorten(sections: &mut [Section], room: usize) {
    while sections.iter().map(Section::size).sum::<usize>() > room {
        let longest = sections.iter_mut().max_by_key(|section| section.size());
        let Some(parts) = longest.map(|section| &mut section.parts) else {
            return;
        };
        parts.pop_if(|last| last == SHORTENED);
        let Some(gone) = parts.pop() else { return };
        // Else it would not become shorter.
        if !parts.is_empty() && gone.len() > SHORTENED.len() {
            parts.push(SHORTENED.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::render::gfm::{assert_no_reference, hostile, parsed};
    use crate::render::stories::{self, Story};

    fn publish(now: &[&str], story: &Story, suite: &str, run: u64, commit: &str) -> Composed {
        let mut view = story.view();
        view.suite = suite;
        view.links.sha = Some(commit.to_owned());
        compose(now, &Own::new(&view, (run, 1), None), "all")
    }

    fn suites(text: &str) -> Vec<String> {
        let found = Section::read_all(text).into_iter();
        found.map(|section| section.facts.suite).collect()
    }

    #[test]
    fn what_is_there_already_stays_as_it_is() {
        let (red, green) = (stories::one_failure(), stories::all_green_with_coverage());
        let first = publish(&[], &red, "api", 7, "c");
        assert!(first.text.starts_with(&marker("all")) && first.waits);
        let second = publish(&[&first.text], &green, "web", 7, "c");
        assert!(!second.waits);
        for (story, suite) in [(&red, "api"), (&green, "web")] {
            let stored = second.text.replace('\n', "\r\n");
            assert_eq!(publish(&[stored.trim_end()], story, suite, 7, "c"), second);
        }
    }

    #[test]
    fn an_older_run_changes_nothing_and_a_newer_one_waits_for_the_others() {
        let (red, green) = (stories::one_failure(), stories::all_green_with_coverage());
        let one = publish(&[], &green, "api", 7, "c").text;
        let both = publish(&[&one], &green, "web", 7, "c").text;
        assert_eq!(publish(&[&both], &red, "web", 6, "b").text, both);
        let next = publish(&[&both], &green, "web", 8, "d");
        assert!(next.waits);
        let headline = next.text.lines().nth(1).expect("a line");
        assert_eq!(
            headline,
            "## ⏳ 1 of 2 suites is green, 1 not at this commit yet"
        );
        // Whoever writes, the newest run tells which commit it is about.
        assert_eq!(publish(&[&next.text], &red, "web", 7, "c").text, next.text);
    }

    #[test]
    fn comments_of_suites_that_began_together_become_one() {
        let story = stories::a_flaky_test();
        let [one, other] = ["api", "web"].map(|suite| publish(&[], &story, suite, 7, "c").text);
        let both = publish(&[&one, &other], &story, "cli", 7, "c").text;
        assert_eq!(suites(&both), ["api", "cli", "web"]);
    }

    #[test]
    fn suites_that_have_much_to_say_share_the_room() {
        let long = stories::many_failures(5000, &"long ".repeat(300));
        let mut text = publish(&[], &long, "first", 7, "c").text;
        assert!(text.len() > COMMENT_BYTES - 3000, "{}", text.len());
        for (number, story) in (0..30).zip([&long, &stories::one_failure()].iter().cycle()) {
            text = publish(&[&text], story, &format!("suite {number}"), 7, "c").text;
            assert!(text.len() <= COMMENT_BYTES, "{}", text.len());
            assert_eq!(suites(&text).len(), number + 2);
        }
        let sizes: Vec<usize> = Section::read_all(&text).iter().map(Section::size).collect();
        assert!(sizes.iter().all(|size| *size > 100), "{sizes:?}");
        let seen = parsed(&text);
        assert!(!seen.kinds.contains(&"other"), "{:?}", seen.kinds);
        assert_no_reference(&seen.text);
        for number in 100..250 {
            let suite = format!("{} {number}", "é".repeat(90));
            text = publish(&[&text], &stories::one_failure(), &suite, 7, "c").text;
            assert!(text.len() <= COMMENT_BYTES, "{}", text.len());
        }
    }

    proptest! {
        #[test]
        fn nothing_gets_out_of_a_section(suite in hostile(), name in hostile(), commit in hostile()) {
            prop_assume!(suite != "other");
            let story = stories::one_failure();
            let other = publish(&[], &story, "other", 7, &commit).text;
            let [plain, text] = ["web", &suite].map(|suite| {
                let text = publish(&[&other], &story, suite, 7, &commit).text;
                publish(&[&text], &story, suite, 7, &commit).text
            });
            let [plain, seen] = [&plain, &text].map(|text| parsed(text));
            prop_assert!(!seen.kinds.contains(&"other"), "{text}");
            assert_no_reference(&seen.text);
            for kind in ["table", "row", "cell", "html", "link", "fence", "heading"] {
                prop_assert_eq!(seen.count(kind), plain.count(kind), "{} {}", kind, text);
            }
            prop_assert_eq!(Section::read_all(&text).len(), 2);
            prop_assert!(marker(&name).bytes().all(|byte| b"<!-> %._".contains(&byte) || byte.is_ascii_alphanumeric()));
        }
    }
}
