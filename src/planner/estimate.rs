//! What each test function of each file will cost, from the sources and from what earlier runs taught.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelIterator as _, IntoParallelRefIterator as _,
    ParallelIterator as _,
};

use super::law::{Law, Sample, float, in_float_seconds};
use crate::model::history::{Estimate, FileHistory, History, TestHistory};
use crate::model::renames::{self, function_of};

/// No function is thought to take longer, so that sums fit: 30 days in microseconds.
const MAX_COST: u64 = 30 * 24 * 3_600 * 1_000_000;

/// Importing a file where no import was ever measured, in microseconds.
const GUESSED_IMPORT: u64 = 20_000;

/// How many standard deviations above its mean a shard should still be level with the others.
const CAUTION: f64 = 1.0;

/// A function is cut between its parameters only if it costs more than one part in so many of all
/// tests: of less, no number of shards gets more even.
const SHORT: u64 = 1024;

/// The group of tests whose ids do not tell what their parameters are: they stay with their function.
const ONE_FUNCTION: &str = "f:parameters";

/// A test file as its source shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SourceFile {
    /// Relative to the folder the plan is made in, with `/`.
    pub(crate) path: String,
    pub(crate) tests: usize,
    /// Functions with how many tests they are, in order: `TestX::test_y`.
    pub(crate) functions: Vec<(String, usize)>,
    /// Names shared with tests anywhere that have to run in the same shard.
    pub(crate) groups: BTreeSet<String>,
    /// Its tests may need each other.
    pub(crate) ordered: bool,
}

/// Costs are microseconds, or tests where nothing is known about time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Estimates {
    /// Sorted by path.
    pub(crate) files: Vec<FileCost>,
    /// Fixtures of packages, by folder.
    pub(crate) packages: BTreeMap<String, u64>,
    /// What every shard pays whatever it runs.
    pub(crate) fixed: u64,
    pub(crate) in_microseconds: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FileCost {
    pub(crate) path: String,
    /// Import, and the fixtures of the module.
    pub(crate) set_up: u64,
    /// Fixtures of classes, by name.
    pub(crate) classes: BTreeMap<String, u64>,
    /// In the order of the source; of a file that names none, one without a name.
    pub(crate) functions: Vec<FunctionCost>,
    /// Groups of all its tests.
    pub(crate) groups: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FunctionCost {
    /// With its classes; empty for a file as a whole.
    pub(crate) name: String,
    pub(crate) tests: usize,
    pub(crate) cost: u64,
    /// Of a cost that is a guess, in square seconds.
    pub(crate) variance: f64,
    /// As in the history.
    pub(crate) groups: BTreeSet<String>,
    /// Its tests one by one, sorted, where it may be cut between them.
    pub(crate) parameters: Vec<Parameters>,
}

/// One set of parameters of a test function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameters {
    /// What stands after the name of the function: `[a-1]`.
    pub(crate) id: String,
    pub(crate) cost: u64,
}

impl Estimates {
    /// How much higher than the best possible a load may be before a file is cut for it, as a part of
    /// the best: a guess is not worth a cut that a measurement is.
    pub(super) fn slack(&self) -> u64 {
        if self.in_microseconds { 1_000 } else { 5 }
    }

    /// How much a guess is to be weighed above what it is expected to cost, where the suite is in so
    /// many shards; `None` where nothing is a guess. A shard is level with the others [`CAUTION`]
    /// standard deviations above its mean: where the guesses lie together, less lies beside them.
    pub(super) fn caution(&self, shards: usize) -> Option<impl Fn(&FunctionCost) -> u64> {
        let functions = self.files.iter().flat_map(|file| &file.functions);
        let all: f64 = functions.map(|function| function.variance).sum();
        let shards = u64::try_from(shards).unwrap_or(u64::MAX).max(1);
        let of_shard = all / float(shards);
        let caution = move |function: &FunctionCost| {
            if function.variance <= 0.0 {
                return 0;
            }
            let more = (of_shard + function.variance).sqrt() - of_shard.sqrt();
            in_microseconds(more * CAUTION)
        };
        (of_shard > 0.0 && of_shard.is_finite()).then_some(caution)
    }
}

impl FunctionCost {
    /// The classes it is in, from the outside in, each with those around it.
    pub(crate) fn classes(&self) -> impl Iterator<Item = &str> {
        let mut from = 0;
        std::iter::from_fn(move || {
            // Quicker than to search for both.
            while let Some(at) = self.name[from..].find(':') {
                let at = from + at;
                from = at + 1;
                if self.name[from..].starts_with(':') {
                    from += 1;
                    return Some(&self.name[..at]);
                }
            }
            None
        })
    }
}

