//! Tests that have another id than before, and are the same.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::node_id::NodeId;

/// A name in more files than this says nothing about which file became which.
const COMMON_NAME: usize = 16;
/// More functions than this in one class are not compared with each other.
const MOST_FUNCTIONS: usize = 50;
/// Of two names without their `test_`, by Levenshtein: `login` and `logins` are, `cart` and `price` are
/// not.
const SIMILAR: f64 = 0.6;

/// Pairs of old and new id; both sides of a pair leave the lists.
///
/// A file was moved if most of its tests are in a new one; a test was moved if its name was and is
/// the only one; a function was renamed if its class has a new one of a similar name with the same
/// parameters.
pub(super) fn find<'a>(
    removed: &mut Vec<&'a NodeId>,
    added: &mut Vec<&'a NodeId>,
) -> Vec<(&'a NodeId, &'a NodeId)> {
    let mut pairs = Vec::new();
    for step in [moved_files, moved_tests, renamed_functions] {
        let found = step(removed, added);
        let (old, new): (BTreeSet<_>, BTreeSet<_>) = found.iter().copied().unzip();
        removed.retain(|id| !old.contains(id));
        added.retain(|id| !new.contains(id));
        pairs.extend(found);
    }
    pairs.sort();
    pairs
}

type Ids<'a> = [&'a NodeId];
type Pairs<'a> = Vec<(&'a NodeId, &'a NodeId)>;

fn tail(id: &NodeId) -> &str {
    &id.as_str()[id.file().len()..]
}

/// By file, and there by the rest of the id.
fn by_file<'a>(ids: &Ids<'a>) -> BTreeMap<&'a str, BTreeMap<&'a str, &'a NodeId>> {
    let mut files: BTreeMap<&str, BTreeMap<&str, &NodeId>> = BTreeMap::new();
    for id in ids {
        files.entry(id.file()).or_default().insert(tail(id), id);
    }
    files
}

fn by_tail<'a>(ids: &Ids<'a>) -> BTreeMap<&'a str, Vec<&'a NodeId>> {
    let mut tails: BTreeMap<&str, Vec<&NodeId>> = BTreeMap::new();
    for id in ids {
        tails.entry(tail(id)).or_default().push(id);
    }
    tails
}

fn moved_files<'a>(removed: &Ids<'a>, added: &Ids<'a>) -> Pairs<'a> {
    let (old_files, new_files) = (by_file(removed), by_file(added));
    let candidates = by_tail(added);
    let mut common: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for id in removed {
        let here = candidates.get(tail(id)).map_or(&[][..], Vec::as_slice);
        if here.len() <= COMMON_NAME {
            for other in here {
                *common.entry((id.file(), other.file())).or_default() += 1;
            }
        }
    }
    let mut ranked: Vec<_> = common.into_iter().collect();
    let likeness = |(old, new): (&str, &str)| (1e6 * strsim::jaro_winkler(old, new)).round();
    ranked.sort_by(|(one, same), (two, other)| {
        Reverse(same)
            .cmp(&Reverse(other))
            .then_with(|| likeness(*two).total_cmp(&likeness(*one)))
    });
    let (mut taken, mut given) = (BTreeSet::new(), BTreeSet::new());
    let mut pairs = Vec::new();
    for ((old, new), same) in ranked {
        let whole = old_files[old].len().max(new_files[new].len());
        if 2 * same < whole || taken.contains(old) || given.contains(new) {
            continue;
        }
        taken.insert(old);
        given.insert(new);
        let tests = old_files[old].iter();
        pairs.extend(tests.filter_map(|(tail, id)| Some((*id, *new_files[new].get(tail)?))));
    }
    pairs
}

fn moved_tests<'a>(removed: &Ids<'a>, added: &Ids<'a>) -> Pairs<'a> {
    let news = by_tail(added);
    let pair =
        |(tail, old): (&str, Vec<&'a NodeId>)| match (old.as_slice(), news.get(tail)?.as_slice()) {
            ([old], [new]) => Some((*old, *new)),
            _ => None,
        };
    by_tail(removed).into_iter().filter_map(pair).collect()
}

/// A function's tests by their parameters.
type Function<'a> = BTreeMap<&'a str, &'a NodeId>;

/// By the file or class, and there by name.
fn functions<'a>(ids: &Ids<'a>) -> BTreeMap<&'a str, BTreeMap<&'a str, Function<'a>>> {
    let mut places: BTreeMap<&str, BTreeMap<&str, Function<'_>>> = BTreeMap::new();
    for id in ids {
        let function = id.function();
        if let Some((place, name)) = function.rsplit_once("::") {
            let parameters = &id.as_str()[function.len()..];
            let place = places.entry(place).or_default();
            place.entry(name).or_default().insert(parameters, id);
        }
    }
    places
}

