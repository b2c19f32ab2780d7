//! One container of a pod as a local process: its volumes, environment and program. Standalone mode and the stand-in
//! kubelet of the tests both run agents by it; when to start and stop is theirs to decide.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::PodSpec;
use kube::Client;

use super::{
    environment::Placement,
    launch::{Machine, build_launch, find_agent},
    logs::AgentLog,
    mounts::{MountDirs, write_mounts},
    process::Process,
    sources::Sources,
};
use crate::{
    error::{Error, Result},
    tasks::Tasks,
};

/// What is needed to run containers on a machine.
#[derive(Clone)]
pub struct ContainerHost {
    /// For the Secrets and ConfigMaps of pods.
    pub client: Client,
    /// What all agents of the machine share.
    pub machine: Machine,
    /// The program that calls [`super::run_if_guard`].
    pub guard: PathBuf,
    /// Where processes are looked after.
    pub tasks: Tasks,
}

/// The container to run.
#[derive(Clone, Debug)]
pub struct ContainerRequest {
    /// The pod, whose first container is run.
    pub pod: Arc<PodSpec>,
    /// Where it runs.
    pub placement: Placement,
    /// Directory for its files, which go with it; made if needed.
    pub dir: PathBuf,
    /// Directory for claims, which stay.
    pub claims: PathBuf,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
}

/// A container that was started. Dropping it kills it, and leaves its files.
#[derive(Debug)]
pub struct RunningContainer {
    process: Process,
    probe_path: Option<String>,
    dir: PathBuf,
}

impl ContainerHost {
    /// Starts a container; what it writes goes to `log`.
    ///
    /// # Errors
    /// One line that says why it cannot run here.
    pub async fn start(&self, request: ContainerRequest, log: &AgentLog) -> Result<RunningContainer> {
        find_agent(&request.pod)?;
        let sources = Sources::fetch(&self.client, &request.placement.pod.namespace, &request.pod).await?;
        let machine = self.machine.clone();
        let (dir, grace) = (request.dir.clone(), request.grace);
        let build = move || {
            let container = find_agent(&request.pod)?;
            let dirs = MountDirs {
                process: request.dir,
                claims: request.claims,
            };
            let mounts = write_mounts(&dirs, &request.pod, container, &sources)?;
            build_launch(container, &sources, &mounts, &machine, &request.placement)
        };
        let launch = tokio::task::spawn_blocking(build)
            .await
            .map_err(|error| Error::internal("the agent's files were not written").with_source(error))??;
        let process = Process::spawn(&self.guard, &launch, grace, log, &self.tasks)
            .map_err(|error| Error::internal(format!("the agent cannot be started: {error}")))?;
        Ok(RunningContainer {
            process,
            probe_path: launch.probe_path,
            dir,
        })
    }
}

impl RunningContainer {
    /// Path of the readiness probe; without one, an open port is enough.
    pub fn probe_path(&self) -> Option<&str> {
        self.probe_path.as_deref()
    }

    /// Waits for the end of the process. May be dropped and called again.
    ///
    /// # Errors
    /// When the system does not tell.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.process.wait().await
    }

    /// Kills the process without asking it to end; [`RunningContainer::wait`] tells when it has.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn kill(&mut self) -> io::Result<()> {
        self.process.kill()
    }

    /// Stops the process and removes its files, which hold secrets.
    pub async fn stop(self) {
        self.process.stop().await;
        remove_dir(&self.dir).await;
    }

    /// Removes the files of a process that has ended by itself.
    pub async fn clean_up(self) {
        remove_dir(&self.dir).await;
    }
}

/// Removes the files of a container.
pub(super) async fn remove_dir(dir: &Path) {
    match tokio::fs::remove_dir_all(dir).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, dir = %dir.display(), "cannot remove an agent's files");
        }
        _ => {}
    }
}
