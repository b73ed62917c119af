//! Any list of names into shares of even time: files, packages, classes or tests, of any language
//! whose test runner writes JUnit.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::estimate::in_microseconds;
use super::partition::partition;
use super::sequence::{Builder, seed};
use crate::model::case::{Outcome, TestCase};

/// How names were dealt out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dealt {
    /// For each name the share it is in, counted from 0.
    pub(crate) shares: Vec<usize>,
    /// Names whose time the reports tell.
    pub(crate) known: usize,
}

/// A name that no report knows takes the mean of the others. Two equal names are in one share.
pub(crate) fn deal(names: &[String], reports: &[TestCase], shares: usize) -> Dealt {
    let times = Times::of(reports);
    let mut distinct: Vec<&str> = names.iter().map(String::as_str).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let costs: Vec<Option<u64>> = distinct.iter().map(|name| times.find(name)).collect();
    let known: Vec<u64> = costs.iter().copied().flatten().collect();
    let count = u64::try_from(known.len()).unwrap_or(u64::MAX);
    let mean = known
        .iter()
        .sum::<u64>()
        .checked_div(count)
        .unwrap_or(1)
        .max(1);
    let sequences: Vec<_> = distinct
        .iter()
        .zip(&costs)
        .map(|(name, cost)| {
            let mut builder = Builder::new(seed(name));
            builder.unit(cost.unwrap_or(mean));
            builder.finish()
        })
        .collect();
    let mut owners: HashMap<&str, usize> = HashMap::new();
    for (number, share) in partition(&sequences, shares, 1).iter().enumerate() {
        owners.extend(
            share
                .parts
                .iter()
                .map(|part| (distinct[part.sequence], number)),
        );
    }
    Dealt {
        shares: names
            .iter()
            .filter_map(|name| owners.get(name.as_str()).copied())
            .collect(),
        known: names
            .iter()
            .filter(|name| times.find(name).is_some())
            .count(),
    }
}

/// Microseconds by what a name may be.
#[derive(Default)]
struct Times {
    files: HashMap<String, u64>,
    /// Classes, and the packages and modules around them.
    classes: HashMap<String, u64>,
    tests: HashMap<String, u64>,
}

impl Times {
    fn of(reports: &[TestCase]) -> Self {
        let mut samples: BTreeMap<(Option<&str>, &str, &str), Vec<u64>> = BTreeMap::new();
        for case in reports {
            // What broke off or never ran took another time than usual.
            if matches!(case.outcome, Outcome::Skipped | Outcome::Lost) {
                continue;
            }
            let file = case.location.as_ref().map(|at| at.path.as_str());
            let file = case.file.as_deref().or(file);
            let seconds = case.duration().as_secs_f64();
            let key = (file, case.classname.as_str(), case.name.as_str());
            samples
                .entry(key)
                .or_default()
                .push(in_microseconds(seconds));
        }
        let mut times = Self::default();
        for ((file, class, name), mut samples) in samples {
            samples.sort_unstable();
            let cost = samples[(samples.len() - 1) / 2];
            if let Some(file) = file {
                add(&mut times.files, file.trim_start_matches("./"), cost);
            }
            let inner = class.match_indices(['.', '$']).map(|(at, _)| &class[..at]);
            for class in inner.chain([class]).filter(|class| !class.is_empty()) {
                add(&mut times.classes, class, cost);
            }
            // `binary test` as `cargo nextest list --message-format oneline` writes it.
            let names = [
                name.to_owned(),
                format!("{class}::{name}"),
                format!("{class}.{name}"),
                format!("{class} {name}"),
                format!("{class}#{name}"),
            ];
            for name in names.iter().collect::<HashSet<_>>() {
                add(&mut times.tests, name, cost);
            }
        }
        times
    }

    fn find(&self, name: &str) -> Option<u64> {
        let path = name.trim_start_matches("./");
        // Absolute here, relative there: the end of a path is enough.
        let found = ends(path, '/').find_map(|end| self.files.get(end));
        let known = found.or_else(|| self.classes.get(path));
        let known = known.or_else(|| self.tests.get(name));
        known.copied().or_else(|| {
            // `src/test/java/org/acme/FooTest.java` is the class `org.acme.FooTest`.
            let (stem, extension) = path.rsplit_once('.')?;
            let is_path = !extension.contains('/');
            let dotted = stem.replace('/', ".");
            let class = ends(&dotted, '.').find_map(|end| self.classes.get(end));
            class.copied().filter(|_| is_path)
        })
    }
}

