//! One start of an agent: its port, its files and its process, made from one version of the pod template.

use std::{path::PathBuf, sync::Arc};

use k8s_openapi::api::apps::v1::Deployment;
use tokio::time::Instant;

use super::{
    context::Context,
    environment::Placement,
    launch::{build_launch, find_agent},
    logs::AgentLog,
    mounts::{MountDirs, write_mounts},
    ports::PortLease,
    process::Process,
    sources::Sources,
};
use crate::error::{Error, Result};

/// A started agent.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) process: Process,
    pub(super) port: PortLease,
    /// Path of the readiness probe.
    pub(super) probe_path: Option<String>,
    pub(super) began: Instant,
    /// Since when it answers.
    pub(super) ready_since: Option<Instant>,
    /// Probes in a row that it did not answer.
    pub(super) missed: u32,
    dir: PathBuf,
}

impl Instance {
    /// Starts the agent of `deployment` with files under `dir`.
    ///
    /// # Errors
    /// One line that says why it cannot run here.
    pub(super) async fn start(
        context: &Arc<Context>,
        namespace: &str,
        deployment: Arc<Deployment>,
        dir: PathBuf,
        log: &AgentLog,
    ) -> Result<Self> {
        let (pod, _) = find_agent(&deployment)?;
        let sources = Sources::fetch(&context.client, namespace, pod).await?;
        let port = context
            .ports
            .take()
            .map_err(|error| Error::unavailable("there is no free port").with_source(error))?;
        let number = port.port();
        let dirs = MountDirs {
            process: dir.clone(),
            claims: context.dirs.claims(namespace),
        };
        let machine = context.machine.clone();
        let server_url = context.server_url.clone();
        let build = move || {
            let (pod, container) = find_agent(&deployment)?;
            let mounts = write_mounts(&dirs, pod, container, &sources)?;
            let placement = Placement {
                port: number,
                server_url: &server_url,
            };
            build_launch(&deployment, container, &sources, &mounts, &machine, placement)
        };
        let launch = tokio::task::spawn_blocking(build)
            .await
            .map_err(|error| Error::internal("the agent's files were not written").with_source(error))??;
        let process = Process::spawn(&context.guard, &launch, context.grace, log, &context.tasks)
            .map_err(|error| Error::internal(format!("the agent cannot be started: {error}")))?;
        Ok(Self {
            process,
            port,
            probe_path: launch.probe_path,
            began: Instant::now(),
            ready_since: None,
            missed: 0,
            dir,
        })
    }

    /// Stops the process and removes its files, which hold secrets.
    pub(super) async fn stop(self) {
        self.process.stop().await;
        remove_dir(self.dir).await;
    }

    /// Removes the files of a process that has ended by itself.
    pub(super) async fn clean_up(self) {
        remove_dir(self.dir).await;
    }
}

pub(super) async fn remove_dir(dir: PathBuf) {
    match tokio::fs::remove_dir_all(&dir).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, dir = %dir.display(), "cannot remove an agent's files");
        }
        _ => {}
    }
}
