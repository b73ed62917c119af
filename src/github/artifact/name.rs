//! The names of our artifacts: `parallel-pytest-<suite>-shard-3-of-6-a<attempt>`, of a shard in one of
//! several environments `…-shard-3-of-6-in-<environment>-a<attempt>`.
//!
//! A name is unique in a run across all its attempts, and anyone who runs code in it can make one.
//! So a name must be exactly one of ours to be looked at, and the newest attempt counts.

use std::fmt;
use std::str::FromStr;

use crate::model::shard::Shard;

const PREFIX: &str = "parallel-pytest-";
/// Of a suite's name, in bytes.
const SUITE_LIMIT: usize = 40;

/// The name of one artifact of one suite.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ArtifactName {
    pub(crate) suite: SuiteName,
    pub(crate) content: Content,
    /// Counts from 2 where the name itself was taken already; 1 is not written.
    pub(crate) copy: u32,
}

/// What is in an artifact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Content {
    Plan {
        attempt: u32,
    },
    Shard {
        shard: Shard,
        environment: Option<EnvironmentSlug>,
        attempt: u32,
    },
    Report {
        attempt: u32,
    },
    History,
}

/// An environment in names: 1 to 49 of `a-z`, `0-9`, `.` and `_`, without the `-` that stands between
/// the parts of a name. Different environments have different ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EnvironmentSlug(String);

impl EnvironmentSlug {
    /// `None` for no environment. Where the name itself cannot be used, a part of its sha256 keeps it
    /// apart from others.
    pub(crate) fn of(environment: &str) -> Option<Self> {
        use sha2::{Digest as _, Sha256};
        if environment.is_empty() {
            return None;
        }
        if let Some(slug) = Self::read(environment).filter(|_| environment.len() <= SUITE_LIMIT) {
            return Some(slug);
        }
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '.';
        let plain = environment.chars().take(SUITE_LIMIT).map(|letter| {
            let letter = letter.to_ascii_lowercase();
            if allowed(letter) { letter } else { '_' }
        });
        let digest = Sha256::digest(environment);
        let digest = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        Some(Self(format!("{}_{digest:08x}", plain.collect::<String>())))
    }

    fn read(text: &str) -> Option<Self> {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._".contains(&byte);
        let fits = (1..=SUITE_LIMIT + 9).contains(&text.len()) && text.bytes().all(allowed);
        fits.then(|| Self(text.to_owned()))
    }
}

/// The name of a suite: 1 to 40 of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SuiteName(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` cannot name a suite: use 1 to {SUITE_LIMIT} of a-z, 0-9 and -")]
pub(crate) struct SuiteNameError(String);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no artifact of parallel-pytest")]
pub(crate) struct ArtifactNameError(String);

impl ArtifactName {
    pub(crate) fn new(suite: SuiteName, content: Content) -> Self {
        Self {
            suite,
            content,
            copy: 1,
        }
    }

    /// The name to try where this one is taken.
    pub(crate) fn next_copy(mut self) -> Self {
        self.copy += 1;
        self
    }

    /// The attempt of the run, 0 for a history: among artifacts of one content the highest counts,
    /// then the highest `copy`.
    pub(crate) fn attempt(&self) -> u32 {
        match &self.content {
            Content::Plan { attempt }
            | Content::Shard { attempt, .. }
            | Content::Report { attempt } => *attempt,
            Content::History => 0,
        }
    }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{PREFIX}{}-", self.suite)?;
        match &self.content {
            Content::Plan { attempt } => write!(out, "plan-a{attempt}")?,
            Content::Shard {
                shard,
                environment,
                attempt,
            } => {
                write!(out, "shard-{}", shard.slug())?;
                if let Some(EnvironmentSlug(environment)) = environment {
                    write!(out, "-in-{environment}")?;
                }
                write!(out, "-a{attempt}")?;
            }
            Content::Report { attempt } => write!(out, "report-a{attempt}")?,
            Content::History => out.write_str("history")?,
        }
        if self.copy > 1 {
            write!(out, "-{}", self.copy)?;
        }
        Ok(())
    }
}

impl FromStr for ArtifactName {
    type Err = ArtifactNameError;

    fn from_str(text: &str) -> Result<Self, ArtifactNameError> {
        parse(text).ok_or_else(|| ArtifactNameError(shortened(text)))
    }
}

/// Reads from the end, since a suite may look like any of the parts behind it.
fn parse(text: &str) -> Option<ArtifactName> {
    let rest = text.strip_prefix(PREFIX)?;
    let (rest, copy) = match rest.rsplit_once('-') {
        // A number at the end counts copies, but for the 6 of `…-of-6`, which an attempt follows.
        Some((before, last)) if last.bytes().all(|byte| byte.is_ascii_digit()) => {
            (before, number(last).filter(|copy| *copy > 1)?)
        }
        _ => (rest, 1),
    };
    let (suite, content) = if let Some(suite) = rest.strip_suffix("-history") {
        (suite, Content::History)
    } else {
        let (rest, attempt) = rest.rsplit_once("-a")?;
        let attempt = number(attempt)?;
        if let Some(suite) = rest.strip_suffix("-plan") {
            (suite, Content::Plan { attempt })
        } else if let Some(suite) = rest.strip_suffix("-report") {
            (suite, Content::Report { attempt })
        } else {
            let slug = |(rest, slug)| Some((rest, EnvironmentSlug::read(slug)?));
            let (rest, environment) = match rest.rsplit_once("-in-").and_then(slug) {
                Some((rest, environment)) => (rest, Some(environment)),
                None => (rest, None),
            };
            let (rest, total) = rest.rsplit_once("-of-")?;
            let (suite, index) = rest.rsplit_once("-shard-")?;
            let small = |digits| u16::try_from(number(digits)?).ok();
            let shard = Shard::new(small(index)?, small(total)?).ok()?;
            (
                suite,
                Content::Shard {
                    shard,
                    environment,
                    attempt,
                },
            )
        }
    };
    Some(ArtifactName {
        suite: suite.parse().ok()?,
        content,
        copy,
    })
}

