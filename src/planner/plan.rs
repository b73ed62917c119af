//! The plan of a suite: whole files, balanced by what they cost.

use std::collections::BTreeMap;

use super::estimate::Estimate;
use super::partition::partition;
use crate::model::plan::{PLAN_VERSION, Plan, PlanInputs, PlannedShard};
use crate::model::shard::{MAX_SHARDS, Shard};

#[derive(Clone, Debug)]
pub(crate) struct PlanRequest {
    pub(crate) suite: String,
    /// In any order; what is said twice about a path is taken at its worst.
    pub(crate) files: Vec<PlannedFile>,
    /// 1 to [`MAX_SHARDS`]; anything else is brought into that range.
    pub(crate) total: u16,
    /// RFC 3339
    pub(crate) created_at: String,
    pub(crate) inputs: PlanInputs,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlannedFile {
    /// Relative to the folder the plan is made in, with `/`.
    pub(crate) path: String,
    pub(crate) tests: usize,
    /// What earlier runs took for the whole file.
    pub(crate) seconds: Option<f64>,
}

/// Assigns every file to one shard. The same request has the same plan, whatever its order.
pub(crate) fn plan(request: PlanRequest) -> Plan {
    let PlanRequest {
        suite,
        mut files,
        total,
        created_at,
        inputs,
    } = request;
    let worst = |file: &PlannedFile| file.seconds.unwrap_or(f64::NEG_INFINITY);
    files.sort_by(|one, other| {
        let by_path = one.path.cmp(&other.path);
        by_path
            .then(other.tests.cmp(&one.tests))
            .then(worst(other).total_cmp(&worst(one)))
    });
    files.dedup_by(|one, kept| one.path == kept.path);

    let total = total.clamp(1, MAX_SHARDS);
    let estimate = Estimate::of(&files);
    let mut loads = vec![0; usize::from(total)];
    let mut shards: Vec<PlannedShard> = Shard::all(total)
        .map(|shard| PlannedShard {
            shard,
            predicted_seconds: None,
            files: 0,
            tests: 0,
        })
        .collect();
    let mut assigned = BTreeMap::new();
    let owners = partition(&estimate.costs, shards.len());
    for ((file, owner), cost) in files.into_iter().zip(owners).zip(&estimate.costs) {
        loads[owner] += cost;
        let shard = &mut shards[owner];
        shard.files += 1;
        shard.tests = shard.tests.saturating_add(file.tests);
        assigned.insert(file.path, shard.shard);
    }
    for (shard, load) in shards.iter_mut().zip(loads) {
        shard.predicted_seconds = estimate.seconds(load);
    }

    let mut plan = Plan {
        version: PLAN_VERSION,
        digest: String::new(),
        suite,
        hash_seed: 0,
        shards,
        files: assigned,
        tests: BTreeMap::new(),
        created_at,
        inputs,
    };
    plan.hash_seed = hash_seed(&plan.computed_digest());
    plan.seal()
}

/// From the content of the plan; not 0, which would switch Python's randomisation off.
fn hash_seed(digest: &str) -> u32 {
    digest
        .get(..8)
        .and_then(|hex| u32::from_str_radix(hex, 16).ok())
        .unwrap_or(1)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn request(files: Vec<PlannedFile>, total: u16) -> PlanRequest {
        PlanRequest {
            suite: "pytest".into(),
            files,
            total,
            created_at: "2026-01-01T00:00:00Z".into(),
            inputs: PlanInputs::default(),
        }
    }

    fn file(path: &str, tests: usize, seconds: Option<f64>) -> PlannedFile {
        PlannedFile {
            path: path.into(),
            tests,
            seconds,
        }
    }

    fn summary(plan: &Plan) -> Vec<(usize, usize, Option<f64>)> {
        plan.shards
            .iter()
            .map(|it| (it.files, it.tests, it.predicted_seconds))
            .collect()
    }

    #[test]
    fn without_durations_tests_are_spread() {
        let files = vec![
            file("a.py", 5, None),
            file("b.py", 3, None),
            file("c.py", 2, None),
        ];
        let plan = plan(request(files, 2));
        assert_eq!(summary(&plan), [(1, 5, None), (2, 5, None)]);
        assert_eq!(plan.files["b.py"], plan.files["c.py"]);
    }

    #[test]
    fn with_durations_seconds_are_spread() {
        let files = vec![
            file("slow.py", 1, Some(8.0)),
            file("a.py", 50, Some(4.0)),
            file("b.py", 50, Some(3.5)),
        ];
        assert_eq!(
            summary(&plan(request(files, 2))),
            [(1, 1, Some(8.0)), (2, 100, Some(7.5))]
        );
    }

    #[test]
    fn more_shards_than_files_leave_empty_shards() {
        let summary = |files, total| summary(&plan(request(files, total)));
        assert_eq!(
            summary(vec![file("a.py", 1, None)], 3),
            [(1, 1, None), (0, 0, None), (0, 0, None)]
        );
        assert_eq!(summary(vec![], 2), [(0, 0, None), (0, 0, None)]);
        assert_eq!(summary(vec![], 0).len(), 1);
        assert_eq!(summary(vec![], u16::MAX).len(), usize::from(MAX_SHARDS));
    }

    #[test]
    fn the_seed_depends_on_the_content_and_not_on_the_time() {
        let first = plan(request(vec![file("a.py", 1, None)], 2));
        let mut later = request(vec![file("a.py", 1, None)], 2);
        later.created_at = "2027-01-01T00:00:00Z".into();
        let later = plan(later);
        assert_eq!(
            (first.hash_seed, &first.digest),
            (later.hash_seed, &later.digest)
        );
        assert_ne!(
            first.hash_seed,
            plan(request(vec![file("b.py", 1, None)], 2)).hash_seed
        );
        assert_eq!(
            (hash_seed("00000000ab"), hash_seed("ffffffffab")),
            (1, u32::MAX)
        );
    }

    fn any_file() -> impl Strategy<Value = PlannedFile> {
        let seconds = prop_oneof![
            Just(None),
            (0.0..100.0_f64).prop_map(Some),
            Just(Some(0.0)),
            any::<f64>().prop_map(Some),
        ];
        ("[a-e]{1,3}", 0_usize..50, seconds).prop_map(|(path, tests, seconds)| PlannedFile {
            path,
            tests,
            seconds,
        })
    }

    proptest! {
        #[test]
        fn every_file_has_one_shard_and_every_shard_counts_right(
            files in vec(any_file(), 0..60), total in 1_u16..40, target in 0.0..1e9_f64
        ) {
            let mut request = request(files.clone(), total);
            request.inputs.target_seconds = Some(target);
            let plan = plan(request);
            let paths: std::collections::BTreeSet<_> = files.into_iter().map(|it| it.path).collect();
            prop_assert!(plan.files.keys().eq(&paths));
            prop_assert_eq!(plan.shards.len(), usize::from(total));
            for planned in &plan.shards {
                let files = plan.files.values().filter(|shard| **shard == planned.shard).count();
                prop_assert_eq!(files, planned.files);
                prop_assert!(planned.predicted_seconds.is_none_or(|it| it.is_finite() && it >= 0.0));
            }
            let empty = plan.shards.iter().any(|shard| shard.files == 0);
            prop_assert!(!empty || plan.shards.iter().all(|shard| shard.files <= 1));
            let text = serde_json::to_vec(&plan).expect("JSON");
            prop_assert_eq!(Plan::from_json(&text).expect("a plan"), plan);
        }

        #[test]
        fn the_order_of_the_files_means_nothing(
            (files, shuffled) in vec(any_file(), 0..40).prop_flat_map(|files| {
                (Just(files.clone()), Just(files).prop_shuffle())
            }),
            total in 1_u16..9,
        ) {
            prop_assert_eq!(plan(request(files, total)), plan(request(shuffled, total)));
        }
    }

    #[test]
    #[ignore = "prints how long a large plan takes"]
    #[expect(clippy::print_stdout, reason = "it is there to print")]
    fn a_large_plan() {
        let files: Vec<_> = (0..50_000_u32)
            .map(|n| {
                file(
                    &format!("tests/test_{n}.py"),
                    5,
                    Some(f64::from(n.wrapping_mul(2_654_435_761) % 10_007) / 100.0),
                )
            })
            .collect();
        let request = request(files, 256);
        let start = std::time::Instant::now();
        let plan = plan(request);
        let seconds: Vec<_> = plan
            .shards
            .iter()
            .filter_map(|shard| shard.predicted_seconds)
            .collect();
        let (low, high) = (
            seconds.iter().copied().fold(f64::MAX, f64::min),
            seconds.iter().copied().fold(0.0, f64::max),
        );
        println!("{} s, loads {low} to {high}", start.elapsed().as_secs_f64());
    }
}
