//! The plan of a suite.

use std::collections::{BTreeMap, BTreeSet};

use super::bundle::{Bundles, KeepTogether, bundle};
use super::estimate::{Estimates, SourceFile, estimate, in_seconds};
use super::owners::Owners;
use super::partition::{Share, lower_bound, partition};
use super::queue;
use super::shard_count::{self, AutoRequest, Choice};
use crate::model::history::History;
use crate::model::plan::{PLAN_VERSION, Plan, PlanInputs, PlannedShard};
use crate::model::shard::{MAX_SHARDS, Shard};

#[derive(Clone, Debug)]
pub(crate) struct PlanRequest {
    pub(crate) suite: String,
    /// In any order.
    pub(crate) files: Vec<SourceFile>,
    pub(crate) history: History,
    pub(crate) shards: ShardCount,
    pub(crate) keep_together: Vec<KeepTogether>,
    pub(crate) dealing: Dealing,
    /// That every shard runs in; empty where there is only one.
    pub(crate) environments: Vec<String>,
    /// RFC 3339
    pub(crate) created_at: String,
    pub(crate) inputs: PlanInputs,
}

/// Who decides what a shard runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dealing {
    /// The plan.
    Planned,
    /// The shards, while they run; the plan is for those that cannot.
    Dynamic,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ShardCount {
    /// 1 to [`MAX_SHARDS`]; anything else is brought into that range.
    Exactly(u16),
    Auto(AutoRequest),
}

/// A plan, and why it is as it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    /// No plan has a highest load below it. Seconds; `None` where nothing is known about them.
    pub(crate) lower_bound: Option<f64>,
    /// What each shard takes before and beside its files, in seconds.
    pub(crate) fixed: Option<f64>,
    /// The one that keeps the bound up, where one does.
    pub(crate) longest: Option<String>,
    /// The shards of each file that is cut.
    pub(crate) cut: BTreeMap<String, BTreeSet<Shard>>,
    /// How the number of shards was found, if nobody gave it.
    pub(crate) choice: Option<Choice>,
}

/// Assigns every test to one shard. The same request has the same plan, whatever its order.
pub(crate) fn plan(request: PlanRequest) -> Planned {
    let PlanRequest {
        suite,
        files,
        history,
        shards,
        keep_together,
        dealing,
        environments,
        created_at,
        inputs,
    } = request;
    let estimates = estimate(files, history);
    let bundles = bundle(&estimates, &keep_together);
    let (total, choice) = match shards {
        ShardCount::Exactly(total) => (total.clamp(1, MAX_SHARDS), None),
        ShardCount::Auto(request) => {
            let choice = shard_count::choose(&estimates, &bundles, &request);
            (choice.shards, Some(choice))
        }
    };
    let dealt = deal(&estimates, &bundles, usize::from(total));
    let mut plan = Plan {
        version: PLAN_VERSION,
        digest: String::new(),
        suite,
        hash_seed: 0,
        shards: Vec::new(),
        files: BTreeMap::new(),
        tests: BTreeMap::new(),
        queue: None,
        environments,
        created_at,
        inputs,
    };
    let cut = assign(&mut plan, &estimates, &bundles, &dealt);
    if dealing == Dealing::Dynamic {
        plan.queue = queue::queue(&estimates, &bundles, usize::from(total));
        // Nobody knows who will take what.
        for shard in &mut plan.shards {
            shard.predicted_seconds = None;
        }
    }
    plan.hash_seed = hash_seed(&plan.computed_digest());
    let bound = lower_bound(&bundles.sequences, usize::from(total));
    let seconds = |cost: u64| estimates.in_microseconds.then(|| in_seconds(cost));
    Planned {
        plan: plan.seal(),
        lower_bound: seconds(estimates.fixed + bound),
        fixed: seconds(estimates.fixed),
        longest: longest(&estimates, &bundles, bound),
        cut,
        choice,
    }
}