/// A number from 1 that is written in one way only.
fn number(digits: &str) -> Option<u32> {
    let plain = digits.len() <= 9
        && !digits.starts_with('0')
        && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

fn shortened(text: &str) -> String {
    text.chars()
        .take(100)
        .flat_map(char::escape_debug)
        .collect()
}

impl fmt::Display for SuiteName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for SuiteName {
    type Err = SuiteNameError;

    fn from_str(text: &str) -> Result<Self, SuiteNameError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.is_empty() || text.len() > SUITE_LIMIT || !text.bytes().all(allowed) {
            return Err(SuiteNameError(shortened(text)));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn suites() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z0-9-]{1,40}",
            "(a|-plan|-a1|-history|-shard-1-of-2|-report|-2|-of-3|-in|-in-x){1,4}"
                .prop_filter("short", |suite| suite.len() <= 40),
        ]
    }

    fn contents() -> impl Strategy<Value = Content> {
        let attempt = 1..=999_u32;
        prop_oneof![
            attempt
                .clone()
                .prop_map(|attempt| Content::Plan { attempt }),
            attempt
                .clone()
                .prop_map(|attempt| Content::Report { attempt }),
            Just(Content::History),
            (
                1..=256_u16,
                1..=256_u16,
                attempt,
                "(|[a-z0-9._]{1,40}|[ -~é]{1,40})"
            )
                .prop_map(|(one, other, attempt, environment)| Content::Shard {
                    shard: Shard::new(one.min(other), one.max(other)).expect("a shard"),
                    environment: EnvironmentSlug::of(&environment),
                    attempt,
                }),
        ]
    }

    proptest! {
        #[test]
        fn a_name_is_read_back_whatever_the_suite_looks_like(suite in suites(), content in contents(), copy in 1..9_u32) {
            let name = ArtifactName { suite: suite.parse().expect("a suite"), content, copy };
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "parallel-pytest-[a-z0-9-]{0,9}-(plan|history|shard-[0-9]{1,3}-of-[0-9]{1,3}(-in-[a-z0-9._-]{0,9})?|report)(-a[0-9]{1,3})?(-[0-9])?") {
            if let Ok(name) = text.parse::<ArtifactName>() {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }

    #[test]
    fn the_names_are_those_of_the_documentation() {
        let suite: SuiteName = "unit-tests".parse().expect("a suite");
        let shard = Shard::new(3, 6).expect("a shard");
        let name = |content| ArtifactName::new(suite.clone(), content);
        assert_eq!(
            name(Content::Plan { attempt: 1 }).to_string(),
            "parallel-pytest-unit-tests-plan-a1"
        );
        let third = name(Content::Shard {
            shard,
            environment: None,
            attempt: 2,
        });
        let there = name(Content::Shard {
            shard,
            environment: EnvironmentSlug::of("3.12"),
            attempt: 2,
        });
        assert_eq!(
            there.to_string(),
            "parallel-pytest-unit-tests-shard-3-of-6-in-3.12-a2"
        );
        assert_eq!(
            third.to_string(),
            "parallel-pytest-unit-tests-shard-3-of-6-a2"
        );
        assert_eq!(
            third.next_copy().to_string(),
            "parallel-pytest-unit-tests-shard-3-of-6-a2-2"
        );
        assert_eq!(
            name(Content::Report { attempt: 1 }).to_string(),
            "parallel-pytest-unit-tests-report-a1"
        );
        assert_eq!(
            name(Content::History).to_string(),
            "parallel-pytest-unit-tests-history"
        );
    }

    #[test]
    fn environments_that_are_different_have_different_names() {
        let names = ["py 3.1", "py-3.1", "py_3.1", "Py_3.1", "py_3.1_", "3.1"];
        let slugs: std::collections::BTreeSet<_> = names.map(EnvironmentSlug::of).into();
        assert_eq!(slugs.len(), names.len());
        assert_eq!(EnvironmentSlug::of(""), None);
    }

    #[test]
    fn a_name_that_is_not_exactly_ours_is_refused() {
        for text in [
            "",
            "..",
            "CON",
            "parallel-pytest-../x-plan-a1",
            "parallel-pytest-Unit-plan-a1",
            "parallel-pytest--plan-a01",
            "parallel-pytest-unit-plan-a1\n",
            "parallel-pytest-unit-plan-a1-1",
            "parallel-pytest-unit-plan-a0",
            "parallel-pytest-unit-plan-a99999999999",
            "parallel-pytest-unit-shard-7-of-6-a1",
            "parallel-pytest-unit-shard-0-of-6-a1",
            "parallel-pytest-unit-shard-1-of-6",
            "parallel-pytest-unit-\u{202e}plan-a1",
            "parallel-pytest-plan-a1",
        ] {
            assert!(text.parse::<ArtifactName>().is_err(), "{text:?}");
        }
        let long = format!("parallel-pytest-{}-plan-a1", "x".repeat(41));
        assert!(long.parse::<ArtifactName>().is_err());
    }

    #[test]
    fn the_message_tells_what_a_suite_may_be_called() {
        let error = "Unit tests".parse::<SuiteName>().expect_err("no suite");
        assert_eq!(
            error.to_string(),
            "`Unit tests` cannot name a suite: use 1 to 40 of a-z, 0-9 and -"
        );
    }
}
