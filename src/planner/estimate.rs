//! What each test function of each file will cost, from the sources and from what earlier runs taught.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelIterator as _, IntoParallelRefIterator as _,
    ParallelIterator as _,
};

use crate::model::history::{Estimate, FileHistory, History, TestHistory};
use crate::model::renames::{self, function_of};

/// No function is thought to take longer, so that sums fit: 30 days in microseconds.
const MAX_COST: u64 = 30 * 24 * 3_600 * 1_000_000;

/// Importing a file where no import was ever measured, in microseconds.
const GUESSED_IMPORT: u64 = 20_000;

/// A function is cut between its parameters only if it costs more than one part in so many of all
/// tests: of less, no number of shards gets more even.
const SHORT: u64 = 1024;

/// The group of tests whose ids do not tell what their parameters are: they stay with their function.
const ONE_FUNCTION: &str = "f:parameters";

/// An estimate from few siblings leans on what holds one level above, as if that were so many more.
const PRIOR: u64 = 2;

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
    let all = known
        .iter()
        .flatten()
        .fold(Mean::default(), |sum, known| sum.and(known.all()));
    let Some(per_test) = all.value() else {
        return counted(files);
    };
    let imports: Vec<u64> = known.iter().flatten().filter_map(|it| it.import).collect();
    let pace = history.pace.value().filter(|pace| *pace > 0.0);
    let suite = OfSuite {
        per_test,
        usual_import: median(imports).unwrap_or(GUESSED_IMPORT),
        pace: pace.unwrap_or(1.0),
        long: all.sum / SHORT,
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

/// A sum, and of how many.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    sum: u64,
    count: u64,
}

impl Mean {
    fn and(self, other: Self) -> Self {
        Self {
            sum: self.sum.saturating_add(other.sum),
            count: self.count.saturating_add(other.count),
        }
    }

    fn value(self) -> Option<u64> {
        self.sum.checked_div(self.count)
    }

    fn leaning_on(self, above: u64) -> u64 {
        let sum = self.sum.saturating_add(above.saturating_mul(PRIOR));
        sum / self.count.saturating_add(PRIOR)
    }
}

/// What holds for every file.
#[derive(Clone, Copy)]
struct OfSuite {
    per_test: u64,
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

    fn all(&self) -> Mean {
        let one = |test: &KnownTest<'_>| Mean {
            sum: test.cost,
            count: 1,
        };
        self.tests.iter().map(one).fold(Mean::default(), Mean::and)
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
        let cost = suite.scaled(self.all().sum.min(MAX_COST));
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
        let fixtures = history.fixtures.iter();
        let fixtures =
            fixtures.filter_map(|(class, cost)| Some((class.as_str(), microseconds(cost)?)));
        Self {
            functions,
            import: microseconds(&history.import),
            fixtures: fixtures.collect(),
        }
    }

    fn all(&self) -> Mean {
        let all = self.functions.iter().map(KnownFunction::all);
        all.fold(Mean::default(), Mean::and)
    }

    fn take(&mut self, name: &str) -> Option<&KnownFunction<'a>> {
        let found = self.functions.binary_search_by(|it| it.name.cmp(name));
        let function = &mut self.functions[found.ok()?];
        function.taken = true;
        Some(function)
    }

    /// What a test costs that is not known.
    fn guess(&self, suite: &OfSuite) -> Guess<'a> {
        let mut classes: HashMap<&str, Mean> = HashMap::new();
        for function in &self.functions {
            if let Some((class, _)) = function.name.rsplit_once("::") {
                let sum = classes.entry(class).or_default();
                *sum = sum.and(function.all());
            }
        }
        Guess {
            classes,
            of_file: self.all().leaning_on(suite.per_test),
        }
    }
}

/// From the class of a test, else from its file, leaning on the suite.
struct Guess<'a> {
    classes: HashMap<&'a str, Mean>,
    of_file: u64,
}

impl Guess<'_> {
    fn function(&self, name: String, tests: usize, suite: &OfSuite) -> FunctionCost {
        let class = name.rsplit_once("::").and_then(|it| self.classes.get(it.0));
        let each = class.map_or(self.of_file, |class| class.leaning_on(self.of_file));
        let cost = each.saturating_mul(u64::try_from(tests).unwrap_or(u64::MAX));
        FunctionCost {
            name,
            tests,
            cost: suite.scaled(cost),
            groups: BTreeSet::new(),
            parameters: Vec::new(),
        }
    }
}

fn weigh(file: SourceFile, mut known: Known<'_>, suite: OfSuite) -> FileCost {
    let mut functions = Vec::with_capacity(file.functions.len());
    let mut guess = None;
    for (name, tests) in file.functions {
        functions.push(match known.take(&name) {
            Some(found) => found.named(name, &suite),
            None => guess
                .get_or_insert_with(|| known.guess(&suite))
                .function(name, tests, &suite),
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
        let guess = known.guess(&suite);
        functions.push(guess.function(String::new(), file.tests, &suite));
    }
    let groups: BTreeSet<&str> = known
        .functions
        .iter()
        .flat_map(KnownFunction::groups)
        .filter(|group| *group != ONE_FUNCTION)
        .collect();
    let tied = |name: &String| groups.contains(format!("g:{name}").as_str());
    // What the log says of single tests is exact, as long as there is nothing it could not see.
    let anything_new = guess.is_some();
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
    let seconds = std::time::Duration::from_micros(cost).as_secs_f64();
    in_microseconds(seconds * pace)
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

    #[test]
    fn an_unknown_test_costs_what_its_class_file_and_suite_say() {
        let known = history(&[
            ("a.py", "TestX::test_1[a]", 1.0),
            ("a.py", "TestX::test_1[b]", 3.0),
            ("a.py", "test_2", 10.0),
            ("b.py", "test_3", 0.0),
        ]);
        let files = vec![
            source(
                "a.py",
                &[("TestX::test_1", 9), ("TestX::new", 1), ("new", 2)],
            ),
            source("b.py", &[("test_3", 1)]),
            source("c.py", &[("new", 1)]),
        ];
        let costs = estimate(files, known);
        let costs = self::costs(&costs);
        let suite = 14_000_001 / 4;
        let file = (14_000_000 + 2 * suite) / 5;
        let class = (4_000_000 + 2 * file) / 4;
        assert_eq!(
            costs,
            [
                ("TestX::test_1", 4_000_000),
                ("TestX::new", class),
                ("new", 2 * file),
                ("test_2", 10_000_000),
                ("test_3", 1),
                ("new", suite),
            ]
        );
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
