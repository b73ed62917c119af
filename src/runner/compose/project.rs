//! What all fleets of a run share: the resolved compose file, the images, and the daemon's attention.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::engine::{Compose, EngineError, QUICK, docker, spawn};
use super::health::HealthCheck;
use super::rewrite::{Mount, Resolved, words};
use super::usage::Gauge;
use super::v1;
use super::watch::Watch;
use crate::model::fleet_use::FleetUse;
use crate::planner::fleet_count::Machine;
use crate::runner::machine;
use crate::runner::mask::Mask;
use crate::runner::token::RunToken;
use crate::runner::wait::Target;

/// On everything of a run; the value is the run's token.
pub(super) const RUN_LABEL: &str = "parallel-pytest.run";
/// On everything of a run; the value is the host's path of its work folder, which one run has at a time.
pub(super) const WORK_LABEL: &str = "parallel-pytest.work";
pub(super) const SHARD_LABEL: &str = "parallel-pytest.shard";

/// Networks that a daemon has room for unless its settings say otherwise: 15 of 172.17.0.0/12 and 16
/// of 192.168.0.0/16 (`defaultAddressPools` in the engine's `libnetwork/ipamutils`).
const DEFAULT_NETWORKS: usize = 31;

/// What to do where there are too few.
pub(super) const MORE_NETWORKS: &str = "remove some (`docker network prune`), set `default-address-pools` in its daemon.json, \
     or use --max-parallel";

/// Of a build, and of a pull.
const SLOW: Duration = Duration::from_hours(1);

/// When images are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    Always,
    IfMissing,
    Never,
}

#[derive(Clone, Debug)]
pub(crate) struct ComposeOptions {
    /// The service that runs the tests.
    pub(crate) service: String,
    /// Empty: those compose finds itself.
    pub(crate) files: Vec<Utf8PathBuf>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) user: Option<String>,
    pub(crate) build: Build,
    pub(crate) wait_for: Vec<Target>,
    pub(crate) wait_timeout: Duration,
    /// Leave a fleet whose tests did not pass, to look into it.
    pub(crate) keep: bool,
}

/// The folders a run works with, as we see them, and how to say them to the daemon.
#[derive(Clone)]
pub(crate) struct Places {
    /// The folder of the plan.
    pub(crate) root: Utf8PathBuf,
    pub(crate) work_dir: Utf8PathBuf,
    pub(crate) plugin_dir: Utf8PathBuf,
    /// Holds this static program.
    pub(crate) bin_dir: Utf8PathBuf,
    pub(crate) plan_file: Utf8PathBuf,
    /// The plan's queue, if the shards take from it.
    pub(crate) queue_dir: Option<Utf8PathBuf>,
    /// In a container that has the daemon's socket, our paths are not the host's.
    pub(crate) on_host: Arc<dyn Fn(&Utf8Path) -> Utf8PathBuf + Send + Sync>,
}

/// Why no fleet can start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProjectError {
    /// The user's to mend.
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The daemon has no room for the fleets.
    #[error("{0}")]
    Full(String),
}

pub(crate) struct Project {
    pub(super) compose: Compose,
    pub(super) options: ComposeOptions,
    pub(super) places: Places,
    pub(super) resolved: Resolved,
    /// The folder of the repository as the tests see it.
    pub(super) root_inside: Utf8PathBuf,
    /// Variables that the app's image itself sets.
    image_variables: BTreeMap<String, String>,
    image_entrypoint: Vec<String>,
    /// By service.
    health: BTreeMap<String, HealthCheck>,
    pub(super) run: RunToken,
    /// For fleets that start: all at once would take as long, and the first could not begin to test.
    starts: Semaphore,
    watch: Option<Watch>,
    gauge: Option<Gauge>,
}

impl Project {
    /// The fleets take what they run from this queue.
    pub(crate) fn take_from(&mut self, queue_dir: &Utf8Path) {
        self.places.queue_dir = Some(queue_dir.to_owned());
    }

