//! pytest's name of one test.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `tests/test_a.py::TestX::test_y[param]`, as pytest writes it.
///
/// Text from a test: hostile until escaped by the renderer of the format it goes into.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct NodeId(String);

impl NodeId {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before the first `::`, relative to pytest's rootdir.
    pub(crate) fn file(&self) -> &str {
        self.0.split("::").next().unwrap_or(&self.0)
    }

    /// The test function with its classes, without the parameters: the smallest unit of a cut file.
    pub(crate) fn function(&self) -> &str {
        let start = self.file().len();
        match self.0[start..].find('[') {
            Some(bracket) => &self.0[..start + bracket],
            None => &self.0,
        }
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_file_and_function() {
        let id = NodeId::new("tests/test_a.py::TestX::test_y[a::b[0]]");
        assert_eq!(id.file(), "tests/test_a.py");
        assert_eq!(id.function(), "tests/test_a.py::TestX::test_y");
        assert_eq!(NodeId::new("docs/[x].txt::[x].txt").file(), "docs/[x].txt");
    }
}
