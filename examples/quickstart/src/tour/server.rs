//! The server as a child process: started on a free port with its own directory, stopped with SIGTERM.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::{Args, client::Client};

/// The port that is tried first: the one kagent has in a cluster.
const PORT: u16 = 8083;
const READY_WITHIN: Duration = Duration::from_secs(30);
const STOP_WITHIN: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct Server {
    child: Child,
    url: String,
    log: PathBuf,
}

impl Server {
    /// Starts it; it is not ready yet.
    ///
    /// # Errors
    /// When the program cannot be started or its directory cannot be made.
    pub(crate) async fn start(args: &Args) -> Result<Self> {
        let port = find_port()?;
        // The port is ours alone, so the directory is, too.
        let state = args.state.join(port.to_string());
        if state.exists() {
            fs::remove_dir_all(&state).with_context(|| format!("cannot empty {}", state.display()))?;
        }
        fs::create_dir_all(&state).with_context(|| format!("cannot create {}", state.display()))?;
        let log = state.join("server.log");
        let log_file = fs::File::create(&log)?;
        let url = format!("http://127.0.0.1:{port}");

        let mut command = Command::new(&args.server);
        command
            .arg("--standalone")
            .arg(&args.manifests)
            .arg("--standalone-state-dir")
            .arg(&state)
            .args(["--http-server-address", &format!("127.0.0.1:{port}")])
            .args(["--health-probe-bind-address", "0"])
            .args(["--zap-encoder", "console"])
            .env("PATH", search_path(args)?)
            .current_dir(&state)
            .stdin(Stdio::null())
            .stdout(log_file.try_clone()?)
            .stderr(log_file)
            .kill_on_drop(true);
        if let Some(adk) = &args.adk {
            command.arg("--kagent-adk").arg(adk);
        }
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", args.server.display()))?;
        Ok(Self { child, url, log })
    }

    /// Base URL of its API.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Where it logs to.
    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// When it ends or does not answer in time; with the last lines of its log.
    pub(crate) async fn wait_until_ready(&mut self, client: &Client) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while !client.is_healthy().await {
            self.check_alive()?;
            if Instant::now() > deadline {
                bail!("the server does not answer on {}:{}", self.url, self.last_lines());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Fails with the last lines of the log when the server has ended.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the server has ended ({status}):{}", self.last_lines()),
        }
    }

    /// Waits for its end, which nobody asked for.
    pub(crate) async fn wait_for_end(&mut self) -> Result<()> {
        let status = self.child.wait().await?;
        bail!("the server has ended ({status}):{}", self.last_lines())
    }

    /// Asks it to stop and waits.
    ///
    /// # Errors
    /// When it does not stop in time (it is killed then), or not with exit code 0.
    pub(crate) async fn stop(mut self) -> Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            kill_process(pid, Signal::TERM)?;
        }
        let Ok(status) = timeout(STOP_WITHIN, self.child.wait()).await else {
            self.child.kill().await?;
            bail!("the server did not stop in {STOP_WITHIN:?} and was killed");
        };
        let status = status?;
        if !status.success() {
            bail!("the server ended with {status}:{}", self.last_lines());
        }
        Ok(())
    }

    fn last_lines(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let from = lines.len().saturating_sub(8);
        let mut shown = String::new();
        for line in &lines[from..] {
            shown.push_str("\n  ");
            shown.push_str(line);
        }
        shown
    }
}

fn find_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", PORT)).or_else(|_| TcpListener::bind(("127.0.0.1", 0)))?;
    Ok(listener.local_addr()?.port())
}

/// PATH with the example agent's folder first, because its manifest names the program without a path.
fn search_path(args: &Args) -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = args
        .agent
        .parent()
        .into_iter()
        .map(Path::to_owned)
        .chain(std::env::split_paths(&path));
    std::env::join_paths(folders).context("a folder in PATH has a colon in its name")
}
