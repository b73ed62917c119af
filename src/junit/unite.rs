//! The reports of several programs, shards or environments into one.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::fold::absorb;
use super::found::{JunitRead, ReadEnd};
use super::visible::shortened;
use crate::model::case_table::CaseTable;
use crate::model::cases::{Cases, Place};
use crate::model::order::compare;
use crate::model::report::Report;

/// Above it only the number is said.
const MAX_EXAMPLES: usize = 5;

/// Where a case is; sorted by the first part of its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    head: u32,
    report: u32,
    index: u32,
}

/// Brings the reports together, by the name of the file each is from.
///
/// A test of several files is one case: the worst outcome wins, both count as attempts, and what
/// they said is kept. The report has no shards, as `JUnit` does not tell how many there should be.
pub(crate) fn unite(reads: Vec<(String, JunitRead)>) -> Report {
    let mut cases = Vec::new();
    let mut suites = Vec::new();
    let mut warnings = Vec::new();
    let mut names = Vec::new();
    for (name, read) in reads {
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
        cases.push(read_cases);
    }
    let mut places = places(&cases);
    if sort(&mut places, &cases) {
        let repeated = unite_same(&mut places, &mut cases);
        warnings.extend(repetitions(&repeated, &cases, &names));
    }
    suites.sort();
    suites.dedup();
    let suite = match suites.as_slice() {
        [one] => one.clone(),
        _ => "tests".to_owned(),
    };
    let place = |ranked: Ranked| Place {
        table: ranked.report,
        index: ranked.index,
    };
    Report {
        suite,
        cases: Cases::of_tables(cases, places.into_iter().map(place).collect()),
        shards: Vec::new(),
        environments: Vec::new(),
        warnings,
    }
}

fn places(cases: &[CaseTable]) -> Vec<Ranked> {
    let mut heads: Vec<&str> = cases.iter().flat_map(CaseTable::heads).collect();
    heads.par_sort_unstable();
    heads.dedup();
    let mut places = Vec::with_capacity(cases.iter().map(CaseTable::len).sum());
    for (report, cases) in (0..).zip(cases) {
        let own: Vec<&str> = cases.heads().collect();
        let rank = |head: &&str| heads.partition_point(|known| known < head);
        let ranks: Vec<usize> = own.par_iter().map(rank).collect();
        let place = |index: usize| Ranked {
            head: u32::try_from(ranks[cases.key(index).0 as usize]).unwrap_or(u32::MAX),
            report,
            index: u32::try_from(index).unwrap_or(u32::MAX),
        };
        places.extend((0..cases.len()).map(place));
    }
    places
}

/// Returns whether any test is there more than once.
fn sort(places: &mut [Ranked], cases: &[CaseTable]) -> bool {
    places.par_sort_unstable();
    let order = |one: &Ranked, two: &Ranked| compare(tail(one, cases), tail(two, cases));
    let same_head = places.par_chunk_by_mut(|one, two| one.head == two.head);
    let repeats = same_head.map(|places| {
        // Stable: cases of one id stay in the order of the reports.
        places.sort_by(order);
        let mut pairs = places.array_windows();
        pairs.any(|[one, two]| order(one, two) == Ordering::Equal)
    });
    repeats.reduce(|| false, |some, more| some | more)
}

fn tail<'a>(place: &Ranked, cases: &'a [CaseTable]) -> &'a str {
    cases[place.report as usize].key(place.index as usize).1
}

/// Tests of several reports, in the order of their ids, and which reports that are.
type Repeated = Vec<(Ranked, Vec<u32>)>;

