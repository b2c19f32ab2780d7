//! Replicas of a real `kagent-server` on a real control plane and one Postgres, and what a test does to them.

mod agent;
mod contender;
mod load;
mod proxy;

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::coordination::v1::Lease;
use kagent_api::v1alpha2::Agent;
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::{db::TestPostgres, requirements::find_server, server::send_signal};

pub use agent::ScriptedAgent;
pub use contender::{ContenderEvent, GoContender, list_terms, monotonic_ns};
pub use load::{Load, LoadReport};
pub use proxy::{CountingProxy, Write};

/// The machine may be busy with other tests. After an outage with new tokens alone, a client reads its token again after up
/// to a minute, a watch tries again after up to half a minute more, and only then is somebody elected.
const WITHIN: Duration = Duration::from_secs(240);
const PAUSE: Duration = Duration::from_millis(25);
/// The election's Lease, under the name that the Go controller knows.
pub const LEASE: &str = "0e9f6799.kagent.dev";

/// What the replicas of one installation share.
pub struct Installation {
    /// A client that may do everything.
    pub client: Client,
    /// Namespace of the installation and of its agents.
    pub namespace: String,
    database: TestPostgres,
    kubeconfig: PathBuf,
    agent: SocketAddr,
    dir: TempDir,
}

impl Installation {
    /// An installation in `namespace`, whose agents all are `agent`.
    ///
    /// # Errors
    /// When there is no temporary directory.
    pub async fn new(client: Client, namespace: String, kubeconfig: &Path, agent: SocketAddr) -> Result<Self> {
        Ok(Self {
            client,
            namespace,
            database: TestPostgres::create().await,
            kubeconfig: kubeconfig.to_owned(),
            agent,
            dir: tempfile::tempdir()?,
        })
    }

    /// Starts a replica and waits until it is ready. `name` is new for each; later flags win over earlier ones.
    ///
    /// # Errors
    /// When it ends, or is not ready in time; with the end of its log.
    pub async fn start(&self, name: &str, flags: &[&str]) -> Result<Replica> {
        self.start_with(name, &self.kubeconfig, flags, &[]).await
    }

    /// As [`Installation::start`], with a kubeconfig of its own and more environment.
    ///
    /// # Errors
    /// As [`Installation::start`].
    pub async fn start_with(
        &self,
        name: &str,
        kubeconfig: &Path,
        flags: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Replica> {
        let program = find_server()?;
        let log = self.dir.path().join(format!("{name}.log"));
        let child = Command::new(&program)
            .env_clear()
            .envs(environment.iter().copied())
            .env("KUBECONFIG", kubeconfig)
            .env("KAGENT_NAMESPACE", &self.namespace)
            .env("WATCH_NAMESPACES", &self.namespace)
            .env("POSTGRES_DATABASE_URL", self.database.url())
            .env("DATABASE_VECTOR_ENABLED", "false")
            .env("KAGENT_A2A_DEBUG_ADDR", self.agent.to_string())
            .args(["--leader-elect", "--postgres-max-connections=4"])
            .args([
                "--http-server-address=127.0.0.1:0",
                "--health-probe-bind-address=127.0.0.1:0",
            ])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let mut replica = Replica {
            name: name.to_owned(),
            child,
            api: None,
            probes: SocketAddr::from(([127, 0, 0, 1], 0)),
            metrics: None,
            identity: None,
            log,
            http: build_client()?,
        };
        replica.wait_until_ready().await?;
        Ok(replica)
    }

    /// Who holds the Lease; empty when nobody does.
    ///
    /// # Errors
    /// When the API server does not say.
    pub async fn find_holder(&self) -> Result<String> {
        let api: Api<Lease> = Api::namespaced(self.client.clone(), &self.namespace);
        let lease = api.get_opt(LEASE).await.context("cannot read the Lease")?;
        let spec = lease.and_then(|lease| lease.spec);
        Ok(spec.and_then(|spec| spec.holder_identity).unwrap_or_default())
    }

    /// Waits until one of `replicas` leads; its number.
    ///
    /// # Errors
    /// When none does in time.
    pub async fn wait_for_leader(&self, replicas: &[&Replica]) -> Result<usize> {
        let deadline = Instant::now() + WITHIN;
        loop {
            let holder = self.find_holder().await?;
            let leader = replicas
                .iter()
                .position(|replica| replica.identity.as_ref() == Some(&holder));
            if let Some(leader) = leader {
                return Ok(leader);
            }
            if Instant::now() > deadline {
                let logs: Vec<_> = replicas.iter().map(|replica| replica.read_log()).collect();
                bail!("none of them leads, but {holder:?}:\n{}", logs.join("\n\n"));
            }
            sleep(PAUSE).await;
        }
    }

    /// Makes an agent, without waiting for anything.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn create_agent(&self, name: &str) -> Result<()> {
        let agent: Agent = serde_json::from_value(json!({
            "apiVersion": "kagent.dev/v1alpha2",
            "kind": "Agent",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"type": "BYO", "description": "scripted", "byo": {"deployment": {"image": "example.com/agent"}}},
        }))?;
        let api: Api<Agent> = Api::namespaced(self.client.clone(), &self.namespace);
        api.create(&PostParams::default(), &agent)
            .await
            .with_context(|| format!("cannot make the Agent {name}"))?;
        Ok(())
    }

    /// Waits until a leader has done everything for an agent that can be done without its pod; how long that took.
    ///
    /// # Errors
    /// When it is not done in time.
    pub async fn wait_until_reconciled(&self, name: &str) -> Result<Duration> {
        let api: Api<Agent> = Api::namespaced(self.client.clone(), &self.namespace);
        let began = Instant::now();
        loop {
            let agent = serde_json::to_value(api.get(name).await.context("cannot read the Agent")?)?;
            if is_accepted(&agent) {
                return Ok(began.elapsed());
            }
            if began.elapsed() > WITHIN {
                bail!("{name} is not reconciled: {}", agent["status"]);
            }
            sleep(PAUSE).await;
        }
    }
}

