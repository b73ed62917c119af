//! From the paths that shards saw to the files of the repository.
//!
//! A shard may have run in a container whose `/code` is the repository, on another runner, on
//! Windows, or against an installed package. Where a path belongs is decided by all of the paths
//! together, so that their order cannot matter: first each one votes for the folders that its
//! longest match makes the same, then each one goes where its folder has the most votes.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::globs;

/// Where the files of a repository are, and what the user says about folders.
pub(crate) struct PathMap<'a> {
    /// The names on the way to the folder that results are relative to.
    root: Vec<String>,
    aliases: Vec<Alias>,
    /// By file name, each file of the repository as its names.
    by_name: BTreeMap<&'a str, Vec<Vec<&'a str>>>,
    exists: &'a dyn Fn(&Utf8Path) -> bool,
}

/// A folder that is another one.
struct Alias {
    pattern: fancy_regex::Regex,
    result: String,
}

/// Where the paths belong.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// By the path as it was seen.
    pub(crate) files: BTreeMap<String, Utf8PathBuf>,
    /// Files that are not of the repository.
    pub(crate) outside: Vec<String>,
    /// Paths that may be one of several files.
    pub(crate) ambiguous: BTreeMap<String, Vec<Utf8PathBuf>>,
}

/// Two folders that are the same, one as a shard saw it and one of the repository.
type Pair = (Vec<String>, Vec<String>);

/// A file of the repository that a path may be.
struct Candidate<'a> {
    file: &'a [&'a str],
    /// How many names at the end are the same.
    common: usize,
}

impl<'a> PathMap<'a> {
    /// `root` is an absolute folder, `files` the repository's below it, and `exists` tells whether a
    /// file is on the disk, generated ones included. `aliases` are lists as of `[paths]` in
    /// coverage.py's settings: a folder and patterns for it.
    ///
    /// # Errors
    /// A pattern that coverage.py refuses too.
    pub(crate) fn new(
        root: &str,
        files: &'a BTreeSet<Utf8PathBuf>,
        aliases: &[Vec<String>],
        relative_files: bool,
        exists: &'a dyn Fn(&Utf8Path) -> bool,
    ) -> Result<Self, String> {
        let mut rules = Vec::new();
        for list in aliases {
            let Some((result, patterns)) = list.split_first() else {
                continue;
            };
            for pattern in patterns {
                if pattern.trim_end_matches(['/', '\\']).ends_with('*') {
                    return Err(format!(
                        "[paths] {pattern}: a folder must not end with a wildcard"
                    ));
                }
                let free =
                    relative_files || pattern.starts_with(['*', '/', '\\']) || has_drive(pattern);
                let pattern = if free {
                    pattern.clone()
                } else {
                    format!("{root}/{pattern}")
                };
                rules.push(Alias {
                    pattern: globs::folder(&pattern)?,
                    result: format!("{}/", result.trim_end_matches(['/', '\\'])),
                });
            }
        }
        let mut by_name: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for file in files {
            let names: Vec<&str> = file.components().map(|part| part.as_str()).collect();
            if let Some(name) = names.last() {
                by_name.entry(*name).or_default().push(names);
            }
        }
        Ok(Self {
            root: names(root).unwrap_or_default(),
            aliases: rules,
            by_name,
            exists,
        })
    }