    /// Reads and checks the compose file. Starts nothing.
    ///
    /// # Errors
    /// What compose says of the file; a service or a mount that is not there.
    pub(crate) async fn open(
        options: ComposeOptions,
        places: Places,
        run: RunToken,
    ) -> Result<Self, ProjectError> {
        let user = Users {
            files: &options.files,
            root: &places.root,
        };
        let mut compose = Compose::V2;
        let mut text = user.config(compose, &[]).await;
        if text.is_err() {
            compose = Compose::find().await;
            if compose == Compose::V1 {
                text = user.config(compose, &[]).await;
            }
        }
        let resolved = match Resolved::read(&text?, &options.service) {
            Ok(resolved) => resolved,
            // Naming a service turns its profile on.
            Err(refused) => {
                let text = user.config(compose, from_ref(&options.service)).await;
                let text = text.map_err(|_| ProjectError::Usage(refused))?;
                Resolved::read(&text, &options.service).map_err(ProjectError::Usage)?
            }
        };
        let root_inside = resolved.inside(&places.root, &options.mounts).ok_or_else(|| {
            ProjectError::Usage(format!(
                "no bind mount of the service `{}` contains {}: add one, such as --volume .:/code",
                options.service, places.root
            ))
        })?;
        Ok(Self {
            compose,
            options,
            places,
            resolved,
            root_inside,
            image_variables: BTreeMap::new(),
            image_entrypoint: Vec::new(),
            health: BTreeMap::new(),
            run,
            starts: Semaphore::new(machine::processors().max(2).into()),
            watch: None,
            gauge: None,
        })
    }

    /// Ends what an earlier run in this work folder left, and makes all ready that fleets share:
    /// images are built or pulled once, with what that prints shown.
    ///
    /// # Errors
    /// docker's; too few networks.
    pub(crate) async fn prepare(&mut self, fleets: usize) -> Result<(), ProjectError> {
        let mut services = self.sidecars();
        services.push(self.resolved.app().to_owned());
        let (swept, mut images) = tokio::join!(self.sweep(), self.images(&services));
        swept?;
        let (mut build, mut pull) = (Vec::new(), Vec::new());
        for service in services.clone() {
            let is_built = self.resolved.is_built(&service);
            let is_missing = !images.contains_key(&service);
            match (is_built, is_missing, self.options.build) {
                (true, _, Build::Always) | (true, true, Build::IfMissing) => build.push(service),
                (true, true, Build::Never) => {
                    return Err(ProjectError::Usage(format!(
                        "the image `{}` is not built: run without --no-build",
                        self.resolved.image(&service)
                    )));
                }
                (false, true, _) => pull.push(service),
                _ => {}
            }
        }
        self.show("build", &build).await?;
        self.show("pull", &pull).await?;
        if !(build.is_empty() && pull.is_empty()) {
            images = self.images(&services).await;
        }
        if let Some(image) = images.get(self.resolved.app()) {
            self.image_variables = variables(image);
            self.image_entrypoint = words(&image["Config"]["Entrypoint"]).unwrap_or_default();
        }
        for service in self.sidecars() {
            let image = images.get(&service);
            let check = HealthCheck::of(self.resolved.healthcheck(&service), image);
            self.health.extend(check.map(|check| (service, check)));
        }
        self.check_networks(fleets).await?;
        let watch = Watch::start(&format!("{RUN_LABEL}={}", self.run))?;
        let app = self.options.service.clone();
        self.gauge = Some(Gauge::start(
            watch.lives(),
            app,
            machine::processors().into(),
        ));
        self.watch = Some(watch);
        Ok(())
    }

    /// What the machine has for fleets of this project.
    pub(crate) async fn machine(&self) -> Machine {
        let networks = self.networks().await.ok().and_then(|networks| {
            let free = networks.room.saturating_sub(networks.used);
            free.checked_div(networks.each)
        });
        Machine {
            processors: machine::processors(),
            memory: machine::free_memory(),
            networks,
        }
    }

    /// What one fleet was seen to use; `None` if they were too short to see it.
    pub(crate) fn seen(&self) -> Option<FleetUse> {
        self.gauge.as_ref()?.of_one()
    }

    pub(super) fn memory_of(&self, fleet: &str) -> Option<u64> {
        self.gauge.as_ref()?.memory(fleet)
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        self.resolved.warnings()
    }

