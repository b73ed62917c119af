//! Files into sequences: what belongs together lies together, and what must not be cut is one unit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::estimate::{Estimates, FileCost, FunctionCost};
use super::sequence::{Builder, Sequence, seed};

/// The fixture of a package is worth keeping its files together from so many microseconds on.
const WORTHY: u64 = 50_000;

/// What `--keep-together` asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum KeepTogether {
    Class,
    File,
    /// All files whose path matches stay in one shard.
    Files(glob::Pattern),
}

impl std::str::FromStr for KeepTogether {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "class" => Ok(Self::Class),
            "file" => Ok(Self::File),
            pattern => glob::Pattern::new(pattern)
                .map(Self::Files)
                .map_err(|error| format!("it is neither `class`, `file` nor a pattern: {error}")),
        }
    }
}

/// Sequences, and what their units stand for.
#[derive(Debug, Default)]
pub(crate) struct Bundles {
    pub(crate) sequences: Vec<Sequence>,
    /// By sequence.
    pub(crate) units: Vec<Units>,
}

/// The units of a sequence, each of which stays together.
#[derive(Debug, Default)]
pub(crate) struct Units {
    members: Vec<Member>,
    /// Where each unit ends.
    ends: Vec<usize>,
}

/// A test function, or one set of its parameters; all three count from 0 in the estimates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) file: usize,
    pub(crate) function: usize,
    pub(crate) parameters: Option<usize>,
}

impl Member {
    fn whole(file: usize, function: usize) -> Self {
        Self {
            file,
            function,
            parameters: None,
        }
    }
}

impl Units {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn members(&self, units: &Range<usize>) -> &[Member] {
        let end = |unit: usize| unit.checked_sub(1).map_or(0, |last| self.ends[last]);
        &self.members[end(units.start)..end(units.end)]
    }

    fn push(&mut self, members: impl IntoIterator<Item = Member>) {
        self.members.extend(members);
        self.ends.push(self.members.len());
    }
}

impl Bundles {
    /// The sequences with so much more for each function.
    pub(crate) fn dearer(
        &self,
        estimates: &Estimates,
        more: impl Fn(&FunctionCost) -> u64,
    ) -> Vec<Sequence> {
        let of = |member: &Member| more(&estimates.files[member.file].functions[member.function]);
        let sequences = self.sequences.iter().zip(&self.units);
        let dearer = sequences.map(|(sequence, units)| {
            let each = (0..units.len()).map(|unit| units.members(&(unit..unit + 1)));
            sequence.dearer(each.map(|members| members.iter().map(of).sum()))
        });
        dearer.collect()
    }
}

pub(crate) fn bundle(estimates: &Estimates, keep: &[KeepTogether]) -> Bundles {
    let files = &estimates.files;
    let packages: BTreeMap<&str, u64> = estimates
        .packages
        .iter()
        .filter(|(_, cost)| **cost >= WORTHY)
        .map(|(folder, cost)| (folder.as_str(), *cost))
        .collect();
    let first_function: Vec<usize> = files
        .iter()
        .scan(0, |count, file| {
            let first = *count;
            *count += file.functions.len();
            Some(first)
        })
        .collect();
    let count = files.iter().map(|file| file.functions.len()).sum();
    let mut ties = Ties {
        files: Sets::new(files.len()),
        functions: Sets::new(count),
        names: HashMap::new(),
        whole: vec![false; count],
    };
    let wide = files.iter().flat_map(|file| &file.functions);
    let dependencies_are_wide = wide.clone().any(|it| it.groups.contains("g:dependency"));
    for (index, file) in files.iter().enumerate() {
        for folder in folders(&file.path).filter(|folder| packages.contains_key(folder)) {
            ties.file(index, format!("package {folder}"));
        }
        let patterns = keep.iter().enumerate().filter(|(_, keep)| match keep {
            KeepTogether::File => true,
            KeepTogether::Files(pattern) => pattern.matches(&file.path),
            KeepTogether::Class => false,
        });
        let mut of_file: Vec<String> = patterns
            .map(|(number, keep)| match keep {
                KeepTogether::Files(_) => format!("pattern {number}"),
                _ => format!("file {index}"),
            })
            .collect();
        of_file.extend(
            file.groups
                .iter()
                .map(|group| scoped(group, index, "", false)),
        );
        for (number, function) in file.functions.iter().enumerate() {
            let place = (index, first_function[index] + number);
            let class = function.name.rsplit_once("::").map_or("", |it| it.0);
            for group in &function.groups {
                let name = scoped(group, index, class, dependencies_are_wide);
                ties.function(place, name);
            }
            if keep.contains(&KeepTogether::Class)
                && let Some(outermost) = function.classes().next()
            {
                ties.function(place, format!("class {index} {outermost}"));
            }
            for name in &of_file {
                ties.function(place, name.clone());
            }
        }
    }
    build(files, &packages, &first_function, ties)
}

