//! Where a command finds artifacts: those of the run it belongs to, or of another run.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use tokio::time::Instant;

use super::blob::Downloaded;
use super::listed::{Listed, Place};
use super::name::Content;
use super::patience::Patience;
use super::rest;
use super::service::Service;
use crate::github::client::Client;
use crate::github::context::Context;

/// The artifacts of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Store<'a> {
    OwnRun(&'a Service),
    OtherRun {
        client: &'a Client,
        context: &'a Context,
        run: u64,
    },
}

/// How long to wait for artifacts: lists lag behind uploads, sometimes by half a minute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) limit: Duration,
    pub(crate) interval: Duration,
}

impl Default for Wait {
    fn default() -> Self {
        Self {
            limit: Duration::from_mins(1),
            interval: Duration::from_secs(5),
        }
    }
}

impl Store<'_> {
    pub(crate) async fn list(&self) -> anyhow::Result<Vec<Listed>> {
        match self {
            Self::OwnRun(service) => service.list().await,
            Self::OtherRun {
                client,
                context,
                run,
            } => Ok(rest::list(client, context, *run).await?),
        }
    }

    /// Lists until `complete` says that all expected artifacts are there, or the time is up. Returns
    /// the last list, complete or not.
    pub(crate) async fn list_until(
        &self,
        complete: impl Fn(&[Listed]) -> bool,
        wait: Wait,
    ) -> anyhow::Result<Vec<Listed>> {
        let end = Instant::now() + wait.limit;
        loop {
            let listed = self.list().await?;
            if complete(&listed) || Instant::now() + wait.interval > end {
                return Ok(listed);
            }
            tokio::time::sleep(wait.interval).await;
        }
    }

    /// Brings an artifact of this list; [`super::archive`] reads it.
    pub(crate) async fn download(&self, listed: &Listed) -> anyhow::Result<Downloaded> {
        match (self, &listed.place) {
            (Self::OwnRun(service), Place::OwnRun { run, job }) => {
                service.download(run, job, listed).await
            }
            (
                Self::OtherRun {
                    client, context, ..
                },
                Place::OtherRun { id },
            ) => rest::download(client, context, *id, listed, Patience::default()).await,
            _ => Err(anyhow!("the artifact {} is of another list", listed.name)),
        }
    }
}

/// Of each suite's plan, shard, report and history the newest: that of the highest attempt, never
/// of the highest id, which later attempts do not always have.
pub(crate) fn newest(listed: Vec<Listed>) -> Vec<Listed> {
    let mut newest: BTreeMap<_, Listed> = BTreeMap::new();
    for artifact in listed {
        let kind = match &artifact.name.content {
            Content::Plan { .. } => (0, None),
            Content::Shard {
                shard, environment, ..
            } => (1, Some((*shard, environment.clone()))),
            Content::Report { .. } => (2, None),
            Content::History => (3, None),
        };
        let age = |artifact: &Listed| (artifact.name.attempt(), artifact.name.copy);
        let key = (artifact.name.suite.clone(), kind);
        if newest
            .get(&key)
            .is_none_or(|other| age(other) < age(&artifact))
        {
            newest.insert(key, artifact);
        }
    }
    newest.into_values().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::any;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::github::client::tests::client;
    use crate::github::context::tests::context;

    fn listed(name: &str) -> Listed {
        Listed::of(name, 1, None, String::new(), Place::OtherRun { id: 1 }).expect("a name of ours")
    }

    #[test]
    fn the_newest_attempt_of_each_shard_counts_and_then_its_newest_copy() {
        let all = [
            "parallel-pytest-unit-shard-1-of-2-a10",
            "parallel-pytest-unit-shard-1-of-2-a9",
            "parallel-pytest-unit-shard-2-of-2-a1-2",
            "parallel-pytest-unit-shard-2-of-2-a1",
            "parallel-pytest-unit-shard-2-of-2-in-3.12-a1",
            "parallel-pytest-unit-shard-2-of-2-in-3.12-a2",
            "parallel-pytest-unit-shard-2-of-2-in-3.13-a1",
            "parallel-pytest-unit-plan-a1",
            "parallel-pytest-e2e-plan-a2",
        ];
        let names: Vec<_> = newest(all.map(listed).into())
            .iter()
            .map(|listed| listed.name.to_string())
            .collect();
        assert_eq!(
            names,
            [
                "parallel-pytest-e2e-plan-a2",
                "parallel-pytest-unit-plan-a1",
                "parallel-pytest-unit-shard-1-of-2-a10",
                "parallel-pytest-unit-shard-2-of-2-a1-2",
                "parallel-pytest-unit-shard-2-of-2-in-3.12-a2",
                "parallel-pytest-unit-shard-2-of-2-in-3.13-a1",
            ]
        );
    }

    #[tokio::test]
    async fn a_list_that_lags_is_asked_again_until_it_is_complete_or_the_time_is_up() {
        let server = MockServer::start().await;
        let answer = |names: &[&str]| {
            let artifacts: Vec<_> = names
                .iter()
                .map(|name| json!({"id": 1, "name": name}))
                .collect();
            ResponseTemplate::new(200).set_body_json(json!({"artifacts": artifacts}))
        };
        let (one, two) = (
            "parallel-pytest-unit-shard-1-of-2-a1",
            "parallel-pytest-unit-shard-2-of-2-a1",
        );
        Mock::given(any())
            .respond_with(answer(&[one]))
            .up_to_n_times(2)
            .with_priority(1)
            .mount(&server)
            .await;
        Mock::given(any())
            .respond_with(answer(&[one, two]))
            .mount(&server)
            .await;
        let (client, context) = (client(&server), context(&server.uri()));
        let store = Store::OtherRun {
            client: &client,
            context: &context,
            run: 41,
        };
        let wait = |limit| Wait {
            limit: Duration::from_millis(limit),
            interval: Duration::from_millis(5),
        };
        let found = store
            .list_until(|listed| listed.len() == 2, wait(10_000))
            .await
            .expect("a list");
        assert_eq!(found.len(), 2);
        let found = store
            .list_until(|listed| listed.len() == 3, wait(20))
            .await
            .expect("a list");
        assert_eq!(found.len(), 2);
    }
}