    /// Keeps the passwords of the compose file out of logs.
    pub(crate) fn mask(&self) -> Mask {
        Mask::new(&self.resolved.secrets())
    }

    /// A variable of the app's container, before ours.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let of_image = || self.image_variables.get(name).cloned();
        self.resolved.variable(name).or_else(of_image)
    }

    /// What comes before the command in the app's container.
    pub(super) fn entrypoint(&self) -> Vec<String> {
        let of_file = self.resolved.entrypoint();
        of_file.unwrap_or_else(|| self.image_entrypoint.clone())
    }

    /// How the health of a service is told; `None` if it has no check.
    pub(super) fn health(&self, service: &str) -> Option<HealthCheck> {
        self.health.get(service).cloned()
    }

    pub(super) fn sidecars(&self) -> Vec<String> {
        let named = self
            .options
            .wait_for
            .iter()
            .map(|target| target.host().to_owned());
        self.resolved.sidecars(&named.collect::<Vec<_>>())
    }

    /// To be held while the daemon starts containers.
    pub(super) async fn place_to_start(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.starts.acquire().await.ok()
    }

    pub(super) fn watch(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// Removes every container, network and volume that an earlier run left, whose work folder was
    /// this one. The lock on the folder says that it does not run any more.
    async fn sweep(&self) -> Result<(), EngineError> {
        let work = (self.places.on_host)(&self.places.work_dir);
        remove_labelled(&format!("{WORK_LABEL}={work}")).await
    }

    /// Removes whatever of this run is left.
    ///
    /// # Errors
    /// docker's.
    pub(crate) async fn remove_all(&self) -> Result<(), EngineError> {
        remove_labelled(&format!("{RUN_LABEL}={}", self.run)).await
    }

    /// What docker tells of the images of these services, of those that are there.
    async fn images(&self, services: &[String]) -> BTreeMap<String, Value> {
        let names: Vec<String> = services.iter().map(|it| self.resolved.image(it)).collect();
        let mut all = inspect_images(&names).await;
        if all.len() != names.len() {
            // One that is missing makes the whole call fail.
            all.clear();
            for name in &names {
                let found = inspect_images(from_ref(name)).await;
                all.push(found.into_iter().next().unwrap_or_default());
            }
        }
        let found = services.iter().cloned().zip(all);
        found.filter(|(_, image)| !image.is_null()).collect()
    }

    /// Runs `docker compose build` or `pull`, its output where ours goes.
    async fn show(&self, what: &str, services: &[String]) -> Result<(), ProjectError> {
        if services.is_empty() {
            return Ok(());
        }
        let user = Users {
            files: &self.options.files,
            root: &self.places.root,
        };
        let (program, first) = self.compose.words();
        let failed = |why: &str| {
            let named = services.iter();
            let named = named.map(|name| format!("{name} ({})", self.resolved.image(name)));
            let services = named.collect::<Vec<_>>().join(", ");
            ProjectError::Engine(EngineError::new(
                [&[program], first, &[what]].concat().join(" "),
                format!("{why} for {services}"),
            ))
        };
        let mut command = Command::new(program);
        command
            .args(first)
            .args(user.arguments(self.compose))
            .arg(what)
            .args(services)
            .stdin(Stdio::null())
            .stdout(std::io::stderr());
        let status = async {
            let (mut child, _family) = spawn(&mut command)?;
            child.wait().await
        };
        match tokio::time::timeout(SLOW, status).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(_)) => Err(failed("failed")),
            Ok(Err(error)) => Err(failed(&error.to_string())),
            Err(_) => Err(failed("did not end")),
        }
    }

    /// Each fleet needs its networks; a daemon runs out of addresses after a few dozen.
    async fn check_networks(&self, fleets: usize) -> Result<(), ProjectError> {
        let Networks { each, used, room } = self.networks().await?;
        if used + each * fleets <= room {
            return Ok(());
        }
        Err(ProjectError::Full(format!(
            "{fleets} fleets need {} networks, but {used} of the {room} that the docker daemon has addresses for are in use: \
             {MORE_NETWORKS}",
            each * fleets
        )))
    }

    async fn networks(&self) -> Result<Networks, EngineError> {
        let bridges = ["network", "ls", "--quiet", "--filter", "driver=bridge"];
        let pools = ["info", "--format", "{{json .DefaultAddressPools}}"];
        let (used, pools) = tokio::try_join!(docker(&bridges, QUICK), docker(&pools, QUICK))?;
        Ok(Networks {
            each: self.resolved.own_names("networks", "").len(),
            used: used.lines().count(),
            room: networks_of(&pools).unwrap_or(DEFAULT_NETWORKS),
        })
    }
}