/// The name of a group, made its own where the group ends at the file or the class.
fn scoped(group: &str, file: usize, class: &str, wide: bool) -> String {
    match group.split_once(':') {
        Some(("m", "dependency")) if wide => "g:dependency".to_owned(),
        Some(("m", _)) => format!("{group} {file}"),
        Some(("c", _)) => format!("{group} {file} {class}"),
        _ => group.to_owned(),
    }
}

/// Who has to stay with whom.
struct Ties {
    files: Sets,
    functions: Sets,
    /// The file and the function that came first with a name.
    names: HashMap<String, (usize, usize)>,
    /// Whether a function has to stay with another one, or would have to.
    whole: Vec<bool>,
}

impl Ties {
    /// Files that share a name lie in one sequence.
    fn file(&mut self, file: usize, name: String) {
        let (first, _) = *self.names.entry(name).or_insert((file, 0));
        self.files.join(first, file);
    }

    /// Functions that share a name are one unit.
    fn function(&mut self, (file, function): (usize, usize), name: String) {
        let first = *self.names.entry(name).or_insert((file, function));
        self.files.join(first.0, file);
        self.functions.join(first.1, function);
        self.whole[function] = true;
    }
}

/// Disjoint sets; the smallest member speaks for each.
struct Sets(Vec<usize>);

impl Sets {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn find(&mut self, mut member: usize) -> usize {
        while self.0[member] != member {
            self.0[member] = self.0[self.0[member]];
            member = self.0[member];
        }
        member
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.find(one), self.find(other));
        self.0[one.max(other)] = one.min(other);
    }
}

fn build(
    files: &[FileCost],
    packages: &BTreeMap<&str, u64>,
    first_function: &[usize],
    mut ties: Ties,
) -> Bundles {
    let mut together: HashMap<usize, Vec<Member>> = HashMap::new();
    let mut bundles: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        let bundle = bundles.entry(ties.files.find(index)).or_default();
        bundle.push(index);
        for function in 0..file.functions.len() {
            let unit = first_function[index] + function;
            if ties.whole[unit] {
                let member = Member::whole(index, function);
                together
                    .entry(ties.functions.find(unit))
                    .or_default()
                    .push(member);
            }
        }
    }
    let mut result = Bundles::default();
    for bundle in bundles.into_values() {
        let mut builder = Builder::new(seed(&files[bundle[0]].path));
        let mut units = Units::default();
        let (mut open, mut wanted): (Vec<SetUp<'_>>, Vec<SetUp<'_>>) = (Vec::new(), Vec::new());
        for index in bundle {
            let file = &files[index];
            for (number, function) in file.functions.iter().enumerate() {
                let unit = first_function[index] + number;
                let members = together.remove(&unit);
                // They all lie where the first of them does.
                if members.is_none() && ties.whole[unit] {
                    continue;
                }
                wanted.clear();
                set_ups(index, file, function, packages, &mut wanted);
                let same = wanted.iter().zip(&open).take_while(|it| it.0.0 == it.1.0);
                let same = same.count();
                for _ in open.drain(same..) {
                    builder.close();
                }
                for set_up in &wanted[same..] {
                    builder.open(set_up.1);
                    open.push(*set_up);
                }
                if let Some(members) = members {
                    builder.unit(cost(files, &members, &wanted, packages));
                    units.push(members);
                } else if function.parameters.is_empty() {
                    builder.unit(function.cost.max(1));
                    units.push([Member::whole(index, number)]);
                } else {
                    // To cut a function is worse than to cut around it.
                    builder.open(0);
                    for (parameters, one) in function.parameters.iter().enumerate() {
                        builder.unit(one.cost.max(1));
                        units.push([Member {
                            parameters: Some(parameters),
                            ..Member::whole(index, number)
                        }]);
                    }
                    builder.close();
                }
            }
        }
        result.sequences.push(builder.finish());
        result.units.push(units);
    }
    result
}

type SetUp<'a> = ((usize, &'a str), u64);

/// Everything that has to be set up for a function, from the outside in.
fn set_ups<'a>(
    index: usize,
    file: &'a FileCost,
    function: &'a FunctionCost,
    packages: &BTreeMap<&'a str, u64>,
    found: &mut Vec<SetUp<'a>>,
) {
    if !packages.is_empty() {
        found.extend(folders(&file.path).filter_map(|folder| {
            let (folder, cost) = packages.get_key_value(folder)?;
            Some(((usize::MAX, *folder), *cost))
        }));
    }
    found.push(((index, ""), file.set_up));
    found.extend(function.classes().map(|class| {
        let cost = file.classes.get(class).copied().unwrap_or(0);
        ((index, class), cost)
    }));
}

/// Of a unit whose first function has these set-ups; those of its others are a part of it.
fn cost<'a>(
    files: &'a [FileCost],
    members: &[Member],
    open: &[SetUp<'a>],
    packages: &BTreeMap<&'a str, u64>,
) -> u64 {
    let mut paid: BTreeSet<(usize, &str)> = open.iter().map(|it| it.0).collect();
    let mut sum = 0_u64;
    let mut wanted = Vec::new();
    for member in members {
        let file = &files[member.file];
        let function = &file.functions[member.function];
        sum = sum.saturating_add(function.cost);
        wanted.clear();
        set_ups(member.file, file, function, packages, &mut wanted);
        for (name, cost) in &wanted {
            if paid.insert(*name) {
                sum = sum.saturating_add(*cost);
            }
        }
    }
    sum.max(1)
}

