//! Files that were renamed or moved keep what is known about them.

use std::collections::{BTreeMap, BTreeSet};

use super::history::History;

/// A name that stands in more files than this says nothing about which file is which.
const MAX_NAMESAKES: usize = 20;

/// The test functions of each file that is there now, by path.
pub(crate) type Functions<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// `TestX::test_y` of `TestX::test_y[param]`.
pub(crate) fn function_of(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}

/// Gives to a file that is new what was known about one that is gone, if at least half of their
/// functions, taken together, have the same names.
pub(crate) fn follow(history: &mut History, present: &Functions<'_>) {
    let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for (path, file) in &history.files {
        if !present.contains_key(path.as_str()) {
            let names = file.tests.keys().map(|name| function_of(name));
            let names: BTreeSet<&str> = names.collect();
            sizes.insert(path, names.len());
            for name in names {
                owners.entry(name).or_default().push(path);
            }
        }
    }
    let mut pairs = Vec::new();
    for (path, names) in present {
        if history.files.contains_key(*path) {
            continue;
        }
        let names: BTreeSet<&str> = names.iter().copied().collect();
        let mut shared: BTreeMap<&str, usize> = BTreeMap::new();
        let known = names.iter().filter_map(|name| owners.get(name));
        for owner in known.filter(|it| it.len() <= MAX_NAMESAKES).flatten() {
            *shared.entry(owner).or_default() += 1;
        }
        for (gone, shared) in shared {
            let all = names.len() + sizes[gone] - shared;
            if 2 * shared >= all {
                let moved = file_name(gone) != file_name(path);
                pairs.push((
                    1000 - 1000 * shared / all,
                    moved,
                    (*path).to_owned(),
                    gone.to_owned(),
                ));
            }
        }
    }
    pairs.sort();
    for (_, _, path, gone) in pairs {
        if !history.files.contains_key(&path)
            && let Some(file) = history.files.remove(&gone)
        {
            history.files.insert(path, file);
        }
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(files: &[(&str, &[&str])]) -> History {
        let mut history = History::default();
        for (path, names) in files {
            let file = history.files.entry((*path).to_owned()).or_default();
            file.import.add(1.0);
            for name in *names {
                file.tests.entry((*name).to_owned()).or_default();
            }
        }
        history
    }

    fn followed(history: &[(&str, &[&str])], now: &[(&str, &[&str])]) -> Vec<String> {
        let mut known = self::history(history);
        let now = now.iter().map(|(path, names)| (*path, names.to_vec()));
        follow(&mut known, &now.collect());
        known.files.into_keys().collect()
    }

    #[test]
    fn a_file_that_moved_keeps_its_numbers() {
        let before: &[(&str, &[&str])] = &[
            (
                "a/test_x.py",
                &["test_1", "test_2[a]", "test_2[b]", "test_3"],
            ),
            ("b/test_y.py", &["test_4"]),
        ];
        let now: &[(&str, &[&str])] = &[
            ("c/test_x.py", &["test_1", "test_2", "test_new"]),
            ("b/test_y.py", &["test_4"]),
        ];
        assert_eq!(followed(before, now), ["b/test_y.py", "c/test_x.py"]);
    }

    #[test]
    fn another_file_with_a_name_in_common_is_another_file() {
        let before: &[(&str, &[&str])] = &[("a.py", &["test_1", "test_2", "test_3"])];
        let now: &[(&str, &[&str])] = &[("b.py", &["test_1", "test_8", "test_9"])];
        assert_eq!(followed(before, now), ["a.py"]);
        assert_eq!(followed(before, &[("a.py", &["test_1"])]), ["a.py"]);
    }

    #[test]
    fn of_several_likenesses_the_best_wins() {
        let before: &[(&str, &[&str])] = &[("old/a.py", &["test_1", "test_2"])];
        let now: &[(&str, &[&str])] = &[
            ("copy.py", &["test_1", "test_2", "test_3"]),
            ("new/a.py", &["test_1", "test_2"]),
        ];
        assert_eq!(followed(before, now), ["new/a.py"]);
    }
}
