//! Sequences into shards of even load.
//!
//! First whole: the large ones longest first to the least loaded shard
//! (<https://en.wikipedia.org/wiki/Longest-processing-time-first_scheduling>), the small ones where
//! the hash of their name falls, so that a change somewhere moves little elsewhere. Then levelled:
//! as long as it lowers the highest load, parts change shards, and where that is not enough a part
//! is cut. What is too large for any shard is cut from the start, in several ways; the best wins.

use std::collections::BTreeSet;
use std::ops::Range;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

pub(crate) use super::board::Share;
use super::board::{Board, Part};
use super::sequence::Sequence;

/// Small is what costs less than this share of an even load.
const SMALL: u64 = 8;
/// Looks at so many exchanges and cuts at most: a bound on work instead of on time, so that the same
/// input has the same result on every machine.
const MAX_SEEN: usize = 600_000;
/// Level enough: a part in so many of the even load.
const EVEN: u64 = 4096;
/// How far below the bound a shard should stay that need not reach it: one part in so many.
const DISTANCE: u64 = 4;
/// Looks at so many of the lightest shards before it looks at all.
const LIGHTEST: usize = 6;

/// No assignment to so many shards has a lower highest load.
pub(crate) fn lower_bound(sequences: &[Sequence], shards: usize) -> u64 {
    Bounds::of(sequences).for_shards(shards)
}

/// What limits every partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) total: u64,
    /// Of all units, with their set-ups.
    pub(crate) longest: u64,
}

impl Bounds {
    pub(crate) fn of(sequences: &[Sequence]) -> Self {
        Self {
            total: sequences.iter().map(Sequence::whole).sum(),
            longest: sequences.iter().map(Sequence::longest).max().unwrap_or(0),
        }
    }

    pub(crate) fn for_shards(self, shards: usize) -> u64 {
        let count = u64::try_from(shards).unwrap_or(u64::MAX).max(1);
        self.longest.max(self.total.div_ceil(count))
    }
}

/// What each shard runs. Every unit is in one share; no share is empty while another one has two
/// parts, or a part of two units.
///
/// `slack` is how much higher than the lower bound a load may be before something is cut for it: one
/// part in so many.
pub(crate) fn partition(sequences: &[Sequence], shards: usize, slack: u64) -> Vec<Share> {
    let goal = Goal::of(sequences, shards, slack);
    let enough = goal.bound + goal.bound / slack;
    let arranged = |way: &(u64, Cut)| Dealer::deal(sequences, shards, goal, *way);
    // Of two that are as good the first one counts, whichever is ready first.
    let best_of = |ways: &[(u64, Cut)]| ways.par_iter().map(arranged).reduce_with(Dealer::or);
    let first = (enough, Sequence::cut_evenly as Cut);
    let mut best = if sequences.iter().any(|it| it.whole() > enough) {
        best_of(&[
            first,
            (enough.div_ceil(2), Sequence::cut_evenly),
            (enough.div_ceil(4), Sequence::cut_evenly),
            (enough, Sequence::cut),
        ])
    } else {
        None
    }
    .unwrap_or_else(|| arranged(&first));
    let reached = best.board.highest();
    if reached > enough
        // What is set up again is not in the goal: here is what it may really take.
        && let Some(other) = best_of(&[
            (u64::midpoint(enough, reached), Sequence::cut),
            (reached, Sequence::cut),
        ])
    {
        best = best.or(other);
    }
    best.fill_empty();
    best.board.shares()
}

#[derive(Clone, Copy)]
struct Goal {
    /// No highest load can be lower.
    bound: u64,
    /// A shard with a higher load has something cut.
    uncut: u64,
    /// What each would have if nothing were too long for it.
    even: u64,
}

impl Goal {
    fn of(sequences: &[Sequence], shards: usize, slack: u64) -> Self {
        let bounds = Bounds::of(sequences);
        let bound = bounds.for_shards(shards);
        let even = bounds.total / u64::try_from(shards).unwrap_or(u64::MAX).max(1);
        Self {
            bound,
            uncut: (even + even / slack).max(bound - bound / DISTANCE),
            even,
        }
    }
}

