//! What one test had to say.

use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use super::node_id::NodeId;
use super::shard::Shard;

/// What became of one test, worst last within a run of one test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Passed,
    Skipped,
    /// Failed as it was expected to.
    Xfailed,
    /// Passed although it was expected to fail.
    Xpassed,
    /// Failed, then passed when it was run again.
    Flaky,
    Failed,
    /// Its setup, its teardown or its collection failed.
    Error,
    /// Planned or started, never finished.
    Lost,
}

impl Outcome {
    pub(crate) const ALL: [Self; 8] = [
        Self::Passed,
        Self::Skipped,
        Self::Xfailed,
        Self::Xpassed,
        Self::Flaky,
        Self::Failed,
        Self::Error,
        Self::Lost,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Skipped => "skipped",
            Self::Xfailed => "xfailed",
            Self::Xpassed => "xpassed",
            Self::Flaky => "flaky",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Lost => "lost",
        }
    }

    /// Failed or error: the test itself says that something is wrong.
    pub(crate) fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Error)
    }
}

/// The part of a test's life in which something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Phase {
    Collect,
    Setup,
    Call,
    Teardown,
}

/// A line of a file of the repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Location {
    /// Relative to the repository, with `/`.
    pub(crate) path: Utf8PathBuf,
    /// Counted from 1.
    pub(crate) line: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProblemKind {
    Failure,
    Error,
    Skip,
    /// An expected failure; the message is its reason.
    Xfail,
    /// A failed attempt of a test that was run again.
    Rerun,
}

/// One thing a test case has to tell: a failure, an error, the reason of a skip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) phase: Phase,
    pub(crate) kind: ProblemKind,
    /// One line: what pytest's short summary says.
    pub(crate) message: String,
    /// The traceback or whatever else there is, with line breaks.
    pub(crate) text: String,
    /// The innermost line inside the repository.
    pub(crate) location: Option<Location>,
    /// The name and parameters of the subtest it happened in.
    pub(crate) subtest: Option<String>,
}

/// One test of the suite with all that its attempts said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TestCase {
    /// Exact where it comes from an event log; `classname::name` where only JUnit is there.
    pub(crate) id: NodeId,
    /// JUnit's attributes.
    pub(crate) classname: String,
    pub(crate) name: String,
    /// The file it was collected from, which need not be the one it is defined in.
    pub(crate) file: Option<String>,
    /// Where the test function is defined; the line is counted from 1.
    pub(crate) location: Option<Location>,
    pub(crate) shard: Option<Shard>,
    pub(crate) outcome: Outcome,
    pub(crate) setup: Duration,
    pub(crate) call: Duration,
    pub(crate) teardown: Duration,
    /// How often it was run; 1 without a retry.
    pub(crate) attempts: u32,
    /// What became of it in each environment that had it; empty where there is only one. The rest of
    /// the case is of the one where it went worst.
    pub(crate) environments: Vec<(Arc<str>, Outcome)>,
    pub(crate) problems: Vec<Problem>,
    /// What the test recorded about itself: pytest's `record_property`.
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl TestCase {
    pub(crate) fn new(id: NodeId) -> Self {
        let (classname, name) = junit_names(&id);
        Self {
            id,
            classname,
            name,
            file: None,
            location: None,
            shard: None,
            outcome: Outcome::Passed,
            setup: Duration::ZERO,
            call: Duration::ZERO,
            teardown: Duration::ZERO,
            attempts: 1,
            environments: Vec::new(),
            problems: Vec::new(),
            properties: Vec::new(),
            stdout: String::new(),
            stderr: String::new(),
        }
    }

    pub(crate) fn duration(&self) -> Duration {
        self.setup + self.call + self.teardown
    }

    /// Remembers an earlier try that does not count; where that went wrong, it is flaky at best.
    pub(crate) fn comes_after(&mut self, before: Self) {
        self.attempts += before.attempts;
        let mut problems = before.problems;
        for problem in &mut problems {
            problem.kind = ProblemKind::Rerun;
        }
        problems.append(&mut self.problems);
        self.problems = problems;
        let went_wrong = before.outcome >= Outcome::Flaky;
        if went_wrong && self.outcome < Outcome::Flaky {
            self.outcome = Outcome::Flaky;
        }
    }

    /// Paths of files get `prefix` in front.
    pub(super) fn move_below(&mut self, prefix: &Utf8Path) {
        let problems = self.problems.iter_mut();
        let problems = problems.filter_map(|problem| problem.location.as_mut());
        for location in problems.chain(self.location.as_mut()) {
            location.path = prefix.join(&location.path);
        }
    }

    /// The problem that explains the outcome: the first failure or error, else the first of all.
    pub(crate) fn main_problem(&self) -> Option<&Problem> {
        self.problems
            .iter()
            .find(|problem| matches!(problem.kind, ProblemKind::Failure | ProblemKind::Error))
            .or_else(|| self.problems.first())
    }

    /// The line of the repository to show for this case: where it failed, else where it is defined.
    pub(crate) fn best_location(&self) -> Option<&Location> {
        self.main_problem()
            .and_then(|problem| problem.location.as_ref())
            .or(self.location.as_ref())
    }
}

