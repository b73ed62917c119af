//! The union of many shards' coverage.

use std::collections::BTreeSet;

use camino::Utf8Path;

use crate::model::coverage::{Coverage, FileCoverage, Line};

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
        warnings.push(
            "some shards measured branches and some only lines: merged by lines; run all of them with \
             or all without `--cov-branch`"
                .to_owned(),
        );
    }
    warnings.extend(disagreeing.iter().map(|path| disagreement(path)));
    Merged {
        coverage: merged,
        warnings,
    }
}

/// Adds what another shard says about the same file.
pub(super) fn merge_file(file: &mut FileCoverage, other: FileCoverage) {
    let branches = file.branches().max(other.branches());
    let FileCoverage {
        executed,
        missing,
        excluded,
        executed_arcs,
        missing_arcs,
        waived_branches: _,
    } = other;
    file.executed.extend(executed);
    file.missing.extend(missing);
    file.missing.retain(|line| !file.executed.contains(line));
    file.executed_arcs.extend(executed_arcs);
    file.missing_arcs.extend(missing_arcs);
    file.missing_arcs
        .retain(|arc| !file.executed_arcs.contains(arc));
    file.excluded.extend(excluded);
    file.excluded
        .retain(|line| !file.executed.contains(line) && !file.missing.contains(line));
    file.waived_branches = 0;
    file.waived_branches = branches.saturating_sub(file.branches());
}

fn forget_branches(file: &mut FileCoverage) {
    file.executed_arcs.clear();
    file.missing_arcs.clear();
    file.waived_branches = 0;
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
            waived_branches in 0..3_usize,
        ) -> FileCoverage {
            let missing = &missing - &executed;
            FileCoverage {
                excluded: &(&excluded - &executed) - &missing,
                missing_arcs: &missing_arcs - &executed_arcs,
                executed, missing, executed_arcs, waived_branches,
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
}
