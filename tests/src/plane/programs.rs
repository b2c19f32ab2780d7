//! Starts etcd, kube-apiserver and kube-controller-manager with the flags that tests want, and waits for them.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep};

use super::{
    component::Component,
    credentials::{ADMIN_TOKEN, CHECKING_KEY, SIGNING_KEY, TOKENS, read_client, write_kubeconfig},
};
use crate::{requirements::find_kube_binaries, server::find_free_port};

/// The machine may be busy with other tests.
const READY_WITHIN: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(50);
/// A free port may be taken by somebody else before a program listens on it.
const ATTEMPTS: usize = 3;
/// Addresses of Services. Nothing routes them outside of a test's own network.
pub(super) const SERVICES: &str = "10.96.0.0/16";
/// What a test needs of the controller-manager; the rest would only cost.
const CONTROLLERS: &str = "deployment-controller,replicaset-controller,endpointslice-controller,\
                           garbage-collector-controller,namespace-controller,serviceaccount-controller";

/// The running programs.
pub(super) struct Programs {
    bin: PathBuf,
    dir: PathBuf,
    ports: Ports,
    kubeconfig: PathBuf,
    // Dropped in this order.
    _controller_manager: Option<Component>,
    apiserver: Mutex<Option<Component>>,
    _etcd: Component,
}

#[derive(Clone, Copy)]
struct Ports {
    etcd: u16,
    etcd_peer: u16,
    apiserver: u16,
}

impl Programs {
    /// Starts all programs with files in `dir`.
    pub(super) async fn start(dir: &Path, with_controllers: bool) -> Result<Self> {
        let bin = find_kube_binaries()?;
        for _ in 1..ATTEMPTS {
            if let Some(programs) = Self::try_start(&bin, dir, with_controllers).await? {
                return Ok(programs);
            }
        }
        let started = Self::try_start(&bin, dir, with_controllers).await?;
        started.context("every port that was free was taken a moment later")
    }

    /// `None` when another program took one of the ports.
    async fn try_start(bin: &Path, dir: &Path, with_controllers: bool) -> Result<Option<Self>> {
        let ports = Ports {
            etcd: find_free_port()?,
            etcd_peer: find_free_port()?,
            apiserver: find_free_port()?,
        };
        for log in ["etcd.log", "kube-apiserver.log"] {
            // What an attempt before said is no reason for this one; at the first there is none.
            let _ = std::fs::remove_file(dir.join(log));
        }
        let mut etcd = start_etcd(bin, dir, ports)?;
        let mut apiserver = start_apiserver(bin, dir, ports)?;
        if !wait_until_ready(dir, ports, &mut [&mut etcd, &mut apiserver]).await? {
            return Ok(None);
        }
        let url = url_of(ports);
        let kubeconfig = write_kubeconfig(dir, "admin", &url, &ca_file(dir), "default", ADMIN_TOKEN)?;
        let controller_manager = match with_controllers {
            true => Some(start_controller_manager(bin, dir, &kubeconfig)?),
            false => None,
        };
        Ok(Some(Self {
            bin: bin.to_owned(),
            dir: dir.to_owned(),
            ports,
            kubeconfig,
            _controller_manager: controller_manager,
            apiserver: Mutex::new(Some(apiserver)),
            _etcd: etcd,
        }))
    }

    pub(super) fn url(&self) -> String {
        url_of(self.ports)
    }

    pub(super) fn etcd_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.etcd)
    }

    pub(super) fn ca_file(&self) -> PathBuf {
        ca_file(&self.dir)
    }

    pub(super) fn admin_kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    pub(super) fn stop_apiserver(&self) {
        let stopped = self.apiserver.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(stopped);
    }

    /// Starts the API server again, on the same port.
    pub(super) async fn start_apiserver(&self) -> Result<()> {
        let mut apiserver = start_apiserver(&self.bin, &self.dir, self.ports)?;
        if !wait_until_ready(&self.dir, self.ports, &mut [&mut apiserver]).await? {
            bail!("its port {} belongs to somebody else now", self.ports.apiserver);
        }
        let mut running = self.apiserver.lock().unwrap_or_else(PoisonError::into_inner);
        if running.is_some() {
            bail!("it is running already");
        }
        *running = Some(apiserver);
        Ok(())
    }
}

