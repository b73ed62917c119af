//! Shards in the making: what lies where, and what it costs there.

use std::collections::BTreeSet;
use std::ops::Range;

use super::sequence::Sequence;

/// A stretch of one sequence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    pub(crate) sequence: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Part {
    pub(crate) fn units(&self) -> Range<usize> {
        self.start..self.end
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) load: u64,
    /// In order.
    pub(crate) parts: Vec<Part>,
}

/// The shards, called bins here, and the pieces in them.
pub(super) struct Board<'a> {
    pub(super) sequences: &'a [Sequence],
    pub(super) pieces: Vec<Piece>,
    pub(super) bins: Vec<Bin>,
    /// Load and number of every bin.
    pub(super) by_load: BTreeSet<(u64, usize)>,
    /// The pieces of each sequence.
    of_sequence: Vec<Vec<usize>>,
}

#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) part: Part,
    pub(super) cost: u64,
    pub(super) bin: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Bin {
    pub(super) load: u64,
    /// Cost and number of the pieces, the cheapest first.
    pub(super) pieces: Vec<(u64, usize)>,
}

impl<'a> Board<'a> {
    pub(super) fn new(sequences: &'a [Sequence], shards: usize) -> Self {
        Self {
            sequences,
            pieces: Vec::new(),
            bins: vec![Bin::default(); shards],
            by_load: (0..shards).map(|bin| (0, bin)).collect(),
            of_sequence: vec![Vec::new(); sequences.len()],
        }
    }

    pub(super) fn highest(&self) -> u64 {
        self.by_load.last().map_or(0, |it| it.0)
    }

    /// Of all bins together.
    pub(super) fn work(&self) -> u64 {
        self.bins.iter().map(|bin| bin.load).sum()
    }

    /// How high the shards would stand if that much were poured into them.
    pub(super) fn level_with(&self, amount: u64) -> u64 {
        let (mut sum, mut level) = (amount, amount);
        for (count, (load, _)) in (1..).zip(&self.by_load) {
            if count > 1 && *load >= level {
                break;
            }
            sum += load;
            level = sum / count;
        }
        level
    }

    fn set_load(&mut self, bin: usize, load: u64) {
        self.by_load.remove(&(self.bins[bin].load, bin));
        self.bins[bin].load = load;
        self.by_load.insert((load, bin));
    }

    /// Joined with its neighbours in that bin, if they are there.
    pub(super) fn place(&mut self, mut part: Part, bin: usize) {
        while let Some(neighbour) = self.neighbour_in(&part, bin) {
            let joined = self.take_out(neighbour);
            part.start = part.start.min(joined.start);
            part.end = part.end.max(joined.end);
        }
        let cost = self.sequences[part.sequence].cost(&part.units());
        let number = self.pieces.len();
        self.of_sequence[part.sequence].push(number);
        self.pieces.push(Piece { part, cost, bin });
        let pieces = &mut self.bins[bin].pieces;
        let at = pieces.partition_point(|other| *other < (cost, number));
        pieces.insert(at, (cost, number));
        self.set_load(bin, self.bins[bin].load + cost);
    }

    pub(super) fn take_out(&mut self, number: usize) -> Part {
        let Piece { part, cost, bin } = self.pieces[number].clone();
        let pieces = &mut self.bins[bin].pieces;
        if let Ok(at) = pieces.binary_search(&(cost, number)) {
            pieces.remove(at);
        }
        self.of_sequence[part.sequence].retain(|other| *other != number);
        self.set_load(bin, self.bins[bin].load - cost);
        part
    }

    fn neighbour_in(&self, part: &Part, bin: usize) -> Option<usize> {
        self.neighbours(part)
            .find(|number| self.pieces[*number].bin == bin)
    }

    pub(super) fn neighbours(&self, part: &Part) -> impl Iterator<Item = usize> {
        self.of_sequence[part.sequence]
            .iter()
            .copied()
            .filter(|number| {
                let other = &self.pieces[*number].part;
                other.end == part.start || other.start == part.end
            })
    }

    /// The lightest first.
    pub(super) fn lighter_than(&self, bin: usize) -> Vec<usize> {
        let below = self.by_load.range(..(self.bins[bin].load, bin));
        below.map(|(_, bin)| *bin).collect()
    }

    /// Gives a stretch at one end of a piece to another bin.
    pub(super) fn give(&mut self, piece: usize, units: &Range<usize>, bin: usize) {
        let from = self.pieces[piece].bin;
        let whole = self.take_out(piece);
        let kept = if units.start == whole.start {
            units.end..whole.end
        } else {
            whole.start..units.start
        };
        for (units, bin) in [(units, bin), (&kept, from)] {
            let part = Part {
                sequence: whole.sequence,
                start: units.start,
                end: units.end,
            };
            self.place(part, bin);
        }
    }

    /// What units add to the load of a bin that may hold their neighbours.
    pub(super) fn added(&self, sequence: usize, units: &Range<usize>, bin: usize) -> u64 {
        let of = &self.sequences[sequence];
        let part = Part {
            sequence,
            start: units.start,
            end: units.end,
        };
        let neighbour = self.neighbour_in(&part, bin).map(|it| &self.pieces[it]);
        neighbour.map_or_else(
            || of.cost(units),
            |piece| {
                let joined = units.start.min(piece.part.start)..units.end.max(piece.part.end);
                of.cost(&joined).saturating_sub(piece.cost)
            },
        )
    }

    pub(super) fn shares(self) -> Vec<Share> {
        let share = |bin: &Bin| {
            let parts = bin.pieces.iter().map(|piece| &self.pieces[piece.1].part);
            let mut parts: Vec<Part> = parts.cloned().collect();
            parts.sort();
            Share {
                load: bin.load,
                parts,
            }
        };
        self.bins.iter().map(share).collect()
    }
}
