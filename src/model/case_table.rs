//! The cases of one report: a test with nothing to tell is a row of a table.

use std::borrow::Cow;
use std::time::Duration;

use camino::Utf8Path;
use indexmap::IndexSet;

use super::blocks::{Items, Texts};
use super::brief::{Brief, is_joined};
use super::case::{Outcome, TestCase, junit_names};
use super::node_id::NodeId;
use super::order::compare;
use super::shard::Shard;

/// Every test once.
///
/// An id is kept in two parts, after the first `::`, so that ids are in the order of their parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CaseTable {
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

/// A brief of a test that passed or was skipped, with numbers in place of texts.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    nanoseconds: u64,
    head: u32,
    tail_from: u32,
    tail_bytes: u16,
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

/// One case of a run, wherever it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a>(Kept<'a>);

#[derive(Clone, Copy, Debug)]
enum Kept<'a> {
    Row(&'a CaseTable, &'a Row),
    Told(&'a TestCase),
}

impl<'a> From<&'a TestCase> for Case<'a> {
    fn from(case: &'a TestCase) -> Self {
        Self(Kept::Told(case))
    }
}

impl<'a> Case<'a> {
    /// The whole of it, if it has more to tell than that it passed or was skipped.
    pub(crate) fn told(self) -> Option<&'a TestCase> {
        match self.0 {
            Kept::Row(..) => None,
            Kept::Told(case) => Some(case),
        }
    }

    /// The id in two parts, the first one with `::` at its end. Ids are in the order of their parts.
    pub(crate) fn id_parts(self) -> (&'a str, &'a str) {
        match self.0 {
            Kept::Row(table, row) => (&table.heads[row.head as usize], table.tail(row)),
            Kept::Told(case) => parts(case.id.as_str()),
        }
    }

    pub(crate) fn id(self) -> Cow<'a, str> {
        match self.0 {
            Kept::Row(..) => {
                let (head, tail) = self.id_parts();
                Cow::Owned([head, tail].concat())
            }
            Kept::Told(case) => Cow::Borrowed(case.id.as_str()),
        }
    }

    /// That of the node id.
    pub(crate) fn file(self) -> &'a str {
        let (head, _) = self.id_parts();
        head.strip_suffix("::").unwrap_or(head)
    }

    pub(crate) fn outcome(self) -> Outcome {
        match self.0 {
            Kept::Row(_, row) => row.outcome,
            Kept::Told(case) => case.outcome,
        }
    }

    /// Setup, call and teardown.
    pub(crate) fn times(self) -> [Duration; 3] {
        match self.0 {
            Kept::Row(_, row) => [Duration::ZERO, row.duration(), Duration::ZERO],
            Kept::Told(case) => [case.setup, case.call, case.teardown],
        }
    }

    pub(crate) fn duration(self) -> Duration {
        match self.0 {
            Kept::Row(_, row) => row.duration(),
            Kept::Told(case) => case.duration(),
        }
    }

    pub(crate) fn shard(self) -> Option<Shard> {
        match self.0 {
            Kept::Row(_, row) => row.shard,
            Kept::Told(case) => case.shard,
        }
    }

    /// Where the test is defined: path and line.
    pub(crate) fn location(self) -> Option<(&'a str, u32)> {
        match self.0 {
            Kept::Row(table, row) => table.location(row),
            Kept::Told(case) => {
                let location = case.location.as_ref()?;
                Some((location.path.as_str(), location.line))
            }
        }
    }

    pub(crate) fn brief(self) -> Brief<'a> {
        match self.0 {
            Kept::Row(table, row) => table.brief(row),
            Kept::Told(case) => Brief::of(case),
        }
    }

    pub(crate) fn to_whole(self) -> TestCase {
        match self.0 {
            Kept::Row(table, row) => table.brief(row).into(),
            Kept::Told(case) => case.clone(),
        }
    }
}

impl Row {
    fn duration(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds)
    }
}

