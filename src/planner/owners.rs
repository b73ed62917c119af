//! Who has which function, in as few names as can be.

use std::collections::{BTreeMap, BTreeSet};

use super::bundle::Member;
use super::estimate::Estimates;
use crate::model::node_id::NodeId;

/// By file, its functions with their owners: shards, or units of a queue.
pub(super) struct Owners<'a, O>(Vec<Vec<Owned<'a, O>>>);

#[derive(Clone, Copy)]
struct Owned<'a, O> {
    /// Without the file, and without the classes that are dealt with.
    name: &'a str,
    /// Of a function that is cut; empty for all of it.
    parameters: &'a str,
    weight: u64,
    owner: O,
}

/// As a plan says it.
pub(super) struct Named<O> {
    pub(super) files: BTreeMap<String, O>,
    pub(super) tests: BTreeMap<NodeId, O>,
    /// The owners of each file that has several.
    pub(super) cut: BTreeMap<String, BTreeSet<O>>,
}

impl<'a, O: Copy + Ord> Owners<'a, O> {
    pub(super) fn of(estimates: &Estimates) -> Self {
        Self(estimates.files.iter().map(|_| Vec::new()).collect())
    }

    pub(super) fn give(&mut self, estimates: &'a Estimates, member: Member, owner: O) {
        let function = &estimates.files[member.file].functions[member.function];
        let (parameters, weight) = match member.parameters {
            Some(number) => {
                let parameters = &function.parameters[number];
                (&*parameters.id, parameters.cost)
            }
            None => ("", function.cost),
        };
        self.0[member.file].push(Owned {
            name: &function.name,
            parameters,
            weight,
            owner,
        });
    }

    pub(super) fn named(self, estimates: &Estimates) -> Named<O> {
        let mut named = Named {
            files: BTreeMap::new(),
            tests: BTreeMap::new(),
            cut: BTreeMap::new(),
        };
        for (file, functions) in estimates.files.iter().zip(self.0) {
            let Some(main) = main_owner(&functions) else {
                continue;
            };
            named.files.insert(file.path.clone(), main);
            let owners: BTreeSet<O> = functions.iter().map(|it| it.owner).collect();
            if owners.len() > 1 {
                name_exceptions(&file.path, &functions, main, &mut named.tests);
                named.cut.insert(file.path.clone(), owners);
            }
        }
        named
    }
}

/// Who has most of it; the first of several.
fn main_owner<O: Copy + Ord>(functions: &[Owned<'_, O>]) -> Option<O> {
    let mut weights: BTreeMap<O, u64> = BTreeMap::new();
    for function in functions {
        let weight = weights.entry(function.owner).or_default();
        *weight = weight.saturating_add(function.weight);
    }
    let most = |it: &(O, u64)| (it.1, std::cmp::Reverse(it.0));
    weights.into_iter().max_by_key(most).map(|it| it.0)
}

/// Names the functions below `prefix` that `main` does not have, by whole classes where one owner
/// has most of a class: a test that is new in it goes there too. So it is with a function and its
/// parameters.
fn name_exceptions<O: Copy + Ord>(
    prefix: &str,
    functions: &[Owned<'_, O>],
    main: O,
    tests: &mut BTreeMap<NodeId, O>,
) {
    let mut classes: BTreeMap<&str, Vec<Owned<'_, O>>> = BTreeMap::new();
    let mut cut: BTreeMap<&str, Vec<Owned<'_, O>>> = BTreeMap::new();
    for function in functions {
        match function.name.split_once("::") {
            Some((class, name)) => {
                let inner = Owned { name, ..*function };
                classes.entry(class).or_default().push(inner);
            }
            None if !function.parameters.is_empty() => {
                cut.entry(function.name).or_default().push(*function);
            }
            None if function.owner != main => {
                let id = NodeId::new(format!("{prefix}::{}", function.name));
                tests.insert(id, function.owner);
            }
            None => {}
        }
    }
    for (function, parts) in cut {
        let Some((id, main)) = name_part(prefix, function, &parts, main, tests) else {
            continue;
        };
        for part in parts.iter().filter(|part| part.owner != main) {
            tests.insert(NodeId::new(format!("{id}{}", part.parameters)), part.owner);
        }
    }
    for (class, functions) in classes {
        if let Some((id, main)) = name_part(prefix, class, &functions, main, tests) {
            name_exceptions(&id, &functions, main, tests);
        }
    }
}

/// Names a class or function if `main` does not have most of it. Returns its id, and who has.
fn name_part<O: Copy + Ord>(
    prefix: &str,
    name: &str,
    parts: &[Owned<'_, O>],
    main: O,
    tests: &mut BTreeMap<NodeId, O>,
) -> Option<(String, O)> {
    let owner = main_owner(parts)?;
    let id = format!("{prefix}::{name}");
    if owner != main {
        tests.insert(NodeId::new(&*id), owner);
    }
    Some((id, owner))
}
