//! What tracers recorded, before any source is looked at.

use std::collections::BTreeMap;

use super::numbits::Numbits;
use crate::model::coverage::Arc;

/// What one or many data files hold. Contexts are joined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawData {
    /// Some of it was measured by lines, some by branches; neither if nothing ran.
    pub(crate) has_lines: bool,
    pub(crate) has_arcs: bool,
    /// By the path the tracer saw. A file in which nothing ran is one too.
    pub(crate) files: BTreeMap<String, RawFile>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RawFile {
    pub(crate) lines: Numbits,
    /// Ascending, each once. A negative end is the entry into, or the exit from, the code object
    /// that starts at that line; `(n, n)` only says that line n ran.
    pub(crate) arcs: Vec<Arc>,
    /// The plugin of coverage.py that measured the file, for one that is not Python.
    pub(crate) tracer: Option<String>,
}

impl RawData {
    pub(crate) fn unite(&mut self, other: Self) {
        let Self {
            has_lines,
            has_arcs,
            files,
        } = other;
        self.has_lines |= has_lines;
        self.has_arcs |= has_arcs;
        if self.files.is_empty() {
            self.files = files;
            return;
        }
        for (path, file) in files {
            match self.files.get_mut(&path) {
                Some(known) => known.unite(file),
                None => {
                    self.files.insert(path, file);
                }
            }
        }
    }

    /// Whether the two kinds are mixed: only lines can be told then.
    pub(crate) fn is_mixed(&self) -> bool {
        self.has_lines && self.has_arcs
    }
}

impl RawFile {
    pub(crate) fn unite(&mut self, other: Self) {
        let Self {
            lines,
            arcs,
            tracer,
        } = other;
        self.lines.unite(&lines);
        unite_sorted(&mut self.arcs, arcs);
        // One file measured by two plugins: either is none that we can analyse.
        self.tracer = self.tracer.take().max(tracer);
    }

    /// The lines that ran, from whichever kind there is.
    pub(crate) fn executed(&self) -> Numbits {
        let mut lines = self.lines.clone();
        for end in self.arcs.iter().flat_map(|(from, to)| [from, to]) {
            if let Ok(line) = u32::try_from(*end)
                && line > 0
            {
                lines.insert(line);
            }
        }
        lines
    }
}

fn unite_sorted(known: &mut Vec<Arc>, other: Vec<Arc>) {
    if known.is_empty() {
        *known = other;
        return;
    }
    let mut news: Vec<Arc> = Vec::new();
    let mut at = 0;
    for arc in other {
        while known.get(at).is_some_and(|old| *old < arc) {
            at += 1;
        }
        if known.get(at) != Some(&arc) {
            news.push(arc);
        }
    }
    if !news.is_empty() {
        known.append(&mut news);
        // Two ascending runs: the sort takes one merge.
        known.sort_unstable();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_file() -> impl Strategy<Value = RawFile> {
        let arcs = prop::collection::btree_set((-9..9, -9..9), 0..9);
        let lines = prop::collection::vec(1..70_u32, 0..9);
        let tracer = prop::option::of("[ab]");
        (lines, arcs, tracer).prop_map(|(lines, arcs, tracer)| RawFile {
            lines: lines.into_iter().collect(),
            arcs: arcs.into_iter().collect(),
            tracer,
        })
    }

    prop_compose! {
        pub(in crate::coverage) fn any_data()(
            has_lines: bool,
            has_arcs: bool,
            files in prop::collection::btree_map("[a-d]\\.py", any_file(), 0..4),
        ) -> RawData {
            RawData { has_lines, has_arcs, files }
        }
    }

    fn union<const N: usize>(parts: [&RawData; N]) -> RawData {
        let mut all = RawData::default();
        for part in parts {
            all.unite(part.clone());
        }
        all
    }

    proptest! {
        #[test]
        fn does_not_depend_on_order_grouping_or_repetition(a in any_data(), b in any_data(), c in any_data()) {
            let all = union([&a, &b, &c]);
            prop_assert_eq!(&union([&c, &b, &a]), &all);
            prop_assert_eq!(&union([&a, &union([&b, &c])]), &all);
            prop_assert_eq!(&union([&all, &b]), &all);
            for (path, file) in &all.files {
                prop_assert!(file.arcs.is_sorted_by(|one, two| one < two));
                for part in [&a, &b, &c] {
                    let known = part.files.get(path).cloned().unwrap_or_default();
                    prop_assert!(known.arcs.iter().all(|arc| file.arcs.contains(arc)));
                    let all: Vec<_> = file.executed().lines().collect();
                    prop_assert!(known.executed().lines().all(|line| all.contains(&line)));
                }
            }
        }
    }
}
