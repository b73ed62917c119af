//! The cases of one report in little memory: a test with nothing to tell is a row of a table.

use std::borrow::Cow;
use std::time::Duration;

use indexmap::IndexSet;

use super::blocks::{Items, Span, Texts};
use super::brief::{Brief, is_joined};
use super::order::compare;
use crate::model::node_id::NodeId;
use crate::model::report::{Outcome, TestCase, junit_names};
use crate::model::shard::Shard;

/// Every test once.
///
/// An id is kept in two parts, after the first `::`, so that ids are in the order of their parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cases {
    /// The first parts, which are the modules and classes of many tests each.
    heads: IndexSet<Box<str>>,
    /// The second parts of rows.
    tails: Texts,
    paths: IndexSet<Box<str>>,
    slots: Items<Slot>,
    told: Items<TestCase>,
    /// The head of the case before, as tests of one class stand together.
    recent: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Slot {
    Row(Row),
    /// One with more to tell.
    Told {
        head: u32,
        index: u32,
    },
}

/// A brief, with numbers in place of texts.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    nanoseconds: u64,
    head: u32,
    tail: Span,
    names: Names,
    path: u32,
    /// 0 where there is no location.
    line: u32,
    shard: Option<Shard>,
    outcome: Outcome,
    is_exact: bool,
}

/// How class and name follow from the id.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Names {
    /// The name is all after the class and `::`.
    From(u32),
    /// As pytest has it.
    Pytest,
}

fn parts(id: &str) -> (&str, &str) {
    id.split_at(id.find("::").map_or(id.len(), |at| at + 2))
}

impl Cases {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn heads(&self) -> impl Iterator<Item = &str> {
        self.heads.iter().map(|head| &**head)
    }

    /// The number of the first part of an id, and the second part.
    pub(super) fn key(&self, index: usize) -> (u32, &str) {
        match &self.slots[index] {
            Slot::Row(row) => (row.head, self.tail(row)),
            Slot::Told { head, index } => (*head, parts(self.told[*index as usize].id.as_str()).1),
        }
    }