/// Level as far as is known: where much is a guess there is less of it.
fn deal(estimates: &Estimates, bundles: &Bundles, shards: usize) -> Vec<Share> {
    let slack = estimates.slack();
    let Some(caution) = estimates.caution(shards) else {
        return partition(&bundles.sequences, shards, slack);
    };
    let cautious = bundles.dearer(estimates, caution);
    let mut dealt = partition(&cautious, shards, slack);
    for share in &mut dealt {
        let parts = share.parts.iter();
        let costs = parts.map(|part| bundles.sequences[part.sequence].cost(&part.units()));
        share.load = costs.sum();
    }
    dealt
}

/// Fills shards, files and tests of the plan. Returns the files that are cut.
fn assign(
    plan: &mut Plan,
    estimates: &Estimates,
    bundles: &Bundles,
    dealt: &[Share],
) -> BTreeMap<String, BTreeSet<Shard>> {
    let total = u16::try_from(dealt.len()).unwrap_or(u16::MAX);
    let mut owners = Owners::of(estimates);
    for (shard, share) in Shard::all(total).zip(dealt) {
        let mut files = BTreeSet::new();
        let mut tests = 0_usize;
        for part in &share.parts {
            for member in bundles.units[part.sequence].members(&part.units()) {
                files.insert(member.file);
                let function = &estimates.files[member.file].functions[member.function];
                let one = member.parameters.map(|_| 1);
                tests = tests.saturating_add(one.unwrap_or(function.tests));
                owners.give(estimates, *member, shard);
            }
        }
        let load = estimates.fixed.saturating_add(share.load);
        plan.shards.push(PlannedShard {
            shard,
            predicted_seconds: estimates.in_microseconds.then(|| in_seconds(load)),
            files: files.len(),
            tests,
        });
    }
    let named = owners.named(estimates);
    (plan.files, plan.tests) = (named.files, named.tests);
    named.cut
}

