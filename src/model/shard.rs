//! `3/6`: one part of a suite.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// GitHub runs at most this many jobs of one matrix
/// (<https://docs.github.com/en/actions/reference/limits>).
pub(crate) const MAX_SHARDS: u16 = 256;

/// One part of the suite, written `index/total`, the index counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Shard {
    total: u16,
    index: u16,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ShardError {
    #[error("`{0}` is not a shard: write index/total, such as 3/6")]
    Shape(String),
    #[error("shard {index}/{total} does not exist: the index runs from 1 to {total}")]
    Index { index: u16, total: u16 },
    #[error("{0} shards are not possible: choose 1 to {MAX_SHARDS}")]
    Total(u16),
}

impl Shard {
    pub(crate) fn new(index: u16, total: u16) -> Result<Self, ShardError> {
        if total == 0 || total > MAX_SHARDS {
            return Err(ShardError::Total(total));
        }
        if index == 0 || index > total {
            return Err(ShardError::Index { index, total });
        }
        Ok(Self { total, index })
    }

    /// Counted from 1.
    pub(crate) fn index(self) -> u16 {
        self.index
    }

    pub(crate) fn total(self) -> u16 {
        self.total
    }

    /// All shards of a total, in order.
    pub(crate) fn all(total: u16) -> impl Iterator<Item = Self> {
        (1..=total).map(move |index| Self { total, index })
    }

    /// `3-of-6`: the shard in names of files, folders and artifacts.
    pub(crate) fn slug(self) -> String {
        format!("{}-of-{}", self.index, self.total)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.index, self.total)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let shape = || ShardError::Shape(text.to_owned());
        let (index, total) = text.trim().split_once('/').ok_or_else(shape)?;
        let number = |digits: &str| digits.parse::<u16>().map_err(|_| shape());
        Self::new(number(index)?, number(total)?)
    }
}

impl TryFrom<String> for Shard {
    type Error = ShardError;

    fn try_from(text: String) -> Result<Self, ShardError> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let shard: Shard = "3/6".parse().expect("a shard");
        assert_eq!((shard.index(), shard.total()), (3, 6));
        assert_eq!(shard.to_string(), "3/6");
        assert_eq!(shard.slug(), "3-of-6");
    }

    #[test]
    fn says_what_is_wrong_with_a_shard() {
        let message = |text: &str| text.parse::<Shard>().expect_err("no shard").to_string();
        assert_eq!(
            message("7/6"),
            "shard 7/6 does not exist: the index runs from 1 to 6"
        );
        assert_eq!(
            message("0/3"),
            "shard 0/3 does not exist: the index runs from 1 to 3"
        );
        assert_eq!(
            message("a/b"),
            "`a/b` is not a shard: write index/total, such as 3/6"
        );
        assert_eq!(
            message("3"),
            "`3` is not a shard: write index/total, such as 3/6"
        );
        assert_eq!(message("1/0"), "0 shards are not possible: choose 1 to 256");
        assert_eq!(
            message("1/257"),
            "257 shards are not possible: choose 1 to 256"
        );
    }
}