fn is_accepted(agent: &Value) -> bool {
    let conditions = agent["status"]["conditions"].as_array();
    conditions.is_some_and(|conditions| {
        conditions
            .iter()
            .any(|condition| condition["type"] == "Accepted" && condition["status"] == "True")
    })
}

/// A running replica; killed when dropped.
pub struct Replica {
    /// The name it was given.
    pub name: String,
    child: Child,
    api: Option<SocketAddr>,
    probes: SocketAddr,
    metrics: Option<SocketAddr>,
    identity: Option<String>,
    log: PathBuf,
    http: reqwest::Client,
}

impl Replica {
    async fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + WITHIN;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} has ended ({status}):\n{}", self.name, self.read_log());
            }
            self.read_addresses();
            if self.probes.port() != 0 && self.is_ready().await {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{} is not ready:\n{}", self.name, self.read_log());
            }
            sleep(PAUSE).await;
        }
    }

    /// From its log: it chose free ports itself.
    fn read_addresses(&mut self) {
        let log = self.read_log();
        for line in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let text = |name: &str| line[name].as_str().or_else(|| line["fields"][name].as_str());
            if let Some(identity) = text("identity") {
                self.identity = Some(identity.to_owned());
            }
            if let Some(probes) = text("probes").and_then(|probes| probes.parse().ok()) {
                self.probes = probes;
                self.metrics = text("metrics").and_then(|metrics| metrics.parse().ok());
                self.api = text("address").and_then(|address| address.parse().ok());
            }
        }
    }

    /// What `/readyz` says.
    pub async fn is_ready(&self) -> bool {
        let answer = self.http.get(format!("http://{}/readyz", self.probes)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// What `/readyz` says in words.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn read_readiness(&self) -> Result<String> {
        let url = format!("http://{}/readyz?verbose", self.probes);
        Ok(self.http.get(url).send().await?.text().await?)
    }

    /// What `/metrics` says, where a flag has turned it on.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn read_metrics(&self) -> Result<String> {
        let address = self.metrics.context("this replica has no metrics")?;
        let url = format!("http://{address}/metrics");
        Ok(self.http.get(url).send().await?.text().await?)
    }

    /// Base URL of its API.
    ///
    /// # Panics
    /// When it has none.
    pub fn url(&self) -> String {
        format!("http://{}", self.api.expect("this replica has an API"))
    }

    /// Whether it has an API.
    pub fn has_api(&self) -> bool {
        self.api.is_some()
    }

    /// Who it is in the election, if it takes part.
    pub fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    /// Status of a GET of its API.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get_status(&self, path: &str) -> Result<u16> {
        let answer = self.http.get(format!("{}{path}", self.url())).send().await?;
        Ok(answer.status().as_u16())
    }

    /// What it has printed until now.
    pub fn read_log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal: `TERM`, `STOP`, `CONT`.
    ///
    /// # Errors
    /// When it has ended already.
    pub async fn signal(&self, signal: &str) -> Result<()> {
        send_signal(&self.child, signal).await
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn wait_for_end(&mut self) -> Result<ExitStatus> {
        let Ok(status) = timeout(WITHIN, self.child.wait()).await else {
            bail!("{} does not end:\n{}", self.name, self.read_log());
        };
        Ok(status?)
    }

    /// Ends it without a chance to clean up.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("cannot kill the replica")
    }
}

fn build_client() -> Result<reqwest::Client> {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10));
    client.build().context("cannot build an HTTP client")
}
