//! How often something is tried again that fails in passing: as GitHub's own client does
//! (`actions/toolkit`, `artifact-twirp-client.ts`), but after a connection reset too.

use std::time::Duration;

use anyhow::anyhow;
use backon::{BackoffBuilder, ExponentialBuilder};
use reqwest::StatusCode;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) tries: usize,
    /// Before the second try; each further wait is half as long again, with some chance in it.
    pub(crate) first: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 5,
            first: Duration::from_secs(3),
        }
    }
}

/// A failure that may pass, or one that will not.
#[derive(Debug)]
pub(super) enum Trouble {
    Passing(anyhow::Error),
    Lasting(anyhow::Error),
}

impl Trouble {
    /// The network's failures pass. The URL is left out, since it may be a signed one.
    pub(super) fn of_network(error: reqwest::Error) -> Self {
        let builder = error.is_builder();
        let error = error.without_url();
        let cause = std::iter::successors(Some(&error as &dyn std::error::Error), |error| {
            error.source()
        })
        .last()
        .map_or_else(String::new, ToString::to_string);
        if builder {
            Self::Lasting(anyhow!("{cause}"))
        } else {
            Self::Passing(anyhow!("{cause}"))
        }
    }

    pub(super) fn of_status(status: StatusCode, message: &str) -> Self {
        let message: String = message
            .chars()
            .take(500)
            .map(|char| if char.is_control() { ' ' } else { char })
            .collect();
        let error = anyhow!("{status}: {}", message.trim());
        let quota = message.contains("insufficient usage");
        match status.as_u16() {
            408 | 429 | 500 | 502 | 503 | 504 if !quota => Self::Passing(error),
            _ => Self::Lasting(error),
        }
    }

    pub(super) fn into_error(self) -> anyhow::Error {
        match self {
            Self::Passing(error) | Self::Lasting(error) => error,
        }
    }
}

impl Patience {
    /// Runs `call` until it succeeds, fails for good, or the tries are used up.
    pub(super) async fn persist<T>(
        self,
        what: &str,
        call: impl AsyncFn() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let mut waits = ExponentialBuilder::new()
            .with_min_delay(self.first)
            .with_factor(1.5)
            .with_max_times(self.tries.saturating_sub(1))
            .with_jitter()
            .build();
        loop {
            let error = match call().await {
                Err(Trouble::Passing(error)) => error,
                result => return result,
            };
            let Some(wait) = waits.next() else {
                return Err(Trouble::Passing(error));
            };
            tracing::info!(
                "{what} failed, trying again in {:.1} s: {error:#}",
                wait.as_secs_f32()
            );
            tokio::time::sleep(wait).await;
        }
    }
}
