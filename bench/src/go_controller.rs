//! The Go controller as one more reference, where `KAGENT_GO_CONTROLLER` names its program.
//!
//! It works on an in-memory Kubernetes API of ours and on an empty Postgres database that `KAGENT_BENCH_POSTGRES_URL`
//! names, and reaches the benchmark's agent by `KAGENT_A2A_DEBUG_ADDR`.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use embedded_kube::{EmbeddedKube, Serving};
use http::Uri;
use kagent_api::{crds::all_crds, v1alpha2::Agent};
use kube::{Api, api::PostParams};
use tempfile::TempDir;

use crate::process::Process;

const START_LIMIT: Duration = Duration::from_secs(60);

/// A running controller with one Agent, `kagent/stub`.
pub struct GoController {
    process: Process,
    address: SocketAddr,
    _serving: Serving,
    _kube: EmbeddedKube,
    _folder: TempDir,
}

/// The program, if one is named.
pub fn find_go_controller() -> Option<PathBuf> {
    std::env::var_os("KAGENT_GO_CONTROLLER").map(PathBuf::from)
}

impl GoController {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// When no database is named, or it does not answer in time; with its log.
    pub async fn start(program: &Path, agent_port: u16) -> Result<Self> {
        let database = std::env::var("KAGENT_BENCH_POSTGRES_URL")
            .context("KAGENT_GO_CONTROLLER is set: set KAGENT_BENCH_POSTGRES_URL to an empty database for it")?;
        let folder = TempDir::new()?;
        let kube = EmbeddedKube::builder().namespace("kagent").build()?;
        kube.install_crds(all_crds())
            .map_err(|error| anyhow::anyhow!("install the CRDs: {error:?}"))?;
        let serving = kube.serve(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, serving.kubeconfig())?;
        let agent: Agent = serde_json::from_value(serde_json::json!({
            "apiVersion": "kagent.dev/v1alpha2",
            "kind": "Agent",
            "metadata": {"name": "stub", "namespace": "kagent"},
            "spec": {"type": "BYO", "byo": {"deployment": {"image": "example.com/agent"}}},
        }))?;
        let agents: Api<Agent> = Api::namespaced(kube.client(), "kagent");
        agents.create(&PostParams::default(), &agent).await?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let log = folder.path().join("log");
        let process = Process::start_unread(
            Command::new(program)
                .env("KUBECONFIG", kubeconfig)
                .env("KAGENT_NAMESPACE", "kagent")
                .env("HTTP_SERVER_ADDRESS", address.to_string())
                .env("HEALTH_PROBE_BIND_ADDRESS", "0")
                .env("POSTGRES_DATABASE_URL", database)
                .env("DATABASE_VECTOR_ENABLED", "false")
                .env("KAGENT_A2A_DEBUG_ADDR", format!("127.0.0.1:{agent_port}"))
                .stderr(Stdio::from(std::fs::File::create(&log)?)),
        )?;
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            if started.elapsed() > START_LIMIT {
                bail!("the Go controller does not listen:\n{}", std::fs::read_to_string(&log)?);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self {
            process,
            address,
            _serving: serving,
            _kube: kube,
            _folder: folder,
        })
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its A2A endpoint of the benchmark's agent.
    ///
    /// # Errors
    /// When the address makes no URL.
    pub fn agent_url(&self) -> Result<Uri> {
        Ok(format!("http://{}/api/a2a/kagent/stub/", self.address).parse()?)
    }
}
