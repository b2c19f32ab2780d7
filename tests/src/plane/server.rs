//! A real `kagent-server` process of a cluster, with the rights of a kubeconfig, where the cluster's Pods reach it.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use super::isolated::outside_address;
use crate::requirements::find_server;

const WITHIN: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_millis(50);
const API_PORT: u16 = 8083;
const PROBES_PORT: u16 = 8082;

/// A running server; it is killed when this is dropped. Runs inside of [`super::isolated`] only.
pub struct ClusterServer {
    child: Child,
    number: u8,
    log: PathBuf,
    http: reqwest::Client,
    _dir: TempDir,
}

impl ClusterServer {
    /// Starts the `number`th server, without waiting for it.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn spawn(number: u8, kubeconfig: &Path, flags: &[&str]) -> Result<Self> {
        let program = find_server()?;
        let dir = tempfile::tempdir()?;
        let log = dir.path().join("server.log");
        let address = outside_address(number);
        let child = Command::new(&program)
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .arg(format!("--http-server-address={address}:{API_PORT}"))
            .arg(format!("--health-probe-bind-address={address}:{PROBES_PORT}"))
            .arg(format!(
                "--sqlite-database-path={}",
                dir.path().join("kagent.db").display()
            ))
            .args(flags)
            .stdin(Stdio::null())
            .stdout(File::create(dir.path().join("server.out"))?)
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self {
            child,
            number,
            log,
            http: reqwest::Client::builder()
                .no_proxy()
                .connect_timeout(Duration::from_secs(5))
                .read_timeout(WITHIN)
                .build()?,
            _dir: dir,
        })
    }

    /// Where its API is.
    pub fn address(&self) -> SocketAddr {
        (outside_address(self.number), API_PORT).into()
    }

    /// Base URL of its API.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// What it has logged until now.
    pub fn read_log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Status and body of `/readyz`; `None` while nobody answers.
    pub async fn readyz(&self) -> Option<(u16, String)> {
        let url = format!("http://{}:{PROBES_PORT}/readyz", outside_address(self.number));
        let answer = self.http.get(url).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// Waits until `/readyz` says what `accept` wants, and returns it.
    ///
    /// # Errors
    /// When it does not in time, or the server has ended; with the end of its log.
    pub async fn wait_for_readyz(&mut self, accept: impl Fn(u16, &str) -> bool) -> Result<String> {
        let deadline = Instant::now() + WITHIN;
        let mut last = None;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server has ended ({status}):\n{}", self.read_log());
            }
            if let Some((status, body)) = self.readyz().await {
                if accept(status, &body) {
                    return Ok(body);
                }
                last = Some((status, body));
            }
            if Instant::now() > deadline {
                bail!("/readyz says {last:?}:\n{}", self.read_log());
            }
            sleep(PAUSE).await;
        }
    }

    /// A GET of its API: status and body.
    ///
    /// # Errors
    /// When there is no answer, or it is not JSON.
    pub async fn get(&self, path: &str) -> Result<(u16, Value)> {
        let answer = self.http.get(format!("{}{path}", self.url())).send().await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// A request of its API with a body: status and answer.
    ///
    /// # Errors
    /// When there is no answer, or it is not JSON.
    pub async fn send(&self, method: http::Method, path: &str, body: &Value) -> Result<(u16, Value)> {
        let request = self.http.request(method, format!("{}{path}", self.url())).json(body);
        let answer = request.send().await.context("no answer")?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    /// Sends a request of this version of A2A to an agent, `namespace/name`: the JSON-RPC answer.
    ///
    /// # Errors
    /// When there is none, or it is not JSON.
    pub async fn ask_agent(&self, agent: &str, version: &str, request: &Value) -> Result<Value> {
        let url = format!("{}/api/a2a/{agent}/", self.url());
        let request = self.http.post(url).header("A2A-Version", version).json(request);
        let answer = request.send().await.context("no answer")?;
        let (status, text) = (answer.status(), answer.text().await?);
        serde_json::from_str(&text).with_context(|| format!("{status}: not JSON: {text}"))
    }
}