/// `files` in any order; of two with one path the larger one counts.
pub(crate) fn estimate(mut files: Vec<SourceFile>, mut history: History) -> Estimates {
    files.sort_by(|one, other| {
        let by_path = one.path.cmp(&other.path);
        by_path.then_with(|| (other.tests, &other.functions).cmp(&(one.tests, &one.functions)))
    });
    files.dedup_by(|one, kept| one.path == kept.path);
    let present = files.iter().map(|file| {
        let names = file.functions.iter().map(|it| it.0.as_str());
        (file.path.as_str(), names.collect())
    });
    renames::follow(&mut history, &present.collect());

    let known: Vec<Option<Known<'_>>> = files
        .par_iter()
        .map(|file| Some(Known::of(file, history.files.get(&file.path)?)))
        .collect();
    let samples: Vec<Sample> = known.iter().flatten().map(|it| it.all).collect();
    let all = Sample::sum(&samples);
    let classes = known.iter().flatten();
    let classes = classes.map(|file| file.classes.values().copied().collect());
    let Some(law) = Law::learn(&samples, &all, classes) else {
        return counted(files);
    };
    let imports: Vec<u64> = known.iter().flatten().filter_map(|it| it.import).collect();
    let pace = history.pace.value().filter(|pace| *pace > 0.0);
    let suite = OfSuite {
        law,
        usual_import: median(imports).unwrap_or(GUESSED_IMPORT),
        pace: pace.unwrap_or(1.0),
        long: all.cost / SHORT,
    };
    let files = files.into_par_iter().zip(known);
    let files = files.map(|(file, known)| weigh(file, known.unwrap_or_default(), suite));
    let files = files.collect();
    let fixed = [&history.start_up, &history.session].map(|it| microseconds(it).unwrap_or(0));
    Estimates {
        files,
        packages: history
            .packages
            .iter()
            .filter_map(|(folder, cost)| Some((folder.clone(), suite.scaled(microseconds(cost)?))))
            .collect(),
        fixed: fixed.iter().sum(),
        in_microseconds: true,
    }
}

/// What holds for every file.
#[derive(Clone, Copy)]
struct OfSuite {
    law: Law,
    usual_import: u64,
    pace: f64,
    /// What costs less is not worth a cut inside a function.
    long: u64,
}

impl OfSuite {
    fn scaled(&self, cost: u64) -> u64 {
        // Most suites run one test after another.
        if self.pace.to_bits() == 1.0_f64.to_bits() {
            cost.min(MAX_COST)
        } else {
            scaled(cost, self.pace)
        }
    }
}

/// What the history says of a file.
#[derive(Default)]
struct Known<'a> {
    /// Sorted by name.
    functions: Vec<KnownFunction<'a>>,
    all: Sample,
    /// By name; tests in none have an empty one.
    classes: BTreeMap<&'a str, Sample>,
    import: Option<u64>,
    fixtures: BTreeMap<&'a str, u64>,
}

#[derive(Default)]
struct KnownFunction<'a> {
    name: &'a str,
    /// Sorted by id.
    tests: Vec<KnownTest<'a>>,
    /// How many tests of it the last run did not have any more.
    gone: usize,
    /// The source has it.
    taken: bool,
}

struct KnownTest<'a> {
    function: &'a str,
    /// `[a-1]`
    parameters: &'a str,
    cost: u64,
    history: &'a TestHistory,
}

impl<'a> KnownFunction<'a> {
    /// What the last run did not have any more is gone, unless nothing is left of the function.
    fn of(tests: &mut Vec<KnownTest<'a>>) -> Self {
        let all = tests.len();
        if tests.iter().any(|test| test.history.unseen == 0) {
            tests.retain(|test| test.history.unseen == 0);
        }
        Self {
            name: tests.first().map_or("", |test| test.function),
            gone: all - tests.len(),
            tests: std::mem::take(tests),
            taken: false,
        }
    }

    fn is_gone(&self) -> bool {
        self.tests.iter().all(|test| test.history.unseen > 0)
    }

    fn sample(&self) -> Sample {
        let one = self.tests.iter().map(|test| Sample::of(test.cost));
        one.fold(Sample::default(), Sample::and)
    }