fn add(sums: &mut HashMap<String, u64>, name: &str, cost: u64) {
    let sum = sums.entry(name.to_owned()).or_default();
    *sum = sum.saturating_add(cost);
}

/// The whole of it, then what follows each separator.
fn ends(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let inner = text.match_indices(separator).map(|(at, _)| &text[at + 1..]);
    std::iter::once(text)
        .chain(inner)
        .filter(|end| !end.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::case::Location;
    use crate::model::node_id::NodeId;
    use proptest::prelude::*;
    use std::time::Duration;

    fn case(file: Option<&str>, classname: &str, name: &str, seconds: u64) -> TestCase {
        TestCase {
            classname: classname.to_owned(),
            name: name.to_owned(),
            location: file.map(|path| Location {
                path: path.into(),
                line: 1,
            }),
            call: Duration::from_secs(seconds),
            ..TestCase::new(NodeId::new(format!("{classname}::{name}")))
        }
    }

    fn seconds(reports: &[TestCase], name: &str) -> Option<u64> {
        Times::of(reports).find(name).map(|it| it / 1_000_000)
    }

    #[test]
    fn knows_names_as_different_languages_have_them() {
        let reports = [
            case(Some("./spec/a_spec.rb"), "spec.a_spec", "A does", 1),
            case(Some("./spec/a_spec.rb"), "spec.a_spec", "A too", 2),
            case(None, "org.acme.FooTest", "bar", 4),
            case(None, "org.acme.FooTest$Inner", "bar", 8),
            case(None, "example.com/mod/pkg", "TestX", 16),
            case(None, "mycrate::it", "deep::test", 32),
            case(Some("src/a.test.js"), "a suite", "works", 64),
        ];
        let known = |name| seconds(&reports, name);
        assert_eq!(known("spec/a_spec.rb"), Some(3));
        assert_eq!(known("src/test/java/org/acme/FooTest.java"), Some(12));
        assert_eq!(known("org.acme.FooTest"), Some(12));
        assert_eq!(known("org.acme.FooTest$Inner"), Some(8));
        assert_eq!(known("org.acme.FooTest#bar"), Some(4));
        assert_eq!(known("example.com/mod/pkg"), Some(16));
        assert_eq!(known("TestX"), Some(16));
        assert_eq!(known("mycrate::it deep::test"), Some(32));
        assert_eq!(known("/home/me/project/src/a.test.js"), Some(64));
        assert_eq!(known("src/b.test.js"), None);
        assert_eq!(known(""), None);
    }

    #[test]
    fn several_runs_are_samples_and_not_a_sum() {
        let runs = [2, 3, 90].map(|seconds| case(None, "c", "n", seconds));
        assert_eq!(seconds(&runs, "c"), Some(3));
    }

    #[test]
    fn a_new_name_takes_the_mean_and_equal_names_stay_together() {
        let names: Vec<String> = ["a", "new", "b", "a"].map(str::to_owned).to_vec();
        let reports = [case(None, "a", "x", 9), case(None, "b", "x", 3)];
        let dealt = deal(&names, &reports, 2);
        assert_eq!((dealt.known, dealt.shares[0]), (3, dealt.shares[3]));
        assert_eq!(dealt.shares[1], dealt.shares[2]);
        assert_ne!(dealt.shares[0], dealt.shares[1]);
    }

    proptest! {
        #[test]
        fn every_name_is_in_one_share_whatever_the_order(
            (names, shuffled) in proptest::collection::vec("[a-c./]{0,4}", 0..40).prop_flat_map(
                |names| (Just(names.clone()), Just(names).prop_shuffle())
            ),
            shares in 1_usize..9,
        ) {
            let reports = [case(Some("a/b"), "a.b", "c", 7), case(None, "c", "a", 2)];
            let by_name = |names: &[String]| {
                let dealt = deal(names, &reports, shares);
                assert_eq!(dealt.shares.len(), names.len());
                assert!(dealt.shares.iter().all(|share| *share < shares));
                names.iter().cloned().zip(dealt.shares).collect::<BTreeMap<_, _>>()
            };
            prop_assert_eq!(by_name(&names), by_name(&shuffled));
        }
    }
}