type Cut = fn(&Sequence, u64) -> Vec<Range<usize>>;

struct Dealer<'a> {
    board: Board<'a>,
    goal: Goal,
    seen: usize,
}

/// A piece of the heaviest bin for a cheaper one of another bin, or for nothing.
struct Exchange {
    /// What the higher of the two loads will be.
    highest: u64,
    give: usize,
    bin: usize,
    take: Option<usize>,
}

/// A stretch at one end of a piece of the heaviest bin goes to another bin.
struct Slice {
    highest: u64,
    price: (u64, u8),
    piece: usize,
    give: Range<usize>,
    bin: usize,
}

impl<'a> Dealer<'a> {
    fn deal(
        sequences: &'a [Sequence],
        shards: usize,
        goal: Goal,
        (limit, cut): (u64, Cut),
    ) -> Self {
        let board = Board::new(sequences, shards);
        let mut dealer = Self {
            board,
            goal,
            seen: 0,
        };
        dealer.begin(limit, cut);
        dealer.level();
        dealer
    }

    /// The better one of two.
    fn or(self, other: Self) -> Self {
        if other.rank() < self.rank() {
            other
        } else {
            self
        }
    }

    /// The lowest is the best. Less work is worth a little time.
    fn rank(&self) -> (u64, u64) {
        let step = (self.goal.bound / 256).max(1);
        (self.board.highest().div_ceil(step), self.board.work())
    }