    fn cost(&self) -> u64 {
        let costs = self.tests.iter().map(|test| test.cost);
        costs.fold(0, u64::saturating_add)
    }

    fn groups(&self) -> impl Iterator<Item = &'a str> {
        let groups = self.tests.iter().flat_map(|test| &test.history.groups);
        groups.map(String::as_str)
    }

    fn line(&self) -> u32 {
        let lines = self.tests.iter().map(|test| test.history.line);
        lines.filter(|line| *line > 0).min().unwrap_or(0)
    }

    /// Ids that are others in every run, or tell nothing of a value, do not say what will run where.
    fn can_be_cut(&self) -> bool {
        let told = |test: &KnownTest<'_>| test.parameters.ends_with(']');
        self.tests.len() > 1
            && self.groups().next().is_none()
            && self.gone <= self.tests.len() / 4
            && !self.name.is_empty()
            && self.tests.iter().all(told)
    }

    fn named(&self, name: String, suite: &OfSuite) -> FunctionCost {
        let cost = suite.scaled(self.cost().min(MAX_COST));
        let mut parameters = Vec::new();
        if cost >= suite.long && self.can_be_cut() {
            parameters.extend(self.tests.iter().map(|test| Parameters {
                id: test.parameters.to_owned(),
                cost: suite.scaled(test.cost),
            }));
        }
        let groups = self.groups().filter(|group| *group != ONE_FUNCTION);
        FunctionCost {
            name,
            tests: self.tests.len(),
            cost,
            variance: 0.0,
            groups: groups.map(ToOwned::to_owned).collect(),
            parameters,
        }
    }
}

impl<'a> Known<'a> {
    fn of(file: &SourceFile, history: &'a FileHistory) -> Self {
        let tests = history.tests.iter().filter_map(|(name, test)| {
            let function = function_of(name);
            Some(KnownTest {
                function,
                parameters: &name[function.len()..],
                cost: microseconds(&test.cost)?,
                history: test,
            })
        });
        let mut tests: Vec<KnownTest<'_>> = tests.collect();
        tests.sort_by_key(|test| test.function);
        let mut functions: Vec<KnownFunction<'_>> = Vec::with_capacity(tests.len());
        let mut of_one = Vec::new();
        let mut rest = tests.into_iter().peekable();
        while let Some(test) = rest.next() {
            let last = rest
                .peek()
                .is_none_or(|next| next.function != test.function);
            of_one.push(test);
            if last {
                functions.push(KnownFunction::of(&mut of_one));
            }
        }
        if functions.iter().any(KnownFunction::is_gone) {
            let names = file.functions.iter().map(|it| it.0.as_str());
            let in_source: HashSet<&str> = names.collect();
            functions.retain(|function| !function.is_gone() || in_source.contains(function.name));
        }
        let mut classes: BTreeMap<&str, Sample> = BTreeMap::new();
        for function in &functions {
            let sum = classes.entry(class_of(function.name)).or_default();
            *sum = sum.and(function.sample());
        }
        let fixtures = history.fixtures.iter();
        let fixtures =
            fixtures.filter_map(|(class, cost)| Some((class.as_str(), microseconds(cost)?)));
        Self {
            functions,
            all: Sample::sum(classes.values()),
            classes,
            import: microseconds(&history.import),
            fixtures: fixtures.collect(),
        }
    }

    fn take(&mut self, name: &str) -> Option<&KnownFunction<'a>> {
        let found = self.functions.binary_search_by(|it| it.name.cmp(name));
        let function = &mut self.functions[found.ok()?];
        function.taken = true;
        Some(function)
    }

    /// What a function costs that is not known: from its class, its file and the suite.
    fn guess(&self, name: String, tests: usize, suite: &OfSuite) -> FunctionCost {
        let (of_file, root) = suite.law.of_file(&self.all);
        let class = self
            .classes
            .get(class_of(&name))
            .filter(|_| name.contains("::"));
        let seconds = class.map_or(of_file, |class| suite.law.of_class(class, &self.all, root));
        let count = u64::try_from(tests).unwrap_or(u64::MAX);
        let paced = seconds * suite.pace;
        FunctionCost {
            name,
            tests,
            cost: suite.scaled(in_microseconds(seconds).saturating_mul(count)),
            variance: paced * paced * suite.law.spread * float(count),
            groups: BTreeSet::new(),
            parameters: Vec::new(),
        }
    }
}

/// Empty for a function in none.
fn class_of(function: &str) -> &str {
    function.rsplit_once("::").map_or("", |it| it.0)
}

