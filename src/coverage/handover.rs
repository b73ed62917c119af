//! What a shard says of its data file beside it, so that the data of many shards can be analysed
//! together wherever the same sources lie.

use std::collections::BTreeMap;
use std::io::{self, BufReader};

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::bounded::Bounded;

/// Of the whole file, in bytes.
const MAX_BYTES: usize = 256 << 20;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Handover {
    /// [`Self::VERSION`]
    pub(crate) version: u32,
    /// Whether branches were measured, also where nothing ran.
    pub(crate) branch: bool,
    /// coverage.py's settings of the shard: regular expressions for what does not count.
    pub(crate) exclude: Vec<String>,
    pub(crate) partial: Vec<String>,
    /// By path, the digest of the source that was measured.
    pub(crate) sources: BTreeMap<Utf8PathBuf, String>,
    /// Whether the shard's coverage.json tells of more files: those of coverage.py's plugins.
    pub(crate) has_others: bool,
}

impl Handover {
    pub(crate) const VERSION: u32 = 1;

    /// # Errors
    /// Not JSON of this version.
    pub(crate) fn read(input: impl io::Read) -> io::Result<Self> {
        let mut input = Bounded::new(BufReader::new(input));
        input.allow(MAX_BYTES);
        let handover: Self = serde_json::from_reader(input)?;
        if handover.version != Self::VERSION {
            return Err(io::Error::other("it is of another version of this program"));
        }
        Ok(handover)
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn digest(source: &[u8]) -> String {
    format!("{:x}", Sha256::digest(source))
}
