//! The section of one suite, as it stands in the comment.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::render::blocks::blocks;
use crate::render::budget::{Block, fit_parts};
use crate::render::comment::{AMOUNT, COMMENT_BYTES};
use crate::render::percent::{decoded, encoded};
use crate::render::view::View;
use crate::render::words;

/// Nothing of ours that is hidden begins otherwise, and no part of a section has it.
const HIDDEN: &str = "<!-- parallel-pytest-";
const BEGIN: &str = "<!-- parallel-pytest-section ";
const CUT: &str = "<!-- parallel-pytest-cut -->\n";
const END: &str = "<!-- parallel-pytest-end -->\n";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) facts: Facts,
    /// Markdown, the important first, each part whole in itself.
    pub(crate) parts: Vec<String>,
}

/// What the head of the comment says of a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) suite: String,
    /// The run and its attempt: the greatest is the newest.
    pub(crate) run: (u64, u32),
    pub(crate) commit: String,
    pub(crate) green: bool,
    pub(crate) tests: usize,
    /// Errors included.
    pub(crate) failed: usize,
    pub(crate) lost: usize,
    pub(crate) flaky: usize,
    /// In per cent, as it is shown; empty without coverage.
    pub(crate) coverage: String,
    pub(crate) url: String,
    /// Of the section with nothing left out: the same result has the same.
    pub(crate) digest: String,
}

/// A suite about to be published, whose section is as long as there is room.
pub(crate) struct Own<'a> {
    pub(crate) facts: Facts,
    text: Text<'a>,
}

enum Text<'a> {
    View(&'a View<'a>),
    /// The project's own words, which are there or not.
    Said(&'a View<'a>, String),
}

impl<'a> Own<'a> {
    /// `said` is what a template of the project makes of the view.
    pub(crate) fn new(view: &'a View<'a>, run: (u64, u32), said: Option<String>) -> Self {
        let totals = view.totals;
        let coverage = view.coverage.as_ref();
        let text = match said {
            Some(said) => Text::Said(view, said),
            None => Text::View(view),
        };
        let mut own = Self {
            facts: Facts {
                suite: view.suite.to_owned(),
                run,
                commit: view.links.sha.clone().unwrap_or_default(),
                green: view.green,
                tests: totals.all(),
                failed: totals.failed + totals.error,
                lost: totals.lost,
                flaky: totals.flaky,
                coverage: coverage.map_or_else(String::new, |coverage| {
                    words::percent(coverage.totals.percent())
                }),
                url: view.links.run_url.clone().unwrap_or_default(),
                digest: String::new(),
            },
            text,
        };
        let mut hash = Sha256::new();
        for part in own.parts(COMMENT_BYTES) {
            hash.update(part);
        }
        own.facts.digest = hash.finalize()[..8]
            .iter()
            .fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
        own
    }

    /// What is most worth saying in so many bytes, the lines between the parts included.
    pub(crate) fn parts(&self, bytes: usize) -> Vec<String> {
        let view = match &self.text {
            Text::Said(_, said) if said.len() + 2 <= bytes => return vec![part(said)],
            Text::Said(view, _) | Text::View(view) => view,
        };
        let blocks = blocks(view, AMOUNT);
        // Each part may become longer by two line breaks.
        let parts: usize = blocks.iter().map(Block::most_parts).sum();
        let room = bytes.saturating_sub(parts * (CUT.len() + 2));
        let texts = fit_parts(&blocks, room).into_iter();
        texts
            .filter(|text| !text.is_empty())
            .map(|text| part(&text))
            .collect()
    }
}

/// Ends with an empty line, so that nothing after it belongs to it, and has nothing that looks like a
/// marker of ours.
fn part(text: &str) -> String {
    let text = text.replace(HIDDEN, "<!-- parallel pytest-");
    format!("{}\n\n", text.trim_end_matches('\n'))
}

impl Section {
    /// The bytes between the markers of beginning and end.
    pub(super) fn size(&self) -> usize {
        let parts: usize = self.parts.iter().map(String::len).sum();
        parts + CUT.len() * self.parts.len().saturating_sub(1)
    }

    pub(super) fn write(&self, out: &mut String) {
        *out += &self.facts.marker();
        *out += &self.parts.join(CUT);
        *out += END;
    }

