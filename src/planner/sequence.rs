//! Units in the order they run, and what it costs to run only some of them.

use std::ops::Range;

/// What stays in one shard unless it has to be cut: the units of a file, of a package with a fixture
/// of its own, or of files that are tied together.
///
/// A set-up (an import, a shared fixture) holds for a stretch of units and is paid by every part that
/// runs one of them. All costs are in one unit, such as microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sequence {
    /// `sums[n]`: the first n units with the set-ups that begin in them.
    sums: Vec<u64>,
    /// What a part that begins with this unit has to set up although it began before.
    again: Vec<u64>,
    /// How many set-ups, however cheap, a cut before this unit would tear.
    depth: Vec<u8>,
    /// Differs between sequences and stays the same when others come and go.
    pub(crate) seed: u64,
}

/// Builds a sequence from the outside in: [`Builder::open`] a set-up, add units, close it.
#[derive(Debug)]
pub(crate) struct Builder {
    sequence: Sequence,
    open: Vec<SetUp>,
}

#[derive(Debug)]
struct SetUp {
    cost: u64,
    paid: bool,
}

impl Builder {
    pub(crate) fn new(seed: u64) -> Self {
        let sequence = Sequence {
            sums: vec![0],
            seed,
            ..Sequence::default()
        };
        Self {
            sequence,
            open: Vec::new(),
        }
    }

    pub(crate) fn open(&mut self, cost: u64) {
        self.open.push(SetUp { cost, paid: false });
    }

    pub(crate) fn close(&mut self) {
        self.open.pop();
    }

    pub(crate) fn unit(&mut self, cost: u64) {
        let sequence = &mut self.sequence;
        let already = self.open.iter().filter(|it| it.paid);
        let again = already.clone().map(|it| it.cost).sum();
        let depth = u8::try_from(already.count()).unwrap_or(u8::MAX);
        let first: u64 = self
            .open
            .iter()
            .filter(|it| !it.paid)
            .map(|it| it.cost)
            .sum();
        for set_up in &mut self.open {
            set_up.paid = true;
        }
        let before = sequence.sums.last().copied().unwrap_or(0);
        sequence.sums.push(before + first + cost);
        sequence.again.push(again);
        sequence.depth.push(depth);
    }

    pub(crate) fn finish(self) -> Sequence {
        self.sequence
    }
}

impl Sequence {
    pub(crate) fn len(&self) -> usize {
        self.again.len()
    }

    /// With so much more for each unit.
    pub(crate) fn dearer(&self, more: impl Iterator<Item = u64>) -> Self {
        let mut dearer = self.clone();
        let mut sum = 0;
        for (end, more) in dearer.sums.iter_mut().skip(1).zip(more) {
            sum += more;
            *end += sum;
        }
        dearer
    }

    /// What a shard pays that runs these units and no other of the sequence.
    pub(crate) fn cost(&self, units: &Range<usize>) -> u64 {
        if units.is_empty() {
            return 0;
        }
        self.sums[units.end] - self.sums[units.start] + self.again[units.start]
    }

    pub(crate) fn whole(&self) -> u64 {
        self.cost(&(0..self.len()))
    }

    /// The most that a single unit costs with its set-ups.
    pub(crate) fn longest(&self) -> u64 {
        (0..self.len())
            .map(|unit| self.cost(&(unit..unit + 1)))
            .max()
            .unwrap_or(0)
    }

    /// The price of a cut before this unit: what is paid twice, then how much is torn.
    pub(crate) fn price(&self, unit: usize) -> (u64, u8) {
        (self.again[unit], self.depth[unit])
    }

    /// Contiguous parts that cost no more than `limit` each, but for units that do so alone. A part
    /// may end up to a quarter early where the cut is cheaper.
    pub(crate) fn cut(&self, limit: u64) -> Vec<Range<usize>> {
        let mut parts = Vec::new();
        let mut start = 0;
        while start < self.len() {
            let fits = |end: &usize| self.cost(&(start..*end)) <= limit;
            let mut end = start + 1;
            while end < self.len() && fits(&(end + 1)) {
                end += 1;
            }
            if end < self.len() {
                let enough = limit - limit / 4;
                end = (start + 1..=end)
                    .filter(|it| *it == end || self.cost(&(start..*it)) >= enough)
                    .min_by_key(|it| (self.price(*it), end - it))
                    .unwrap_or(end);
            }
            parts.push(start..end);
            start = end;
        }
        parts
    }

    /// As [`Self::cut`], but no part is much smaller than the others.
    pub(crate) fn cut_evenly(&self, limit: u64) -> Vec<Range<usize>> {
        let parts = self.cut(limit);
        let count = u64::try_from(parts.len()).unwrap_or(u64::MAX);
        if count < 2 {
            return parts;
        }
        let paid: u64 = parts.iter().map(|part| self.cost(part)).sum();
        let even = paid.div_ceil(count);
        (0..8)
            .map(|step| even + (limit.saturating_sub(even)) * step / 8)
            .map(|limit| self.cut(limit))
            .find(|even| even.len() <= parts.len())
            .unwrap_or(parts)
    }
}

/// From the name of a sequence, the same on every machine (FNV-1a, then the finish of `MurmurHash3`, so that all bits are even).
pub(crate) fn seed(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file whose import costs 10, with a class whose fixture costs 5.
    fn file() -> Sequence {
        let mut builder = Builder::new(0);
        builder.open(10);
        builder.unit(1);
        builder.unit(2);
        builder.open(5);
        builder.unit(3);
        builder.unit(4);
        builder.close();
        builder.unit(1);
        builder.finish()
    }

    #[test]
    fn every_part_pays_the_set_ups_of_its_units() {
        let file = file();
        assert_eq!((file.len(), file.whole()), (5, 10 + 5 + 11));
        assert_eq!(file.cost(&(0..2)), 13);
        assert_eq!(file.cost(&(1..3)), 10 + 5 + 5);
        assert_eq!(file.cost(&(3..4)), 10 + 5 + 4);
        assert_eq!(file.cost(&(4..5)), 11);
        assert_eq!(file.cost(&(2..2)), 0);
        assert_eq!(file.longest(), 19);
        assert_eq!(
            [file.price(2), file.price(3), file.price(4)],
            [(10, 1), (15, 2), (10, 1)]
        );
    }

    #[test]
    fn is_cut_between_classes_before_it_is_cut_inside_one() {
        let mut builder = Builder::new(0);
        builder.open(0);
        for _ in 0..3 {
            builder.open(0);
            for _ in 0..7 {
                builder.unit(1);
            }
            builder.close();
        }
        let classes = builder.finish();
        assert_eq!(classes.cut(8), [0..7, 7..14, 14..21]);
        assert_eq!(classes.cut(4), [0..4, 4..7, 7..11, 11..14, 14..18, 18..21]);
        assert_eq!(classes.cut(1000).len(), 1);
        assert_eq!(classes.cut(0).len(), 21);
    }

    #[test]
    fn even_parts_leave_no_small_rest() {
        let mut builder = Builder::new(0);
        builder.open(0);
        for _ in 0..21 {
            builder.unit(1);
        }
        let plain = builder.finish();
        assert_eq!(plain.cut(10), [0..10, 10..20, 20..21]);
        assert_eq!(plain.cut_evenly(10), [0..7, 7..14, 14..21]);
    }

    #[test]
    fn seeds_stay_as_they_are() {
        assert_eq!(seed("tests/test_a.py"), 6_688_445_615_105_021_644);
    }
}
