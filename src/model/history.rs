//! What earlier runs taught: what each test costs, and what is paid beside the tests.
//!
//! `history.json` is JSON, gzipped where we write it; plain JSON is read too. Version 1. Times are
//! seconds, paths are relative to the folder the plan is made in, with `/`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read as _, Write as _};

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::node_id::NodeId;

pub(crate) const HISTORY_VERSION: u32 = 1;

/// Unpacked, no history is larger.
const MAX_BYTES: u64 = 256 << 20;

/// An estimate is the median of so many of the latest samples: two odd ones do not move it, and after
/// three it believes in a change.
const MEMORY: usize = 5;

/// No sample is longer: 30 days.
pub(crate) const MAX_SECONDS: f64 = 2_592_000.0;

/// `history.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) version: u32,
    pub(crate) suite: String,
    /// Of a shard beside its imports, fixtures and tests.
    #[serde(default)]
    pub(crate) start_up: Estimate,
    /// Fixtures of the session, which every shard sets up.
    #[serde(default)]
    pub(crate) session: Estimate,
    /// Wall time of a shard per second of its tests: less than 1 where it runs several at once.
    #[serde(default)]
    pub(crate) pace: Estimate,
    /// Fixtures of packages, by folder.
    #[serde(default)]
    pub(crate) packages: BTreeMap<String, Estimate>,
    #[serde(default)]
    pub(crate) files: BTreeMap<String, FileHistory>,
    /// The commit of the newest run, where it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<String>,
    /// By node id, of tests that did not always pass.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) ends: BTreeMap<NodeId, Ends>,
}

/// How the latest runs of a test ended, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub(crate) struct Ends(Vec<End>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Passed,
    Failed,
    /// Passed after it had failed, in the same run or at the same commit.
    Flaky,
}

impl Ends {
    const LONGEST: usize = 50;

    /// After so many runs in which it passed.
    pub(crate) fn after(passed: u32) -> Self {
        let passed = usize::try_from(passed).unwrap_or(Self::LONGEST);
        Self(vec![End::Passed; passed.min(Self::LONGEST)])
    }

    pub(crate) fn add(&mut self, end: End) {
        if self.0.len() >= Self::LONGEST {
            self.0.drain(..=self.0.len() - Self::LONGEST);
        }
        self.0.push(end);
    }

    /// Another run of the same commit: what failed there and passes now is flaky.
    pub(crate) fn add_again(&mut self, end: End) {
        match (self.0.last_mut(), end) {
            (Some(last), _) if *last == end => {}
            (Some(last), _) => *last = End::Flaky,
            (None, end) => self.0.push(end),
        }
    }

    pub(crate) fn runs(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn count(&self, end: End) -> usize {
        self.0.iter().filter(|other| **other == end).count()
    }
}

impl From<Ends> for String {
    fn from(ends: Ends) -> Self {
        let letter = |end| match end {
            End::Passed => '.',
            End::Failed => 'F',
            End::Flaky => 'R',
        };
        ends.0.into_iter().map(letter).collect()
    }
}

impl From<String> for Ends {
    fn from(text: String) -> Self {
        let end = |letter| match letter {
            'F' => End::Failed,
            'R' => End::Flaky,
            _ => End::Passed,
        };
        Self(text.chars().take(Self::LONGEST).map(end).collect())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FileHistory {
    #[serde(default, skip_serializing_if = "Estimate::is_empty")]
    pub(crate) import: Estimate,
    /// Fixtures of its classes, `TestX` or `TestX::TestY`, and under no name those of the module.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) fixtures: BTreeMap<String, Estimate>,
    /// By the part of the node id after the file: `TestX::test_y[param]`.
    #[serde(default)]
    pub(crate) tests: BTreeMap<String, TestHistory>,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) unseen: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TestHistory {
    /// Setup, call and teardown, without the fixtures it shares.
    #[serde(default)]
    pub(crate) cost: Estimate,
    /// Where it is defined, to know the order of tests.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) line: u32,
    /// What ties it to others, as the event log says it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) groups: Vec<String>,
    /// Runs of the suite since it was there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) unseen: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over references"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A robust estimate: samples, the newest last, and how many there ever were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Estimate {
    #[serde(default)]
    runs: u32,
    #[serde(default)]
    seconds: Samples,
}

/// The latest [`MEMORY`] ones, the newest last. Not on the heap: a suite has many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Samples {
    values: [f64; MEMORY],
    count: usize,
}

impl Samples {
    fn push(&mut self, value: f64) {
        if self.count == MEMORY {
            self.values.rotate_left(1);
            self.count -= 1;
        }
        self.values[self.count] = value;
        self.count += 1;
    }

    fn as_slice(&self) -> &[f64] {
        &self.values[..self.count]
    }
}

impl Serialize for Samples {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_slice().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Samples {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Samples;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list of seconds")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Samples, A::Error> {
                let mut samples = Samples::default();
                while let Some(value) = list.next_element()? {
                    samples.push(value);
                }
                Ok(samples)
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}

impl Estimate {
    pub(crate) fn is_empty(&self) -> bool {
        self.seconds.count == 0
    }

    /// What cannot be a time is passed over.
    pub(crate) fn add(&mut self, seconds: f64) {
        if !(0.0..=MAX_SECONDS).contains(&seconds) {
            return;
        }
        self.runs = self.runs.saturating_add(1);
        self.seconds.push(rounded(seconds));
    }

