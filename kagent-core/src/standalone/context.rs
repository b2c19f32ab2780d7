//! What the supervisors of all agents share.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use kube::Client;

use super::{container::ContainerHost, ports::Ports, probe::Prober};
use crate::{clock::Clock, resolve::HostTable, tasks::Tasks};

/// Shared handles and settings.
pub(super) struct Context {
    pub(super) client: Client,
    /// Runs the agents' containers.
    pub(super) host: ContainerHost,
    pub(super) hosts: HostTable,
    pub(super) ports: Ports,
    pub(super) prober: Prober,
    /// The server's own URL.
    pub(super) server_url: String,
    pub(super) dirs: StateDirs,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tasks: Tasks,
    /// How long an agent may take until it answers, before that is told as a problem.
    pub(super) start_timeout: Duration,
    /// Time between SIGTERM and SIGKILL.
    pub(super) grace: Duration,
}

/// The layout of the state directory.
#[derive(Clone, Debug)]
pub(super) struct StateDirs {
    root: PathBuf,
}

impl StateDirs {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Objects of the Kubernetes API.
    pub(super) fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    /// Which manifests have been applied.
    pub(super) fn applied(&self) -> PathBuf {
        self.root.join("applied.json")
    }

    /// How `kubectl` reaches the Kubernetes API.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    /// Files of running processes.
    pub(super) fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Volumes that outlive processes.
    pub(super) fn claims(&self, namespace: &str) -> PathBuf {
        self.root.join("volumes").join(namespace)
    }

    /// What an agent wrote.
    pub(super) fn log(&self, namespace: &str, name: &str) -> PathBuf {
        self.logs().join(format!("{namespace}.{name}.log"))
    }

    fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Makes the directories, private to this user, and removes what an earlier run left.
    pub(super) fn prepare(&self) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;

        match std::fs::remove_dir_all(self.run()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for dir in [self.objects(), self.run(), self.logs()] {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        Ok(())
    }
}