/// The folders above a file, from the outside in.
fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}

#[cfg(test)]
mod tests {
    use super::super::estimate::estimate;
    use super::super::estimate::tests::{history, source};
    use super::*;
    use crate::model::history::History;

    /// The names of each unit of each sequence.
    fn names(estimates: &Estimates, keep: &[&str]) -> Vec<Vec<String>> {
        let keep: Vec<KeepTogether> = keep
            .iter()
            .map(|text| text.parse().expect("a constraint"))
            .collect();
        let bundles = bundle(estimates, &keep);
        let name = |member: &Member| {
            let file = &estimates.files[member.file];
            let function = &file.functions[member.function];
            let parameters = member.parameters.map(|it| &*function.parameters[it].id);
            let parameters = parameters.unwrap_or_default();
            format!("{}::{}{parameters}", file.path, function.name)
        };
        let unit = |units: &Units, unit: usize| {
            let members = units.members(&(unit..unit + 1)).iter();
            members.map(name).collect::<Vec<_>>().join(" + ")
        };
        let of_sequence = |units: &Units| (0..units.len()).map(|it| unit(units, it)).collect();
        bundles.units.iter().map(of_sequence).collect()
    }

    fn suite() -> Estimates {
        let files = vec![
            source(
                "a.py",
                &[("TestX::one", 1), ("TestX::two", 1), ("three", 1)],
            ),
            source("b.py", &[("four", 1)]),
        ];
        estimate(files, History::default())
    }

    #[test]
    fn a_file_is_a_sequence_of_its_functions() {
        let all = [
            vec!["a.py::TestX::one", "a.py::TestX::two", "a.py::three"],
            vec!["b.py::four"],
        ];
        assert_eq!(names(&suite(), &[]), all);
        assert_eq!(
            names(&suite(), &["class"])[0],
            ["a.py::TestX::one + a.py::TestX::two", "a.py::three"]
        );
        assert_eq!(
            names(&suite(), &["file"])[0],
            ["a.py::TestX::one + a.py::TestX::two + a.py::three"]
        );
        assert_eq!(names(&suite(), &["[ab].py", "class"]).len(), 1);
        assert_eq!(names(&suite(), &["x*"]), all);
        assert!("a[".parse::<KeepTogether>().is_err());
    }

    #[test]
    fn what_shares_a_group_is_one_unit_wherever_it_is() {
        let mut estimates = suite();
        let mut tie = |file: usize, function: usize, group: &str| {
            let functions = &mut estimates.files[file].functions;
            functions[function].groups.insert(group.to_owned());
        };
        tie(0, 1, "g:db");
        tie(1, 0, "g:db");
        tie(0, 0, "m:x");
        assert_eq!(
            names(&estimates, &[]),
            [[
                "a.py::TestX::one",
                "a.py::TestX::two + b.py::four",
                "a.py::three"
            ]]
        );
        estimates.files[1].groups.insert("g:other".into());
        estimates.files[0].groups.insert("g:other".into());
        assert_eq!(names(&estimates, &[])[0].len(), 1);
    }

    #[test]
    fn groups_end_at_their_class_or_file_unless_a_dependency_does_not() {
        let mut estimates = suite();
        for function in estimates.files.iter_mut().flat_map(|it| &mut it.functions) {
            function.groups.insert("m:dependency".into());
        }
        let of_file = [
            vec!["a.py::TestX::one + a.py::TestX::two + a.py::three"],
            vec!["b.py::four"],
        ];
        assert_eq!(names(&estimates, &[]), of_file);
        let function = &mut estimates.files[1].functions[0];
        function.groups.insert("g:dependency".into());
        assert_eq!(names(&estimates, &[]).concat().len(), 1);
    }

    #[test]
    fn the_files_of_a_package_with_a_dear_fixture_lie_together() {
        let mut known = history(&[
            ("pkg/a.py", "one", 1.0),
            ("pkg/sub/b.py", "two", 1.0),
            ("c.py", "three", 1.0),
        ]);
        known.packages.insert("pkg".into(), 5.0.into());
        known.packages.insert("other".into(), 5.0.into());
        let files = vec![
            source("pkg/a.py", &[]),
            source("pkg/sub/b.py", &[]),
            source("c.py", &[]),
        ];
        let estimates = estimate(files, known);
        let bundles = bundle(&estimates, &[]);
        let import = 20_000;
        let costs: Vec<u64> = bundles.sequences.iter().map(Sequence::whole).collect();
        assert_eq!(
            costs,
            [1_000_000 + import, 5_000_000 + 2 * (1_000_000 + import)]
        );
        assert_eq!(bundles.sequences[1].price(1), (5_000_000, 1));
    }
}
