//! Standalone mode: a directory of manifests, an in-process Kubernetes API, and agents as local processes.
//!
//! The same controllers, routes and stores run as in a cluster; only what a cluster does is done here. Programs that
//! use it call [`run_if_guard`] first in `main`, and name themselves as [`StandaloneConfig::guard`].

mod container;
mod context;
mod deployment_status;
mod environment;
mod expand;
mod guard;
mod instance;
mod launch;
mod logs;
mod manifests;
mod mounts;
mod ports;
mod probe;
mod process;
mod process_runtime;
mod sources;
mod supervisor;

pub use container::{ContainerHost, ContainerRequest, RunningContainer};
pub use environment::{Placement, PodFacts, inherited};
pub use guard::run_if_guard;
pub use launch::Machine;
pub use logs::AgentLog;
pub use manifests::lint_manifests;
pub use probe::Prober;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use embedded_kube::EmbeddedKube;
use tokio::sync::watch;

use self::{
    context::{Context, StateDirs},
    manifests::Loader,
    ports::Ports,
};
use crate::{
    api::crds::all_crds,
    clock::Clock,
    error::{Error, Result},
    resolve::{DnsResolver, HostTable},
    tasks::Tasks,
};

/// What to run and where to keep its state.
pub struct StandaloneConfig {
    /// Directory of the manifests.
    pub dir: PathBuf,
    /// Where objects, volumes and agents' logs are kept; made if needed, and locked.
    pub state_dir: PathBuf,
    /// Loopback address on which `kubectl` reaches the Kubernetes API, with the file `kubeconfig` of the state directory;
    /// without it, nothing outside of this process does.
    pub kube_address: Option<SocketAddr>,
    /// URL under which agents on this machine reach the server.
    pub server_url: String,
    /// The program that calls [`run_if_guard`]; mostly this one.
    pub guard: PathBuf,
    /// `kagent-adk` for declarative agents; without it, the one in `PATH`.
    pub adk: Option<PathBuf>,
    /// The server's environment, of which agents get a small part.
    pub environment: Vec<(String, String)>,
    /// Namespace of manifests that name none.
    pub default_namespace: String,
    /// How long an agent may take until it answers, before that is told as a problem.
    pub start_timeout: Duration,
    /// Time between SIGTERM and SIGKILL for agents. Shutting the tasks down takes this long and two seconds at most.
    pub grace: Duration,
    /// For timestamps in statuses.
    pub clock: Arc<dyn Clock>,
}

/// The running standalone mode. Its tasks end with the [`Tasks`] it was started with.
pub struct Standalone {
    /// Client of the in-process Kubernetes API.
    pub client: kube::Client,
    /// Where the agents are: `<name>.<namespace>` port 8080 → their real address.
    pub hosts: HostTable,
    /// True once every manifest has been looked at.
    pub loaded: watch::Receiver<bool>,
}

/// Starts the Kubernetes API, the loader of manifests and the runtime of processes.
///
/// # Errors
/// One line: the directory of manifests cannot be read, or the state directory is in use, damaged or not writable.
pub async fn start(config: StandaloneConfig, tasks: &Tasks) -> Result<Standalone> {
    // Agents start in this directory and get it in arguments, so it must not depend on where the server was started.
    let manifests = absolute(&config.dir)?;
    let dirs = StateDirs::new(&absolute(&config.state_dir)?);
    let kube = open_kube(&dirs, &config.default_namespace)?;
    // After the lock was taken: files of processes belong to the server that holds it.
    dirs.prepare().map_err(|error| cannot_use(&config.state_dir, error))?;
    if let Some(address) = config.kube_address {
        serve_kube(&kube, address, dirs.kubeconfig(), &config.default_namespace, tasks).await?;
    }
    let client = kube.client();
    let loader = Loader::new(
        client.clone(),
        manifests.clone(),
        dirs.applied(),
        config.default_namespace,
    )?;

    let hosts = HostTable::new(Arc::new(DnsResolver));
    let context = Arc::new(Context {
        client: client.clone(),
        host: ContainerHost {
            client: client.clone(),
            machine: Machine {
                directory: manifests,
                adk: config.adk,
                inherited: inherited(config.environment.into_iter()),
            },
            guard: config.guard,
            tasks: tasks.clone(),
        },
        hosts: hosts.clone(),
        ports: Ports::default(),
        prober: Prober::new(),
        server_url: config.server_url,
        dirs,
        clock: config.clock,
        tasks: tasks.clone(),
        start_timeout: config.start_timeout,
        grace: config.grace,
    });
    let (loaded, is_loaded) = watch::channel(false);
    let stop = tasks.shutdown_token().clone();
    tasks.spawn_critical("standalone.manifests", async move { loader.run(loaded, stop).await });
    tasks.spawn_critical("standalone.processes", process_runtime::run(context));
    Ok(Standalone {
        client,
        hosts,
        loaded: is_loaded,
    })
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .map_err(|error| Error::invalid(format!("{} is not a path", path.display())).with_source(error))
}

fn open_kube(dirs: &StateDirs, namespace: &str) -> Result<EmbeddedKube> {
    make_private(&dirs.objects()).map_err(|error| cannot_use(&dirs.objects(), error))?;
    let kube = EmbeddedKube::builder()
        .state_dir(dirs.objects())
        .namespace(namespace)
        .build()
        .map_err(|error| Error::unavailable(format!("cannot open the objects of standalone mode: {error}")))?;
    kube.install_crds(all_crds())
        .map_err(|error| Error::internal(format!("cannot install the kinds of kagent: {}", error.message)))?;
    Ok(kube)
}

/// Serves the Kubernetes API until the tasks end. Only who may read the kubeconfig knows the secret path of its URL.
async fn serve_kube(
    kube: &EmbeddedKube,
    address: SocketAddr,
    kubeconfig: PathBuf,
    namespace: &str,
    tasks: &Tasks,
) -> Result<()> {
    let serving = kube.serve(address).await.map_err(|error| {
        Error::unavailable(format!("cannot serve the Kubernetes API on {address}")).with_source(error)
    })?;
    serving
        .write_kubeconfig(&kubeconfig, namespace)
        .map_err(|error| cannot_use(&kubeconfig, error))?;
    tracing::info!(path = %kubeconfig.display(), "kubectl works with this kubeconfig");
    let stop = tasks.shutdown_token().clone();
    tasks.spawn("standalone.kube", async move {
        stop.cancelled().await;
        serving.stop();
        // A file that is left over names a server that is gone; the next start replaces it.
        let _ = std::fs::remove_file(&kubeconfig);
    });
    Ok(())
}

fn make_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn cannot_use(dir: &Path, error: io::Error) -> Error {
    Error::unavailable(format!("cannot use the state directory {}: {error}", dir.display()))
}
