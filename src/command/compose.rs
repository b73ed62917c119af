//! The flags of fleets, and the project they stand on.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use super::console;
use super::job::on_host;
use crate::model::exit::UsageError;
use crate::model::human_duration::HumanDuration;
use crate::runner::compose::project::{Build, ComposeOptions, Places, Project, ProjectError};
use crate::runner::compose::rewrite::Mount;
use crate::runner::signals::{Interrupts, Urgency};
use crate::runner::token::RunToken;
use crate::runner::wait::Target;
use crate::workspace::WorkDir;

#[derive(Args, Clone, Debug)]
pub(crate) struct ComposeArgs {
    /// Run each shard in a docker compose project of its own, its tests in this service
    #[arg(long, value_name = "SERVICE")]
    pub(crate) compose_service: Option<String>,

    /// Compose files [default: those compose finds]
    #[arg(long, value_name = "FILE")]
    compose_file: Vec<Utf8PathBuf>,

    /// Mount a folder into the service, such as .:/code
    #[arg(long, value_name = "DIR:PATH[:ro]", value_parser = volume)]
    volume: Vec<Mount>,

    /// User of the tests inside the service, such as 0
    #[arg(long, value_name = "USER")]
    user: Option<String>,

    /// Build the images also where there are some [default: those that are missing]
    #[arg(long, conflicts_with = "no_build")]
    build: bool,

    /// Never build an image
    #[arg(long)]
    no_build: bool,

    /// Wait until this accepts connections, beside the ports and health checks of the compose file
    #[arg(long, value_name = "HOST:PORT")]
    wait_for: Vec<Target>,

    /// How long the services of a fleet may take until they are ready
    #[arg(long, value_name = "TIME", default_value = "60s")]
    wait_timeout: HumanDuration,

    /// Leave a fleet up whose tests did not pass, and say how to get into it
    #[arg(long)]
    pub(crate) keep: bool,

    /// The workspace as the host sees it; `host:` in front keeps the runner from rewriting it
    #[arg(long, value_name = "DIR", hide = true)]
    host_workspace: Option<String>,
}

/// `DIR:PATH` or `DIR:PATH:ro`. A name is no folder: volumes stay what the compose file says.
fn volume(text: &str) -> Result<Mount, String> {
    let wanted = || "write DIR:PATH, such as .:/code".to_owned();
    let (rest, read_only) = match text.strip_suffix(":ro") {
        Some(rest) => (rest, true),
        None => (text.strip_suffix(":rw").unwrap_or(text), false),
    };
    let (source, target) = rest.rsplit_once(':').ok_or_else(wanted)?;
    if !target.starts_with('/') || !(source.starts_with('.') || source.starts_with('/')) {
        return Err(wanted());
    }
    let source = std::fs::canonicalize(source)
        .map_err(|error| format!("{source}: {error}"))
        .and_then(|path| Utf8PathBuf::try_from(path).map_err(|_| wanted()))?;
    Ok(Mount {
        source,
        target: target.into(),
        read_only,
    })
}

impl ComposeArgs {
    fn options(&self, service: &str) -> ComposeOptions {
        ComposeOptions {
            service: service.to_owned(),
            files: self.compose_file.clone(),
            mounts: self.volume.clone(),
            user: self.user.clone(),
            build: match (self.build, self.no_build) {
                (true, _) => Build::Always,
                (_, true) => Build::Never,
                _ => Build::IfMissing,
            },
            wait_for: self.wait_for.clone(),
            wait_timeout: self.wait_timeout.get(),
            keep: self.keep,
        }
    }

    /// The project of the fleets, `None` where the shards run on this machine itself.
    ///
    /// # Errors
    /// The compose file's, the user's to mend; the disk's.
    pub(crate) async fn open(
        &self,
        root: &Utf8Path,
        work: &WorkDir,
        plan_file: &Utf8Path,
        run: &RunToken,
    ) -> Result<Option<Project>> {
        let Some(service) = &self.compose_service else {
            return Ok(None);
        };
        let absolute = |path: &Utf8Path| root.join(path);
        let (workspace, host) = (root.to_owned(), self.host_workspace.clone());
        let places = Places {
            root: root.to_owned(),
            work_dir: work.path().to_owned(),
            plugin_dir: work.plugin_dir(),
            bin_dir: work.install_program()?,
            plan_file: absolute(plan_file),
            queue_dir: None,
            on_host: Arc::new(move |path| {
                on_host(path, &github_workspace(&workspace), host.as_deref())
            }),
        };
        let project = Project::open(self.options(service), places, run.clone()).await;
        let project = project.map_err(as_exit)?;
        for warning in project.warnings() {
            console::warn(warning);
        }
        Ok(Some(project))
    }
}

/// The checkout inside the action's container, where a job has one.
fn github_workspace(root: &Utf8Path) -> Utf8PathBuf {
    std::env::var("GITHUB_WORKSPACE").map_or_else(|_| root.to_owned(), Utf8PathBuf::from)
}

/// Makes a project ready for its fleets. `None` if a signal came first.
///
/// # Errors
/// docker's; what the user has to mend.
pub(crate) async fn prepare(
    project: &mut Project,
    fleets: usize,
    interrupts: &Interrupts,
) -> Result<Option<()>> {
    let mut interrupts = interrupts.clone();
    // The commands of a build write what they like.
    let _guarded = console::Guarded::stderr();
    tokio::select! {
        done = project.prepare(fleets) => done.map_err(as_exit).map(Some),
        _ = interrupts.more_urgent_than(Urgency::None) => Ok(None),
    }
}

fn as_exit(error: ProjectError) -> anyhow::Error {
    match error {
        ProjectError::Usage(message) => UsageError(message).into(),
        ProjectError::Engine(error) => anyhow::Error::new(error),
        ProjectError::Full(message) => anyhow::Error::msg(message),
    }
}

/// Removes whatever is left of a run's fleets.
pub(crate) async fn remove_all(project: &Project) {
    let removed = project.remove_all().await;
    if let Err(error) = removed.context("containers of this run may be left") {
        console::warn(format!("{error:#}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_a_folder_and_where_it_goes() {
        let mount = volume("/tmp:/code:ro").expect("a volume");
        assert_eq!((mount.target.as_str(), mount.read_only), ("/code", true));
        assert!(!volume("/tmp:/code").expect("a volume").read_only);
        for wrong in ["/tmp", "data:/code", "/tmp:code", "/no/such/folder:/code"] {
            assert!(volume(wrong).is_err(), "{wrong}");
        }
    }
}