fn renamed_functions<'a>(removed: &Ids<'a>, added: &Ids<'a>) -> Pairs<'a> {
    let news = functions(added);
    let mut pairs = Vec::new();
    for (place, old) in functions(removed) {
        let Some(new) = news.get(place) else { continue };
        if old.len().max(new.len()) > MOST_FUNCTIONS {
            continue;
        }
        let mut alike: Vec<(f64, &str, &str)> = Vec::new();
        for (before, tests) in &old {
            for (after, others) in new {
                let likeness = strsim::normalized_levenshtein(bare(before), bare(after));
                if likeness >= SIMILAR && tests.keys().eq(others.keys()) {
                    alike.push((likeness, before, after));
                }
            }
        }
        alike.sort_by(|one, two| {
            two.0
                .total_cmp(&one.0)
                .then_with(|| (one.1, one.2).cmp(&(two.1, two.2)))
        });
        let (mut taken, mut given) = (BTreeSet::new(), BTreeSet::new());
        for (_, before, after) in alike {
            if !taken.contains(before) && !given.contains(after) {
                taken.insert(before);
                given.insert(after);
                pairs.extend(
                    old[before]
                        .values()
                        .copied()
                        .zip(new[after].values().copied()),
                );
            }
        }
    }
    pairs
}

fn bare(name: &str) -> &str {
    name.trim_start_matches("test").trim_start_matches('_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(removed: &[&str], added: &[&str]) -> (Vec<String>, Vec<String>, Vec<String>) {
        let ids = |texts: &[&str]| {
            texts
                .iter()
                .map(|text| NodeId::new(*text))
                .collect::<Vec<_>>()
        };
        let (old, new) = (ids(removed), ids(added));
        let (mut removed, mut added): (Vec<_>, Vec<_>) =
            (old.iter().collect(), new.iter().collect());
        let pairs = find(&mut removed, &mut added);
        let told = |ids: Vec<&NodeId>| ids.into_iter().map(ToString::to_string).collect();
        let pairs = pairs
            .iter()
            .map(|(old, new)| format!("{old} > {new}"))
            .collect();
        (pairs, told(removed), told(added))
    }

    #[test]
    fn a_file_was_moved_with_most_of_its_tests() {
        let (pairs, removed, added) = found(
            &[
                "a/test_x.py::test_1",
                "a/test_x.py::test_2",
                "a/test_x.py::test_old",
                "c.py::test_1",
            ],
            &[
                "b/test_x.py::test_1",
                "b/test_x.py::test_2",
                "b/test_x.py::test_new",
                "d.py::test_other",
            ],
        );
        assert_eq!(
            pairs,
            [
                "a/test_x.py::test_1 > b/test_x.py::test_1",
                "a/test_x.py::test_2 > b/test_x.py::test_2"
            ]
        );
        assert_eq!(removed, ["a/test_x.py::test_old", "c.py::test_1"]);
        assert_eq!(added, ["b/test_x.py::test_new", "d.py::test_other"]);
    }

    #[test]
    fn a_test_was_moved_if_its_name_is_the_only_one() {
        let (pairs, ..) = found(
            &["a.py::T::test_moved[1]", "a.py::test_x", "b.py::test_x"],
            &[
                "c.py::T::test_moved[1]",
                "d.py::test_x",
                "c.py::T::q",
                "c.py::r",
                "d.py::s",
                "d.py::t",
            ],
        );
        assert_eq!(pairs, ["a.py::T::test_moved[1] > c.py::T::test_moved[1]"]);
    }

    #[test]
    fn a_function_was_renamed_with_the_same_parameters() {
        let (pairs, removed, added) = found(
            &[
                "a.py::test_login[1]",
                "a.py::test_login[2]",
                "a.py::test_cart",
                "a.py::T::test_login",
            ],
            &[
                "a.py::test_logins[1]",
                "a.py::test_logins[2]",
                "a.py::test_price",
                "a.py::U::test_logins",
            ],
        );
        assert_eq!(
            pairs,
            [
                "a.py::test_login[1] > a.py::test_logins[1]",
                "a.py::test_login[2] > a.py::test_logins[2]"
            ]
        );
        assert_eq!(removed, ["a.py::test_cart", "a.py::T::test_login"]);
        assert_eq!(added, ["a.py::test_price", "a.py::U::test_logins"]);
    }

    #[test]
    fn other_parameters_are_other_tests() {
        let (pairs, ..) = found(&["a.py::test_login[1]"], &["a.py::test_logins[2]"]);
        assert_eq!(pairs, Vec::<String>::new());
    }
}