    /// The median; `None` without a sample that can be.
    pub(crate) fn value(&self) -> Option<f64> {
        let mut known = Samples::default();
        for seconds in self.seconds.as_slice() {
            if (0.0..=MAX_SECONDS).contains(seconds) {
                known.push(*seconds);
            }
        }
        let known = &mut known.values[..known.count];
        known.sort_by(f64::total_cmp);
        let middle = known.len().checked_sub(1)? / 2;
        Some(f64::midpoint(known[middle], known[known.len() / 2]))
    }

    /// How many runs it stands on, those that are forgotten included.
    pub(crate) fn runs(&self) -> u32 {
        self.runs
    }
}

impl From<f64> for Estimate {
    fn from(seconds: f64) -> Self {
        let mut estimate = Self::default();
        estimate.add(seconds);
        estimate
    }
}

/// Three digits: a duration says no more, and noise does not compress.
fn rounded(seconds: f64) -> f64 {
    format!("{seconds:.2e}").parse().unwrap_or(seconds)
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    #[error("it is no history: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it cannot be unpacked: {0}")]
    Gzip(#[from] std::io::Error),
    #[error("unpacked it has more than {MAX_BYTES} bytes")]
    Size,
    #[error("it is of version {0}, this program reads version {HISTORY_VERSION}")]
    Version(u32),
}

impl History {
    /// Reads what [`Self::to_bytes`] wrote, or plain JSON.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, HistoryError> {
        Self::from_json(&unpacked(bytes)?)
    }

    pub(crate) fn from_json(text: &[u8]) -> Result<Self, HistoryError> {
        let history: Self = serde_json::from_slice(text)?;
        if history.version == HISTORY_VERSION {
            Ok(history)
        } else {
            Err(HistoryError::Version(history.version))
        }
    }

    /// Gzipped JSON.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let text = serde_json::to_vec(self).expect("a history is always JSON");
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer
            .write_all(&text)
            .and_then(|()| packer.finish())
            .expect("memory takes everything")
    }
}

/// The content of a file that may be gzipped.
pub(crate) fn unpacked(bytes: &[u8]) -> Result<Cow<'_, [u8]>, HistoryError> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes.into());
    }
    let mut unpacked = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes)
        .take(MAX_BYTES + 1)
        .read_to_end(&mut unpacked)?;
    if u64::try_from(unpacked.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(HistoryError::Size);
    }
    Ok(unpacked.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_odd_samples_do_not_move_an_estimate_and_three_do() {
        let mut estimate = Estimate::default();
        assert_eq!((estimate.value(), estimate.runs()), (None, 0));
        for _ in 0..5 {
            estimate.add(2.0);
        }
        estimate.add(90.0);
        estimate.add(80.0);
        assert_eq!(estimate.value(), Some(2.0));
        estimate.add(70.0);
        assert_eq!((estimate.value(), estimate.runs()), (Some(70.0), 8));
    }

    #[test]
    fn what_cannot_be_a_time_is_no_sample() {
        let mut estimate = Estimate::default();
        for odd in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e9] {
            estimate.add(odd);
        }
        assert!(estimate.is_empty());
        let read: Estimate = serde_json::from_str(r#"{"seconds":[-5,1e300,0.5]}"#).expect("JSON");
        assert_eq!(read.value(), Some(0.5));
    }

    #[test]
    fn a_history_is_read_packed_and_plain() {
        let mut history = History {
            version: HISTORY_VERSION,
            ..History::default()
        };
        let file = history.files.entry("a.py".into()).or_default();
        file.tests
            .entry("test_x".into())
            .or_default()
            .cost
            .add(0.125);
        let plain = serde_json::to_vec(&history).expect("JSON");
        for bytes in [history.to_bytes(), plain] {
            assert_eq!(History::from_bytes(&bytes).expect("a history"), history);
        }
        let error = |bytes: &[u8]| History::from_bytes(bytes).expect_err("none").to_string();
        assert!(error(b"\x1f\x8bxx").starts_with("it cannot be unpacked"));
        assert!(error(b"[]").starts_with("it is no history"));
        assert_eq!(
            error(br#"{"version":7,"suite":"x"}"#),
            "it is of version 7, this program reads version 1"
        );
        let bomb = {
            let level = flate2::Compression::fast();
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), level);
            for _ in 0..257 {
                packer.write_all(&vec![b' '; 1 << 20]).expect("memory");
            }
            packer.finish().expect("memory")
        };
        assert!(error(&bomb).starts_with("unpacked it has more than"));
    }

    #[test]
    fn fifty_thousand_tests_take_less_than_two_megabytes() {
        let mut history = History {
            version: HISTORY_VERSION,
            ..History::default()
        };
        let mut state = 1_u64;
        let mut chance = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            f64::from(u32::try_from(state >> 33).unwrap_or(0)) / f64::from(1_u32 << 31)
        };
        for number in 0..50_000_u32 {
            let path = format!("tests/area_{}/test_module_{}.py", number % 40, number / 20);
            let file = history.files.entry(path).or_default();
            let name = format!("TestClass{}::test_the_thing_number_{number}", number % 3);
            let test = file.tests.entry(name).or_default();
            test.line = number % 997;
            for _ in 0..7 {
                test.cost.add(0.001 + chance() * chance());
            }
        }
        let bytes = history.to_bytes().len();
        assert!(bytes < 2_000_000, "{bytes}");
    }

    proptest! {
        #[test]
        fn an_estimate_lies_among_its_samples(samples in proptest::collection::vec(0.0..1e6_f64, 1..12)) {
            let mut estimate = Estimate::default();
            for sample in &samples {
                estimate.add(*sample);
            }
            let value = estimate.value().expect("a value");
            let low = samples.iter().copied().fold(f64::MAX, f64::min);
            let high = samples.iter().copied().fold(0.0, f64::max);
            prop_assert!((low * 0.99..=high * 1.01).contains(&value));
        }
    }
}