/// pytest's `classname` and `name` of a node id (`_pytest/junitxml.py`, `mangle_test_address`).
pub(crate) fn junit_names(id: &NodeId) -> (String, String) {
    let function = id.function();
    let parameters = &id.as_str()[function.len()..];
    let mut names: Vec<&str> = function.split("::").collect();
    let file = names[0].replace('/', ".");
    let module = file.strip_suffix(".py").unwrap_or(&file);
    if names.len() == 1 {
        return (String::new(), format!("{module}{parameters}"));
    }
    let name = format!("{}{parameters}", names.pop().unwrap_or_default());
    names[0] = module;
    (names.join("."), name)
}

/// How many cases had which outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) passed: usize,
    pub(crate) skipped: usize,
    pub(crate) xfailed: usize,
    pub(crate) xpassed: usize,
    pub(crate) flaky: usize,
    pub(crate) failed: usize,
    pub(crate) error: usize,
    pub(crate) lost: usize,
}

impl Totals {
    pub(crate) fn of<'a>(cases: impl IntoIterator<Item = &'a TestCase>) -> Self {
        Self::of_outcomes(cases.into_iter().map(|case| case.outcome))
    }

    pub(crate) fn of_outcomes(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        let mut totals = Self::default();
        for outcome in outcomes {
            *totals.slot(outcome) += 1;
        }
        totals
    }

    pub(crate) fn get(mut self, outcome: Outcome) -> usize {
        *self.slot(outcome)
    }

    /// All tests of the suite, the lost ones too.
    pub(crate) fn all(self) -> usize {
        Outcome::ALL
            .into_iter()
            .map(|outcome| self.get(outcome))
            .sum()
    }

    /// Tests that came to an end.
    pub(crate) fn finished(self) -> usize {
        self.all() - self.lost
    }

    fn slot(&mut self, outcome: Outcome) -> &mut usize {
        match outcome {
            Outcome::Passed => &mut self.passed,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Xfailed => &mut self.xfailed,
            Outcome::Xpassed => &mut self.xpassed,
            Outcome::Flaky => &mut self.flaky,
            Outcome::Failed => &mut self.failed,
            Outcome::Error => &mut self.error,
            Outcome::Lost => &mut self.lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_case_as_pytest_does() {
        let names = |id: &str| junit_names(&NodeId::new(id));
        let pair = |class: &str, name: &str| (class.to_owned(), name.to_owned());
        assert_eq!(
            names("tests/test_a.py::test_x"),
            pair("tests.test_a", "test_x")
        );
        assert_eq!(
            names("tests/test_a.py::TestX::test_y[a::b/c.py]"),
            pair("tests.test_a.TestX", "test_y[a::b/c.py]")
        );
        assert_eq!(names("tests/test_bad.py"), pair("", "tests.test_bad"));
    }
}
