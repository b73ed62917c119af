//! The table of flaky tests.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::model::history::{End, Ends};
use crate::model::node_id::NodeId;

use super::visible;
use super::words;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate<'a> {
    pub(crate) id: &'a NodeId,
    flaky: usize,
    failed: usize,
    runs: usize,
}

impl Rate<'_> {
    pub(crate) fn per_mille(&self) -> usize {
        1000 * self.flaky / self.runs.max(1)
    }
}

/// Only of tests that were flaky; one that just fails is not.
pub(crate) fn rates(ends: &BTreeMap<NodeId, Ends>) -> Vec<Rate<'_>> {
    ends.iter()
        .map(|(id, ends)| Rate {
            id,
            flaky: ends.count(End::Flaky),
            failed: ends.count(End::Failed),
            runs: ends.runs(),
        })
        .filter(|rate| rate.flaky > 0)
        .collect()
}

/// A line each, with a head; or that there is none.
pub(crate) fn table(rates: &[Rate<'_>], source: Option<&str>) -> String {
    if rates.is_empty() {
        return match source {
            Some(source) => format!("no flaky test in the history of {}", visible::line(source)),
            None => "there is no history yet: it comes with the first run".to_owned(),
        };
    }
    let mut text = "  flaky  failed  runs  test\n".to_owned();
    for rate in rates {
        let percent = words::percent(words::float(rate.per_mille()) / 10.0);
        let id = visible::line(rate.id.as_str());
        let _ = writeln!(text, "{percent:>7}{:>8}{:>6}  {id}", rate.failed, rate.runs);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_passes_and_fails_without_a_change() {
        let ends = ["..R.", "F...", "RF.\u{1b}"].map(|text| Ends::from(text.to_owned()));
        let ids = ["a.py::test_a", "a.py::test_b", "a.py::test_c[\u{1b}[31m]"];
        let ends: BTreeMap<NodeId, Ends> = ids.map(NodeId::new).into_iter().zip(ends).collect();
        insta::assert_snapshot!(table(&rates(&ends), Some("the branch main")), @r"
          flaky  failed  runs  test
          25.0%       0     4  a.py::test_a
          25.0%       1     4  a.py::test_c[]
        ");
        assert!(table(&[], Some("the branch main")).starts_with("no flaky test"));
        assert!(table(&[], None).contains("no history"));
    }
}