fn unite_same(places: &mut Vec<Ranked>, cases: &mut [CaseTable]) -> Repeated {
    let mut repeated = Repeated::new();
    places.dedup_by(|place, known| {
        let same = place.head == known.head && tail(place, cases) == tail(known, cases);
        if same {
            match repeated.last_mut() {
                Some((last, reports)) if last == known => reports.push(place.report),
                _ => repeated.push((*known, vec![known.report, place.report])),
            }
            let case = cases[place.report as usize].take(place.index as usize);
            let known = cases[known.report as usize].told_mut(known.index as usize);
            known.attempts = known.attempts.saturating_add(case.attempts);
            absorb(known, case);
        }
        same
    });
    repeated
}

fn repetitions(repeated: &Repeated, cases: &[CaseTable], names: &[String]) -> Vec<String> {
    let warning = |(place, reports): &(Ranked, Vec<u32>)| {
        let case = cases[place.report as usize].get(place.index as usize);
        let reports = reports
            .iter()
            .map(|report| names[*report as usize].as_str());
        format!(
            "`{}` is in {}: the worst outcome counts, {}",
            shortened(&case.id()),
            reports.collect::<Vec<_>>().join(" and in "),
            case.outcome().name()
        )
    };
    let mut warnings: Vec<String> = repeated.iter().take(MAX_EXAMPLES).map(warning).collect();
    let more = repeated.len().saturating_sub(MAX_EXAMPLES);
    if more > 0 {
        warnings.push(format!("and {more} more tests are in several reports"));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::read::read;
    use super::*;
    use crate::model::case::Outcome;
    use crate::model::case_table::Case;

    fn file(name: &str, text: &str) -> (String, JunitRead) {
        (name.to_owned(), read(text.as_bytes()))
    }

    #[test]
    fn one_test_in_two_reports_keeps_its_worst_outcome_and_what_both_said() {
        let passed = "<testsuite name='s'><testcase classname='c' name='b' time='1'/><testcase classname='c' name='a'/></testsuite>";
        let failed = "<testsuite name='s'><testcase classname='c' name='b' time='2'><failure message='m'>t</failure></testcase></testsuite>";
        let report = unite(vec![file("1.xml", passed), file("2.xml", failed)]);
        let ids: Vec<_> = report.cases.iter().map(Case::id).collect();
        assert_eq!(
            (report.suite.as_str(), ids.join(" ")),
            ("s", "c::a c::b".to_owned())
        );
        let case = report.cases.get(1).to_whole();
        assert_eq!(
            (case.outcome, case.attempts, case.problems.len()),
            (Outcome::Failed, 2, 1)
        );
        assert_eq!(case.duration().as_secs(), 3);
        insta::assert_snapshot!(report.warnings.join("\n"), @"`c::b` is in 1.xml and in 2.xml: the worst outcome counts, failed");
        let backwards = unite(vec![file("2.xml", failed), file("1.xml", passed)]);
        assert_eq!(backwards.cases.get(1).outcome(), Outcome::Failed);
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

    proptest! {
        #[test]
        fn every_test_is_there_once_in_the_order_of_the_ids(
            reports in prop::collection::vec(prop::collection::vec(("[ab:]{0,4}", "[b:]{0,9}"), 0..9), 0..4)
        ) {
            let text = |names: &Vec<(String, String)>| {
                let case = |(class, name): &(String, String)| format!("<testcase classname='{class}' name='{name}'/>");
                format!("<testsuite>{}</testsuite>", names.iter().map(case).collect::<String>())
            };
            let id = |(class, name): &(String, String)| match class.as_str() {
                "" => name.clone(),
                class => format!("{class}::{name}"),
            };
            let ids: BTreeSet<String> = reports.iter().flatten().map(id).collect();
            let united = unite(reports.iter().map(|names| file("x", &text(names))).collect());
            let attempts = united.cases.iter().map(|case| case.to_whole().attempts as usize).sum::<usize>();
            prop_assert_eq!(attempts, reports.iter().map(Vec::len).sum::<usize>());
            prop_assert_eq!(united.cases.iter().map(|case| case.id().into_owned()).collect::<Vec<_>>(), Vec::from_iter(ids));
        }
    }
}
