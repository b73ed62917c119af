//! What all fleets of a run share: the resolved compose file, the images, and the daemon's attention.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;
use tokio::process::Command;

use super::engine::{EngineError, QUICK, docker};
use super::rewrite::{Mount, Resolved, words};
use super::watch::Watch;
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
}

pub(crate) struct Project {
    pub(super) options: ComposeOptions,
    pub(super) places: Places,
    pub(super) resolved: Resolved,
    /// The folder of the repository as the tests see it.
    pub(super) root_inside: Utf8PathBuf,
    /// Variables that the app's image itself sets.
    image_variables: BTreeMap<String, String>,
    image_entrypoint: Vec<String>,
    pub(super) run: RunToken,
    watch: Option<Watch>,
}

impl Project {
    /// Reads and checks the compose file. Starts nothing.
    ///
    /// # Errors
    /// What compose says of the file; a service or a mount that is not there.
    pub(crate) async fn open(
        options: ComposeOptions,
        places: Places,
        run: RunToken,
    ) -> Result<Self, ProjectError> {
        let mut arguments = compose(&options.files);
        arguments.extend(["config", "--format", "json"].map(str::to_owned));
        let resolved = match Resolved::read(&docker(&arguments, QUICK).await?, &options.service) {
            Ok(resolved) => resolved,
            // Naming a service turns its profile on.
            Err(refused) => {
                arguments.push(options.service.clone());
                let text = docker(&arguments, QUICK).await;
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
            options,
            places,
            resolved,
            root_inside,
            image_variables: BTreeMap::new(),
            image_entrypoint: Vec::new(),
            run,
            watch: None,
        })
    }

    /// Ends what an earlier run in this work folder left, and makes all ready that fleets share:
    /// images are built or pulled once, with what that prints shown.
    ///
    /// # Errors
    /// docker's; too few networks.
    pub(crate) async fn prepare(&mut self, fleets: usize) -> Result<(), ProjectError> {
        self.sweep().await?;
        let mut services = self.sidecars();
        services.push(self.resolved.app().to_owned());
        let (mut build, mut pull) = (Vec::new(), Vec::new());
        for service in services {
            let is_built = self.resolved.is_built(&service);
            let is_missing = self.image(&service).await.is_none();
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
        if let Some(image) = self.image(self.resolved.app()).await {
            self.image_variables = variables(&image);
            self.image_entrypoint = words(&image["Config"]["Entrypoint"]).unwrap_or_default();
        }
        self.check_networks(fleets).await?;
        self.watch = Some(Watch::start(&format!("{RUN_LABEL}={}", self.run))?);
        Ok(())
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

    pub(super) fn sidecars(&self) -> Vec<String> {
        let named = self
            .options
            .wait_for
            .iter()
            .map(|target| target.host().to_owned());
        self.resolved.sidecars(&named.collect::<Vec<_>>())
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

    async fn image(&self, service: &str) -> Option<Value> {
        let image = self.resolved.image(service);
        let text = docker(&["image", "inspect", &image], QUICK).await.ok()?;
        serde_json::from_str::<Vec<Value>>(&text).ok()?.pop()
    }

    /// Runs `docker compose build` or `pull`, its output where ours goes.
    async fn show(&self, what: &str, services: &[String]) -> Result<(), ProjectError> {
        if services.is_empty() {
            return Ok(());
        }
        let mut arguments = compose(&self.options.files);
        arguments.push(what.to_owned());
        arguments.extend(services.iter().cloned());
        let failed = |why: &str| {
            let named = services.iter();
            let named = named.map(|name| format!("{name} ({})", self.resolved.image(name)));
            let services = named.collect::<Vec<_>>().join(", ");
            ProjectError::Engine(EngineError::new(
                format!("docker compose {what}"),
                format!("{why} for {services}"),
            ))
        };
        let mut command = Command::new("docker");
        command
            .args(&arguments)
            .stdin(Stdio::null())
            .stdout(std::io::stderr())
            .process_group(0)
            .kill_on_drop(true);
        match tokio::time::timeout(SLOW, command.status()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(_)) => Err(failed("failed")),
            Ok(Err(error)) => Err(failed(&error.to_string())),
            Err(_) => Err(failed("did not end")),
        }
    }

    /// Each fleet needs its networks; a daemon runs out of addresses after a few dozen.
    async fn check_networks(&self, fleets: usize) -> Result<(), ProjectError> {
        let each = self.resolved.own_names("networks", "").len();
        let used = docker(
            &["network", "ls", "--quiet", "--filter", "driver=bridge"],
            QUICK,
        )
        .await?;
        let used = used.lines().count();
        let pools = docker(
            &["info", "--format", "{{json .DefaultAddressPools}}"],
            QUICK,
        )
        .await?;
        let room = networks_of(&pools).unwrap_or(DEFAULT_NETWORKS);
        if used + each * fleets <= room {
            return Ok(());
        }
        Err(ProjectError::Usage(format!(
            "{fleets} fleets need {} networks, but {used} of the {room} that the docker daemon has addresses for are in use: \
             remove some (`docker network prune`), set `default-address-pools` in its daemon.json, or use --max-parallel",
            each * fleets
        )))
    }
}

/// `docker compose` with the user's files.
pub(super) fn compose(files: &[Utf8PathBuf]) -> Vec<String> {
    let mut arguments = vec!["compose".to_owned()];
    for file in files {
        arguments.extend(["--file".to_owned(), file.to_string()]);
    }
    arguments
}

async fn remove_labelled(label: &str) -> Result<(), EngineError> {
    let filter = format!("label={label}");
    for (list, remove) in [
        (
            &["ps", "--all", "--quiet"][..],
            &["rm", "--force", "--volumes"][..],
        ),
        (&["network", "ls", "--quiet"], &["network", "rm"]),
        (&["volume", "ls", "--quiet"], &["volume", "rm", "--force"]),
    ] {
        let found = docker(&[list, &["--filter", &filter]].concat(), QUICK).await?;
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
