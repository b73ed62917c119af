//! The union of many shards' coverage.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;

use crate::model::coverage::{Arc, Coverage, FileCoverage, Line, unnamed};

pub(crate) const MIXED: &str = "some shards measured branches and some only lines: merged by lines; run all of them with \
     or all without `--cov-branch`";

pub(crate) struct Merged {
    pub(crate) coverage: Coverage,
    /// What a reader of the numbers should know; nothing here makes them unusable.
    pub(crate) warnings: Vec<String>,
}

/// What ran in any part ran; everything else that any part knows of is missing.
///
/// With the same sources everywhere that is what `coverage combine` and a report after it say. The
/// order of the parts does not matter. If some parts measured branches and others only lines, the
/// result is by lines.
pub(crate) fn merge(parts: impl IntoIterator<Item = Coverage>) -> Merged {
    let mut merged = Coverage::default();
    let mut disagreeing = BTreeSet::new();
    let (mut by_branches, mut by_lines) = (false, false);
    for part in parts {
        by_branches |= part.branch;
        // coverage.py calls a part in which nothing ran one of lines.
        by_lines |= !part.branch && part.files.values().any(|file| !file.executed.is_empty());
        for (path, file) in part.files {
            match merged.files.get_mut(&path) {
                None => {
                    merged.files.insert(path, file);
                }
                Some(known) => {
                    if disagree(known, &file) {
                        disagreeing.insert(path);
                    }
                    merge_file(known, file);
                }
            }
        }
    }
    let mixed = by_branches && by_lines;
    merged.branch = by_branches && !by_lines;
    if !merged.branch {
        merged.files.values_mut().for_each(forget_branches);
    }
    let mut warnings = Vec::new();
    if mixed {
        warnings.push(MIXED.to_owned());
    }
    warnings.extend(disagreeing.iter().map(|path| disagreement(path)));
    Merged {
        coverage: merged,
        warnings,
    }
}

/// Whether a part that tells of no branch can be one of branches: where others measured branches, and
/// none in its files.
pub(crate) fn may_be_of_branches(part: &Coverage, others: &[Coverage]) -> bool {
    let mut others = others.iter().filter(|other| other.branch).peekable();
    let has_branches = |other: &Coverage| {
        let files = part.files.keys().filter_map(|path| other.files.get(path));
        files.into_iter().any(|file| file.branches() > 0)
    };
    others.peek().is_some() && !others.any(has_branches)
}

/// Adds what another shard says about the same file.
pub(crate) fn merge_file(file: &mut FileCoverage, mut other: FileCoverage) {
    name_exits(file, &other);
    name_exits(&mut other, file);
    let branches = file.branches().max(other.branches());
    let known: BTreeMap<Line, Ways> = vague_lines(file)
        .chain(vague_lines(&other))
        .map(|line| (line, Ways::of(file, line).unite(Ways::of(&other, line))))
        .collect();
    let FileCoverage {
        executed,
        missing,
        excluded,
        executed_arcs,
        missing_arcs,
        uncounted_arcs,
        waived: _,
        exits,
        regions,
    } = other;
    file.executed.extend(executed);
    file.missing.extend(missing);
    file.missing.retain(|line| !file.executed.contains(line));
    file.excluded.extend(excluded);
    file.excluded
        .retain(|line| !file.executed.contains(line) && !file.missing.contains(line));
    file.executed_arcs.extend(executed_arcs);
    file.missing_arcs.extend(missing_arcs);
    file.missing_arcs
        .retain(|arc| !file.executed_arcs.contains(arc));
    file.waived.clear();
    for (line, ways) in known {
        ways.put(line, file);
    }
    let unknown = branches.saturating_sub(file.branches());
    if unknown > 0 {
        file.waived.insert(0, unknown);
    }
    file.uncounted_arcs.extend(uncounted_arcs);
    file.uncounted_arcs
        .retain(|arc| !file.executed_arcs.contains(arc) && !file.missing_arcs.contains(arc));
    for (arc, exit) in exits {
        let known = file.exits.entry(arc).or_default();
        *known = std::mem::take(known).max(exit);
    }
    file.regions = std::mem::take(&mut file.regions).max(regions);
}

