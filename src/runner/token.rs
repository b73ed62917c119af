//! The mark of a run that its processes carry.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

/// The environment variable that marks the processes of a run. A run inside a test of another run
/// adds its token after a `:`, so that both find their processes.
pub(super) const RUN_VARIABLE: &str = "PARALLEL_PYTEST_RUN";

/// The secret name of a run, or of one shard of it: `<32 hex digits>` or `<32 hex digits>.<index>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunToken(String);

impl RunToken {
    pub(crate) fn random() -> Self {
        // The keys of a hasher come from the system's source of randomness.
        let word = || RandomState::new().hash_one((std::process::id(), std::time::Instant::now()));
        Self(format!("{:016x}{:016x}", word(), word()))
    }

    /// The token of one shard of this run.
    pub(super) fn part(&self, index: u16) -> Self {
        Self(format!("{}.{index}", self.0))
    }

    /// Reads back a token that was written to a file.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_hex = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        (text.len() == 32 && is_hex).then(|| Self(text.to_owned()))
    }

    /// What [`RUN_VARIABLE`] has to be in a child.
    pub(super) fn in_environment(&self) -> String {
        match std::env::var(RUN_VARIABLE) {
            Ok(outer) if !outer.is_empty() => format!("{outer}:{}", self.0),
            _ => self.0.clone(),
        }
    }

    /// Whether the environment of a process (`NAME=value`, each ended by a NUL) names this run or shard.
    pub(super) fn is_in(&self, environment: &[u8]) -> bool {
        let mut variables = environment.split(|byte| *byte == 0);
        let value = variables.find_map(|text| {
            text.strip_prefix(RUN_VARIABLE.as_bytes())?
                .strip_prefix(b"=")
        });
        let names_us = |token: &[u8]| {
            let rest = token.strip_prefix(self.0.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
        };
        value.is_some_and(|value| value.split(|byte| *byte == b':').any(names_us))
    }
}

impl fmt::Display for RunToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_run_from_its_environment() {
        let run = RunToken::random();
        let (one, ten) = (run.part(1), run.part(10));
        let environment =
            |tokens: &str| format!("A=1\0PARALLEL_PYTEST_RUN={tokens}\0Z=\0").into_bytes();
        let nested = environment(&format!("{}:{one}", RunToken::random()));
        assert!(run.is_in(&nested) && one.is_in(&nested) && !ten.is_in(&nested));
        let tenth = environment(&ten.to_string());
        assert!(run.is_in(&tenth) && ten.is_in(&tenth) && !one.is_in(&tenth));
        assert!(!RunToken::random().is_in(&nested));
        assert!(!run.is_in(format!("XPARALLEL_PYTEST_RUN={run}\0B={run}\0").as_bytes()));
        assert_eq!(RunToken::parse(&run.to_string()), Some(run));
        assert_eq!(RunToken::parse("0123456789abcdef"), None);
    }
}