    /// The same of a case that is not in here yet.
    pub(super) fn key_of<'a>(&mut self, brief: &'a Brief<'_>) -> (u32, Cow<'a, str>) {
        let recent = self.heads.get_index(self.recent as usize);
        let class = recent.map(|head| class_in(head));
        // Without a class the name is all of the id.
        let is_recent = brief.exact.is_none()
            && !brief.classname.is_empty()
            && class.is_some_and(|class| compare(class, &brief.classname).is_eq());
        if is_recent {
            return (self.recent, Cow::Borrowed(&brief.name));
        }
        let id = brief.id();
        let (head, tail) = parts(&id);
        self.recent = self.head(head);
        (self.recent, Cow::Owned(tail.to_owned()))
    }

    pub(super) fn key_of_id<'a>(&mut self, id: &'a NodeId) -> (u32, &'a str) {
        let (head, tail) = parts(id.as_str());
        (self.head(head), tail)
    }

    pub(super) fn id(&self, (head, tail): (u32, &str)) -> String {
        [&*self.heads[head as usize], tail].concat()
    }

    fn head(&mut self, head: &str) -> u32 {
        number(&mut self.heads, head)
    }

    /// `key` is that of the brief.
    pub(super) fn push(&mut self, brief: &Brief<'_>, key: (u32, &str)) {
        match self.row(brief, key) {
            Some(row) => self.slots.push(Slot::Row(row)),
            None => self.push_told(brief.clone().into(), key.0),
        }
    }

    /// `head` is the number of the first part of its id.
    pub(super) fn push_told(&mut self, case: TestCase, head: u32) {
        let index = self.tell(case);
        self.slots.push(Slot::Told { head, index });
    }

    fn tell(&mut self, case: TestCase) -> u32 {
        self.told.push(case);
        u32_of(self.told.len() - 1)
    }

    /// Nothing if it has more than fits into a row.
    fn row(&mut self, brief: &Brief<'_>, (head, tail): (u32, &str)) -> Option<Row> {
        let Brief {
            exact,
            classname,
            name,
            location,
            shard,
            outcome,
            duration,
        } = brief;
        let names = match exact {
            Some(id) if !is_joined(id, classname, name) => {
                let (class_of_id, name_of_id) = junit_names(&NodeId::new(&**id));
                (class_of_id == **classname && name_of_id == **name).then_some(Names::Pytest)?
            }
            _ if classname.is_empty() => Names::From(0),
            _ => Names::From(u32::try_from(classname.len() + 2).ok()?),
        };
        let (path, line) = match location {
            Some((path, line)) => (number(&mut self.paths, path), *line),
            None => (0, 0),
        };
        Some(Row {
            nanoseconds: u64::try_from(duration.as_nanos()).ok()?,
            head,
            tail: self.tails.push(tail)?,
            names,
            path,
            line,
            shard: *shard,
            outcome: *outcome,
            is_exact: exact.is_some(),
        })
    }

    fn tail(&self, row: &Row) -> &str {
        self.tails.get(row.tail)
    }

    /// A case, and the whole of it if it has more to tell.
    pub(super) fn get(&self, index: usize) -> (Brief<'_>, Option<&TestCase>) {
        match &self.slots[index] {
            Slot::Row(row) => (self.brief(row), None),
            Slot::Told { index, .. } => {
                let case = &self.told[*index as usize];
                (Brief::of(case), Some(case))
            }
        }
    }

    fn brief(&self, row: &Row) -> Brief<'_> {
        let (head, tail) = (&*self.heads[row.head as usize], self.tail(row));
        let id = || Cow::Owned([head, tail].concat());
        let (classname, name) = match row.names {
            Names::From(start) if start as usize == head.len() => {
                (Cow::Borrowed(class_in(head)), Cow::Borrowed(tail))
            }
            Names::From(start) => {
                let id = [head, tail].concat();
                let (class, name) = id.split_at(start as usize);
                (
                    Cow::Owned(class_in(class).to_owned()),
                    Cow::Owned(name.to_owned()),
                )
            }
            Names::Pytest => {
                let (class, name) = junit_names(&NodeId::new(id()));
                (Cow::Owned(class), Cow::Owned(name))
            }
        };
        let path = || Cow::Borrowed(&*self.paths[row.path as usize]);
        Brief {
            exact: row.is_exact.then(id),
            classname,
            name,
            location: (row.line > 0).then(|| (path(), row.line)),
            shard: row.shard,
            outcome: row.outcome,
            duration: Duration::from_nanos(row.nanoseconds),
        }
    }

    pub(super) fn outcome(&self, index: usize) -> Outcome {
        match &self.slots[index] {
            Slot::Row(row) => row.outcome,
            Slot::Told { index, .. } => self.told[*index as usize].outcome,
        }
    }

    pub(super) fn duration(&self, index: usize) -> Duration {
        match &self.slots[index] {
            Slot::Row(row) => Duration::from_nanos(row.nanoseconds),
            Slot::Told { index, .. } => self.told[*index as usize].duration(),
        }
    }

    /// The case, to be changed; its id by [`Self::rename`].
    pub(super) fn told_mut(&mut self, index: usize) -> &mut TestCase {
        let told = match self.slots[index] {
            Slot::Told { index, .. } => index,
            Slot::Row(row) => {
                let told = self.tell(self.brief(&row).into());
                self.slots[index] = Slot::Told {
                    head: row.head,
                    index: told,
                };
                told
            }
        };
        &mut self.told[told as usize]
    }

    pub(super) fn rename(&mut self, index: usize, id: NodeId) {
        let new = self.key_of_id(&id).0;
        self.told_mut(index).id = id;
        if let Slot::Told { head, .. } = &mut self.slots[index] {
            *head = new;
        }
    }

    /// The case; what is left in its place has no more to tell.
    pub(super) fn take(&mut self, index: usize) -> TestCase {
        match self.slots[index] {
            Slot::Row(row) => self.brief(&row).into(),
            Slot::Told { index, .. } => {
                let empty = TestCase::new(NodeId::new(String::new()));
                std::mem::replace(&mut self.told[index as usize], empty)
            }
        }
    }

    /// What every case has to tell.
    pub(crate) fn briefs(&self) -> impl Iterator<Item = Brief<'_>> {
        (0..self.len()).map(|index| self.get(index).0)
    }

    /// Each whole, in order.
    pub(crate) fn into_whole(mut self) -> impl Iterator<Item = TestCase> {
        (0..self.len()).map(move |index| self.take(index))
    }
}

fn class_in(start_of_id: &str) -> &str {
    start_of_id.strip_suffix("::").unwrap_or_default()
}

fn number(texts: &mut IndexSet<Box<str>>, text: &str) -> u32 {
    let index = match texts.get_index_of(text) {
        Some(index) => index,
        None => texts.insert_full(text.into()).0,
    };
    u32_of(index)
}

/// Of something that fills memory long before there are as many.
fn u32_of(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