fn url_of(ports: Ports) -> String {
    format!("https://127.0.0.1:{}", ports.apiserver)
}

/// The API server signs its own certificate at its first start.
fn ca_file(dir: &Path) -> PathBuf {
    dir.join("certificates/apiserver.crt")
}

fn start_etcd(bin: &Path, dir: &Path, ports: Ports) -> Result<Component> {
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.etcd_peer);
    // A new one for every attempt: a data directory keeps the ports of its first.
    let data = dir.join(format!("etcd-{}", ports.etcd));
    let arguments = [
        format!("--data-dir={}", data.display()),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        "--unsafe-no-fsync".to_owned(),
    ];
    Component::spawn("etcd", dir, &bin.join("etcd"), &arguments)
}

fn start_apiserver(bin: &Path, dir: &Path, ports: Ports) -> Result<Component> {
    let arguments = [
        format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd),
        format!("--cert-dir={}", dir.join("certificates").display()),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", ports.apiserver),
        // Only the endpoints of the Service `kubernetes` would use it; loopback is refused as an address of those.
        "--advertise-address=192.0.2.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--service-cluster-ip-range={SERVICES}"),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", dir.join(CHECKING_KEY).display()),
        format!("--service-account-signing-key-file={}", dir.join(SIGNING_KEY).display()),
        format!("--token-auth-file={}", dir.join(TOKENS).display()),
        "--authorization-mode=RBAC".to_owned(),
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        // As in OpenShift: who makes objects that block their owner's deletion needs the right to.
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement".to_owned(),
        // Agents with skills are privileged.
        "--allow-privileged=true".to_owned(),
        "--profiling=false".to_owned(),
    ];
    Component::spawn("kube-apiserver", dir, &bin.join("kube-apiserver"), &arguments)
}

fn start_controller_manager(bin: &Path, dir: &Path, kubeconfig: &Path) -> Result<Component> {
    let arguments = [
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--controllers={CONTROLLERS}"),
        format!("--service-account-private-key-file={}", dir.join(SIGNING_KEY).display()),
        "--leader-elect=false".to_owned(),
        // It serves nothing that a test asks for.
        "--secure-port=0".to_owned(),
        "--profiling=false".to_owned(),
    ];
    let program = bin.join("kube-controller-manager");
    Component::spawn("kube-controller-manager", dir, &program, &arguments)
}

/// Waits until the API server is ready; false when one of the programs has lost its port.
async fn wait_until_ready(dir: &Path, ports: Ports, programs: &mut [&mut Component]) -> Result<bool> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        for program in programs.iter_mut() {
            if let Some(status) = program.ended()? {
                if program.lost_its_port() {
                    return Ok(false);
                }
                bail!("it has ended ({status}): {}", program.describe());
            }
        }
        if is_ready(dir, ports).await {
            return Ok(true);
        }
        if Instant::now() > deadline {
            let logs: Vec<_> = programs.iter().map(|program| program.describe()).collect();
            bail!("it is not ready after {READY_WITHIN:?}: {}", logs.join("\n"));
        }
        sleep(PAUSE).await;
    }
}

/// Whether the API server says so. Its certificate is not there at first, and then half written.
async fn is_ready(dir: &Path, ports: Ports) -> bool {
    let probe = write_kubeconfig(dir, "probe", &url_of(ports), &ca_file(dir), "default", ADMIN_TOKEN);
    let Ok(probe) = probe else { return false };
    if !ca_file(dir).is_file() {
        return false;
    }
    let Ok(client) = read_client(&probe).await else {
        return false;
    };
    let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else {
        return false;
    };
    client.request_text(request).await.is_ok()
}
