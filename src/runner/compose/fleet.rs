//! One fleet: its sidecars up and ready, the shard's command in the app's container, and its end.

use std::fmt::Write as _;
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use rustix::process::Signal;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::engine::{Compose, QUICK, docker};
use super::project::{MORE_NETWORKS, Project, RUN_LABEL, SHARD_LABEL, WORK_LABEL};
use super::rewrite::{FleetParts, Mount};
use super::sidecar::{self, NO_DAEMON, Sidecar, logs};
use crate::model::shard::Shard;
use crate::pytest::plugin::PluginPaths;
use crate::runner::process::CommandLine;
use crate::runner::signals;

/// Where a container finds what is ours.
const INSIDE: &str = "/parallel-pytest";

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
            program: inside.join("bin/parallel-pytest"),
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

    /// Starts the sidecars, each when those are healthy whose health it waits for; returns when all are
    /// that have a health check.
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
        let mut place = self.project.place_to_start().await;
        let deadline = Instant::now() + self.project.options.wait_timeout;
        let mut sidecars = Vec::new();
        for wave in self.project.resolved.waves(&wanted) {
            let started = self.start(wave, deadline).await;
            drop(place.take());
            sidecars = started?;
            sidecar::ready(&self.project, &sidecars, deadline).await?;
        }
        let _ = self.sidecars.set(sidecars);
        Ok(())
    }

    /// Starts these services, and returns all that are there now.
    async fn start(
        &self,
        services: Vec<String>,
        deadline: Instant,
    ) -> Result<Vec<Sidecar>, String> {
        let mut arguments = self.compose(&["up", "--detach", "--no-build", "--quiet-pull"]);
        arguments.extend(services);
        let rest = deadline.saturating_duration_since(Instant::now());
        let started = self.project.compose.call(&arguments, rest + QUICK).await;
        let sidecars = sidecar::of_fleet(&self.project, &self.name).await?;
        match started {
            Ok(_) => Ok(sidecars),
            Err(error) if error.is_about_addresses() => Err(format!(
                "the docker daemon has no addresses left for the network of the fleet: {MORE_NETWORKS}"
            )),
            Err(error) => {
                let culprit = sidecar::culprit(&self.project, &sidecars).await;
                Err(culprit.unwrap_or_else(|| error.to_string()))
            }
        }
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
        let found = sidecars.iter().flat_map(Sidecar::targets);
        let mut targets: Vec<String> = named.chain(found).collect();
        targets.sort();
        targets.dedup();
        targets
    }

    /// Resolves when a sidecar dies under the tests, with its name; never otherwise.
    pub(crate) async fn failed(&self) -> String {
        let sidecars = self.sidecars.get().map(Vec::as_slice).unwrap_or_default();
        sidecar::failed(&self.project, sidecars).await
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
        let Ok(sidecars) = sidecar::of_fleet(&self.project, &self.name).await else {
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
