//! `kagent-server` in standalone mode, with the benchmark's agent as the only Agent or with none.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::process::{Process, find_program};

/// A server must be ready, and its agent reachable, within this time.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A running server.
pub struct Server {
    process: Process,
    api: SocketAddr,
    folder: TempDir,
    /// From start until `/readyz` was 200.
    pub start_to_ready: Duration,
}

/// The program to measure: `KAGENT_BENCH_SERVER`, or `kagent-server` next to this program.
///
/// # Errors
/// When there is none.
pub fn find_server() -> Result<PathBuf> {
    find_program("KAGENT_BENCH_SERVER", "kagent-server")
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

impl Server {
    /// Starts it on an empty database and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start(program: &Path, manifest: Option<&str>) -> Result<Self> {
        let folder = TempDir::new()?;
        let manifests = folder.path().join("manifests");
        fs::create_dir(&manifests)?;
        if let Some(manifest) = manifest {
            fs::write(manifests.join("agent.yaml"), manifest)?;
        }
        let (api, probes) = (free_address()?, free_address()?);
        let log = fs::File::create(folder.path().join("log"))?;
        let mut command = Command::new(program);
        command
            .arg("--standalone")
            .arg(&manifests)
            .arg("--standalone-state-dir")
            .arg(folder.path().join("state"))
            .env("HTTP_SERVER_ADDRESS", api.to_string())
            .env("HEALTH_PROBE_BIND_ADDRESS", probes.to_string())
            .env("ZAP_LOG_LEVEL", "info")
            .current_dir(folder.path())
            .stderr(Stdio::from(log));
        let started = Instant::now();
        let process = Process::start_unread(&mut command)?;
        let mut server = Self {
            process,
            api,
            folder,
            start_to_ready: Duration::ZERO,
        };
        while !is_ok(probes, "/readyz") {
            if started.elapsed() > START_LIMIT {
                bail!(
                    "{} is not ready after {START_LIMIT:?}:\n{}",
                    program.display(),
                    server.log()
                );
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        server.start_to_ready = started.elapsed();
        Ok(server)
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its A2A endpoint of an agent.
    ///
    /// # Errors
    /// When the names make no URL.
    pub fn agent_url(&self, namespace: &str, name: &str) -> Result<http::Uri> {
        Ok(format!("http://{}/api/a2a/{namespace}/{name}/", self.api).parse()?)
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Waits until the benchmark's agent has written its port to the server's folder.
    ///
    /// # Errors
    /// When it does not start.
    pub fn wait_for_agent(&self, port_file: &Path) -> Result<u16> {
        let started = Instant::now();
        loop {
            if let Ok(text) = fs::read_to_string(port_file)
                && let Ok(port) = text.trim().parse()
            {
                return Ok(port);
            }
            if started.elapsed() > START_LIMIT {
                bail!("the agent did not start:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// An Agent that runs this program's `agent` subcommand, which writes its port to `port_file`.
///
/// # Errors
/// When this program cannot be found.
pub fn build_manifest(name: &str, port_file: &Path) -> Result<String> {
    let program = std::env::current_exe().context("own path")?;
    let manifest = serde_json::json!({
        "apiVersion": "kagent.dev/v1alpha2",
        "kind": "Agent",
        "metadata": {"name": name, "namespace": "kagent"},
        "spec": {
            "type": "BYO",
            "description": "answers at once",
            "byo": {"deployment": {
                "image": "none",
                "cmd": program,
                "args": ["agent", "--port-file", port_file],
            }},
        },
    });
    // JSON is YAML.
    Ok(serde_json::to_string_pretty(&manifest)?)
}

fn is_ok(address: SocketAddr, path: &str) -> bool {
    let get = || -> Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(200))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
        )?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(&head == b"HTTP/1.1 200")
    };
    get().unwrap_or(false)
}
