//! One fleet: its sidecars up and ready, the shard's command in the app's container, and its end.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::process::Signal;
use serde::Deserialize;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::engine::{Compose, QUICK, docker};
use super::project::{MORE_NETWORKS, Project, RUN_LABEL, SHARD_LABEL, WORK_LABEL};
use super::rewrite::{FleetParts, Mount};
use crate::model::shard::Shard;
use crate::pytest::plugin::PluginPaths;
use crate::runner::process::CommandLine;
use crate::runner::signals;

/// Where a container finds what is ours.
const INSIDE: &str = "/parallel-pytest";

const NO_DAEMON: &str = "the docker daemon does not answer any more";

/// Of a sidecar's log, in lines.
const LOG_TAIL: &str = "2000";

pub(crate) struct Fleet {
    project: Arc<Project>,
    shard: Shard,
    shard_dir: Utf8PathBuf,
    /// compose's name for the fleet.
    name: String,
    sidecars: OnceCell<Vec<Sidecar>>,
}

/// How the tests of a fleet ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Farewell {
    Passed,
    /// There is something to look into, for who wants to keep it.
    Failed,
    /// What failed runs again in another fleet.
    FailedForNow,
}

#[derive(Clone, Debug)]
struct Sidecar {
    service: String,
    container: String,
    has_health: bool,
    ports: Vec<u16>,
    /// It had ended by itself before the tests began.
    is_done: bool,
}

impl Fleet {
    /// `round` is 0 for the shard's first fleet. Each has a name of its own: the daemon's word on the
    /// containers of one that is gone is none about the next.
    pub(crate) fn new(
        project: Arc<Project>,
        shard: Shard,
        shard_dir: Utf8PathBuf,
        round: u32,
    ) -> Self {
        let token = project.run.to_string();
        let again = (round > 0).then(|| format!("-r{round}"));
        let again = again.unwrap_or_default();
        Self {
            name: format!("pp-{}-{}{again}", &token[..8], shard.index()),
            project,
            shard,
            shard_dir,
            sidecars: OnceCell::new(),
        }
    }

    /// What the shard's pytest is told.
    pub(crate) fn inside(&self) -> PluginPaths {
        let inside = Utf8Path::new(INSIDE);
        PluginPaths {
            plugin_dir: inside.join("plugin"),
            plan_file: inside.join("plan.json"),
            shard_dir: inside.join("shard"),
            root: self.project.root_inside.clone(),
            queue: (self.project.places.queue_dir.as_ref()).map(|_| inside.join("queue")),
        }
    }

    fn file(&self) -> Utf8PathBuf {
        self.shard_dir.join("compose.json")
    }

    /// The app's container.
    fn container(&self) -> String {
        format!("{}-{}", self.name, self.project.options.service)
    }

    /// The fleet's own compose file.
    pub(crate) fn compose_file(&self) -> String {
        let places = &self.project.places;
        let mount = |source: &Utf8Path, target: &str, read_only| Mount {
            source: source.to_owned(),
            target: Utf8Path::new(INSIDE).join(target),
            read_only,
        };
        let mut mounts = self.project.options.mounts.clone();
        mounts.push(mount(&places.plugin_dir, "plugin", true));
        mounts.push(mount(&places.bin_dir, "bin", true));
        mounts.push(mount(&places.plan_file, "plan.json", true));
        mounts.push(mount(&self.shard_dir, "shard", false));
        if let Some(queue) = &places.queue_dir {
            mounts.push(mount(queue, "queue", false));
        }
        let labels = [
            (RUN_LABEL, self.project.run.to_string()),
            (WORK_LABEL, (places.on_host)(&places.work_dir).into_string()),
            (SHARD_LABEL, self.shard.to_string()),
        ];
        let parts = FleetParts {
            project: self.name.clone(),
            sidecars: self.project.sidecars(),
            labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
            mounts,
            user: self.project.options.user.clone(),
        };
        let mut file = self.project.resolved.fleet(&parts, &*places.on_host);
        if self.project.compose == Compose::V1
            && let Some(file) = file.as_object_mut()
        {
            file.remove("name");
        }
        serde_json::to_string_pretty(&file).unwrap_or_default()
    }

