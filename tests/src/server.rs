//! A real `kagent-server` process in standalone mode, with its own directories and a free port.

use std::{
    fs::File,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::requirements::find_server;

/// The machine may be busy with other tests.
const READY_WITHIN: Duration = Duration::from_secs(60);
const STOP_WITHIN: Duration = Duration::from_secs(30);
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
const AGENT_READY_WITHIN: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(50);

/// Directories of a server: its manifests, and the state that outlives a restart.
pub struct ServerDirs {
    root: TempDir,
}

impl ServerDirs {
    /// Empty directories.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn new() -> Result<Self> {
        let root = tempfile::tempdir().context("cannot make a temporary directory")?;
        std::fs::create_dir(root.path().join("manifests"))?;
        Ok(Self { root })
    }

    /// Where the manifests are.
    pub fn manifests(&self) -> PathBuf {
        self.root.path().join("manifests")
    }

    /// Where the server keeps its state.
    pub fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    /// What the server printed.
    pub fn log(&self) -> PathBuf {
        self.root.path().join("server.log")
    }

    /// Writes a manifest; one of the same name is replaced.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_manifest(&self, name: &str, yaml: &str) -> Result<()> {
        std::fs::write(self.manifests().join(name), yaml).with_context(|| format!("cannot write {name}"))
    }
}

/// A running server; it is killed when this is dropped.
pub struct ServerProcess {
    child: Child,
    url: String,
    log: PathBuf,
    http: reqwest::Client,
}

impl ServerProcess {
    /// Starts a server on `dirs` with more flags, and waits until it answers.
    ///
    /// # Errors
    /// When the program is not there, ends, or does not answer in time; with the end of its log.
    pub async fn start(dirs: &ServerDirs, flags: &[&str]) -> Result<Self> {
        let mut server = Self::spawn(dirs, flags)?;
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            if let Some(status) = server.child.try_wait()? {
                bail!("the server has ended ({status}):\n{}", server.read_log());
            }
            let answer = server.http.get(format!("{}/health", server.url)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(server);
            }
            if Instant::now() > deadline {
                bail!("the server does not answer:\n{}", server.read_log());
            }
            sleep(PAUSE).await;
        }
    }

    /// Starts a server without waiting for it.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn spawn(dirs: &ServerDirs, flags: &[&str]) -> Result<Self> {
        let program = find_server()?;
        let port = find_free_port()?;
        let log = File::options().create(true).append(true).open(dirs.log())?;
        let child = Command::new(&program)
            .arg("--standalone")
            .arg(dirs.manifests())
            .arg("--standalone-state-dir")
            .arg(dirs.state())
            .args(["--http-server-address", &format!("127.0.0.1:{port}")])
            .args(["--health-probe-bind-address", "0"])
            .args(flags)
            .current_dir(dirs.root.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
            log: dirs.log(),
            http: build_client()?,
        })
    }

    /// Base URL of the API.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it has printed until now.
    pub fn read_log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// A GET of the API as `user`: status and body.
    ///
    /// # Errors
    /// When there is no answer, or it is not JSON.
    pub async fn get(&self, path: &str, user: &str) -> Result<(u16, Value)> {
        let request = self.http.get(format!("{}{path}", self.url)).header("X-User-Id", user);
        let answer = request.timeout(ANSWER_WITHIN).send().await.context("no answer")?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        let body = serde_json::from_str(&text).with_context(|| format!("GET {path}: {status}: not JSON: {text}"))?;
        Ok((status, body))
    }

    /// A POST to an agent's A2A endpoint as `user`; the answer with its body still to come.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post_a2a(&self, agent: &str, user: &str, request: &Value) -> Result<reqwest::Response> {
        self.http
            .post(format!("{}/api/a2a/{agent}/", self.url))
            .header("X-User-Id", user)
            .json(request)
            .send()
            .await
            .context("no answer")
    }

    /// Waits until the agent `namespace/name` can be talked to.
    ///
    /// # Errors
    /// When it is not ready in time; with its conditions and the end of the log.
    pub async fn wait_for_agent(&self, agent: &str) -> Result<()> {
        let deadline = Instant::now() + AGENT_READY_WITHIN;
        loop {
            let (_, body) = self.get(&format!("/api/agents/{agent}"), "waiter").await?;
            if body["data"]["deploymentReady"] == true {
                return Ok(());
            }
            if Instant::now() > deadline {
                let conditions = &body["data"]["agent"]["status"]["conditions"];
                bail!("{agent} is not ready: {conditions}\n{}", self.read_log());
            }
            sleep(PAUSE).await;
        }
    }

    /// Sends SIGTERM and waits for the end: exit status and how long it took.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn stop(mut self) -> Result<(ExitStatus, Duration)> {
        let started = Instant::now();
        send_signal(&self.child, "TERM").await?;
        let Ok(status) = timeout(STOP_WITHIN, self.child.wait()).await else {
            bail!("the server does not stop:\n{}", self.read_log());
        };
        Ok((status?, started.elapsed()))
    }

    /// Ends it without a chance to clean up (SIGKILL).
    ///
    /// # Errors
    /// When it cannot be killed.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.context("cannot kill the server")
    }

    /// Waits for its end without asking for it.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn wait_for_end(mut self) -> Result<(ExitStatus, String)> {
        let Ok(status) = timeout(STOP_WITHIN, self.child.wait()).await else {
            bail!("the server does not end:\n{}", self.read_log());
        };
        Ok((status?, self.read_log()))
    }
}

/// Sends a signal to a child with the system's `kill`.
///
/// # Errors
/// When the child has ended already.
pub async fn send_signal(child: &Child, signal: &str) -> Result<()> {
    let pid = child.id().context("the process has ended already")?;
    let status = Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .status()
        .await?;
    if !status.success() {
        bail!("cannot send SIG{signal} to {pid}");
    }
    Ok(())
}

/// A port of loopback that was free a moment ago.
///
/// # Errors
/// When there is none.
pub fn find_free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// A directory that must exist, as text for a flag.
pub fn show(path: &Path) -> String {
    path.display().to_string()
}

fn build_client() -> Result<reqwest::Client> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(Duration::from_secs(5))
        .read_timeout(ANSWER_WITHIN);
    client.build().context("cannot build an HTTP client")
}