impl CaseTable {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn heads(&self) -> impl Iterator<Item = &str> {
        self.heads.iter().map(|head| &**head)
    }

    /// The number of the first part of an id, and the second part.
    pub(crate) fn key(&self, index: usize) -> (u32, &str) {
        match &self.slots[index] {
            Slot::Row(row) => (row.head, self.tail(row)),
            Slot::Told { head, index } => (*head, parts(self.told[*index as usize].id.as_str()).1),
        }
    }

    /// The same of a case that is not in here yet.
    pub(crate) fn key_of<'a>(&mut self, brief: &'a Brief<'_>) -> (u32, Cow<'a, str>) {
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

    pub(crate) fn key_of_id<'a>(&mut self, id: &'a NodeId) -> (u32, &'a str) {
        let (head, tail) = parts(id.as_str());
        (self.head(head), tail)
    }

    pub(crate) fn id(&self, (head, tail): (u32, &str)) -> String {
        [&*self.heads[head as usize], tail].concat()
    }

    fn head(&mut self, head: &str) -> u32 {
        number(&mut self.heads, head)
    }

    /// `key` is that of the brief.
    pub(crate) fn push(&mut self, brief: &Brief<'_>, key: (u32, &str)) {
        match self.row(brief, key) {
            Some(row) => self.slots.push(Slot::Row(row)),
            None => self.push_told(brief.clone().into(), key.0),
        }
    }

    /// `head` is the number of the first part of its id.
    pub(crate) fn push_told(&mut self, case: TestCase, head: u32) {
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
        if !matches!(outcome, Outcome::Passed | Outcome::Skipped) {
            return None;
        }
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
        let (tail_from, tail_bytes) = self.tails.push(tail)?;
        Some(Row {
            nanoseconds: u64::try_from(duration.as_nanos()).ok()?,
            head,
            tail_from,
            tail_bytes,
            names,
            path,
            line,
            shard: *shard,
            outcome: *outcome,
            is_exact: exact.is_some(),
        })
    }

    fn tail(&self, row: &Row) -> &str {
        self.tails.get(row.tail_from, row.tail_bytes)
    }

    pub(crate) fn get(&self, index: usize) -> Case<'_> {
        Case(match &self.slots[index] {
            Slot::Row(row) => Kept::Row(self, row),
            Slot::Told { index, .. } => Kept::Told(&self.told[*index as usize]),
        })
    }

    fn location(&self, row: &Row) -> Option<(&str, u32)> {
        (row.line > 0).then(|| (&*self.paths[row.path as usize], row.line))
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
        let location = self.location(row);
        Brief {
            exact: row.is_exact.then(id),
            classname,
            name,
            location: location.map(|(path, line)| (Cow::Borrowed(path), line)),
            shard: row.shard,
            outcome: row.outcome,
            duration: row.duration(),
        }
    }

    /// The case, to be changed; its id by [`Self::rename`].
    pub(crate) fn told_mut(&mut self, index: usize) -> &mut TestCase {
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

    pub(crate) fn rename(&mut self, index: usize, id: NodeId) {
        let new = self.key_of_id(&id).0;
        self.told_mut(index).id = id;
        if let Slot::Told { head, .. } = &mut self.slots[index] {
            *head = new;
        }
    }

    /// The case; what is left in its place has no more to tell.
    pub(crate) fn take(&mut self, index: usize) -> TestCase {
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
        (0..self.len()).map(|index| self.get(index).brief())
    }

    /// Paths of files get `prefix` in front, which is relative: different ones stay so.
    pub(super) fn move_below(&mut self, prefix: &Utf8Path) {
        let paths = std::mem::take(&mut self.paths).into_iter();
        let below = |path: Box<str>| prefix.join(&*path).into_string().into_boxed_str();
        self.paths = paths.map(below).collect();
        for case in self.told.iter_mut() {
            case.move_below(prefix);
        }
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
