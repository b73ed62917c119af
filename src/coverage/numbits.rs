//! coverage.py's numbits: a set of line numbers as bytes, bit `n % 8` of byte `n / 8` for line n
//! (`coverage/numbits.py`).

use crate::model::coverage::Line;

/// Without zeros at its end, so that equal sets are equal bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbits(Vec<u8>);

impl Numbits {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let end = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        Self(bytes[..end].to_vec())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn insert(&mut self, line: Line) {
        let byte = line as usize / 8;
        if byte >= self.0.len() {
            self.0.resize(byte + 1, 0);
        }
        self.0[byte] |= 1 << (line % 8);
    }

    pub(crate) fn unite(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (byte, more) in self.0.iter_mut().zip(&other.0) {
            *byte |= more;
        }
    }

    /// The lines, ascending. There is no line 0: a tracer that says so means none.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        let bytes = (0..).step_by(8).zip(&self.0);
        let lines =
            bytes.flat_map(|(start, byte)| (0..8).map(move |bit| (start + bit, byte & 1 << bit)));
        lines.filter_map(|(line, bit)| (bit != 0 && line > 0).then_some(line))
    }
}

impl FromIterator<Line> for Numbits {
    fn from_iter<I: IntoIterator<Item = Line>>(lines: I) -> Self {
        let mut set = Self::default();
        lines.into_iter().for_each(|line| set.insert(line));
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn is_what_coverage_py_writes() {
        // Python: coverage.numbits.nums_to_numbits([1, 2, 3, 9, 16]).hex()
        let set = Numbits::from_iter([16, 1, 3, 2, 9]);
        assert_eq!(set.as_bytes(), [0x0e, 0x02, 0x01]);
        assert_eq!(Numbits::from_bytes(&[0x0e, 2, 1, 0, 0]), set);
    }

    proptest! {
        #[test]
        fn is_a_set(one in prop::collection::btree_set(1..400_u32, 0..20), two in prop::collection::btree_set(1..400_u32, 0..20)) {
            let mut set: Numbits = one.iter().copied().collect();
            prop_assert_eq!(set.lines().collect::<BTreeSet<_>>(), one.clone());
            set.unite(&two.iter().copied().collect());
            prop_assert_eq!(set.lines().collect::<BTreeSet<_>>(), &one | &two);
            prop_assert_eq!(&Numbits::from_bytes(set.as_bytes()), &set);
        }
    }
}
