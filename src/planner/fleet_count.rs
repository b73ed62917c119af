//! How many fleets one machine takes at a time.

use crate::model::fleet_use::FleetUse;

/// Of the memory that is free now; the rest is for what nobody saw coming.
const MEMORY_SHARE: f64 = 0.9;

/// However little a fleet was seen to use, its start needs a processor for some seconds.
const MOST_PER_PROCESSOR: f64 = 4.0;

const MIB_PER_GIB: f64 = 1024.0;

/// What a machine has for fleets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Machine {
    pub(crate) processors: u16,
    /// Bytes that nobody uses; `None` if that is not known.
    pub(crate) memory: Option<u64>,
    /// Fleets for which the docker daemon has networks; `None` if that is not known.
    pub(crate) networks: Option<usize>,
}

/// A number of fleets, and why it is that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) count: u16,
    pub(crate) why: String,
}

/// As many as have the processors, the memory and the networks they were seen to need; one for each
/// processor where none was seen yet.
pub(crate) fn choose(machine: Machine, seen: Option<FleetUse>, most: u16) -> Choice {
    let processors = f64::from(machine.processors);
    let busy = seen.map(|seen| seen.processors);
    let by_processors = busy.map_or(processors, |busy| {
        (processors / busy.max(1.0 / MOST_PER_PROCESSOR)).round()
    });
    let has = if machine.processors == 1 {
        "there is 1 processor".to_owned()
    } else {
        format!("there are {} processors", machine.processors)
    };
    let mut limits = vec![(
        by_processors,
        match busy {
            Some(busy) => format!("{has}, of which one keeps {busy:.1} busy"),
            None => format!("{has}, and what one uses is known after the first run"),
        },
    )];
    if let (Some(seen), Some(free)) = (seen, machine.memory) {
        let (free, each) = (mebibytes(free), mebibytes(seen.memory).max(1.0));
        limits.push((
            (free * MEMORY_SHARE / each).floor(),
            format!(
                "{:.1} GiB of memory are free, of which one takes {:.1}",
                free / MIB_PER_GIB,
                each / MIB_PER_GIB
            ),
        ));
    }
    if let Some(networks) = machine.networks {
        limits.push((
            f64::from(u32::try_from(networks).unwrap_or(u32::MAX)),
            format!("the docker daemon has networks for {networks} more"),
        ));
    }
    // The first of equals: processors are the reason people expect.
    let (count, why) = limits
        .into_iter()
        .reduce(|least, next| if next.0 < least.0 { next } else { least })
        .unwrap_or_default();
    let count = (1..=most)
        .rev()
        .find(|number| f64::from(*number) <= count)
        .unwrap_or(1);
    let noun = if count == 1 { "fleet" } else { "fleets" };
    Choice {
        count,
        why: format!("{count} {noun}: {why}"),
    }
}

fn mebibytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 20).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fleet_use::FLEET_USE_VERSION;

    const MACHINE: Machine = Machine {
        processors: 8,
        memory: Some(16 << 30),
        networks: Some(28),
    };

    fn seen(mebibytes: u64, processors: f64) -> FleetUse {
        FleetUse {
            version: FLEET_USE_VERSION,
            memory: mebibytes << 20,
            processors,
        }
    }

    fn why(machine: Machine, seen: impl Into<Option<FleetUse>>) -> String {
        let choice = choose(machine, seen.into(), 256);
        assert!(choice.why.starts_with(&format!("{} ", choice.count)));
        choice.why
    }

    #[test]
    fn the_scarcest_decides() {
        insta::assert_snapshot!(why(MACHINE, None), @"8 fleets: there are 8 processors, and what one uses is known after the first run");
        insta::assert_snapshot!(why(MACHINE, seen(512, 1.0)), @"8 fleets: there are 8 processors, of which one keeps 1.0 busy");
        insta::assert_snapshot!(why(MACHINE, seen(512, 0.5)), @"16 fleets: there are 8 processors, of which one keeps 0.5 busy");
        insta::assert_snapshot!(why(MACHINE, seen(4096, 0.5)), @"3 fleets: 16.0 GiB of memory are free, of which one takes 4.0");
        let few = Machine {
            networks: Some(2),
            ..MACHINE
        };
        insta::assert_snapshot!(why(few, seen(4096, 0.5)), @"2 fleets: the docker daemon has networks for 2 more");
        let small = Machine {
            processors: 1,
            memory: None,
            networks: None,
        };
        insta::assert_snapshot!(why(small, seen(4096, 3.0)), @"1 fleet: there is 1 processor, of which one keeps 3.0 busy");
    }

    #[test]
    fn there_is_always_one_and_never_too_many() {
        let none = Machine {
            networks: Some(0),
            ..MACHINE
        };
        assert_eq!(choose(none, Some(seen(99_999, 99.0)), 256).count, 1);
        assert_eq!(choose(MACHINE, Some(seen(0, 0.0)), 256).count, 28);
        let free = Machine {
            networks: None,
            ..MACHINE
        };
        assert_eq!(choose(free, Some(seen(0, 0.0)), 256).count, 32);
        assert_eq!(choose(free, Some(seen(0, f64::NAN)), 4).count, 4);
    }
}