fn weigh(file: SourceFile, mut known: Known<'_>, suite: OfSuite) -> FileCost {
    let mut functions = Vec::with_capacity(file.functions.len());
    let mut anything_new = false;
    for (name, tests) in file.functions {
        functions.push(if let Some(found) = known.take(&name) {
            found.named(name, &suite)
        } else {
            anything_new = true;
            known.guess(name, tests, &suite)
        });
    }
    // Inherited from another file, generated, or an example of doctest.
    let mut others: Vec<&KnownFunction<'_>> =
        known.functions.iter().filter(|it| !it.taken).collect();
    others.sort_by_key(|other| (other.line(), other.name));
    functions.extend(
        others
            .into_iter()
            .map(|it| it.named(it.name.to_owned(), &suite)),
    );
    if functions.is_empty() {
        functions.push(known.guess(String::new(), file.tests, &suite));
    }
    let groups: BTreeSet<&str> = known
        .functions
        .iter()
        .flat_map(KnownFunction::groups)
        .filter(|group| *group != ONE_FUNCTION)
        .collect();
    let tied = |name: &String| groups.contains(format!("g:{name}").as_str());
    // What the log says of single tests is exact, as long as there is nothing it could not see.
    let mut of_file = BTreeSet::new();
    if anything_new || !file.groups.iter().all(tied) {
        of_file.extend(file.groups.iter().map(|name| format!("g:{name}")));
    }
    if file.ordered && (anything_new || groups.is_empty()) {
        of_file.insert("m:dependency".to_owned());
    }
    let module = known.fixtures.remove("").unwrap_or(0);
    FileCost {
        path: file.path,
        set_up: known.import.unwrap_or(suite.usual_import) + suite.scaled(module),
        classes: known
            .fixtures
            .into_iter()
            .map(|(class, cost)| (class.to_owned(), suite.scaled(cost)))
            .collect(),
        functions: in_order_of_classes(functions),
        groups: of_file,
    }
}

/// Where nothing is known about time, tests count.
fn counted(files: Vec<SourceFile>) -> Estimates {
    let cost = |tests: usize| u64::try_from(tests).unwrap_or(u64::MAX).clamp(1, MAX_COST);
    let files = files.into_iter().map(|file| {
        let mut functions = file.functions;
        let named: usize = functions.iter().fold(0, |sum, it| it.1.saturating_add(sum));
        // Doctests have no name here.
        if functions.is_empty() || named < file.tests {
            functions = vec![(String::new(), file.tests)];
        }
        let functions = functions.into_iter().map(|(name, tests)| FunctionCost {
            name,
            tests,
            cost: cost(tests),
            variance: 0.0,
            groups: BTreeSet::new(),
            parameters: Vec::new(),
        });
        let mut groups: BTreeSet<String> = file.groups.iter().map(|it| format!("g:{it}")).collect();
        if file.ordered {
            groups.insert("m:dependency".to_owned());
        }
        FileCost {
            path: file.path,
            set_up: 0,
            classes: BTreeMap::new(),
            functions: in_order_of_classes(functions.collect()),
            groups,
        }
    });
    Estimates {
        files: files.collect(),
        packages: BTreeMap::new(),
        fixed: 0,
        in_microseconds: false,
    }
}

/// The functions of one class side by side, everything else as it was.
fn in_order_of_classes(functions: Vec<FunctionCost>) -> Vec<FunctionCost> {
    let mut first: HashMap<&str, usize> = HashMap::new();
    let mut places: Vec<Vec<usize>> = Vec::with_capacity(functions.len());
    for (at, function) in functions.iter().enumerate() {
        let classes = function.classes();
        let mut place: Vec<usize> = classes
            .map(|class| *first.entry(class).or_insert(at))
            .collect();
        place.push(at);
        places.push(place);
    }
    if places.is_sorted() {
        return functions;
    }
    let mut ordered: Vec<_> = places.into_iter().zip(functions).collect();
    ordered.sort_by(|one, other| one.0.cmp(&other.0));
    ordered.into_iter().map(|(_, function)| function).collect()
}

fn microseconds(estimate: &Estimate) -> Option<u64> {
    Some(in_microseconds(estimate.value()?))
}

/// At least one: nothing is free.
pub(crate) fn in_microseconds(seconds: f64) -> u64 {
    let duration = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    u64::try_from(duration.as_micros())
        .unwrap_or(MAX_COST)
        .clamp(1, MAX_COST)
}