/// Gives ways out of a function that a format does not name the names another part knows: lcov lists
/// them in their order.
fn name_exits(file: &mut FileCoverage, named: &FileCoverage) {
    let exits = |file: &FileCoverage, from: i32| -> BTreeSet<i32> {
        let of_line = |arcs: &BTreeSet<Arc>| -> Vec<i32> {
            let arcs = arcs.range((from, i32::MIN)..(from, 0));
            arcs.map(|(_, to)| *to).filter(|to| is_exit(*to)).collect()
        };
        let all = [&file.executed_arcs, &file.missing_arcs].map(of_line);
        all.into_iter().flatten().collect()
    };
    let arcs = file.executed_arcs.iter().chain(&file.missing_arcs);
    let nameless: BTreeSet<i32> = arcs
        .filter(|(_, to)| unnamed::is_exit(*to))
        .map(|(from, _)| *from)
        .collect();
    for from in nameless {
        let (ours, theirs) = (exits(file, from), exits(named, from));
        let known = |exits: &BTreeSet<i32>| exits.iter().any(|to| !unnamed::is_exit(*to));
        if known(&ours) || ours.len() != theirs.len() {
            continue;
        }
        for (old, new) in ours.into_iter().zip(theirs) {
            for arcs in [&mut file.executed_arcs, &mut file.missing_arcs] {
                if arcs.remove(&(from, old)) {
                    arcs.insert((from, new));
                }
            }
            if let Some(exit) = file.exits.remove(&(from, old)) {
                file.exits.insert((from, new), exit);
            }
        }
    }
}

/// The ways out of one line, as far as they are told.
#[derive(Default)]
struct Ways {
    executed: BTreeSet<i32>,
    missing: BTreeSet<i32>,
    /// Counted as taken without a name.
    waived: usize,
}

/// Lines of whose ways out not all are told by name.
fn vague_lines(file: &FileCoverage) -> impl Iterator<Item = Line> + '_ {
    let arcs = file.executed_arcs.iter().chain(&file.missing_arcs);
    let vague = arcs.filter(|(_, to)| unnamed::is_exit(*to) || unnamed::is_way(*to));
    let vague = vague.filter_map(|(from, _)| Line::try_from(*from).ok());
    vague.chain(file.waived.keys().copied().filter(|line| *line > 0))
}

impl Ways {
    fn of(file: &FileCoverage, line: Line) -> Self {
        let from = line.cast_signed();
        let out = |arcs: &BTreeSet<Arc>| {
            arcs.range((from, i32::MIN)..=(from, i32::MAX))
                .map(|(_, to)| *to)
                .collect()
        };
        Self {
            executed: out(&file.executed_arcs),
            missing: out(&file.missing_arcs),
            waived: file.waived.get(&line).copied().unwrap_or_default(),
        }
    }

    fn number(&self) -> usize {
        self.executed.len() + self.missing.len() + self.waived
    }

    /// A way is missing only if it is for both. Of those without a name only the number can be
    /// compared.
    fn unite(self, other: Self) -> Self {
        if self.number() == 0 || other.number() == 0 {
            return if self.number() == 0 { other } else { self };
        }
        let number = self.number().max(other.number());
        let executed = &self.executed | &other.executed;
        let vague = |is: fn(i32) -> bool| {
            self.waived + other.waived > 0
                || self
                    .missing
                    .iter()
                    .chain(&other.missing)
                    .chain(&executed)
                    .any(|to| is(*to))
        };
        let mut missing = BTreeSet::new();
        for (one, two) in [(&self, &other), (&other, &self)] {
            let sure = one
                .missing
                .iter()
                .filter(|to| **to > 0 && !executed.contains(to));
            missing.extend(sure.filter(|to| two.waived == 0 || two.missing.contains(to)));
        }
        for (is, name) in [
            (
                is_exit as fn(i32) -> bool,
                unnamed::exit as fn(usize) -> i32,
            ),
            (unnamed::is_way, unnamed::way),
        ] {
            let [ours, theirs] =
                [&self, &other].map(|ways| ways.missing.iter().filter(|to| is(**to)).count());
            let all: BTreeSet<i32> = self
                .missing
                .union(&other.missing)
                .copied()
                .filter(|to| is(*to) && !executed.contains(to))
                .collect();
            if !vague(is_unnamed) || (is(unnamed::way(0)) && self.waived + other.waived == 0) {
                missing.extend(all);
                continue;
            }
            let mut names: Vec<i32> = all.into_iter().filter(|to| !is_unnamed(*to)).collect();
            names.extend(
                (0..ours.min(theirs))
                    .map(name)
                    .filter(|to| !executed.contains(to)),
            );
            missing.extend(names.into_iter().take(ours.min(theirs)));
        }
        let waived = number.saturating_sub(executed.len() + missing.len());
        Self {
            executed,
            missing,
            waived,
        }
    }

