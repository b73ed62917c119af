//! The cases of a run in little memory: a test with nothing to tell is a row of a table.

use std::time::Duration;

use camino::Utf8Path;

use super::case::{TestCase, Totals};
use super::case_table::{Case, CaseTable};

/// Every test once, in the order of its node id.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cases(Kind);

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Whole(Vec<TestCase>),
    Tables {
        tables: Vec<CaseTable>,
        places: Vec<Place>,
    },
}

/// Where a case is among several tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) table: u32,
    pub(crate) index: u32,
}

impl Default for Cases {
    fn default() -> Self {
        Self::from(Vec::new())
    }
}

impl From<Vec<TestCase>> for Cases {
    fn from(cases: Vec<TestCase>) -> Self {
        Self(Kind::Whole(cases))
    }
}

impl FromIterator<TestCase> for Cases {
    fn from_iter<T: IntoIterator<Item = TestCase>>(cases: T) -> Self {
        Self::from(Vec::from_iter(cases))
    }
}

impl Cases {
    /// Those at the places, in that order.
    pub(crate) fn of_tables(tables: Vec<CaseTable>, places: Vec<Place>) -> Self {
        Self(Kind::Tables { tables, places })
    }

    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Kind::Whole(cases) => cases.len(),
            Kind::Tables { places, .. } => places.len(),
        }
    }

    pub(crate) fn get(&self, index: usize) -> Case<'_> {
        match &self.0 {
            Kind::Whole(cases) => Case::from(&cases[index]),
            Kind::Tables { tables, places } => {
                let Place { table, index } = places[index];
                tables[table as usize].get(index as usize)
            }
        }
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = Case<'_>> + Clone {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Those that have more to tell than that they passed or were skipped.
    pub(crate) fn told(&self) -> impl Iterator<Item = &TestCase> {
        self.iter().filter_map(Case::told)
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals::of_outcomes(self.iter().map(Case::outcome))
    }

    /// What they took one after another.
    pub(crate) fn time(&self) -> Duration {
        self.iter().map(Case::duration).sum()
    }

    #[cfg(test)]
    pub(crate) fn into_whole(self) -> Vec<TestCase> {
        match self.0 {
            Kind::Whole(cases) => cases,
            Kind::Tables { mut tables, places } => {
                let take = |Place { table, index }| tables[table as usize].take(index as usize);
                places.into_iter().map(take).collect()
            }
        }
    }

    /// The same seen from a folder above.
    pub(crate) fn move_below(&mut self, prefix: &Utf8Path) {
        match &mut self.0 {
            Kind::Whole(cases) => {
                for case in cases {
                    case.move_below(prefix);
                }
            }
            Kind::Tables { tables, .. } => {
                for table in tables {
                    table.move_below(prefix);
                }
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn whole_mut(&mut self) -> &mut Vec<TestCase> {
        *self = Self::from(std::mem::take(self).into_whole());
        match &mut self.0 {
            Kind::Whole(cases) => cases,
            Kind::Tables { .. } => unreachable!("they are whole"),
        }
    }
}
