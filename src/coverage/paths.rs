//! From the paths a shard saw to paths relative to the repository.
//!
//! A shard may have run in a container whose `/code` is the repository, or on Windows.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use super::merge::{Merged, merge_file};
use crate::model::coverage::{Coverage, FileCoverage};

/// Which folders, as the shards saw them, are which folder of the repository.
#[derive(Clone, Debug, Default)]
pub(crate) struct PathMap {
    /// From a folder to a folder of the repository, both as components.
    rules: Vec<(Vec<String>, Vec<String>)>,
}

impl PathMap {
    /// `root` is the repository.
    pub(crate) fn relative_to(root: &str) -> Self {
        Self::default().with(root, "")
    }

    /// Maps `from` (such as `/code`) onto `to`, relative to the repository (`.` is the repository).
    pub(crate) fn with(mut self, from: &str, to: &str) -> Self {
        if let (Some(from), Some(to)) = (components(from), components(to)) {
            self.rules.push((from, to));
            // The longest folder knows best.
            self.rules
                .sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        }
        self
    }

    /// The path relative to the repository with `/`, or `None` for one outside of it.
    pub(crate) fn map(&self, path: &str) -> Option<Utf8PathBuf> {
        let parts = components(path)?;
        let mapped = self.rules.iter().find_map(|(from, to)| {
            let rest = parts.strip_prefix(from.as_slice())?;
            (!from.is_empty()).then(|| to.iter().chain(rest).collect::<Utf8PathBuf>())
        });
        match mapped {
            Some(path) => Some(path),
            None if is_absolute(&parts) => None,
            None => Some(parts.iter().collect()),
        }
        .filter(|path| *path != "")
    }

    /// Brings every file to its path in the repository. Two that get the same are merged; one outside
    /// keeps its path and is warned of.
    pub(crate) fn apply(&self, coverage: Coverage) -> Merged {
        let Coverage { branch, files } = coverage;
        let mut mapped: BTreeMap<Utf8PathBuf, FileCoverage> = BTreeMap::new();
        let mut outside = Vec::new();
        for (path, file) in files {
            let new_path = self.map(path.as_str()).unwrap_or_else(|| {
                outside.push(path.clone());
                path
            });
            match mapped.get_mut(&new_path) {
                Some(known) => merge_file(known, file),
                None => {
                    mapped.insert(new_path, file);
                }
            }
        }
        let warnings = outside
            .first()
            .map(|path| outside_warning(path, outside.len()));
        Merged {
            coverage: Coverage {
                branch,
                files: mapped,
            },
            warnings: warnings.into_iter().collect(),
        }
    }
}

fn outside_warning(path: &Utf8Path, number: usize) -> String {
    let others = match number - 1 {
        0 => String::new(),
        1 => " and one other".to_owned(),
        more => format!(" and {more} others"),
    };
    format!(
        "coverage of {}{others}: outside of the repository; if it is a file of the repository as a \
         container sees it, map its folder",
        path.as_str().escape_debug()
    )
}

/// The path's names, `.` and `..` resolved; the first one is empty for an absolute path, and such as
/// `c:` on Windows. `None` if it leaves its own root.
fn components(path: &str) -> Option<Vec<String>> {
    // A backslash is a separator only where nothing else can be: on Linux it may be part of a name.
    let windows = has_drive(path) || !path.contains('/');
    let separators: &[char] = if windows { &['/', '\\'] } else { &['/'] };
    let mut parts: Vec<String> = Vec::new();
    for (index, part) in path.split(separators).enumerate() {
        match part {
            "" if index == 0 && !path.is_empty() => parts.push(String::new()),
            "" | "." => {}
            ".." => {
                parts
                    .pop()
                    .filter(|last| !last.is_empty() && !last.ends_with(':'))?;
            }
            drive if index == 0 && has_drive(path) => parts.push(drive.to_ascii_lowercase()),
            name => parts.push(name.to_owned()),
        }
    }
    Some(parts)
}

fn has_drive(path: &str) -> bool {
    let bytes = path.as_bytes();
    bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':'
}

fn is_absolute(parts: &[String]) -> bool {
    parts
        .first()
        .is_some_and(|first| first.is_empty() || has_drive(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(map: &PathMap, path: &str) -> String {
        map.map(path)
            .map_or_else(|| "outside".to_owned(), Utf8PathBuf::into_string)
    }

    #[test]
    fn every_spelling_of_a_path_becomes_the_same() {
        let map = PathMap::relative_to("/home/me/repo/");
        for path in [
            "pkg/mod.py",
            "./pkg/mod.py",
            "pkg//mod.py",
            "pkg/./sub/../mod.py",
            "pkg\\mod.py",
            ".\\pkg\\mod.py",
            "/home/me/repo/pkg/mod.py",
            "/home/me/other/../repo/pkg/mod.py",
        ] {
            assert_eq!(mapped(&map, path), "pkg/mod.py", "{path}");
        }
        let windows = PathMap::relative_to("D:\\a\\repo");
        for path in [
            "d:\\a\\repo\\pkg\\mod.py",
            "D:/a/repo/pkg/mod.py",
            "D:/a/repo\\pkg/mod.py",
        ] {
            assert_eq!(mapped(&windows, path), "pkg/mod.py", "{path}");
        }
    }

    #[test]
    fn a_path_outside_stays_outside() {
        let map = PathMap::relative_to("/repo");
        for path in [
            "/usr/lib/python3/os.py",
            "/repository/a.py",
            "../a.py",
            "a/../../b.py",
            "/..",
            "C:\\a.py",
            "/repo",
            "",
        ] {
            assert_eq!(mapped(&map, path), "outside", "{path}");
        }
        assert_eq!(
            mapped(&map, "src/a\\b.py"),
            "src/a\\b.py",
            "on Linux a name may hold a backslash"
        );
    }

    #[test]
    fn a_folder_of_a_container_is_one_of_the_repository() {
        let map = PathMap::relative_to("/repo")
            .with("/code", ".")
            .with("/code/vendored", "third_party");
        assert_eq!(mapped(&map, "/code/pkg/mod.py"), "pkg/mod.py");
        assert_eq!(mapped(&map, "/code/vendored/x.py"), "third_party/x.py");
        assert_eq!(mapped(&map, "/codes/x.py"), "outside");
    }

    #[test]
    fn two_spellings_of_one_file_are_merged_and_a_foreign_file_is_named() {
        let file = |line| FileCoverage {
            executed: [line].into(),
            ..FileCoverage::default()
        };
        let coverage = Coverage {
            branch: false,
            files: [
                ("/repo/a.py".into(), file(1)),
                ("a.py".into(), file(2)),
                ("/usr/b.py".into(), file(3)),
                ("/usr/c\u{1b}.py".into(), file(3)),
            ]
            .into(),
        };
        let Merged { coverage, warnings } = PathMap::relative_to("/repo").apply(coverage);
        assert_eq!(
            coverage.files[Utf8Path::new("a.py")].executed,
            [1, 2].into()
        );
        assert_eq!(coverage.files.len(), 3);
        insta::assert_snapshot!(warnings.join("\n"), @"coverage of /usr/b.py and one other: outside of the repository; if it is a file of the repository as a container sees it, map its folder");
    }
}