    /// Those of a comment, without what somebody has broken by hand.
    pub(super) fn read_all(comment: &str) -> Vec<Self> {
        let comment = comment.replace("\r\n", "\n");
        let mut found = Vec::new();
        let mut rest = comment.as_str();
        while let Some(at) = rest.find(BEGIN) {
            rest = &rest[at..];
            let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
            // GitHub takes line breaks off the end.
            let (body, after) = after.split_once(END.trim_end()).unwrap_or((after, ""));
            if let Some(facts) = Facts::read(line) {
                let parts = body.split(CUT).map(str::to_owned);
                let parts = parts.filter(|part| !part.is_empty()).collect();
                found.push(Self { facts, parts });
            }
            rest = after;
        }
        found
    }
}

impl Facts {
    pub(super) fn marker(&self) -> String {
        let Self {
            suite,
            run: (run, attempt),
            commit,
            green,
            tests,
            failed,
            lost,
            flaky,
            coverage,
            url,
            digest,
        } = self;
        let (run, attempt) = (run.to_string(), attempt.to_string());
        let [tests, failed, lost, flaky] = [tests, failed, lost, flaky].map(usize::to_string);
        let verdict = if *green { "green" } else { "red" };
        let fields = [
            ("suite", suite.as_str()),
            ("run", &run),
            ("attempt", &attempt),
            ("commit", commit),
            ("verdict", verdict),
            ("tests", &tests),
            ("failed", &failed),
            ("lost", &lost),
            ("flaky", &flaky),
            ("coverage", coverage),
            ("url", url),
            ("digest", digest),
        ];
        let mut line = BEGIN.to_owned();
        for (name, value) in fields {
            let _ = write!(line, "{name}={} ", encoded(value, b"._"));
        }
        line + "-->\n"
    }

    fn read(line: &str) -> Option<Self> {
        let fields: BTreeMap<&str, String> = line
            .strip_prefix(BEGIN)?
            .trim_end()
            .strip_suffix("-->")?
            .split_whitespace()
            .map(|field| {
                let (name, value) = field.split_once('=')?;
                Some((name, decoded(value)?))
            })
            .collect::<Option<_>>()?;
        let text = |name: &str| fields.get(name).cloned();
        let count = |name: &str| fields.get(name)?.parse().ok();
        Some(Self {
            suite: text("suite")?,
            run: (text("run")?.parse().ok()?, text("attempt")?.parse().ok()?),
            commit: text("commit")?,
            green: match text("verdict")?.as_str() {
                "green" => true,
                "red" => false,
                _ => return None,
            },
            tests: count("tests")?,
            failed: count("failed")?,
            lost: count("lost")?,
            flaky: count("flaky")?,
            coverage: text("coverage")?,
            url: text("url")?,
            digest: text("digest")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::render::gfm::hostile;

    proptest! {
        #[test]
        fn a_section_is_read_as_it_was_written(
            names in (hostile(), hostile(), hostile()),
            numbers in any::<(u64, u32, bool, u32)>(),
            texts in proptest::collection::vec(hostile(), 0..4),
        ) {
            let (suite, commit, url) = names;
            let (run, attempt, green, tests) = numbers;
            let facts = Facts {
                suite, commit, url, green,
                run: (run, attempt),
                tests: tests as usize,
                failed: 1, lost: 2, flaky: 3,
                coverage: "87.5%".to_owned(),
                digest: "d".to_owned(),
            };
            let forged = format!("{}\n{END}{CUT}", facts.marker());
            let texts = texts.iter().map(|text| part(&format!("{text}{forged}").replace('\r', "")));
            let section = Section { facts, parts: texts.collect() };
            let mut comment = "head\n".to_owned();
            section.write(&mut comment);
            section.write(&mut comment);
            let found = Section::read_all(&comment.replace('\n', "\r\n"));
            prop_assert_eq!(found, vec![section.clone(), section]);
        }

        #[test]
        fn what_is_no_section_of_ours_is_left_out(text in hostile()) {
            for comment in [text.clone(), format!("{BEGIN}{text} -->\n"), format!("{BEGIN}suite={text}\n{END}")] {
                prop_assert_eq!(Section::read_all(&comment), Vec::new());
            }
        }
    }
}
