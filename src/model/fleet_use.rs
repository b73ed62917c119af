//! `fleet.json`: what one fleet of an earlier run was seen to use.

use serde::{Deserialize, Serialize};

pub(crate) const FLEET_USE_VERSION: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FleetUse {
    pub(crate) version: u32,
    /// Bytes, of all containers of the fleet together, without what the kernel only keeps for later; the
    /// most that was seen of any fleet.
    pub(crate) memory: u64,
    /// How many processors the tests of one fleet kept busy, on average. At least 1 where the fleets
    /// together took all there were, since alone each would have taken more.
    pub(crate) processors: f64,
}
