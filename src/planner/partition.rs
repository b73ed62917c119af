//! Items into shards of even load.
//!
//! Longest first to the least loaded shard (LPT, at most 4/3 of the best possible:
//! <https://en.wikipedia.org/wiki/Longest-processing-time-first_scheduling>), then a levelling pass
//! that moves and swaps items as long as that lowers the highest load.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Looks at so many exchanges at most: a bound on work instead of on time, so that the same input
/// has the same result on every machine.
const MAX_EXCHANGES_SEEN: usize = 1_000_000;

/// The shard of each item, counted from 0. Equal costs go by position.
///
/// With no cost of 0, no shard stays empty while another one has two items.
pub(crate) fn partition(costs: &[u64], shards: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by_key(|&item| Reverse(costs[item]));
    let mut heap: BinaryHeap<_> = (0..shards).map(|shard| Reverse((0_u64, shard))).collect();
    let mut bins = vec![Bin::default(); shards];
    for item in order {
        let Some(mut lightest) = heap.peek_mut() else {
            break;
        };
        let Reverse((load, shard)) = &mut *lightest;
        *load += costs[item];
        bins[*shard].load = *load;
        bins[*shard].items.push((costs[item], item));
    }
    for bin in &mut bins {
        bin.items.sort_unstable();
    }
    level(&mut bins);
    let mut shard_of = vec![0; costs.len()];
    for (shard, bin) in bins.iter().enumerate() {
        for (_, item) in &bin.items {
            shard_of[*item] = shard;
        }
    }
    shard_of
}

#[derive(Clone, Debug, Default)]
struct Bin {
    load: u64,
    /// Cost and position, the cheapest first.
    items: Vec<(u64, usize)>,
}

/// An item of the heaviest bin for a cheaper one of another bin, or for nothing.
struct Exchange {
    /// What the higher of the two loads will be.
    highest: u64,
    give: usize,
    bin: usize,
    take: Option<usize>,
}

fn level(bins: &mut [Bin]) {
    let count = u64::try_from(bins.len()).unwrap_or(u64::MAX).max(1);
    let even = bins.iter().map(|bin| bin.load).sum::<u64>().div_ceil(count);
    let mut seen = 0;
    while seen < MAX_EXCHANGES_SEEN {
        let by_load = |shard: &usize| (bins[*shard].load, Reverse(*shard));
        let Some(heaviest) = (0..bins.len()).max_by_key(by_load) else {
            return;
        };
        if bins[heaviest].load <= even {
            return;
        }
        let Some(exchange) = best_exchange(bins, heaviest, &mut seen) else {
            return;
        };
        let given = bins[heaviest].remove(exchange.give);
        let taken = exchange.take.map(|item| bins[exchange.bin].remove(item));
        bins[exchange.bin].insert(given);
        if let Some(taken) = taken {
            bins[heaviest].insert(taken);
        }
    }
}

fn best_exchange(bins: &[Bin], heaviest: usize, seen: &mut usize) -> Option<Exchange> {
    let from = &bins[heaviest];
    let mut best: Option<Exchange> = None;
    for (bin, to) in bins.iter().enumerate() {
        let gap = from.load - to.load;
        for (give, &(cost, _)) in from.items.iter().enumerate() {
            // To carry over half of the gap would be ideal.
            let wanted = cost.saturating_sub(gap / 2);
            let near = to.items.partition_point(|item| item.0 < wanted);
            for take in [near.checked_sub(1), Some(near), None] {
                let price = match take {
                    Some(take) => to.items.get(take).map(|item| item.0),
                    None => Some(0),
                };
                let Some(carried) = price.and_then(|price| cost.checked_sub(price)) else {
                    continue;
                };
                let highest = (from.load - carried).max(to.load + carried);
                if highest < best.as_ref().map_or(from.load, |best| best.highest) {
                    best = Some(Exchange {
                        highest,
                        give,
                        bin,
                        take,
                    });
                }
            }
        }
        *seen += from.items.len();
    }
    best
}

impl Bin {
    fn remove(&mut self, at: usize) -> (u64, usize) {
        let item = self.items.remove(at);
        self.load -= item.0;
        item
    }

    fn insert(&mut self, item: (u64, usize)) {
        let at = self.items.partition_point(|other| *other < item);
        self.items.insert(at, item);
        self.load += item.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn loads(costs: &[u64], shards: usize) -> Vec<u64> {
        let mut loads = vec![0; shards];
        for (item, shard) in partition(costs, shards).into_iter().enumerate() {
            loads[shard] += costs[item];
        }
        loads
    }

    fn highest(costs: &[u64], shards: usize) -> u64 {
        loads(costs, shards).into_iter().max().unwrap_or(0)
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
        assert_eq!(highest(&[5, 5, 4, 4, 3, 3, 3], 3), 9);
        assert_eq!(highest(&[3, 3, 2, 2, 2], 2), 6);
    }

    #[test]
    fn nothing_and_too_little_are_partitions_too() {
        assert_eq!(partition(&[], 3), Vec::<usize>::new());
        assert_eq!(partition(&[5], 3), [0]);
        assert_eq!(partition(&[1, 1, 1], 1), [0, 0, 0]);
        assert_eq!(loads(&[2, 9], 4), [9, 2, 0, 0]);
    }

    proptest! {
        #[test]
        fn loads_keep_the_bound_of_list_scheduling(
            costs in vec(1_u64..2_000_000_000, 0..200), shards in 1_usize..40
        ) {
            let count = shards as u64;
            let total: u64 = costs.iter().sum();
            let largest = costs.iter().copied().max().unwrap_or(0);
            let highest = highest(&costs, shards);
            prop_assert!(highest * count <= total + (count - 1) * largest);
            prop_assert!(highest >= largest.max(total.div_ceil(count)));
        }

        #[test]
        fn loads_are_within_four_thirds_of_the_best(
            costs in vec(1_u64..50, 0..9), shards in 1_usize..4
        ) {
            let best = optimum(&costs, &mut vec![0; shards]);
            prop_assert!(3 * highest(&costs, shards) <= 4 * best);
        }

        #[test]
        fn no_shard_is_empty_while_another_has_two(
            costs in vec(1_u64..1_000, 0..60), shards in 1_usize..40
        ) {
            let mut counts = vec![0; shards];
            for shard in partition(&costs, shards) {
                counts[shard] += 1;
            }
            let empty = counts.contains(&0);
            prop_assert!(!empty || counts.iter().all(|count| *count <= 1));
        }
    }
}