    fn put(self, line: Line, file: &mut FileCoverage) {
        let from = line.cast_signed();
        file.missing_arcs.retain(|arc| arc.0 != from);
        file.missing_arcs
            .extend(self.missing.into_iter().map(|to| (from, to)));
        if self.waived > 0 {
            file.waived.insert(line, self.waived);
        }
    }
}

/// Out of the function, by name or without.
fn is_exit(target: i32) -> bool {
    target < 0 && !unnamed::is_way(target)
}

fn is_unnamed(target: i32) -> bool {
    unnamed::is_exit(target) || unnamed::is_way(target)
}

fn forget_branches(file: &mut FileCoverage) {
    file.executed_arcs.clear();
    file.missing_arcs.clear();
    file.uncounted_arcs.clear();
    file.waived.clear();
    file.exits.clear();
}

fn disagree(one: &FileCoverage, other: &FileCoverage) -> bool {
    let number = |file: &FileCoverage| file.executed.len() + file.missing.len();
    let knows = |line: &Line| other.has_statement(*line);
    number(one) != number(other) || !one.executed.iter().chain(&one.missing).all(knows)
}

fn disagreement(path: &Utf8Path) -> String {
    format!(
        "{}: the shards disagree on which lines are statements, so they ran another checkout, another \
         version of coverage.py or other settings; every line that one of them counts is counted",
        path.as_str().escape_debug()
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixtures::{BRANCH, LINE, read};
    use super::*;

    #[test]
    fn equals_what_coverage_py_combines() {
        for recording in [BRANCH, LINE] {
            let merged = merge(recording.parts());
            assert_eq!(merged.coverage, read(recording.json));
            assert!(merged.warnings.is_empty());
        }
    }

    #[test]
    fn a_mix_of_lines_and_branches_is_merged_by_lines_and_said() {
        let [branch, line] = [BRANCH, LINE].map(|recording| read(recording.shards[0]));
        let merged = merge([branch.clone(), line.clone()]);
        assert_eq!(merged.coverage, line);
        insta::assert_snapshot!(merged.warnings.join("\n"), @"some shards measured branches and some only lines: merged by lines; run all of them with or all without `--cov-branch`");
        let mut nothing_ran = line;
        for file in nothing_ran.files.values_mut() {
            file.missing.append(&mut file.executed);
        }
        let merged = merge([nothing_ran, branch.clone()]);
        assert_eq!((merged.coverage, merged.warnings.len()), (branch, 0));
    }

    #[test]
    fn a_line_that_only_one_shard_counts_is_counted_and_said() {
        let file = |executed: &[Line], missing: &[Line]| Coverage {
            branch: false,
            files: [(
                "a.py".into(),
                FileCoverage {
                    executed: executed.iter().copied().collect(),
                    missing: missing.iter().copied().collect(),
                    ..FileCoverage::default()
                },
            )]
            .into(),
        };
        let merged = merge([file(&[1], &[2]), file(&[1, 3], &[])]);
        assert_eq!(merged.coverage, file(&[1, 3], &[2]));
        insta::assert_snapshot!(merged.warnings.join("\n"), @"a.py: the shards disagree on which lines are statements, so they ran another checkout, another version of coverage.py or other settings; every line that one of them counts is counted");
    }

    prop_compose! {
        fn any_file()(
            executed in prop::collection::btree_set(1..9_u32, 0..5),
            missing in prop::collection::btree_set(1..9_u32, 0..5),
            excluded in prop::collection::btree_set(1..9_u32, 0..3),
            executed_arcs in prop::collection::btree_set((1..5, -2..5), 0..5),
            missing_arcs in prop::collection::btree_set((1..5, -2..5), 0..5),
            unknown in 0..3_usize,
        ) -> FileCoverage {
            let missing = &missing - &executed;
            FileCoverage {
                excluded: &(&excluded - &executed) - &missing,
                missing_arcs: &missing_arcs - &executed_arcs,
                executed, missing, executed_arcs,
                waived: (unknown > 0).then_some((0, unknown)).into_iter().collect(),
                ..FileCoverage::default()
            }
        }
    }

    prop_compose! {
        fn any_coverage()(
            branch in any::<bool>(),
            mut files in prop::collection::btree_map("[ab]\\.py", any_file(), 0..3),
        ) -> Coverage {
            if !branch {
                files.values_mut().for_each(forget_branches);
            }
            Coverage { branch, files: files.into_iter().map(|(path, file)| (path.into(), file)).collect() }
        }
    }

    fn union<const N: usize>(parts: [&Coverage; N]) -> Coverage {
        merge(parts.map(Clone::clone)).coverage
    }

    proptest! {
        #[test]
        fn does_not_depend_on_order_or_grouping(a in any_coverage(), b in any_coverage(), c in any_coverage()) {
            let all = union([&a, &b, &c]);
            prop_assert_eq!(&union([&c, &a, &b]), &all);
            prop_assert_eq!(&union([&b, &a, &c]), &all);
            prop_assert_eq!(&union([&union([&a, &b]), &c]), &all);
            prop_assert_eq!(&union([&a, &union([&b, &c])]), &all);
            prop_assert_eq!(merge([a.clone(), b.clone()]).warnings, merge([b, a]).warnings);
        }

        #[test]
        fn the_same_part_twice_changes_nothing(a in any_coverage(), b in any_coverage()) {
            prop_assert_eq!(&union([&a]), &a);
            prop_assert_eq!(&union([&a, &a]), &a);
            prop_assert_eq!(union([&a, &b, &a]), union([&a, &b]));
            prop_assert!(merge([a.clone(), a]).warnings.is_empty());
        }

        #[test]
        fn totals_stay_consistent(a in any_coverage(), b in any_coverage()) {
            let merged = union([&a, &b]);
            let totals = merged.totals();
            prop_assert!(totals.covered <= totals.statements && totals.covered_branches <= totals.branches);
            for (path, file) in &merged.files {
                let executed_before = a.files.get(path).is_none_or(|before| before.executed.is_subset(&file.executed));
                prop_assert!(executed_before);
                prop_assert!(file.executed.is_disjoint(&file.missing));
                prop_assert!(file.executed_arcs.is_disjoint(&file.missing_arcs));
            }
        }
    }

    /// A source with three branching lines of up to three ways, the last one out of the function,
    /// and what one run took of them. A marked line waives its missing ways.
    #[derive(Clone, Debug)]
    struct Run {
        ran: BTreeSet<Arc>,
        /// As a report that has no names for what was taken, and none for ways out.
        vague: bool,
    }

    const WAYS: [Arc; 8] = [
        (1, 5),
        (1, 6),
        (2, 5),
        (2, 6),
        (2, -1),
        (3, 7),
        (3, 8),
        (3, -1),
    ];
    const MARKED: i32 = 3;

    fn any_run() -> impl Strategy<Value = Run> {
        let ran = prop::collection::btree_set(prop::sample::select(WAYS.to_vec()), 0..6);
        (ran, any::<bool>()).prop_map(|(ran, vague)| Run { ran, vague })
    }

    fn told(run: &Run) -> Coverage {
        let mut file = FileCoverage::default();
        for (index, arc) in WAYS.into_iter().enumerate() {
            let line = arc.0.unsigned_abs();
            match (run.ran.contains(&arc), run.vague) {
                (true, false) => {
                    file.executed_arcs.insert(arc);
                }
                (false, _) if arc.0 == MARKED => *file.waived.entry(line).or_default() += 1,
                (true, true) => *file.waived.entry(line).or_default() += 1,
                (false, true) if arc.1 < 0 => {
                    file.missing_arcs.insert((arc.0, unnamed::exit(index)));
                }
                (false, _) => {
                    file.missing_arcs.insert(arc);
                }
            }
        }
        let ran = |line: &Line| run.ran.iter().any(|arc| arc.0.unsigned_abs() == *line);
        (file.executed, file.missing) = (1..=3).partition(ran);
        Coverage {
            branch: true,
            files: [("a.py".into(), file)].into(),
        }
    }

    proptest! {
        #[test]
        fn reports_of_all_kinds_count_what_one_run_would(runs in prop::collection::vec(any_run(), 1..5)) {
            let whole = Run {
                ran: runs.iter().flat_map(|run| &run.ran).copied().collect(),
                vague: false,
            };
            let expected = told(&whole);
            let merged = merge(runs.iter().map(told)).coverage;
            prop_assert_eq!(merged.totals(), expected.totals());
            let (file, known) = (&merged.files[Utf8Path::new("a.py")], &expected.files[Utf8Path::new("a.py")]);
            let inside = |file: &FileCoverage| file.missing_arcs.iter().filter(|arc| arc.1 > 0).copied().collect::<Vec<_>>();
            prop_assert_eq!(inside(file), inside(known));
            let reversed = merge(runs.iter().rev().map(told)).coverage;
            prop_assert_eq!(reversed.totals(), expected.totals());
            if runs.iter().all(|run| !run.vague) {
                prop_assert_eq!(merged, expected);
            }
        }
    }
}
