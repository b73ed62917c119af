//! What each test function of each file will cost, from the sources and from what earlier runs taught.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::history::{Estimate, FileHistory, History};
use crate::model::renames::{self, function_of};

/// No function is thought to take longer, so that sums fit: 30 days in microseconds.
const MAX_COST: u64 = 30 * 24 * 3_600 * 1_000_000;

/// Importing a file where no import was ever measured, in microseconds.
const GUESSED_IMPORT: u64 = 20_000;

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
        self.name
            .match_indices("::")
            .map(|(at, _)| &self.name[..at])
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

    let known: Vec<Option<Known>> = files
        .iter()
        .map(|file| Some(Known::of(file, history.files.get(&file.path)?)))
        .collect();
    let suite = known
        .iter()
        .flatten()
        .fold(Mean::default(), |sum, known| sum.and(known.all));
    let Some(per_test) = suite.value() else {
        return counted(files);
    };
    let imports: Vec<u64> = known.iter().flatten().filter_map(|it| it.import).collect();
    let usual_import = median(imports).unwrap_or(GUESSED_IMPORT);
    let pace = history
        .pace
        .value()
        .filter(|pace| *pace > 0.0)
        .unwrap_or(1.0);
    let weighed = files.into_iter().zip(known).map(|(file, known)| {
        let known = known.unwrap_or_default();
        weigh(file, known, per_test, usual_import, pace)
    });
    let fixed = [&history.start_up, &history.session].map(|it| microseconds(it).unwrap_or(0));
    Estimates {
        files: weighed.collect(),
        packages: history
            .packages
            .iter()
            .filter_map(|(folder, cost)| Some((folder.clone(), scaled(microseconds(cost)?, pace))))
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

/// What the history says of a file.
#[derive(Default)]
struct Known {
    functions: HashMap<String, KnownFunction>,
    classes: HashMap<String, Mean>,
    all: Mean,
    import: Option<u64>,
    fixtures: BTreeMap<String, u64>,
}

#[derive(Default)]
struct KnownFunction {
    cost: u64,
    tests: usize,
    line: u32,
    groups: BTreeSet<String>,
}

impl KnownFunction {
    fn named(self, name: String) -> FunctionCost {
        let Self {
            cost,
            tests,
            line: _,
            groups,
        } = self;
        FunctionCost {
            name,
            tests,
            cost,
            groups,
        }
    }
}

impl Known {
    fn of(file: &SourceFile, history: &FileHistory) -> Self {
        let in_source = |name: &str| file.functions.iter().any(|it| it.0 == name);
        let mut known = Self {
            import: microseconds(&history.import),
            ..Self::default()
        };
        for (class, cost) in &history.fixtures {
            if let Some(cost) = microseconds(cost) {
                known.fixtures.insert(class.clone(), cost);
            }
        }
        for (name, test) in &history.tests {
            let Some(cost) = microseconds(&test.cost) else {
                continue;
            };
            let name = function_of(name);
            // It was not there the last time, and the source does not say that it will be.
            if test.unseen > 0 && !in_source(name) {
                continue;
            }
            let one = Mean {
                sum: cost,
                count: 1,
            };
            known.all = known.all.and(one);
            if let Some((class, _)) = name.rsplit_once("::") {
                if let Some(sum) = known.classes.get_mut(class) {
                    *sum = sum.and(one);
                } else {
                    known.classes.insert(class.to_owned(), one);
                }
            }
            let function = known.functions.entry(name.to_owned()).or_default();
            function.cost = function.cost.saturating_add(cost).min(MAX_COST);
            function.tests += 1;
            function.line = match function.line {
                0 => test.line,
                line => line.min(test.line),
            };
            function.groups.extend(test.groups.iter().cloned());
        }
        known
    }
}

fn weigh(
    file: SourceFile,
    mut known: Known,
    per_test: u64,
    usual_import: u64,
    pace: f64,
) -> FileCost {
    let per_test = known.all.leaning_on(per_test);
    let guess = |name: &str, tests: usize, classes: &HashMap<String, Mean>| {
        let class = name.rsplit_once("::").and_then(|it| classes.get(it.0));
        let each = class.map_or(per_test, |class| class.leaning_on(per_test));
        each.saturating_mul(u64::try_from(tests).unwrap_or(u64::MAX))
    };
    let tied: BTreeSet<String> = known
        .functions
        .values()
        .flat_map(|function| &function.groups)
        .filter_map(|group| group.strip_prefix("g:"))
        .map(ToOwned::to_owned)
        .collect();
    let ordered = known
        .functions
        .values()
        .any(|function| !function.groups.is_empty());
    let mut functions = Vec::new();
    let mut nothing_new = true;
    for (name, tests) in file.functions {
        let found = known.functions.remove(&name);
        nothing_new &= found.is_some();
        let found = found.unwrap_or_else(|| KnownFunction {
            cost: guess(&name, tests, &known.classes),
            tests,
            ..KnownFunction::default()
        });
        functions.push(found.named(name));
    }
    // Inherited from another file, generated, or an example of doctest.
    let mut others: Vec<(String, KnownFunction)> = known.functions.into_iter().collect();
    others.sort_by(|one, other| (one.1.line, &one.0).cmp(&(other.1.line, &other.0)));
    functions.extend(others.into_iter().map(|(name, known)| known.named(name)));
    if functions.is_empty() {
        functions.push(FunctionCost {
            name: String::new(),
            tests: file.tests,
            cost: guess("", file.tests, &known.classes),
            groups: BTreeSet::new(),
        });
    }
    for function in &mut functions {
        function.cost = scaled(function.cost, pace);
    }
    // What the log says of single tests is exact, as long as there is nothing it could not see.
    let mut groups = BTreeSet::new();
    if !nothing_new || !file.groups.is_subset(&tied) {
        groups.extend(file.groups.iter().map(|name| format!("g:{name}")));
    }
    if file.ordered && (!nothing_new || !ordered) {
        groups.insert("m:dependency".to_owned());
    }
    let module = known.fixtures.remove("").unwrap_or(0);
    FileCost {
        path: file.path,
        set_up: known.import.unwrap_or(usual_import) + scaled(module, pace),
        classes: known
            .fixtures
            .into_iter()
            .map(|(class, cost)| (class, scaled(cost, pace)))
            .collect(),
        functions: in_order_of_classes(functions),
        groups,
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