    fn compose(&self, words: &[&str]) -> Vec<String> {
        let file = self.file();
        let ours = ["--project-name", &self.name, "--file", file.as_str()];
        ours.iter()
            .chain(words)
            .map(|word| (*word).to_owned())
            .collect()
    }

    /// Starts the sidecars; returns when those with a health check are healthy.
    ///
    /// # Errors
    /// In one line, who is to blame.
    pub(crate) async fn up(&self) -> Result<(), String> {
        fs::write(self.file(), self.compose_file()).map_err(|error| error.to_string())?;
        self.open_to_all().map_err(|error| error.to_string())?;
        let wanted = self.project.sidecars();
        if wanted.is_empty() {
            let _ = self.sidecars.set(Vec::new());
            return Ok(());
        }
        let deadline = Instant::now() + self.project.options.wait_timeout;
        let mut arguments = self.compose(&["up", "--detach", "--no-build", "--quiet-pull"]);
        arguments.extend(wanted);
        let limit = self.project.options.wait_timeout + QUICK;
        let started = self.project.compose.call(&arguments, limit).await;
        let sidecars = self.look().await?;
        if let Err(error) = started {
            if error.is_about_addresses() {
                return Err(format!(
                    "the docker daemon has no addresses left for the network of the fleet: {MORE_NETWORKS}"
                ));
            }
            return Err(self
                .blame(&sidecars)
                .await
                .unwrap_or_else(|| error.to_string()));
        }
        let ready = self.ready(&sidecars, deadline).await;
        let _ = self.sidecars.set(sidecars);
        ready
    }