/// What alone is as long as the bound.
fn longest(estimates: &Estimates, bundles: &Bundles, bound: u64) -> Option<String> {
    let sequences = bundles.sequences.iter().zip(&bundles.units);
    let mut units = sequences.flat_map(|(sequence, units)| {
        let unit = |number: usize| number..number + 1;
        (0..units.len()).map(move |it| (sequence.cost(&unit(it)), units.members(&unit(it))))
    });
    let (_, members) = units.find(|(cost, _)| *cost == bound)?;
    let first = members.first()?;
    let file = &estimates.files[first.file];
    let function = &file.functions[first.function];
    let parameters = first.parameters.map(|it| &*function.parameters[it].id);
    let name = match function.name.as_str() {
        "" => file.path.clone(),
        name => format!("{}::{name}{}", file.path, parameters.unwrap_or_default()),
    };
    Some(match members.len() - 1 {
        0 => name,
        others => format!("{name} and {others} more that stay with it"),
    })
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
    use super::super::estimate::FunctionCost;
    use super::super::estimate::tests::{history, source};
    use super::*;
    use crate::model::node_id::NodeId;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn request(files: Vec<SourceFile>, history: History, total: u16) -> PlanRequest {
        PlanRequest {
            suite: "pytest".into(),
            files,
            history,
            shards: ShardCount::Exactly(total),
            keep_together: Vec::new(),
            dealing: Dealing::Planned,
            environments: Vec::new(),
            created_at: "2026-01-01T00:00:00Z".into(),
            inputs: PlanInputs::default(),
        }
    }

    /// As `Plan.owner` and `Plan.longest_key` of the plugin.
    fn owner(plan: &Plan, file: &str, name: &str) -> Shard {
        found(&plan.files, &plan.tests, file, name)
    }

    fn found<O: Copy>(
        files: &BTreeMap<String, O>,
        tests: &BTreeMap<NodeId, O>,
        file: &str,
        name: &str,
    ) -> O {
        let mut key = format!("{file}::{name}");
        while key.len() > file.len() {
            if let Some(owner) = tests.get(&NodeId::new(&*key)) {
                return *owner;
            }
            let bracket = key[file.len()..].find('[');
            let end = bracket.map_or_else(|| key.rfind("::").unwrap_or(0), |at| file.len() + at);
            key.truncate(end);
        }
        files[file]
    }

    /// The names of what may have an owner of its own, with how many tests it is.
    fn parts(function: &FunctionCost) -> Vec<(String, usize)> {
        if function.parameters.is_empty() {
            return vec![(function.name.clone(), function.tests)];
        }
        let parameters = function.parameters.iter();
        parameters
            .map(|it| (format!("{}{}", function.name, it.id), 1))
            .collect()
    }

    fn summary(plan: &Plan) -> Vec<(usize, usize, Option<f64>)> {
        let shards = plan.shards.iter();
        let mut summary: Vec<_> = shards
            .map(|it| (it.files, it.tests, it.predicted_seconds))
            .collect();
        summary.sort_by(|one, other| other.partial_cmp(one).expect("numbers"));
        summary
    }

    #[test]
    fn without_durations_tests_are_spread_and_files_stay_whole() {
        let files = vec![
            source("a.py", &[("test_1", 2), ("test_2", 3)]),
            source("b.py", &[("test_1", 3)]),
            source("c.py", &[("test_1", 2)]),
        ];
        let plan = plan(request(files, History::default(), 2)).plan;
        assert_eq!(summary(&plan), [(2, 5, None), (1, 5, None)]);
        assert_eq!(plan.files["b.py"], plan.files["c.py"]);
        assert!(plan.tests.is_empty());
    }

    #[test]
    fn with_durations_seconds_are_spread() {
        let mut known = history(&[
            ("slow.py", "test_1", 8.0),
            ("a.py", "test_1", 4.0),
            ("b.py", "test_1", 3.5),
        ]);
        known.start_up.add(1.5);
        for file in known.files.values_mut() {
            file.import.add(0.25);
        }
        let files = ["slow.py", "a.py", "b.py"].map(|path| source(path, &[("test_1", 1)]));
        let planned = plan(request(files.to_vec(), known, 2));
        assert_eq!(
            summary(&planned.plan),
            [(2, 2, Some(9.5)), (1, 1, Some(9.75))]
        );
        assert_eq!(
            (planned.lower_bound, planned.fixed),
            (Some(9.75), Some(1.5))
        );
        assert_eq!(planned.longest.as_deref(), Some("slow.py::test_1"));
    }

    #[test]
    fn a_cut_file_names_whole_classes_and_only_what_its_owner_does_not_have() {
        let functions: Vec<(String, usize)> = (0..30)
            .map(|number| (format!("Test{}::test_{number}", number / 10), 1))
            .chain([("test_alone".to_owned(), 1)])
            .collect();
        let file = SourceFile {
            path: "a.py".into(),
            tests: functions.len(),
            functions: functions.clone(),
            ..SourceFile::default()
        };
        let planned = plan(request(vec![file], History::default(), 3));
        let plan = &planned.plan;
        assert_eq!(planned.cut["a.py"].len(), 3);
        let keys: Vec<&str> = plan.tests.keys().map(NodeId::as_str).collect();
        assert_eq!(keys.len(), 2, "{keys:?}");
        assert!(
            keys.iter()
                .all(|key| key.starts_with("a.py::Test") && key.len() == 11)
        );
        let mut counts = BTreeMap::new();
        for (name, _) in &functions {
            *counts.entry(owner(plan, "a.py", name)).or_insert(0) += 1;
        }
        assert!(
            plan.shards
                .iter()
                .all(|it| it.tests == counts[&it.shard] && it.files == 1)
        );
    }

    #[test]
    fn a_long_function_is_cut_between_its_parameters_and_new_ones_have_one_owner() {
        let ids: Vec<String> = (10..40)
            .map(|it| format!("TestX::test_y[{it}::a[0]-]"))
            .collect();
        let known: Vec<_> = ids.iter().map(|id| ("a.py", id.as_str(), 1.0)).collect();
        let mut known = history(&known);
        let files = vec![
            source("a.py", &[("TestX::test_y", 3)]),
            source("b.py", &[("test_1", 1)]),
        ];
        let planned = plan(request(files.clone(), known.clone(), 3));
        let mut counts = BTreeMap::new();
        let owners: Vec<Shard> = ids
            .iter()
            .map(|id| owner(&planned.plan, "a.py", id))
            .collect();
        for owner in &owners {
            *counts.entry(*owner).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 3);
        assert!(
            counts.values().all(|count| (8..=12).contains(count)),
            "{counts:?}"
        );
        // Neighbours stay together.
        let changes = owners.windows(2).filter(|pair| pair[0] != pair[1]);
        assert_eq!(changes.count(), 2);
        let of_function = owner(&planned.plan, "a.py", "TestX::test_y");
        for new in [
            "TestX::test_y[new]",
            "TestX::test_y[10::a[0]]",
            "TestX::test_y[]",
        ] {
            assert_eq!(owner(&planned.plan, "a.py", new), of_function, "{new}");
        }
        // What keeps it together.
        let is_cut = |known: &History, keep: &[KeepTogether]| {
            let request = request(files.clone(), known.clone(), 3);
            let keep_together = keep.to_vec();
            let planned = plan(PlanRequest {
                keep_together,
                ..request
            });
            planned.cut.contains_key("a.py")
        };
        assert!(is_cut(&known, &[]));
        assert!(!is_cut(&known, &[KeepTogether::Class]));
        assert!(!is_cut(&known, &[KeepTogether::File]));
        let tests = &mut known.files.get_mut("a.py").expect("a file").tests;
        tests.get_mut(&ids[7]).expect("a test").groups = vec!["f:parameters".to_owned()];
        assert!(!is_cut(&known, &[]), "an id that tells nothing");
        let tests = &mut known.files.get_mut("a.py").expect("a file").tests;
        tests.get_mut(&ids[7]).expect("a test").groups.clear();
        for id in &ids[20..] {
            tests.get_mut(id).expect("a test").unseen = 1;
        }
        assert!(!is_cut(&known, &[]), "ids that are others in every run");
    }

    #[test]
    fn beside_a_guess_lies_less_and_what_is_said_of_a_shard_is_what_is_expected() {
        let names: Vec<String> = (0..40).map(|it| format!("test_{it}")).collect();
        let seconds = (0..40).map(|it| if it % 10 == 0 { 9.0 } else { 1.0 });
        let known: Vec<_> = names.iter().zip(seconds).collect();
        let tests: Vec<_> = known
            .iter()
            .map(|it| ("a.py", it.0.as_str(), it.1))
            .collect();
        let mut functions: Vec<_> = names.iter().map(|it| (it.as_str(), 1)).collect();
        functions.push(("new", 10));
        let known = history(&tests);
        let plan = plan(request(vec![source("a.py", &functions)], known, 2)).plan;
        let unsure = owner(&plan, "a.py", "new");
        let of = |shard: &PlannedShard| shard.predicted_seconds.expect("seconds");
        let (with, without): (Vec<_>, Vec<_>) =
            plan.shards.iter().partition(|it| it.shard == unsure);
        let (with, without) = (of(with[0]), of(without[0]));
        assert!(with < without - 1.0, "{with} {without}");
        // 40 of 1.8 s on average, ten guesses, and two imports.
        assert!((with + without - 90.0).abs() < 0.1, "{with} {without}");
    }

    #[test]
    fn more_shards_than_tests_leave_empty_shards() {
        let summary = |files: Vec<SourceFile>, total| {
            summary(&plan(request(files, History::default(), total)).plan)
        };
        assert_eq!(
            summary(vec![source("a.py", &[("test_1", 1)])], 3),
            [(1, 1, None), (0, 0, None), (0, 0, None)]
        );
        assert_eq!(summary(vec![], 2), [(0, 0, None), (0, 0, None)]);
        assert_eq!(summary(vec![], 0).len(), 1);
        assert_eq!(summary(vec![], u16::MAX).len(), usize::from(MAX_SHARDS));
    }

    #[test]
    fn the_seed_depends_on_the_content_and_not_on_the_time() {
        let of = |path: &str| request(vec![source(path, &[("test_1", 1)])], History::default(), 2);
        let first = plan(of("a.py")).plan;
        let mut later = of("a.py");
        later.created_at = "2027-01-01T00:00:00Z".into();
        let later = plan(later).plan;
        assert_eq!(
            (first.hash_seed, &first.digest),
            (later.hash_seed, &later.digest)
        );
        assert_ne!(first.hash_seed, plan(of("b.py")).plan.hash_seed);
        assert_eq!(
            (hash_seed("00000000ab"), hash_seed("ffffffffab")),
            (1, u32::MAX)
        );
    }

    fn any_suite() -> impl Strategy<Value = (Vec<SourceFile>, History)> {
        let seconds = prop_oneof![
            Just(None),
            (0.0..100.0_f64).prop_map(Some),
            Just(Some(0.0)),
            any::<f64>().prop_map(Some),
            Just(Some(1e300)),
        ];
        let function = ("(Test[AB]::)?(Test[C]::)?test_[a-h]", 0_usize..4, seconds);
        let group = prop_oneof![9 => Just(String::new()), 1 => "[xy]"];
        let file = (
            "[a-e]{1,2}/?[a-e]\\.py",
            vec(function, 0..12),
            group,
            any::<bool>(),
        );
        vec(file, 0..25).prop_map(|files| {
            let mut history = History::default();
            let mut sources: BTreeMap<String, SourceFile> = BTreeMap::new();
            for (path, functions, group, import) in files {
                let mut names = BTreeMap::new();
                for (name, tests, seconds) in functions {
                    if let Some(seconds) = seconds {
                        let file = history.files.entry(path.clone()).or_default();
                        let test = file.tests.entry(format!("{name}[{tests}]")).or_default();
                        test.cost = serde_json::from_str(&format!("{{\"seconds\":[{seconds:e}]}}"))
                            .unwrap_or_default();
                        if import {
                            file.import.add(1.0);
                        }
                        if tests == 3 {
                            test.groups.push("g:x".to_owned());
                        }
                    }
                    if tests > 0 {
                        names.insert(name, tests);
                    }
                }
                let mut file = SourceFile {
                    tests: names.values().sum(),
                    functions: names.into_iter().collect(),
                    path: path.clone(),
                    ..SourceFile::default()
                };
                file.groups.extend(Some(group).filter(|it| !it.is_empty()));
                sources.insert(path, file);
            }
            (sources.into_values().collect(), history)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn every_test_has_the_one_owner_that_the_shards_count(
            (files, history) in any_suite(), total in 1_u16..40
        ) {
            let estimates = estimate(files.clone(), history.clone());
            let planned = plan(request(files, history, total));
            let plan = &planned.plan;
            prop_assert_eq!(plan.shards.len(), usize::from(total));
            prop_assert!(plan.files.keys().eq(estimates.files.iter().map(|it| &it.path)));
            let mut tests: BTreeMap<Shard, usize> = BTreeMap::new();
            for file in &estimates.files {
                for function in &file.functions {
                    for (name, count) in parts(function) {
                        *tests.entry(owner(plan, &file.path, &name)).or_default() += count;
                    }
                }
            }
            for shard in &plan.shards {
                prop_assert_eq!(tests.get(&shard.shard).copied().unwrap_or(0), shard.tests);
                prop_assert!(shard.predicted_seconds.is_none_or(|it| it.is_finite() && it >= 0.0));
            }
            let cut = |id: &NodeId| planned.cut.contains_key(id.file());
            prop_assert!(plan.tests.keys().all(cut));
            let text = serde_json::to_vec(plan).expect("JSON");
            prop_assert_eq!(&Plan::from_json(&text).expect("a plan"), plan);
        }

        #[test]
        fn what_is_tied_together_stays_together((files, known) in any_suite(), total in 1_u16..9) {
            let estimates = estimate(files.clone(), known.clone());
            let plan = plan(request(files, known, total)).plan;
            let mut owners: BTreeMap<&str, BTreeSet<Shard>> = BTreeMap::new();
            for file in &estimates.files {
                for function in &file.functions {
                    for group in file.groups.iter().chain(&function.groups) {
                        for (name, _) in parts(function) {
                            let owner = owner(&plan, &file.path, &name);
                            owners.entry(group).or_default().insert(owner);
                        }
                    }
                }
            }
            prop_assert!(owners.values().all(|owners| owners.len() == 1));
        }

        #[test]
        fn every_test_is_of_one_unit_and_no_unit_is_without(
            (files, known) in any_suite(), total in 1_u16..9
        ) {
            let estimates = estimate(files.clone(), known.clone());
            let request = PlanRequest { dealing: Dealing::Dynamic, ..request(files, known, total) };
            let plan = plan(request).plan;
            let Some(queue) = &plan.queue else {
                prop_assert!(estimates.files.is_empty());
                return Ok(());
            };
            let mut used = BTreeSet::new();
            let mut tied: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
            for file in &estimates.files {
                for function in &file.functions {
                    for (name, _) in parts(function) {
                        let unit = found(&queue.files, &queue.tests, &file.path, &name);
                        used.insert(unit);
                        for group in file.groups.iter().chain(&function.groups) {
                            tied.entry(group).or_default().insert(unit);
                        }
                    }
                }
            }
            prop_assert!(used.into_iter().eq(0..queue.units.len()));
            prop_assert!(tied.values().all(|units| units.len() == 1));
            let text = serde_json::to_vec(&plan).expect("JSON");
            prop_assert_eq!(&Plan::from_json(&text).expect("a plan"), &plan);
        }

        #[test]
        fn the_order_of_the_files_means_nothing(
            (files, shuffled, known) in any_suite().prop_flat_map(|(files, known)| {
                (Just(files.clone()), Just(files).prop_shuffle(), Just(known))
            }),
            total in 1_u16..9,
        ) {
            for dealing in [Dealing::Planned, Dealing::Dynamic] {
                let plan = |files| {
                    let request = request(files, known.clone(), total);
                    plan(PlanRequest { dealing, ..request })
                };
                prop_assert_eq!(plan(files.clone()), plan(shuffled.clone()));
            }
        }
    }

    /// Numbers that look random and are the same everywhere.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, end: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (self.0 >> 33) % end
        }
    }

    /// Files of a few tests each, most of which are short and some long.
    fn large_suite(files: usize, chance: &mut Chance) -> (Vec<SourceFile>, History) {
        let mut sources = Vec::new();
        let mut tests = Vec::new();
        for number in 0..files {
            let path = format!("tests/test_{number}.py");
            let functions: Vec<(String, usize)> = (0..=chance.below(30))
                .map(|number| (format!("test_{number}"), 1))
                .collect();
            for (name, _) in &functions {
                let milliseconds = match chance.below(20) {
                    0 => chance.below(3_000),
                    _ => chance.below(100),
                };
                let duration = std::time::Duration::from_millis(milliseconds);
                tests.push((path.clone(), name.clone(), duration.as_secs_f64()));
            }
            sources.push(SourceFile {
                path,
                tests: functions.len(),
                functions,
                ..SourceFile::default()
            });
        }
        let tests: Vec<_> = tests
            .iter()
            .map(|(path, name, seconds)| (path.as_str(), name.as_str(), *seconds))
            .collect();
        (sources, history(&tests))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn adding_a_test_moves_few_others(
            seed in any::<u64>(), total in prop_oneof![Just(2_u16), Just(6), Just(16)], file in 0_usize..300
        ) {
            let (mut files, known) = large_suite(300, &mut Chance(seed));
            let before = plan(request(files.clone(), known.clone(), total)).plan;
            files[file].functions.push(("test_new".to_owned(), 1));
            let after = plan(request(files.clone(), known, total)).plan;
            let names = files.iter().flat_map(|file| {
                let path = file.path.as_str();
                file.functions.iter().map(move |it| (path, it.0.as_str()))
            });
            let all = names.clone().count();
            let moved = names
                .filter(|(path, name)| owner(&before, path, name) != owner(&after, path, name))
                .count();
            prop_assert!(2 * moved <= all, "{moved} of {all}");
        }
    }

    #[test]
    #[ignore = "prints how long a large plan takes"]
    #[expect(clippy::print_stdout, reason = "it is there to print")]
    fn a_large_plan() {
        let (files, known) = large_suite(3_300, &mut Chance(1));
        let tests: usize = files.iter().map(|file| file.tests).sum();
        let request = request(files, known, 256);
        let start = std::time::Instant::now();
        let planned = plan(request);
        let seconds = start.elapsed().as_secs_f64();
        let loads = planned
            .plan
            .shards
            .iter()
            .filter_map(|it| it.predicted_seconds);
        let (low, high) = (
            loads.clone().fold(f64::MAX, f64::min),
            loads.fold(0.0, f64::max),
        );
        println!(
            "{tests} tests in {seconds} s, loads {low} to {high}, bound {}, {} files cut",
            planned.lower_bound.unwrap_or_default(),
            planned.cut.len()
        );
    }
}
