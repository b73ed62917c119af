//! The services beside the app: whether they are ready, and which of them is to blame.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::engine::{EngineError, QUICK, docker};
use super::health::HealthCheck;
use super::project::Project;
use super::watch::{Life, Lives};

pub(super) const NO_DAEMON: &str = "the docker daemon does not answer any more";

/// Between two questions for the health of a sidecar.
const PAUSE: Duration = Duration::from_millis(150);
const MOST: Duration = Duration::from_secs(2);

#[derive(Clone, Debug)]
pub(super) struct Sidecar {
    pub(super) service: String,
    pub(super) container: String,
    health: Option<HealthCheck>,
    ports: Vec<u16>,
    /// Its own on the fleet's networks, which we may not be able to reach.
    addresses: Vec<IpAddr>,
    /// It had ended by itself before the tests began.
    is_done: bool,
}

impl Sidecar {
    fn new(project: &Project, container: Inspected) -> Self {
        let service = container.config.labels.service;
        let mut ports = project.resolved.ports(&service);
        let exposed = container.config.exposed_ports.unwrap_or_default();
        // An image may expose ports that only some settings open.
        if ports.is_empty() && exposed.len() == 1 {
            let port = exposed
                .keys()
                .next()
                .and_then(|port| port.strip_suffix("/tcp"));
            ports.extend(port.and_then(|port| port.parse::<u16>().ok()));
        }
        let networks = container.network_settings.networks.unwrap_or_default();
        let addresses = networks.values().filter_map(|it| it.address.parse().ok());
        Self {
            addresses: addresses.collect(),
            health: project.health(&service),
            service,
            container: container.name.trim_start_matches('/').to_owned(),
            ports,
            is_done: container.state.status == "exited" && container.state.exit_code == 0,
        }
    }

    /// Something that is there to be talked to, so that an end is a failure, whatever its status.
    fn is_server(&self) -> bool {
        self.health.is_some() || !self.ports.is_empty()
    }

    /// Where it should accept connections before the tests begin; nothing if a health check tells more.
    pub(super) fn targets(&self) -> impl Iterator<Item = String> {
        let is_asked = self.health.is_none() && !self.is_done;
        let ports = self.ports.iter().filter(move |_| is_asked);
        ports.map(|port| format!("{}:{port}", self.service))
    }

    /// Whether something that it should listen on is still closed, as far as we can see it. To ask
    /// this costs nothing beside a program that the daemon starts in a container.
    async fn is_closed(&self) -> bool {
        const AT_MOST: Duration = Duration::from_millis(100);
        for address in &self.addresses {
            for port in &self.ports {
                let attempt = TcpStream::connect((*address, *port));
                if let Ok(Err(error)) = tokio::time::timeout(AT_MOST, attempt).await
                    && error.kind() == ErrorKind::ConnectionRefused
                {
                    return true;
                }
            }
        }
        false
    }