struct Networks {
    /// Of one fleet.
    each: usize,
    used: usize,
    /// Used ones included.
    room: usize,
}

/// The user's own compose files.
struct Users<'a> {
    /// Empty: those compose finds.
    files: &'a [Utf8PathBuf],
    root: &'a Utf8Path,
}

impl Users<'_> {
    fn arguments(&self, compose: Compose) -> Vec<String> {
        let mut arguments = Vec::new();
        for file in self.files {
            arguments.extend(["--file".to_owned(), file.to_string()]);
        }
        if compose == Compose::V1 {
            // Its images have the project's name, which it does not tell.
            arguments.extend(["--project-name".to_owned(), v1::project_of(self.root)]);
        }
        arguments
    }

    /// What compose makes of them, as JSON. Its services are those that `more` names, or all.
    async fn config(&self, compose: Compose, more: &[String]) -> Result<String, ProjectError> {
        let mut arguments = self.arguments(compose);
        arguments.push("config".to_owned());
        match compose {
            Compose::V2 => {
                arguments.extend(["--format", "json"].map(str::to_owned));
                arguments.extend_from_slice(more);
                Ok(compose.call(&arguments, QUICK).await?)
            }
            Compose::V1 => {
                let printed = compose.call(&arguments, QUICK).await?;
                v1::as_v2(&printed, &v1::project_of(self.root)).map_err(ProjectError::Usage)
            }
        }
    }
}

/// In the order of the names; nothing if docker does not know them all.
async fn inspect_images(names: &[String]) -> Vec<Value> {
    let mut words = vec!["image".to_owned(), "inspect".to_owned()];
    words.extend_from_slice(names);
    let text = docker(&words, QUICK).await.unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

async fn remove_labelled(label: &str) -> Result<(), EngineError> {
    let filter = format!("label={label}");
    let list = async |what: &[&str]| {
        docker(&[what, &["--quiet", "--filter", &filter]].concat(), QUICK).await
    };
    let (containers, networks, volumes) = tokio::try_join!(
        list(&["ps", "--all"]),
        list(&["network", "ls"]),
        list(&["volume", "ls"])
    )?;
    for (remove, found) in [
        (&["rm", "--force", "--volumes"][..], containers),
        (&["network", "rm"], networks),
        (&["volume", "rm", "--force"], volumes),
    ] {
        let found: Vec<&str> = found.split_whitespace().collect();
        if !found.is_empty() {
            docker(&[remove, &found].concat(), QUICK).await?;
        }
    }
    Ok(())
}

/// `PATH=…` and the like of an image.
fn variables(image: &Value) -> BTreeMap<String, String> {
    let list = image["Config"]["Env"].as_array();
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts
        .filter_map(|text| text.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// How many networks fit into pools such as `[{"Base":"10.10.0.0/16","Size":24}]`.
fn networks_of(pools: &str) -> Option<usize> {
    let pools: Vec<Value> = serde_json::from_str(pools.trim()).ok()?;
    let sizes = pools.iter().map(|pool| {
        let (_, prefix) = pool["Base"].as_str()?.split_once('/')?;
        let size = u32::try_from(pool["Size"].as_u64()?).ok()?;
        Some(1_usize << size.checked_sub(prefix.parse().ok()?)?.min(20))
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_networks_of_a_daemon() {
        let pools = r#"[{"Base":"10.10.0.0/16","Size":24},{"Base":"192.168.0.0/20","Size":24}]"#;
        assert_eq!(networks_of(pools), Some(256 + 16));
        assert_eq!(networks_of("null\n"), None);
        assert_eq!(networks_of(r#"[{"Base":"10.0.0.0/24","Size":16}]"#), None);
    }
}
