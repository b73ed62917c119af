//! The reports of several programs, shards or environments into one.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::fold::absorb;
use super::found::{JunitRead, ReadEnd};
use super::visible::shortened;
use crate::model::node_id::NodeId;
use crate::model::report::{Report, TestCase};

/// Above it only the number is said.
const MAX_EXAMPLES: usize = 5;

/// Brings the reports together, by the name of the file each is from.
///
/// A test of several files is one case: the worst outcome wins, both count as attempts, and what
/// they said is kept. The report has no shards, as `JUnit` does not tell how many there should be.
pub(crate) fn unite(reads: Vec<(String, JunitRead)>) -> Report {
    let mut cases: Vec<(TestCase, usize)> = Vec::new();
    let mut suites = Vec::new();
    let mut warnings = Vec::new();
    let mut names = Vec::new();
    for (index, (name, read)) in reads.into_iter().enumerate() {
        let JunitRead {
            suite,
            cases: read_cases,
            warnings: read_warnings,
            end,
        } = read;
        if end != ReadEnd::Complete {
            warnings.push(format!("{name}: {end}"));
        }
        warnings.extend(
            read_warnings
                .into_iter()
                .map(|warning| format!("{name}: {warning}")),
        );
        suites.extend(suite);
        names.push(name);
        cases.extend(read_cases.into_iter().map(|case| (case, index)));
    }
    // In place: there may be a million.
    cases.par_sort_unstable_by(|(one, first), (two, second)| {
        one.id.cmp(&two.id).then(first.cmp(second))
    });
    let mut repeated: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
    cases.dedup_by(|(case, index), (known, first)| {
        let same = case.id == known.id;
        if same {
            let files = repeated.entry(known.id.clone());
            files.or_insert_with(|| vec![*first]).push(*index);
            known.attempts = known.attempts.saturating_add(case.attempts);
            let empty = TestCase::new(NodeId::new(String::new()));
            absorb(known, std::mem::replace(case, empty));
        }
        same
    });
    let cases: Vec<TestCase> = cases.into_iter().map(|(case, _)| case).collect();
    warnings.extend(repetitions(&repeated, &cases, &names));
    suites.sort();
    suites.dedup();
    let suite = match suites.as_slice() {
        [one] => one.clone(),
        _ => "tests".to_owned(),
    };
    Report {
        suite,
        cases,
        shards: Vec::new(),
        environments: Vec::new(),
        warnings,
    }
}

/// `cases` are in the order of their ids.
fn repetitions(
    repeated: &BTreeMap<NodeId, Vec<usize>>,
    cases: &[TestCase],
    names: &[String],
) -> Vec<String> {
    let mut warnings: Vec<String> = repeated
        .iter()
        .take(MAX_EXAMPLES)
        .filter_map(|(id, files)| {
            let found = cases.binary_search_by(|case| case.id.cmp(id)).ok()?;
            let id = shortened(id.as_str());
            let files: Vec<&str> = files.iter().map(|index| names[*index].as_str()).collect();
            Some(format!(
                "`{id}` is in {}: the worst outcome counts, {}",
                files.join(" and in "),
                cases[found].outcome.name()
            ))
        })
        .collect();
    let more = repeated.len().saturating_sub(MAX_EXAMPLES);
    if more > 0 {
        warnings.push(format!("and {more} more tests are in several reports"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::super::read::read;
    use super::*;
    use crate::model::report::Outcome;

    fn file(name: &str, text: &str) -> (String, JunitRead) {
        (name.to_owned(), read(text.as_bytes()))
    }

    #[test]
    fn one_test_in_two_reports_keeps_its_worst_outcome_and_what_both_said() {
        let passed = "<testsuite name='s'><testcase classname='c' name='b' time='1'/><testcase classname='c' name='a'/></testsuite>";
        let failed = "<testsuite name='s'><testcase classname='c' name='b' time='2'><failure message='m'>t</failure></testcase></testsuite>";
        let report = unite(vec![file("1.xml", passed), file("2.xml", failed)]);
        let ids: Vec<&str> = report.cases.iter().map(|case| case.id.as_str()).collect();
        assert_eq!((report.suite.as_str(), ids), ("s", vec!["c::a", "c::b"]));
        let case = &report.cases[1];
        assert_eq!(
            (case.outcome, case.attempts, case.problems.len()),
            (Outcome::Failed, 2, 1)
        );
        assert_eq!(case.duration().as_secs(), 3);
        insta::assert_snapshot!(report.warnings.join("\n"), @"`c::b` is in 1.xml and in 2.xml: the worst outcome counts, failed");
        let backwards = unite(vec![file("2.xml", failed), file("1.xml", passed)]);
        assert_eq!(backwards.cases[1].outcome, Outcome::Failed);
    }

    #[test]
    fn says_which_report_is_incomplete() {
        let report = unite(vec![
            file(
                "a.xml",
                "<testsuite name='a'><testcase name='x'/><testcase name='y'>",
            ),
            file("b.xml", "<coverage/>"),
        ]);
        assert_eq!(report.cases.len(), 1);
        insta::assert_snapshot!(report.warnings.join("\n"), @r"
        a.xml: it is cut off after 59 bytes: tests after that are missing
        a.xml: what it says of the test `y` is incomplete and left out
        b.xml: it cannot be read at byte 11, in <coverage>: its root element is <coverage>, so it is a coverage report: give it as coverage, not as tests
        ");
    }
}