    /// The container may have any user.
    fn open_to_all(&self) -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;
        for folder in ["", "coverage", "cache", "logs"] {
            let folder = self.shard_dir.join(folder);
            fs::create_dir_all(&folder)?;
            fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777))?;
        }
        Ok(())
    }

    async fn look(&self) -> Result<Vec<Sidecar>, String> {
        let told = |error: super::engine::EngineError| error.to_string();
        let filter = format!("label=com.docker.compose.project={}", self.name);
        let ids = docker(&["ps", "--all", "--quiet", "--filter", &filter], QUICK).await;
        let ids = ids.map_err(told)?;
        let ids: Vec<&str> = ids.split_whitespace().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let text = docker(&[&["inspect"][..], &ids].concat(), QUICK)
            .await
            .map_err(told)?;
        let containers: Vec<Inspected> =
            serde_json::from_str(&text).map_err(|error| format!("`docker inspect`: {error}"))?;
        Ok(containers
            .into_iter()
            .map(|container| self.sidecar(container))
            .collect())
    }

    fn sidecar(&self, container: Inspected) -> Sidecar {
        let service = container.config.labels.service;
        let mut ports = self.project.resolved.ports(&service);
        let exposed = container.config.exposed_ports.unwrap_or_default();
        // An image may expose ports that only some settings open.
        if ports.is_empty() && exposed.len() == 1 {
            let port = exposed
                .keys()
                .next()
                .and_then(|port| port.strip_suffix("/tcp"));
            ports.extend(port.and_then(|port| port.parse::<u16>().ok()));
        }
        Sidecar {
            service,
            container: container.name.trim_start_matches('/').to_owned(),
            has_health: container.state.health.is_some(),
            ports,
            is_done: container.state.status == "exited" && container.state.exit_code == 0,
        }
    }

    /// Waits for the health checks.
    async fn ready(&self, sidecars: &[Sidecar], deadline: Instant) -> Result<(), String> {
        let checked = || sidecars.iter().filter(|sidecar| sidecar.has_health);
        loop {
            let known = self.inspect_health(checked()).await?;
            let waiting: Vec<&Sidecar> = checked()
                .zip(&known)
                .filter(|(_, health)| health.as_str() != "healthy")
                .map(|(sidecar, _)| sidecar)
                .collect();
            let Some(first) = waiting.first() else {
                return self.blame(sidecars).await.map_or(Ok(()), Err);
            };
            if known.iter().any(|health| health == "unhealthy") {
                return Err(format!(
                    "{} is unhealthy{}",
                    first.service,
                    self.last_words(first).await
                ));
            }
            let changed = self.changed(sidecars);
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                return Err(format!(
                    "{} was not healthy within {} s{}",
                    first.service,
                    self.project.options.wait_timeout.as_secs(),
                    self.last_words(first).await
                ));
            }
            if let Some(culprit) = self.blame(sidecars).await {
                return Err(culprit);
            }
        }
    }

    async fn inspect_health(
        &self,
        sidecars: impl Iterator<Item = &Sidecar>,
    ) -> Result<Vec<String>, String> {
        let names: Vec<&str> = sidecars.map(|it| it.container.as_str()).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let format = ["inspect", "--format", "{{.State.Health.Status}}"];
        let text = docker(&[&format[..], &names].concat(), QUICK).await;
        let text = text.map_err(|error| error.to_string())?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Returns when something has happened to a container, and after a few seconds anyway: an event
    /// may have come before we listened.
    async fn changed(&self, sidecars: &[Sidecar]) {
        const ANYWAY: Duration = Duration::from_secs(3);
        let Some(watch) = self.project.watch() else {
            return tokio::time::sleep(ANYWAY).await;
        };
        let mut lives = watch.lives();
        let snapshot = |lives: &super::watch::Lives| -> Vec<super::watch::Life> {
            let of = sidecars.iter().map(|sidecar| lives.of(&sidecar.container));
            of.collect()
        };
        let before = snapshot(&lives.borrow());
        let news = lives.wait_for(|now| now.is_over || snapshot(now) != before);
        let _ = tokio::time::timeout(ANYWAY, news).await;
    }

    /// The first sidecar that has ended and should not have.
    async fn blame(&self, sidecars: &[Sidecar]) -> Option<String> {
        for sidecar in sidecars {
            let name = sidecar.container.as_str();
            let format = "{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}";
            let Ok(text) = docker(&["inspect", "--format", format, name], QUICK).await else {
                continue;
            };
            let words: Vec<&str> = text.split_whitespace().collect();
            if let ["exited" | "dead", status, oom] = words[..]
                && (status != "0" || sidecar.is_server())
                && !sidecar.is_done
            {
                return Some(self.ended(sidecar, status, oom == "true").await);
            }
        }
        None
    }

    async fn ended(&self, sidecar: &Sidecar, status: &str, out_of_memory: bool) -> String {
        let why = if out_of_memory {
            "was killed by its memory limit".to_owned()
        } else {
            format!("ended with status {status}")
        };
        format!(
            "{} {why}{}",
            sidecar.service,
            self.last_words(sidecar).await
        )
    }

    /// `: ` and the last line of the sidecar's log.
    async fn last_words(&self, sidecar: &Sidecar) -> String {
        let log = logs(&sidecar.container, "5").await;
        last_of(&log).map_or_else(String::new, |line| {
            format!(": {}", self.project.mask().text(&line))
        })
    }

    /// The command that runs `command` inside the app's container, after its sidecars accept.
    pub(crate) fn command(&self, command: &CommandLine) -> CommandLine {
        let container = self.container();
        let (program, first) = self.project.compose.words();
        let mut words: Vec<String> = first.iter().map(|word| (*word).to_owned()).collect();
        if self.project.compose == Compose::V2 {
            words.extend(["--progress", "quiet"].map(str::to_owned));
        }
        words.extend(self.compose(&["run", "-T", "--no-deps", "--use-aliases"]));
        words.extend(["--name".to_owned(), container]);
        for (name, value) in &command.env {
            if let Some(value) = value {
                // v1 knows only the short form.
                words.extend(["-e".to_owned(), format!("{name}={value}")]);
            }
        }
        let (service, targets) = (self.project.options.service.clone(), self.targets());
        if targets.is_empty() {
            words.push(service);
        } else {
            // Before the image's own entrypoint, which may be any program.
            let timeout = format!("{}s", self.project.options.wait_timeout.as_secs());
            let program = format!("{INSIDE}/bin/parallel-pytest");
            words.extend(["--entrypoint".to_owned(), program, service]);
            words.extend(["wait-for", "--quiet", "--timeout", &timeout].map(str::to_owned));
            words.extend(targets);
            words.push("--".to_owned());
            words.extend(self.project.entrypoint());
        }
        words.push(command.program.clone());
        words.extend(command.args.iter().cloned());
        CommandLine::new(program, words)
    }

    /// What has to accept connections before the tests begin: what the user named, and the ports of
    /// sidecars that have no health check.
    fn targets(&self) -> Vec<String> {
        let named = self
            .project
            .options
            .wait_for
            .iter()
            .map(ToString::to_string);
        let sidecars = self.sidecars.get().map(Vec::as_slice).unwrap_or_default();
        let found = sidecars
            .iter()
            .filter(|sidecar| !sidecar.has_health && !sidecar.is_done)
            .flat_map(|sidecar| {
                let address = |port: &u16| format!("{}:{port}", sidecar.service);
                sidecar.ports.iter().map(address)
            });
        let mut targets: Vec<String> = named.chain(found).collect();
        targets.sort();
        targets.dedup();
        targets
    }

    /// Resolves when a sidecar dies under the tests, with its name; never otherwise.
    pub(crate) async fn failed(&self) -> String {
        let sidecars = self.sidecars.get().map(Vec::as_slice).unwrap_or_default();
        let Some(watch) = self.project.watch() else {
            return std::future::pending().await;
        };
        let mut lives = watch.lives();
        loop {
            let state = lives.borrow_and_update().clone();
            for sidecar in sidecars {
                let life = state.of(&sidecar.container);
                if let Some(status) = life.exit_status
                    && !sidecar.is_done
                    && (status != 0 || sidecar.is_server())
                {
                    return self
                        .ended(sidecar, &status.to_string(), life.out_of_memory)
                        .await;
                }
            }
            if state.is_over {
                return NO_DAEMON.to_owned();
            }
            if lives.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// The most memory that all its containers together were seen to use, in bytes.
    pub(crate) fn peak_memory(&self) -> Option<u64> {
        self.project.memory_of(&self.name)
    }

    /// Sends a signal to every process in the app's container.
    pub(crate) fn signal(&self, signal: Signal) {
        let name = signals::name(signal.as_raw());
        let container = self.container();
        tokio::spawn(async move {
            let program = format!("{INSIDE}/bin/parallel-pytest");
            let inside = ["exec", &container, &program, "signal-all", &name];
            if docker(&inside, QUICK).await.is_err() {
                // The program may not run there; then PID 1 has to pass it on.
                let _ = docker(&["kill", "--signal", &name, &container], QUICK).await;
            }
        });
    }

    pub(crate) async fn kill(&self) {
        let container = self.container();
        let _ = docker(&["kill", &container], QUICK).await;
    }

    /// Why the app's container ended, where its command itself could not say it.
    pub(crate) async fn post_mortem(&self) -> Option<String> {
        let container = self.container();
        let format = "{{.State.OOMKilled}} {{.State.ExitCode}}";
        let service = &self.project.options.service;
        let told = docker(&["inspect", "--format", format, &container], QUICK).await;
        match told.as_deref().map(str::trim) {
            Ok(text) if text.starts_with("true ") => {
                Some(format!("{service} was killed by its memory limit"))
            }
            Ok("false 137") => Some(format!(
                "{service} was killed by SIGKILL: by somebody, or because the machine had no memory left"
            )),
            Ok(_) => None,
            Err(error) if !error.is_about_nothing() => Some(NO_DAEMON.to_owned()),
            // Without a life there is no container because compose could not make it, and said so.
            Err(_) => (self.project.watch()?.lives().borrow())
                .knows(&container)
                .then(|| format!("somebody removed the container of {service}")),
        }
    }

    /// Removes the fleet; of one whose tests failed, the logs of its sidecars stay. Returns what the
    /// user should read, if anything.
    pub(crate) async fn down(&self, farewell: Farewell) -> Option<String> {
        if farewell != Farewell::Passed {
            self.save_logs().await;
        }
        if farewell == Farewell::Failed && self.project.options.keep {
            return Some(self.how_to_get_in());
        }
        let filter = format!("label=com.docker.compose.project={}", self.name);
        let mut trouble = String::new();
        let ids = docker(&["ps", "--all", "--quiet", "--filter", &filter], QUICK).await;
        let ids = ids.unwrap_or_default();
        let ids: Vec<&str> = ids.split_whitespace().collect();
        let networks = self.project.resolved.own_names("networks", &self.name);
        let volumes = self.project.resolved.own_names("volumes", &self.name);
        let names = |names: &[String]| names.to_owned();
        for (remove, names) in [
            (
                &["rm", "--force", "--volumes"][..],
                ids.iter().map(|id| (*id).to_owned()).collect(),
            ),
            (&["network", "rm"], names(&networks)),
            (&["volume", "rm", "--force"], names(&volumes)),
        ] {
            if names.is_empty() {
                continue;
            }
            let words: Vec<String> = remove.iter().map(|word| (*word).to_owned()).collect();
            if let Err(error) = docker(&[words, names].concat(), QUICK).await {
                // A network that no container was ever in was never made.
                if !error.is_about_nothing() {
                    let _ = write!(trouble, "{error} ");
                }
            }
        }
        (!trouble.is_empty()).then(|| format!("the fleet was not removed: {}", trouble.trim()))
    }

    fn how_to_get_in(&self) -> String {
        let (program, first) = self.project.compose.words();
        let ours = self.compose(&[]).join(" ");
        let words = [&[program], first, &[ours.as_str()]].concat().join(" ");
        let service = &self.project.options.service;
        format!(
            "the fleet of shard {} is kept: get in with `{words} run --rm {service} sh`, remove it with `{words} down --volumes`",
            self.shard
        )
    }

    async fn save_logs(&self) {
        let Ok(sidecars) = self.look().await else {
            return;
        };
        let app = self.container();
        for sidecar in sidecars.iter().filter(|sidecar| sidecar.container != app) {
            let log = logs(&sidecar.container, LOG_TAIL).await;
            let log = self.project.mask().text(&log);
            let _ = fs::write(log_file(&self.shard_dir, &sidecar.service), log);
        }
    }
}

fn log_file(shard_dir: &Utf8Path, service: &str) -> Utf8PathBuf {
    shard_dir.join("logs").join(format!("{service}.txt"))
}

/// The last lines of a sidecar, from the log that was kept of it.
pub(crate) fn tail(shard_dir: &Utf8Path, service: &str) -> Option<String> {
    const LINES: usize = 10;
    // It is a name that a log says, so it must not lead elsewhere.
    let is_name = !service.contains('/');
    let log = is_name.then(|| fs::read_to_string(log_file(shard_dir, service)).ok())??;
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    (!last.is_empty()).then(|| format!("    {}", last.join("\n    ")))
}

fn last_of(log: &str) -> Option<String> {
    let last = log.lines().rev().find(|line| !line.trim().is_empty())?;
    Some(last.trim().chars().take(300).collect())
}

impl Sidecar {
    /// Something that is there to be talked to, so that an end is a failure, whatever its status.
    fn is_server(&self) -> bool {
        self.has_health || !self.ports.is_empty()
    }
}

async fn logs(container: &str, tail: &str) -> String {
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

#[derive(Deserialize)]
struct Inspected {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "State")]
    state: State,
    #[serde(rename = "Config")]
    config: Config,
}

#[derive(Deserialize)]
struct State {
    #[serde(rename = "Status")]
    status: String,
    #[serde(rename = "ExitCode")]
    exit_code: i32,
    #[serde(rename = "Health")]
    health: Option<serde::de::IgnoredAny>,
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