    fn begin(&mut self, limit: u64, cut: Cut) {
        let mut small = Vec::new();
        let mut large = Vec::new();
        for (index, sequence) in self.board.sequences.iter().enumerate() {
            if sequence.whole() <= self.goal.even / SMALL {
                small.push((sequence.seed, index));
                continue;
            }
            for units in cut(sequence, limit) {
                let part = Part {
                    sequence: index,
                    start: units.start,
                    end: units.end,
                };
                large.push((sequence.cost(&units), part));
            }
        }
        large.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(&other.1)));
        for (_, part) in large {
            let Some(&(_, lightest)) = self.board.by_load.first() else {
                return;
            };
            self.board.place(part, lightest);
        }
        // The room below an even level, side by side, and each small one where its name falls.
        let level = self.board.level_with(
            small
                .iter()
                .map(|it| self.board.sequences[it.1].whole())
                .sum(),
        );
        let room: Vec<u64> = self
            .board
            .bins
            .iter()
            .map(|bin| level.saturating_sub(bin.load))
            .collect();
        let total: u128 = room.iter().map(|room| u128::from(*room)).sum();
        let mut ends = room.iter().scan(0, |end, room| {
            *end += room;
            Some(*end)
        });
        let ends: Vec<u64> = ends.by_ref().collect();
        small.sort_unstable();
        for (seed, index) in small {
            let at = u64::try_from((u128::from(seed) * total) >> 64).unwrap_or(0);
            let bin = ends.partition_point(|end| *end <= at);
            let bin = bin.min(self.board.bins.len().saturating_sub(1));
            let part = Part {
                sequence: index,
                start: 0,
                end: self.board.sequences[index].len(),
            };
            self.board.place(part, bin);
        }
    }

    /// From the heaviest shard on, each as far as it goes. Where one unit alone is as long as the
    /// bound, the others keep a distance to it: a shard that is not full takes a surprise better.
    fn level(&mut self) {
        let Goal {
            even,
            uncut,
            bound: _,
        } = self.goal;
        let mut stuck = vec![false; self.board.bins.len()];
        while self.seen < MAX_SEEN {
            let mut from_above = self.board.by_load.iter().rev();
            let Some(&(load, heaviest)) = from_above.find(|(_, bin)| !stuck[*bin]) else {
                return;
            };
            if load <= even + even / EVEN {
                return;
            }
            let bins = self.board.lighter_than(heaviest);
            stuck[heaviest] =
                !self.exchange(heaviest, &bins) && (load <= uncut || !self.slice(heaviest, &bins));
        }
    }

    /// Steps that are too small to matter would go on for ever.
    fn wanted(&self, heaviest: usize) -> u64 {
        let load = self.board.bins[heaviest].load;
        load - (load / (4 * EVEN)).max(1)
    }

    /// Whether the higher of two loads became lower.
    fn exchange(&mut self, heaviest: usize, bins: &[usize]) -> bool {
        let (near, far) = bins.split_at(bins.len().min(LIGHTEST));
        let found = self.best_exchange(heaviest, near);
        let Some(exchange) = found.or_else(|| self.best_exchange(heaviest, far)) else {
            return false;
        };
        let give = self.board.bins[heaviest].pieces[exchange.give].1;
        let to = &self.board.bins[exchange.bin];
        let take = exchange.take.map(|take| to.pieces[take].1);
        let given = self.board.take_out(give);
        let taken = take.map(|number| self.board.take_out(number));
        self.board.place(given, exchange.bin);
        if let Some(taken) = taken {
            self.board.place(taken, heaviest);
        }
        true
    }

    /// Whether the higher of two loads became lower.
    fn slice(&mut self, heaviest: usize, bins: &[usize]) -> bool {
        let near = &bins[..bins.len().min(LIGHTEST)];
        let slice = self.best_slice(heaviest, near);
        slice
            .map(|it| self.board.give(it.piece, &it.give, it.bin))
            .is_some()
    }

    fn best_exchange(&mut self, heaviest: usize, bins: &[usize]) -> Option<Exchange> {
        let wanted = self.wanted(heaviest);
        let from = &self.board.bins[heaviest];
        let mut best: Option<Exchange> = None;
        for &bin in bins {
            let to = &self.board.bins[bin];
            let gap = from.load - to.load;
            for (give, &(cost, _)) in from.pieces.iter().enumerate() {
                // To carry over half of the gap would be ideal.
                let ideal = cost.saturating_sub(gap / 2);
                let near = to.pieces.partition_point(|piece| piece.0 < ideal);
                for take in [near.checked_sub(1), Some(near), None] {
                    let price = match take {
                        Some(take) => to.pieces.get(take).map(|piece| piece.0),
                        None => Some(0),
                    };
                    let Some(carried) = price.and_then(|price| cost.checked_sub(price)) else {
                        continue;
                    };
                    let highest = (from.load - carried).max(to.load + carried);
                    if highest <= wanted && best.as_ref().is_none_or(|best| highest < best.highest)
                    {
                        best = Some(Exchange {
                            highest,
                            give,
                            bin,
                            take,
                        });
                    }
                }
            }
            self.seen += from.pieces.len();
        }
        best
    }

    /// The cheapest cut of those that help nearly as much as the best.
    fn best_slice(&mut self, heaviest: usize, lightest: &[usize]) -> Option<Slice> {
        let wanted = self.wanted(heaviest);
        let load = self.board.bins[heaviest].load;
        let mut slices = Vec::new();
        for &(cost, number) in &self.board.bins[heaviest].pieces {
            let part = &self.board.pieces[number].part;
            let sequence = &self.board.sequences[part.sequence];
            let others = self
                .board
                .neighbours(part)
                .map(|neighbour| self.board.pieces[neighbour].bin);
            let bins: BTreeSet<usize> = lightest
                .iter()
                .copied()
                .chain(others)
                .filter(|bin| *bin != heaviest)
                .collect();
            self.seen += (part.end - part.start) * bins.len();
            for at in part.start + 1..part.end {
                for (keep, give) in [
                    (part.start..at, at..part.end),
                    (at..part.end, part.start..at),
                ] {
                    let kept = load - cost + sequence.cost(&keep);
                    if kept > wanted {
                        continue;
                    }
                    for &bin in &bins {
                        let added = self.board.added(part.sequence, &give, bin);
                        let highest = kept.max(self.board.bins[bin].load + added);
                        if highest <= wanted {
                            let (_, depth) = sequence.price(at);
                            let extra = (sequence.cost(&keep) + added).saturating_sub(cost);
                            slices.push(Slice {
                                highest,
                                price: (extra, depth),
                                piece: number,
                                give: give.clone(),
                                bin,
                            });
                        }
                    }
                }
            }
        }
        let lowest = slices.iter().map(|slice| slice.highest).min()?;
        let enough = load - (load - lowest) / 4 * 3;
        slices
            .into_iter()
            .filter(|slice| slice.highest <= enough.max(lowest))
            .min_by_key(|slice| (slice.price, slice.highest))
    }

    /// Who has two parts gives one away; then who has a part of two units cuts it.
    fn fill_empty(&mut self) {
        while let Some(&(_, empty)) = self
            .board
            .by_load
            .iter()
            .find(|(_, bin)| self.board.bins[*bin].pieces.is_empty())
        {
            let givers = self
                .board
                .by_load
                .iter()
                .rev()
                .map(|(_, bin)| &self.board.bins[*bin]);
            if let Some(giver) = givers.clone().find(|bin| bin.pieces.len() > 1) {
                let cheapest = giver.pieces[0].1;
                let part = self.board.take_out(cheapest);
                self.board.place(part, empty);
                continue;
            }
            let cut = givers
                .flat_map(|bin| &bin.pieces)
                .find(|(_, number)| self.board.pieces[*number].part.units().len() > 1);
            let Some(&(_, number)) = cut else {
                return;
            };
            let part = self.board.pieces[number].part.clone();
            let sequence = &self.board.sequences[part.sequence];
            let halves = |at: usize| {
                let halves = [part.start..at, at..part.end];
                halves.map(|half| sequence.cost(&half)).into_iter().max()
            };
            let Some(at) = (part.start + 1..part.end).min_by_key(|at| (halves(*at), *at)) else {
                return;
            };
            self.board.give(number, &(at..part.end), empty);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sequence::{Builder, seed};
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Files by import and by the units of each class, the first of which is none.
    type Files = Vec<(u64, Vec<Vec<u64>>)>;

    fn sequences(files: &Files) -> Vec<Sequence> {
        let sequence = |(number, (import, classes)): (usize, &(u64, Vec<Vec<u64>>))| {
            let mut builder = Builder::new(seed(&number.to_string()));
            builder.open(*import);
            for (class, units) in classes.iter().enumerate() {
                if class > 0 {
                    builder.open(import / 3);
                }
                for unit in units {
                    builder.unit(*unit);
                }
                if class > 0 {
                    builder.close();
                }
            }
            builder.finish()
        };
        let sequences = files.iter().enumerate().map(sequence);
        sequences.filter(|it| it.len() > 0).collect()
    }

    fn whole(costs: &[u64]) -> Vec<Sequence> {
        sequences(&costs.iter().map(|cost| (0, vec![vec![*cost]])).collect())
    }

    fn loads(sequences: &[Sequence], shards: usize) -> Vec<u64> {
        let dealt = partition(sequences, shards, 200);
        dealt.iter().map(|share| share.load).collect()
    }

    fn highest(sequences: &[Sequence], shards: usize) -> u64 {
        loads(sequences, shards).into_iter().max().unwrap_or(0)
    }

    /// By trying everything.
    fn optimum(costs: &[u64], loads: &mut [u64]) -> u64 {
        let Some((cost, rest)) = costs.split_first() else {
            return loads.iter().copied().max().unwrap_or(0);
        };
        let mut best = u64::MAX;
        for shard in 0..loads.len() {
            loads[shard] += cost;
            best = best.min(optimum(rest, loads));
            loads[shard] -= cost;
        }
        best
    }

    #[test]
    fn levels_what_the_longest_first_rule_leaves_uneven() {
        // The classic worst case of the rule: 11 instead of 9.
        assert_eq!(highest(&whole(&[5, 5, 4, 4, 3, 3, 3]), 3), 9);
        assert_eq!(highest(&whole(&[3, 3, 2, 2, 2]), 2), 6);
    }

    #[test]
    fn nothing_and_too_little_are_partitions_too() {
        assert_eq!(loads(&[], 3), [0, 0, 0]);
        assert_eq!(loads(&whole(&[5]), 1), [5]);
        let mut few = loads(&whole(&[2, 9]), 4);
        few.sort_unstable();
        assert_eq!(few, [0, 0, 2, 9]);
    }

    #[test]
    fn a_file_is_cut_only_where_that_helps() {
        let parts = |files: &Files, shards: usize| -> usize {
            let dealt = partition(&sequences(files), shards, 200);
            dealt.iter().map(|share| share.parts.len()).sum()
        };
        let even: Files = (0..8).map(|_| (100, vec![vec![50; 10]])).collect();
        assert_eq!(parts(&even, 4), 8);
        // Nine files for four shards: one of them has to be cut.
        let uneven: Files = (0..9).map(|_| (1, vec![vec![50; 10]])).collect();
        assert_eq!(parts(&uneven, 4), 12);
        // Its import is dearer than what a cut would save.
        let dear: Files = vec![(1_000, vec![vec![10; 4]]), (1_000, vec![vec![10; 4]])];
        assert_eq!(parts(&dear, 2), 2);
    }

    #[test]
    fn one_large_file_is_spread_over_all_shards() {
        let files: Files = vec![(10, vec![vec![100; 64]]), (0, vec![vec![1]])];
        let loads = loads(&sequences(&files), 16);
        assert!(
            loads.iter().all(|load| (400..=411).contains(load)),
            "{loads:?}"
        );
    }

    fn any_files(most: usize) -> impl Strategy<Value = Files> {
        let unit = prop_oneof![1_u64..50, 1_u64..5_000, Just(1)];
        let classes = vec(vec(unit, 0..12), 0..4);
        vec((prop_oneof![Just(0), 0_u64..300], classes), 0..most)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn every_unit_is_in_one_share_and_loads_are_what_they_say(
            files in any_files(30), shards in 1_usize..40
        ) {
            let sequences = sequences(&files);
            let dealt = partition(&sequences, shards, 200);
            prop_assert_eq!(dealt.len(), shards);
            let mut seen: Vec<Vec<usize>> = sequences.iter().map(|it| vec![0; it.len()]).collect();
            for share in &dealt {
                let mut load = 0;
                for part in &share.parts {
                    prop_assert!(part.start < part.end);
                    load += sequences[part.sequence].cost(&part.units());
                    for unit in part.units() {
                        seen[part.sequence][unit] += 1;
                    }
                }
                prop_assert_eq!(load, share.load);
            }
            prop_assert!(seen.iter().flatten().all(|count| *count == 1));
            let highest = dealt.iter().map(|share| share.load).max().unwrap_or(0);
            prop_assert!(highest >= lower_bound(&sequences, shards));
        }

        #[test]
        fn no_share_is_empty_while_another_could_give_something(
            files in any_files(8), shards in 1_usize..60
        ) {
            let dealt = partition(&sequences(&files), shards, 5);
            let empty = dealt.iter().any(|share| share.parts.is_empty());
            let units = |share: &Share| share.parts.iter().map(|it| it.units().len()).sum::<usize>();
            prop_assert!(!empty || dealt.iter().all(|share| units(share) <= 1));
        }

    }

    proptest! {
        #[test]
        fn what_has_no_set_up_keeps_the_bound_of_list_scheduling(
            costs in vec(1_u64..2_000_000_000, 0..120), shards in 1_usize..40
        ) {
            let count = shards as u64;
            let total: u64 = costs.iter().sum();
            let largest = costs.iter().copied().max().unwrap_or(0);
            let highest = highest(&whole(&costs), shards);
            prop_assert!(u128::from(highest) * u128::from(count)
                <= u128::from(total) + u128::from(count - 1) * u128::from(largest));
            prop_assert!(highest >= largest.max(total.div_ceil(count)));
        }

        #[test]
        fn loads_are_within_four_thirds_of_the_best(
            costs in vec(1_u64..50, 0..9), shards in 1_usize..4
        ) {
            let best = optimum(&costs, &mut vec![0; shards]);
            prop_assert!(3 * highest(&whole(&costs), shards) <= 4 * best);
        }
    }
}