    /// Finds the file of each path.
    pub(crate) fn resolve<'p>(&self, paths: impl IntoIterator<Item = &'p str>) -> Resolved {
        let mut resolved = Resolved::default();
        let mut open = Vec::new();
        for path in paths {
            match self.certain(path) {
                Some(file) => {
                    resolved.files.insert(path.to_owned(), file);
                }
                None => match names(path) {
                    Some(names) => open.push((path, names)),
                    None => resolved.outside.push(path.to_owned()),
                },
            }
        }
        let mut votes = Votes::default();
        for (_, names) in &open {
            votes.count(names, &self.candidates(names));
        }
        for (path, names) in &open {
            let mut best = votes.best(names, &self.candidates(names));
            match (best.pop(), best.is_empty()) {
                (Some(file), true) => {
                    resolved.files.insert((*path).to_owned(), file);
                }
                (Some(file), false) => {
                    best.push(file);
                    best.sort();
                    resolved.ambiguous.insert((*path).to_owned(), best);
                }
                (None, _) => resolved.outside.push((*path).to_owned()),
            }
        }
        resolved.outside.sort();
        resolved
    }

    /// A path that says itself what file it is, or of which the user says it.
    fn certain(&self, path: &str) -> Option<Utf8PathBuf> {
        let aliased = self.aliases.iter().find_map(|alias| {
            let found = alias.pattern.find(path).ok()??;
            let new = format!("{}{}", alias.result, path[found.end()..].replace('\\', "/"));
            self.below_root(&new).filter(|file| (self.exists)(file))
        });
        aliased.or_else(|| self.below_root(path).filter(|file| (self.exists)(file)))
    }

    /// The path relative to the root.
    fn below_root(&self, path: &str) -> Option<Utf8PathBuf> {
        let names = names(path)?;
        let below = match names.strip_prefix(self.root.as_slice()) {
            Some(below) => below,
            None if is_absolute(&names) => return None,
            None => &names,
        };
        (!below.is_empty()).then(|| below.iter().collect())
    }

    fn candidates(&self, names: &[String]) -> Vec<Candidate<'_>> {
        let files = names
            .last()
            .and_then(|name| self.by_name.get(name.as_str()));
        let candidate = |file: &'_ Vec<&str>| {
            let ends = names.iter().rev().zip(file.iter().rev());
            ends.take_while(|(one, two)| one == two).count()
        };
        let all = files.into_iter().flatten();
        all.map(|file| Candidate {
            common: candidate(file),
            file,
        })
        .filter(|candidate| is_credible(names, candidate))
        .collect()
    }
}

#[derive(Default)]
struct Votes {
    /// For a pair of folders, the files that name it beyond doubt, and those that have but their own
    /// name in common.
    pairs: BTreeMap<Pair, (usize, usize)>,
    /// In a folder of a shard, all files directly in it.
    in_folder: BTreeMap<Vec<String>, usize>,
}