    /// Waits as long as it is worth no question.
    async fn opened(&self) {
        const LOOK: Duration = Duration::from_millis(50);
        let until = Instant::now() + MOST;
        while Instant::now() < until && self.is_closed().await {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Runs the health check once.
    async fn ask(&self, check: &HealthCheck, deadline: Instant) -> Result<(), EngineError> {
        let mut words = vec!["exec", self.container.as_str()];
        words.extend(check.command.iter().map(String::as_str));
        let rest = deadline.saturating_duration_since(Instant::now());
        docker(&words, check.timeout.min(rest)).await.map(drop)
    }

    async fn ended(&self, project: &Project, life: Life) -> String {
        let why = if life.out_of_memory {
            "was killed by its memory limit".to_owned()
        } else {
            format!("ended with status {}", life.exit_status.unwrap_or(-1))
        };
        let last = self.last_words(project).await;
        format!("{} {why}{last}", self.service)
    }

    /// `: ` and the last line of its log.
    async fn last_words(&self, project: &Project) -> String {
        let log = logs(&self.container, "5").await;
        last_of(&log).map_or_else(String::new, |line| {
            format!(": {}", project.mask().text(&line))
        })
    }
}

/// The containers of a fleet.
///
/// # Errors
/// docker's.
pub(super) async fn of_fleet(project: &Project, fleet: &str) -> Result<Vec<Sidecar>, String> {
    let told = |error: EngineError| error.to_string();
    let filter = format!("label=com.docker.compose.project={fleet}");
    let ids = docker(&["ps", "--all", "--quiet", "--filter", &filter], QUICK).await;
    let ids = ids.map_err(told)?;
    let ids: Vec<&str> = ids.split_whitespace().collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let text = docker(&[&["inspect"][..], &ids].concat(), QUICK).await;
    let text = text.map_err(told)?;
    let containers: Vec<Inspected> =
        serde_json::from_str(&text).map_err(|error| format!("`docker inspect`: {error}"))?;
    let sidecars = containers.into_iter().map(|it| Sidecar::new(project, it));
    Ok(sidecars.collect())
}

/// Waits until the health check of each has succeeded once.
///
/// # Errors
/// In one line, who is to blame.
pub(super) async fn ready(
    project: &Project,
    sidecars: &[Sidecar],
    deadline: Instant,
) -> Result<(), String> {
    let begun = Instant::now();
    for sidecar in sidecars {
        let Some(check) = &sidecar.health else {
            continue;
        };
        loop {
            sidecar.opened().await;
            let asked = Instant::now();
            if sidecar.ask(check, deadline).await.is_ok() {
                break;
            }
            if let Some(culprit) = culprit(project, sidecars).await {
                return Err(culprit);
            }
            let what = if begun.elapsed() >= check.patience {
                "is unhealthy".to_owned()
            } else if Instant::now() >= deadline {
                let limit = project.options.wait_timeout.as_secs();
                format!("was not healthy within {limit} s")
            } else {
                // What is slow because the machine is busy is not helped by more to do.
                tokio::time::sleep((2 * asked.elapsed()).clamp(PAUSE, MOST)).await;
                continue;
            };
            let last = sidecar.last_words(project).await;
            return Err(format!("{} {what}{last}", sidecar.service));
        }
    }
    culprit(project, sidecars).await.map_or(Ok(()), Err)
}

/// The first one that has ended and should not have.
pub(super) async fn culprit(project: &Project, sidecars: &[Sidecar]) -> Option<String> {
    let lives = project.watch()?.lives();
    let (sidecar, life) = dead(sidecars, &lives.borrow())?;
    Some(sidecar.ended(project, life).await)
}

/// Resolves when a sidecar dies under the tests, with its name; never otherwise.
pub(super) async fn failed(project: &Project, sidecars: &[Sidecar]) -> String {
    let Some(watch) = project.watch() else {
        return std::future::pending().await;
    };
    let mut lives = watch.lives();
    loop {
        let (is_over, dead) = {
            let lives = lives.borrow_and_update();
            (lives.is_over, dead(sidecars, &lives))
        };
        if let Some((sidecar, life)) = dead {
            return sidecar.ended(project, life).await;
        }
        if is_over {
            return NO_DAEMON.to_owned();
        }
        if lives.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

fn dead<'a>(sidecars: &'a [Sidecar], lives: &Lives) -> Option<(&'a Sidecar, Life)> {
    let with_life = sidecars.iter().map(|it| (it, lives.of(&it.container)));
    let mut ended = with_life.filter(|(sidecar, life)| {
        let may_end = sidecar.is_done || life.exit_status == Some(0) && !sidecar.is_server();
        life.exit_status.is_some() && !may_end
    });
    ended.next()
}

/// The last lines of a container, as many as `tail` says.
pub(super) async fn logs(container: &str, tail: &str) -> String {
    use std::process::Stdio;
    let mut command = tokio::process::Command::new("docker");
    command
        .args(["logs", "--tail", tail, container])
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    match tokio::time::timeout(QUICK, command.output()).await {
        Ok(Ok(output)) => {
            let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.push_str(&String::from_utf8_lossy(&output.stderr));
            text
        }
        _ => String::new(),
    }
}

fn last_of(log: &str) -> Option<String> {
    let last = log.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(last.trim().chars().take(300).collect())
}

/// <https://docs.docker.com/reference/cli/docker/inspect/>
#[derive(Deserialize)]
struct Inspected {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "State")]
    state: State,
    #[serde(rename = "Config")]
    config: Config,
    #[serde(rename = "NetworkSettings")]
    network_settings: NetworkSettings,
}

#[derive(Deserialize)]
struct NetworkSettings {
    #[serde(rename = "Networks")]
    networks: Option<BTreeMap<String, Attached>>,
}

#[derive(Deserialize)]
struct Attached {
    #[serde(rename = "IPAddress", default)]
    address: String,
}

#[derive(Deserialize)]
struct State {
    #[serde(rename = "Status")]
    status: String,
    #[serde(rename = "ExitCode")]
    exit_code: i32,
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "ExposedPorts")]
    exposed_ports: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(rename = "Labels")]
    labels: Labels,
}

#[derive(Deserialize)]
struct Labels {
    #[serde(rename = "com.docker.compose.service", default)]
    service: String,
}
