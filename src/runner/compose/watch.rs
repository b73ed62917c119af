//! What happens to the containers of a run, as the daemon tells it while it happens.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::engine::EngineError;

/// What is known of one container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) has_started: bool,
    /// Set once it has ended.
    pub(super) exit_status: Option<i32>,
    pub(super) out_of_memory: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Lives {
    by_name: BTreeMap<String, Life>,
    /// The daemon tells no more.
    pub(super) is_over: bool,
}

impl Lives {
    pub(super) fn of(&self, container: &str) -> Life {
        self.by_name.get(container).copied().unwrap_or_default()
    }

    /// The names of those that have started and not ended.
    pub(super) fn running(&self) -> Vec<String> {
        let living = self
            .by_name
            .iter()
            .filter(|(_, life)| life.has_started && life.exit_status.is_none());
        living.map(|(name, _)| name.clone()).collect()
    }

    /// Whether anything was ever heard of this container.
    pub(super) fn knows(&self, container: &str) -> bool {
        self.by_name.contains_key(container)
    }

    fn take(&mut self, event: Event) {
        let life = self.by_name.entry(event.actor.attributes.name).or_default();
        match event.action.as_str() {
            "die" => {
                let status = event.actor.attributes.exit_code.parse();
                life.exit_status = Some(status.unwrap_or(-1));
            }
            "oom" => life.out_of_memory = true,
            "start" | "restart" => {
                life.has_started = true;
                life.exit_status = None;
            }
            _ => {}
        }
    }
}

/// Listens until it is dropped.
#[derive(Debug)]
pub(super) struct Watch {
    lives: watch::Receiver<Lives>,
    listener: JoinHandle<()>,
}

impl Watch {
    /// `label`: `name=value` that all containers of the run carry.
    pub(super) fn start(label: &str) -> Result<Self, EngineError> {
        let filter = format!("label={label}");
        let mut command = Command::new("docker");
        command
            .args(["events", "--format", "{{json .}}", "--filter", &filter])
            .args(["--filter", "type=container"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        let (tell, lives) = watch::channel(Lives::default());
        let mut child = command
            .spawn()
            .map_err(|error| EngineError::not_started("docker events", &error))?;
        let stdout = child.stdout.take();
        let listener = tokio::spawn(async move {
            if let Some(stdout) = stdout {
                let mut told = BufReader::new(stdout).lines();
                while let Ok(Some(line)) = told.next_line().await {
                    if let Ok(event) = serde_json::from_str::<Event>(&line) {
                        tell.send_modify(|lives| lives.take(event));
                    }
                }
            }
            tell.send_modify(|lives| lives.is_over = true);
            let _ = child.wait().await;
        });
        Ok(Self { lives, listener })
    }

    pub(super) fn lives(&self) -> watch::Receiver<Lives> {
        self.lives.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// <https://docs.docker.com/reference/cli/docker/system/events/>
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Action")]
    action: String,
    #[serde(rename = "Actor")]
    actor: Actor,
}

#[derive(Deserialize)]
struct Actor {
    #[serde(rename = "Attributes")]
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    name: String,
    #[serde(rename = "exitCode", default)]
    exit_code: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_a_container_from_its_start_to_its_end() {
        let mut lives = Lives::default();
        let mut tell = |action: &str, code: &str| {
            let event = format!(
                r#"{{"status":"x","Type":"container","Action":"{action}","Actor":{{"ID":"1","Attributes":{{"name":"db","exitCode":"{code}"}}}}}}"#
            );
            lives.take(serde_json::from_str(&event).expect("an event"));
            lives.of("db")
        };
        assert_eq!(tell("create", ""), Life::default());
        assert!(tell("start", "").has_started);
        assert_eq!(tell("die", "137").exit_status, Some(137));
        assert!(tell("oom", "").out_of_memory);
        assert_eq!(tell("start", "").exit_status, None);
    }
}
