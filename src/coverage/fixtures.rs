//! What coverage.py itself wrote: see `tests/fixtures/coverage/make`.

use super::json;
use crate::model::coverage::Coverage;

/// The reports of three shards and what coverage.py makes of all three.
pub(super) struct Recording {
    pub(super) shards: [&'static str; 3],
    pub(super) json: &'static str,
    pub(super) xml: &'static str,
}

macro_rules! recording {
    ($kind:literal) => {
        Recording {
            shards: [
                fixture!($kind, "shard-1.json"),
                fixture!($kind, "shard-2.json"),
                fixture!($kind, "shard-3.json"),
            ],
            json: fixture!($kind, "combined.json"),
            xml: fixture!($kind, "combined.xml"),
        }
    };
}

macro_rules! fixture {
    ($kind:literal, $name:literal) => {
        include_str!(concat!("../../tests/fixtures/coverage/", $kind, "/", $name))
    };
}

pub(super) const BRANCH: Recording = recording!("branch");
pub(super) const LINE: Recording = recording!("line");

pub(super) fn read(text: &str) -> Coverage {
    json::read(text.as_bytes())
        .expect("a recorded report")
        .coverage
}

impl Recording {
    pub(super) fn parts(&self) -> Vec<Coverage> {
        self.shards.into_iter().map(read).collect()
    }
}
