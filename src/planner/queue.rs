//! Sequences into units that shards take one after another.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Range;

use super::bundle::Bundles;
use super::estimate::Estimates;
use super::owners::Owners;
use crate::model::plan::Queue;

/// A sequence is cut that is longer than one part in so many of an even load, because the last unit
/// that is taken makes the shards uneven...
const CUT_FROM: u64 = 2;
/// ...into parts of one in so many.
const CUT_INTO: u64 = 4;

/// The units of a suite, the longest first; `None` where there is nothing to take.
pub(crate) fn queue(estimates: &Estimates, bundles: &Bundles, shards: usize) -> Option<Queue> {
    let sequences = &bundles.sequences;
    let total = sequences
        .iter()
        .fold(0_u64, |sum, sequence| sum.saturating_add(sequence.whole()));
    let shards = u64::try_from(shards).unwrap_or(u64::MAX);
    let one_in = |parts: u64| (total / shards.saturating_mul(parts).max(1)).max(1);
    let mut parts: Vec<(u64, usize, Range<usize>)> = Vec::new();
    for (number, sequence) in sequences.iter().enumerate() {
        let uncut = || std::iter::once(0..sequence.len()).collect();
        let cut: Vec<Range<usize>> = if sequence.whole() <= one_in(CUT_FROM) {
            uncut()
        } else {
            sequence.cut_evenly(one_in(CUT_INTO))
        };
        let cut = cut.into_iter().filter(|part| !part.is_empty());
        parts.extend(cut.map(|part| (sequence.cost(&part), number, part)));
    }
    parts.sort_by_key(|(cost, _, _)| Reverse(*cost));
    let mut owners = Owners::of(estimates);
    let mut units = Vec::new();
    for (number, (_, sequence, part)) in parts.into_iter().enumerate() {
        let is_whole = part.len() == bundles.units[sequence].len();
        let mut files = BTreeSet::new();
        for member in bundles.units[sequence].members(&part) {
            files.insert(member.file);
            owners.give(estimates, *member, number);
        }
        units.push(name(estimates, &files, is_whole));
    }
    let named = owners.named(estimates);
    (!units.is_empty()).then_some(Queue {
        units,
        files: named.files,
        tests: named.tests,
    })
}

fn name(estimates: &Estimates, files: &BTreeSet<usize>, is_whole: bool) -> String {
    let first = files.first().map_or("", |it| &estimates.files[*it].path);
    let part = if is_whole { "" } else { "a part of " };
    match files.len() {
        0 | 1 => format!("{part}{first}"),
        count => format!("{part}{first} and {} more", count - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::super::bundle::{KeepTogether, bundle};
    use super::super::estimate::estimate;
    use super::super::estimate::tests::{history, source};
    use super::*;
    use crate::model::history::History;

    fn of(estimates: &Estimates, keep: &[KeepTogether], shards: usize) -> Queue {
        queue(estimates, &bundle(estimates, keep), shards).expect("units")
    }

    #[test]
    fn files_are_units_and_the_longest_is_first() {
        let names = [
            "a.py", "b.py", "c.py", "d.py", "e.py", "f.py", "g.py", "h.py", "i.py",
        ];
        let files: Vec<_> = names
            .iter()
            .map(|path| source(path, &[("test_1", 1)]))
            .collect();
        let known = history(&[("a.py", "test_1", 1.0), ("c.py", "test_1", 3.0)]);
        let queue = of(&estimate(files, known), &[], 2);
        assert_eq!((queue.units[0].as_str(), queue.units.len()), ("c.py", 9));
        assert_eq!((queue.files["c.py"], queue.tests.len()), (0, 0));
        assert_eq!(queue.units.last().map(String::as_str), Some("a.py"));
    }

    #[test]
    fn only_what_is_too_long_is_cut_and_only_where_it_may_be() {
        let functions: Vec<(String, usize)> = (0..12)
            .map(|number| (format!("Test{}::test_{number}", number / 4), 1))
            .collect();
        let functions: Vec<(&str, usize)> =
            functions.iter().map(|it| (it.0.as_str(), it.1)).collect();
        let files = vec![source("a.py", &functions), source("b.py", &[("test_1", 1)])];
        let estimates = estimate(files, History::default());
        let units = |keep: &[KeepTogether], shards| of(&estimates, keep, shards).units.len();
        assert!(units(&[], 2) > 4);
        assert_eq!(units(&[KeepTogether::Class], 4), 4);
        assert_eq!(units(&[KeepTogether::File], 4), 2);
        assert!(of(&estimates, &[], 2).units[0].starts_with("a part of a.py"));
        let nothing = estimate(vec![], History::default());
        assert_eq!(queue(&nothing, &bundle(&nothing, &[]), 2), None);
    }
}