/// To the millisecond: an estimate knows no more.
pub(crate) fn in_seconds(cost: u64) -> f64 {
    std::time::Duration::from_millis(cost / 1_000).as_secs_f64()
}

fn scaled(cost: u64, pace: f64) -> u64 {
    if cost == 0 {
        return 0;
    }
    in_microseconds(in_float_seconds(cost) * pace)
}

fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn source(path: &str, functions: &[(&str, usize)]) -> SourceFile {
        SourceFile {
            path: path.to_owned(),
            tests: functions.iter().map(|it| it.1).sum(),
            functions: functions.iter().map(|it| (it.0.to_owned(), it.1)).collect(),
            ..SourceFile::default()
        }
    }

    pub(in super::super) fn history(tests: &[(&str, &str, f64)]) -> History {
        let mut history = History::default();
        for (file, name, seconds) in tests {
            let file = history.files.entry((*file).to_owned()).or_default();
            let test = file.tests.entry((*name).to_owned()).or_default();
            test.cost.add(*seconds);
        }
        history
    }

    fn costs(estimates: &Estimates) -> Vec<(&str, u64)> {
        let functions = estimates.files.iter().flat_map(|file| &file.functions);
        functions.map(|it| (it.name.as_str(), it.cost)).collect()
    }

    #[test]
    fn without_history_tests_count() {
        let files = vec![
            source("b.py", &[("test_1", 7)]),
            source("a.py", &[]),
            source(
                "c.py",
                &[("TestX::test_1", 2), ("test_2", 1), ("TestX::test_3", 1)],
            ),
        ];
        let estimates = estimate(files, History::default());
        assert!(!estimates.in_microseconds);
        assert_eq!(
            costs(&estimates),
            [
                ("", 1),
                ("test_1", 7),
                ("TestX::test_1", 2),
                ("TestX::test_3", 1),
                ("test_2", 1)
            ]
        );
    }

    /// Two files of so many tests, each with one that is new, and a new file.
    fn with_new_ones(one: &[f64], other: &[f64]) -> Estimates {
        let (mut tests, mut files) = (Vec::new(), Vec::new());
        let names = [
            "TestX::test_1",
            "TestX::test_2",
            "TestX::test_3",
            "TestX::test_4",
        ];
        for (path, seconds) in [("a.py", one), ("b.py", other)] {
            let known = names.into_iter().zip(seconds);
            tests.extend(known.clone().map(|(name, seconds)| (path, name, *seconds)));
            let functions: Vec<_> = known.map(|it| (it.0, 1)).collect();
            files.push(source(path, &[&functions[..], &[("new", 2)]].concat()));
        }
        files.push(source("c.py", &[("new", 1)]));
        estimate(files, history(&tests))
    }

    fn guesses(estimates: &Estimates) -> Vec<u64> {
        let costs = costs(estimates).into_iter();
        costs.filter(|it| it.0 == "new").map(|it| it.1).collect()
    }

    #[test]
    fn an_unknown_test_costs_what_its_file_says_where_files_differ_and_else_what_the_suite_says() {
        let (one, other) = ([1.0, 1.2, 0.8, 1.0], [9.0, 9.2, 8.8, 9.0]);
        let [a, b, c] = guesses(&with_new_ones(&one, &other))[..] else {
            panic!("three guesses");
        };
        assert!((1_900_000..2_100_000).contains(&a), "{a}");
        assert!((17_500_000..18_500_000).contains(&b), "{b}");
        assert!(
            (4_500_000..7_000_000).contains(&c),
            "the mean, not the median: {c}"
        );
        // Where files are alike, and where one test of each does not tell how tests of a file differ.
        for (one, other) in [
            (&[1.0, 9.0, 2.0, 8.0][..], &[8.0, 2.0, 9.0, 1.0][..]),
            (&[1.0], &[9.0]),
        ] {
            let alike = guesses(&with_new_ones(one, other));
            let off = alike.iter().zip([10_000_000_u64, 10_000_000, 5_000_000]);
            let off = off.map(|(guess, wanted)| guess.abs_diff(wanted));
            assert!(off.max() < Some(10), "{alike:?}");
        }
    }

    #[test]
    fn an_unknown_test_of_a_class_leans_on_the_others_of_it() {
        let known = history(&[
            ("a.py", "TestX::test_1", 1.0),
            ("a.py", "TestX::test_2", 1.0),
            ("a.py", "test_3", 4.0),
            ("b.py", "test_4", 9.0),
            ("b.py", "test_5", 9.0),
        ]);
        let files = vec![
            source("a.py", &[("TestX::new", 1), ("new", 1)]),
            source("b.py", &[("test_4", 1)]),
        ];
        let estimates = estimate(files, known);
        let costs: BTreeMap<&str, u64> = costs(&estimates).into_iter().collect();
        let (in_class, in_file) = (costs["TestX::new"], costs["new"]);
        assert!(in_class < in_file, "{in_class} {in_file}");
    }

    #[test]
    fn only_guesses_are_weighed_with_caution_and_long_ones_most() {
        let caution = |estimates: &Estimates| {
            let more = estimates.caution(2).expect("guesses");
            let functions = estimates.files.iter().flat_map(|file| &file.functions);
            let more = functions.map(|it| (it.name.clone(), more(it)));
            more.collect::<Vec<_>>()
        };
        let more = caution(&with_new_ones(&[1.0, 1.5], &[9.0, 12.0]));
        assert!(
            more.iter()
                .all(|(name, more)| (name == "new") == (*more > 0)),
            "{more:?}"
        );
        let new: Vec<u64> = more
            .iter()
            .map(|it| it.1)
            .filter(|more| *more > 0)
            .collect();
        assert!(
            new[0] < new[1],
            "tests of the first file are shorter: {new:?}"
        );
        let known = source("a.py", &[("test_1", 1)]);
        let sure = estimate(vec![known], history(&[("a.py", "test_1", 1.0)]));
        assert!(sure.caution(2).is_none());
    }

    #[test]
    fn fixtures_imports_and_the_pace_of_a_shard_count() {
        let mut known = history(&[("a.py", "TestX::test_1", 1.0), ("b.py", "test_2", 1.0)]);
        known.start_up.add(2.0);
        known.session.add(0.5);
        known.pace.add(0.5);
        known.packages.insert("pkg".to_owned(), 4.0.into());
        let file = known.files.get_mut("a.py").expect("a file");
        file.import.add(0.25);
        file.fixtures.insert(String::new(), 3.0.into());
        file.fixtures.insert("TestX".to_owned(), 6.0.into());
        let files = vec![source("a.py", &[("TestX::test_1", 1)]), source("b.py", &[])];
        let estimates = estimate(files, known);
        assert_eq!(estimates.fixed, 2_500_000);
        assert_eq!(estimates.packages["pkg"], 2_000_000);
        let [a, b] = estimates.files.as_slice() else {
            panic!("two files");
        };
        assert_eq!((a.set_up, b.set_up), (1_750_000, 250_000));
        assert_eq!(a.classes["TestX"], 3_000_000);
        assert_eq!(
            costs(&estimates),
            [("TestX::test_1", 500_000), ("test_2", 500_000)]
        );
    }

    #[test]
    fn a_test_that_is_gone_from_source_and_runs_costs_nothing() {
        let mut known = history(&[("a.py", "test_1", 1.0), ("a.py", "test_gone", 9.0)]);
        let tests = &mut known.files.get_mut("a.py").expect("a file").tests;
        tests.get_mut("test_gone").expect("a test").unseen = 1;
        let estimates = estimate(vec![source("a.py", &[("test_1", 1)])], known);
        assert_eq!(costs(&estimates), [("test_1", 1_000_000)]);
    }

    #[test]
    fn groups_of_the_source_hold_until_a_log_knows_better() {
        let mut file = source("a.py", &[("test_1", 1), ("test_2", 1)]);
        file.groups.insert("db".to_owned());
        file.ordered = true;
        let mut known = history(&[("a.py", "test_1", 1.0), ("a.py", "test_2", 1.0)]);
        let groups = |known: &History, file: &SourceFile| {
            let estimates = estimate(vec![file.clone()], known.clone());
            estimates.files[0]
                .groups
                .iter()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(groups(&History::default(), &file), ["g:db", "m:dependency"]);
        assert_eq!(groups(&known, &file), ["g:db", "m:dependency"]);
        let tests = &mut known.files.get_mut("a.py").expect("a file").tests;
        tests.get_mut("test_1").expect("a test").groups = vec!["g:db".into(), "m:x".into()];
        assert_eq!(groups(&known, &file), [""; 0]);
        file.functions.push(("test_new".to_owned(), 1));
        assert_eq!(groups(&known, &file), ["g:db", "m:dependency"]);
    }
}
