//! Several `<testcase>` of one test in one file into one case.
//!
//! pytest writes a second one for an error in the teardown of a failed test, and
//! pytest-rerunfailures has it write one for every attempt, the failed ones without a word on why.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use camino::Utf8PathBuf;
use hashbrown::HashTable;

use super::dialect::{self, Program, RawCase};
use super::visible::shortened;
use crate::model::case::{Outcome, Phase, Problem, ProblemKind, TestCase};
use crate::model::case_table::CaseTable;
use crate::model::node_id::NodeId;

#[derive(Default)]
pub(super) struct Fold {
    cases: CaseTable,
    /// Those that follow one another, each with the number of its first case.
    environments: Vec<(usize, Option<Rc<str>>)>,
    /// Which cases have which hashes of ids.
    index: HashTable<Entry>,
    hasher: RandomState,
    /// Cases that got another id, by the one they had.
    renamed: HashMap<NodeId, usize>,
    /// Tests of one name that cannot be attempts of one.
    repeated: Repeated,
    /// Tests of one name in different files.
    ambiguous: Repeated,
}

/// Half of the hash is enough to tell most ids apart, and there are as many as tests.
#[derive(Clone, Copy)]
struct Entry {
    half: u32,
    index: u32,
}

impl Entry {
    fn new(hash: u64, index: usize) -> Self {
        Self {
            half: u32::try_from(hash & u64::from(u32::MAX)).unwrap_or_default(),
            index: u32::try_from(index).unwrap_or(u32::MAX),
        }
    }