impl Votes {
    fn count(&mut self, names: &[String], candidates: &[Candidate<'_>]) {
        *self
            .in_folder
            .entry(names[..names.len() - 1].to_vec())
            .or_default() += 1;
        let longest = candidates.iter().map(|candidate| candidate.common).max();
        let mut best = candidates
            .iter()
            .filter(|candidate| Some(candidate.common) == longest);
        if let (Some(candidate), None) = (best.next(), best.next()) {
            let (sure, weak) = self.pairs.entry(pair(names, candidate)).or_default();
            *if candidate.common > 1 { sure } else { weak } += 1;
        }
    }

    /// The files with the best claim to be that path: none, one, or several that are equal.
    fn best(&self, names: &[String], candidates: &[Candidate<'_>]) -> Vec<Utf8PathBuf> {
        let claim = |candidate: &Candidate<'_>| {
            let pair = pair(names, candidate);
            let (sure, weak) = self.pairs.get(&pair).copied().unwrap_or_default();
            // A name alone proves nothing: temporary folders are full of a conftest.py. It does if
            // its neighbours are known or all of them are found in the same folder.
            let neighbours = self.in_folder.get(&pair.0).copied().unwrap_or_default();
            let proven = candidate.common > 1 || sure > 0 || (weak > 1 && weak == neighbours);
            proven.then_some((sure, candidate.common, weak))
        };
        let claims = candidates
            .iter()
            .filter_map(|candidate| Some((claim(candidate)?, candidate)));
        let claims: Vec<_> = claims.collect();
        let best = claims.iter().map(|(claim, _)| *claim).max();
        claims
            .into_iter()
            .filter(|(claim, _)| Some(*claim) == best)
            .map(|(_, candidate)| candidate.file.iter().collect())
            .collect()
    }
}

fn pair(names: &[String], candidate: &Candidate<'_>) -> Pair {
    let rest = |number: usize| number - candidate.common;
    let ours = candidate.file[..rest(candidate.file.len())].iter();
    (
        names[..rest(names.len())].to_vec(),
        ours.map(ToString::to_string).collect(),
    )
}

/// Of an installed package all names below its `site-packages` have to be the same, and more than
/// its own: other packages are installed there too.
fn is_credible(names: &[String], candidate: &Candidate<'_>) -> bool {
    let installed = |name: &String| matches!(name.as_str(), "site-packages" | "dist-packages");
    match names.iter().rposition(installed) {
        None => true,
        Some(at) => candidate.common > 1 && candidate.common >= names.len() - at - 1,
    }
}

/// The path's names, `.` and `..` resolved; the first one is empty for an absolute path, and such as
/// `c:` on Windows. `None` if it leaves its own root.
fn names(path: &str) -> Option<Vec<String>> {
    // A backslash is a separator only where nothing else can be: on Linux it may be part of a name.
    let windows = has_drive(path) || !path.contains('/');
    let separators: &[char] = if windows { &['/', '\\'] } else { &['/'] };
    let mut names: Vec<String> = Vec::new();
    for (index, part) in path.split(separators).enumerate() {
        match part {
            "" if index == 0 && !path.is_empty() => names.push(String::new()),
            "" | "." => {}
            ".." => {
                names
                    .pop()
                    .filter(|last| !last.is_empty() && !last.ends_with(':'))?;
            }
            drive if index == 0 && has_drive(path) => names.push(drive.to_ascii_lowercase()),
            name => names.push(name.to_owned()),
        }
    }
    (!names.is_empty()).then_some(names)
}

fn has_drive(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':'
}

fn is_absolute(names: &[String]) -> bool {
    names
        .first()
        .is_some_and(|first| first.is_empty() || has_drive(first))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn repository(files: &[&str]) -> BTreeSet<Utf8PathBuf> {
        files.iter().map(Utf8PathBuf::from).collect()
    }

    fn resolve(files: &[&str], aliases: &[&[&str]], paths: &[&str]) -> Resolved {
        let files = repository(files);
        let aliases: Vec<Vec<String>> = aliases
            .iter()
            .map(|list| list.iter().map(ToString::to_string).collect())
            .collect();
        let exists = |file: &Utf8Path| files.contains(file);
        let map = PathMap::new("/repo", &files, &aliases, false, &exists).expect("patterns");
        map.resolve(paths.iter().copied())
    }

    fn shown(resolved: &Resolved) -> String {
        let Resolved {
            files,
            outside,
            ambiguous,
        } = resolved;
        let files = files.iter().map(|(path, file)| format!("{path} → {file}"));
        let ambiguous = ambiguous
            .iter()
            .map(|(path, files)| format!("{path} → one of {files:?}"));
        let outside = outside.iter().map(|path| format!("{path} → outside"));
        files
            .chain(ambiguous)
            .chain(outside)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn every_spelling_of_a_path_is_the_same_file() {
        for path in [
            "pkg/mod.py",
            "./pkg/mod.py",
            "pkg//mod.py",
            "pkg/./sub/../mod.py",
            "pkg\\mod.py",
            ".\\pkg\\mod.py",
            "/repo/pkg/mod.py",
            "/other/../repo/pkg/mod.py",
            "d:\\a\\repo\\pkg\\mod.py",
            "D:/a/repo\\pkg/mod.py",
        ] {
            let resolved = resolve(&["pkg/mod.py", "pkg/sub/mod.py"], &[], &[path]);
            assert_eq!(
                resolved.files.get(path).map(|file| file.as_str()),
                Some("pkg/mod.py"),
                "{path}"
            );
        }
    }

    #[test]
    fn paths_of_a_container_and_of_an_installed_package_are_found() {
        let files = [
            "backend/app/__init__.py",
            "backend/app/models.py",
            "backend/manage.py",
            "lib/__init__.py",
            "src/pkg/__init__.py",
            "src/pkg/core.py",
        ];
        let paths = [
            "/code/app/__init__.py",
            "/code/app/models.py",
            "/code/manage.py",
            "/venv/lib/python3.12/site-packages/pkg/__init__.py",
            "/venv/lib/python3.12/site-packages/pkg/core.py",
            "/venv/lib/python3.12/site-packages/other/core.py",
            "/usr/lib/python3.12/json/__init__.py",
        ];
        insta::assert_snapshot!(shown(&resolve(&files, &[], &paths)), @"
        /code/app/__init__.py → backend/app/__init__.py
        /code/app/models.py → backend/app/models.py
        /code/manage.py → backend/manage.py
        /venv/lib/python3.12/site-packages/pkg/__init__.py → src/pkg/__init__.py
        /venv/lib/python3.12/site-packages/pkg/core.py → src/pkg/core.py
        /usr/lib/python3.12/json/__init__.py → outside
        /venv/lib/python3.12/site-packages/other/core.py → outside
        ");
    }

    #[test]
    fn a_name_alone_is_believed_only_with_its_neighbours() {
        let files = ["tests/conftest.py", "tests/a.py", "one.py", "two.py"];
        let temporary = ["/tmp/x0/conftest.py", "/tmp/x0/test_it.py", "/tmp/x1/a.py"];
        assert_eq!(resolve(&files, &[], &temporary).outside, temporary);
        let flat = ["/code/one.py", "/code/two.py"];
        assert_eq!(resolve(&files, &[], &flat).files.len(), 2);
    }

    #[test]
    fn what_may_be_two_files_is_said() {
        let files = ["a/pkg/x.py", "b/pkg/x.py"];
        insta::assert_snapshot!(shown(&resolve(&files, &[], &["/code/pkg/x.py"])), @r#"/code/pkg/x.py → one of ["a/pkg/x.py", "b/pkg/x.py"]"#);
        let aliases: &[&[&str]] = &[&["b", "/code", "*/elsewhere"]];
        insta::assert_snapshot!(shown(&resolve(&files, aliases, &["/code/pkg/x.py", "C:\\w\\elsewhere\\pkg\\x.py"])), @r"
        /code/pkg/x.py → b/pkg/x.py
        C:\w\elsewhere\pkg\x.py → b/pkg/x.py
        ");
    }

    #[test]
    fn patterns_are_refused_as_by_coverage_py() {
        let files = BTreeSet::new();
        let map = |pattern: &str| {
            let aliases = [vec!["src".to_owned(), pattern.to_owned()]];
            PathMap::new("/", &files, &aliases, false, &|_| true).map(|_| ())
        };
        assert_eq!(
            map("*/site-packages/*"),
            Err("[paths] */site-packages/*: a folder must not end with a wildcard".to_owned())
        );
        assert!(map("x**").is_err() && map("*/a").is_ok());
    }

    proptest! {
        #[test]
        fn the_order_of_paths_does_not_matter(
            files in prop::collection::btree_set("[ab]{1}(/[ab]){0,2}/[xyz]\\.py", 0..8),
            paths in prop::collection::vec("(/c)?(/[ab]){0,3}/[xyz]\\.py", 0..8),
            seed: u64,
        ) {
            let files: Vec<&str> = files.iter().map(String::as_str).collect();
            let mut unique: Vec<&str> = paths.iter().map(String::as_str).collect();
            unique.sort_unstable();
            unique.dedup();
            let one = resolve(&files, &[], &unique);
            let middle = usize::try_from(seed % 7).unwrap_or(0).min(unique.len());
            unique.rotate_left(middle);
            unique.reverse();
            prop_assert_eq!(&resolve(&files, &[], &unique), &one);
            prop_assert_eq!(one.files.len() + one.outside.len() + one.ambiguous.len(), unique.len());
        }
    }
}
