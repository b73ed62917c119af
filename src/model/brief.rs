//! What every test has to tell, and most tests all they have: nothing but that they passed.

use std::borrow::Cow;
use std::time::Duration;

use super::case::{Location, Outcome, TestCase};
use super::node_id::NodeId;
use super::shard::Shard;

/// Of one attempt, borrowed from wherever it is kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Brief<'a> {
    /// The node id, if it is known. Without it the id is `classname::name`, and the file is not known.
    pub(crate) exact: Option<Cow<'a, str>>,
    pub(crate) classname: Cow<'a, str>,
    pub(crate) name: Cow<'a, str>,
    /// Where the test is defined: path and line.
    pub(crate) location: Option<(Cow<'a, str>, u32)>,
    pub(crate) shard: Option<Shard>,
    pub(crate) outcome: Outcome,
    /// Setup, call and teardown.
    pub(crate) duration: Duration,
}

impl<'a> Brief<'a> {
    pub(crate) fn of(case: &'a TestCase) -> Self {
        let id = case.id.as_str();
        let is_exact = case.file.is_some() || !is_joined(id, &case.classname, &case.name);
        let path = |at: &'a Location| (Cow::Borrowed(at.path.as_str()), at.line);
        Self {
            exact: is_exact.then_some(Cow::Borrowed(id)),
            classname: Cow::Borrowed(&case.classname),
            name: Cow::Borrowed(&case.name),
            location: case.location.as_ref().map(path),
            shard: case.shard,
            outcome: case.outcome,
            duration: case.duration(),
        }
    }

    pub(crate) fn id(&self) -> Cow<'_, str> {
        match &self.exact {
            Some(id) => Cow::Borrowed(id),
            None if self.classname.is_empty() => Cow::Borrowed(&self.name),
            None => Cow::Owned(format!("{}::{}", self.classname, self.name)),
        }
    }
}

/// Whether it is the id that these names make.
pub(super) fn is_joined(id: &str, classname: &str, name: &str) -> bool {
    if classname.is_empty() {
        return id == name;
    }
    let class = id
        .strip_suffix(name)
        .and_then(|rest| rest.strip_suffix("::"));
    class == Some(classname)
}

impl From<Brief<'_>> for TestCase {
    fn from(brief: Brief<'_>) -> Self {
        let id = NodeId::new(brief.id());
        let Brief {
            exact,
            classname,
            name,
            location,
            shard,
            outcome,
            duration,
        } = brief;
        Self {
            file: exact.map(|_| id.file().to_owned()),
            classname: classname.into_owned(),
            name: name.into_owned(),
            location: location.map(|(path, line)| Location {
                path: path.into_owned().into(),
                line,
            }),
            shard,
            outcome,
            call: duration,
            // Its names are known.
            ..Self::new(id)
        }
    }
}
