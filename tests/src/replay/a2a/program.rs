//! A server program for a replay: the world's agents in a Kubernetes API of ours, their names in a hosts file of its own.
//!
//! Names must resolve inside the program alone, so it runs in a mount namespace (`unshare` of util-linux).

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use embedded_kube::{EmbeddedKube, Serving};
use kagent_api::{crds::all_crds, v1alpha2::Agent};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::Instant,
};

use super::world::{AREA_BASE_URL, DEFAULT_BASE_URL, NAMES};

/// The program must be ready, and see a changed agent, within this time.
const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);
/// Port of every agent.
const AGENT_PORT: u16 = 8080;
/// A token that trusted-proxy mode accepts.
const TOKEN: &str = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJyZXBsYXkifQ.sig";
/// Puts the two files over the system's and becomes the program.
const ENTER: &str = r#"mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@""#;

/// A running server program and its cluster. Killed when dropped.
pub struct Program {
    /// Where its API is.
    pub address: SocketAddr,
    kube: EmbeddedKube,
    http: reqwest::Client,
    _child: Child,
    _serving: Serving,
    _folder: TempDir,
}

/// Addresses of this process's own in 127.0.0.0/8, other ones each time: where the scripted agent listens, and where
/// nobody does.
pub fn next_agent_addresses() -> (SocketAddr, SocketAddr) {
    static WORLDS: AtomicU8 = AtomicU8::new(0);
    let world = WORLDS.fetch_add(1, Ordering::Relaxed) % 60;
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let at = |second| SocketAddr::from((Ipv4Addr::new(127, second, high, low.clamp(1, 254)), AGENT_PORT));
    (at(100 + 2 * world), at(101 + 2 * world))
}

impl Program {
    /// Starts `program` as the area's recordings had it, without Agents; their names lead to `agents`, and nobody
    /// listens at `nobody`.
    ///
    /// # Errors
    /// When it ends or is not ready in time; with what it wrote.
    pub async fn start(program: &Path, area: &str, agents: SocketAddr, nobody: SocketAddr) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let hosts: String = NAMES
            .iter()
            .map(|name| format!("{} {name}\n", agents.ip()))
            .chain([
                format!("{} rec-down.kagent\n", nobody.ip()),
                "127.0.0.1 localhost\n".to_owned(),
            ])
            .collect();
        let (hosts_file, resolver_file) = (folder.path().join("hosts"), folder.path().join("resolv.conf"));
        std::fs::write(&hosts_file, hosts)?;
        // No name server listens there, so that other names fail at once.
        std::fs::write(&resolver_file, format!("nameserver {}\n", nobody.ip()))?;
        let kube = EmbeddedKube::builder()
            .namespace("kagent")
            .namespace("team-x")
            .garbage_collection(false)
            .build()?;
        kube.install_crds(all_crds())
            .map_err(|error| anyhow::anyhow!("install the CRDs: {error:?}"))?;
        let serving = kube.serve(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, serving.kubeconfig())?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let log = folder.path().join("log");
        let mut command = Command::new("unshare");
        command.arg("--mount");
        if !is_root()? {
            command.arg("--map-root-user");
        }
        command
            .args(["sh", "-c", ENTER, "sh"])
            .args([&hosts_file, &resolver_file])
            .arg(program)
            .env("KUBECONFIG", kubeconfig)
            .env("KAGENT_NAMESPACE", "kagent")
            .env("HTTP_SERVER_ADDRESS", address.to_string())
            .env("HEALTH_PROBE_BIND_ADDRESS", "0")
            .env("METRICS_BIND_ADDRESS", "0")
            .env("DATABASE_TYPE", "sqlite")
            .env("SQLITE_DATABASE_PATH", folder.path().join("kagent.db"))
            .env(
                "A2A_BASE_URL",
                if area == "base-url" {
                    AREA_BASE_URL
                } else {
                    DEFAULT_BASE_URL
                },
            )
            .env("AUTH_MODE", if area == "auth" { "trusted-proxy" } else { "unsecure" })
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .kill_on_drop(true);
        if area == "debug-addr" {
            command.env("KAGENT_A2A_DEBUG_ADDR", agents.to_string());
        }
        let child = command.spawn().context("start unshare, of util-linux")?;
        let mut started = Self {
            address,
            kube,
            http: reqwest::Client::builder().timeout(Duration::from_secs(5)).build()?,
            _child: child,
            _serving: serving,
            _folder: folder,
        };
        let ready = started.wait_until_ready().await;
        ready.with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
        Ok(started)
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            if let Some(status) = self._child.try_wait()? {
                bail!("the server has ended: {status}");
            }
            let answer = self.http.get(format!("http://{}/health", self.address)).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("the server does not answer")
    }

    /// Creates or changes an agent and waits until the server has seen it.
    ///
    /// # Errors
    /// When the cluster refuses it, or the server does not see it in time.
    pub async fn apply_agent(&self, namespace: &str, name: &str, mut spec: Value) -> Result<()> {
        let description = spec["description"].clone();
        if spec["declarative"].is_null() {
            spec["type"] = json!("BYO");
            spec["byo"] = json!({"deployment": {"image": "example.com/agent"}});
        } else {
            spec["type"] = json!("Declarative");
            spec["declarative"]["modelConfig"] = json!("missing");
            spec["declarative"]["systemMessage"] = json!("x");
        }
        if let Some(members) = spec.as_object_mut() {
            members.retain(|_, value| !value.is_null());
        }
        let agent = json!({
            "apiVersion": "kagent.dev/v1alpha2",
            "kind": "Agent",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        });
        let agents: Api<Agent> = Api::namespaced(self.kube.client(), namespace);
        let parameters = PatchParams::apply("replay").force();
        agents.patch(name, &parameters, &Patch::Apply(&agent)).await?;
        let seen = |card: Option<&Value>| {
            card.is_some_and(|card| {
                card["description"].as_str().unwrap_or_default() == description.as_str().unwrap_or_default()
            })
        };
        self.wait_for_card(namespace, name, seen).await
    }

    /// Deletes an agent and waits until the server has seen it.
    ///
    /// # Errors
    /// As [`Program::apply_agent`].
    pub async fn delete_agent(&self, namespace: &str, name: &str) -> Result<()> {
        let agents: Api<Agent> = Api::namespaced(self.kube.client(), namespace);
        agents.delete(name, &DeleteParams::default()).await?;
        self.wait_for_card(namespace, name, |card| card.is_none()).await
    }

    async fn wait_for_card(&self, namespace: &str, name: &str, seen: impl Fn(Option<&Value>) -> bool) -> Result<()> {
        let url = format!(
            "http://{}/api/a2a/{namespace}/{name}/.well-known/agent-card.json",
            self.address
        );
        let deadline = Instant::now() + LIMIT;
        while Instant::now() < deadline {
            let answer = self.http.get(&url).header("authorization", TOKEN).send().await?;
            let card: Option<Value> = match answer.status().as_u16() {
                200 => Some(answer.json().await?),
                404 => None,
                status => bail!("{url} answered {status}"),
            };
            if seen(card.as_ref()) {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        bail!("the server did not see a change of {namespace}/{name}")
    }
}

/// Whether this process may mount without a user namespace.
fn is_root() -> Result<bool> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().nth(1).map(str::to_owned));
    Ok(effective.as_deref() == Some("0"))
}