    /// As many bits as the table looks at (<https://en.wikipedia.org/wiki/Hash_function#Fibonacci_hashing>).
    fn hash(self) -> u64 {
        u64::from(self.half).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

#[derive(Default)]
struct Repeated {
    number: usize,
    example: Option<NodeId>,
}

impl Fold {
    /// Returns whether it is the first one of its test.
    pub(super) fn add(&mut self, raw: &mut RawCase, program: Program) -> bool {
        let environment = raw.environment.clone();
        let brief = dialect::brief(raw, program);
        let (head, tail) = self.cases.key_of(&brief);
        let key = (head, &*tail);
        let hash = self.hasher.hash_one(key);
        match self.find(hash, key) {
            Some(known) => {
                let case = dialect::interpret(raw, program);
                return self.add_again(known, case, environment, program);
            }
            None if raw.is_brief() => {
                self.note(hash, environment);
                self.cases.push(&brief, key);
            }
            None => {
                self.note(hash, environment);
                self.cases.push_told(dialect::interpret(raw, program), head);
            }
        }
        true
    }

    fn find(&self, hash: u64, key: (u32, &str)) -> Option<usize> {
        let wanted = Entry::new(hash, 0);
        let is_same = |entry: &Entry| {
            entry.half == wanted.half && self.cases.key(entry.index as usize) == key
        };
        if let Some(entry) = self.index.find(wanted.hash(), is_same) {
            return Some(entry.index as usize);
        }
        // Hardly any report has some.
        let id = (!self.renamed.is_empty()).then(|| NodeId::new(self.cases.id(key)));
        self.renamed.get(&id?).copied()
    }

    fn environment(&self, index: usize) -> Option<Rc<str>> {
        let next = self
            .environments
            .partition_point(|(first, _)| *first <= index);
        self.environments[..next].last()?.1.clone()
    }

    fn remember(&mut self, entry: Entry) {
        self.index
            .insert_unique(entry.hash(), entry, |entry| entry.hash());
    }

    /// The case that is added next.
    fn note(&mut self, hash: u64, environment: Option<Rc<str>>) {
        self.remember(Entry::new(hash, self.cases.len()));
        let last = self.environments.last().map(|(_, last)| last);
        if last != Some(&environment) {
            self.environments.push((self.cases.len(), environment));
        }
    }

    /// `known` is that of a case with the same id.
    fn add_again(
        &mut self,
        mut known: usize,
        mut case: TestCase,
        environment: Option<Rc<str>>,
        program: Program,
    ) -> bool {
        let environments = [self.environment(known), environment.clone()];
        let told = self.cases.told_mut(known);
        let files = [&*told, &case].map(|case| case.location.as_ref().map(|at| at.path.clone()));
        let elsewhere =
            environments[0] != environments[1] && environments.iter().all(Option::is_some);
        if files[0] != files[1] || elsewhere {
            let plain = case.id.clone();
            if !elsewhere {
                self.ambiguous.note(&plain);
            }
            let apart = |file: &Option<Utf8PathBuf>, environment: &Option<Rc<str>>| {
                let mut id = plain.as_str().to_owned();
                if let (Some(file), true) = (file, files[0] != files[1]) {
                    id = format!("{file}::{id}");
                }
                if let (Some(environment), true) = (environment, elsewhere) {
                    id = format!("{id} [{environment}]");
                }
                NodeId::new(id)
            };
            if told.id == plain {
                let id = apart(&files[0], &environments[0]);
                let hash = self.hasher.hash_one(self.cases.key_of_id(&id));
                self.remember(Entry::new(hash, known));
                self.cases.rename(known, id);
                self.renamed.insert(plain.clone(), known);
            }
            case.id = apart(&files[1], &environments[1]);
            let key = self.cases.key_of_id(&case.id);
            let hash = self.hasher.hash_one(key);
            let Some(same) = self.find(hash, key) else {
                self.note(hash, environment);
                let head = key.0;
                self.cases.push_told(case, head);
                return true;
            };
            known = same;
        }
        let known = self.cases.told_mut(known);
        if is_rest_of_attempt(known, &case) {
            absorb(known, case);
            return false;
        }
        if program != Program::Pytest && known.outcome == case.outcome {
            self.repeated.note(&case.id);
        }
        next_attempt(known, case, program);
        false
    }

    /// The cases in the order they came, and what is odd about them.
    pub(super) fn finish(self) -> (CaseTable, Vec<String>) {
        let repeated = self
            .repeated
            .warning("several times: each is counted as one test");
        let ambiguous = self
            .ambiguous
            .warning("in several files: they are counted as different tests");
        (
            self.cases,
            [repeated, ambiguous].into_iter().flatten().collect(),
        )
    }
}

impl Repeated {
    fn note(&mut self, id: &NodeId) {
        self.number += 1;
        self.example.get_or_insert_with(|| id.clone());
    }

    fn warning(&self, what: &str) -> Option<String> {
        let example = shortened(self.example.as_ref()?.as_str());
        Some(match self.number {
            1 => format!("the test `{example}` is there {what}"),
            number => format!("tests are there {what} (such as `{example}`, {number} in all)"),
        })
    }
}

/// An error in the teardown of a failed test.
fn is_rest_of_attempt(known: &TestCase, case: &TestCase) -> bool {
    let in_teardown =
        |problem: &Problem| problem.kind == ProblemKind::Error && problem.phase == Phase::Teardown;
    known.outcome == Outcome::Failed
        && !case.problems.is_empty()
        && case.problems.iter().all(in_teardown)
}

fn next_attempt(known: &mut TestCase, mut case: TestCase, program: Program) {
    // Nobody repeats what has passed.
    let silent =
        program == Program::Pytest && matches!(known.outcome, Outcome::Passed | Outcome::Flaky);
    if silent {
        known.problems.push(Problem {
            phase: Phase::Call,
            kind: ProblemKind::Rerun,
            message: "an earlier attempt failed; the report does not say why".into(),
            text: String::new(),
            location: None,
            subtest: None,
        });
    }
    let failed_before = silent || known.outcome.is_failure() || known.outcome == Outcome::Flaky;
    let (outcome, superseded) = match case.outcome {
        Outcome::Passed | Outcome::Flaky if failed_before => (Outcome::Flaky, true),
        Outcome::Failed | Outcome::Error => (case.outcome, true),
        other => (other.max(known.outcome), false),
    };
    if superseded {
        // Those of the attempts before the last one are reruns already.
        let last = known.problems.iter_mut().rev();
        for problem in last.take_while(|problem| problem.kind != ProblemKind::Rerun) {
            if matches!(problem.kind, ProblemKind::Failure | ProblemKind::Error) {
                problem.kind = ProblemKind::Rerun;
            }
        }
    }
    known.attempts = known.attempts.saturating_add(case.attempts);
    case.outcome = outcome;
    known.outcome = outcome;
    absorb(known, case);
}

/// Adds what the other case says; the worse outcome stays.
pub(super) fn absorb(known: &mut TestCase, case: TestCase) {
    let TestCase {
        id: _,
        classname: _,
        name: _,
        file,
        location,
        shard,
        outcome,
        setup,
        call,
        teardown,
        attempts: _,
        environments: _,
        problems,
        properties,
        stdout,
        stderr,
    } = case;
    known.file = known.file.take().or(file);
    known.location = known.location.take().or(location);
    known.shard = known.shard.or(shard);
    known.outcome = known.outcome.max(outcome);
    known.setup += setup;
    known.call += call;
    known.teardown += teardown;
    known.problems.extend(problems);
    for property in properties {
        if !known.properties.contains(&property) {
            known.properties.push(property);
        }
    }
    known.stdout.push_str(&stdout);
    known.stderr.push_str(&stderr);
}
