//! One running process of an agent, behind its guard (see [`super::guard`]).

use std::{
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::process::{Child, ChildStdin, Command};

use super::{guard::GUARD, launch::Launch, logs::AgentLog};
use crate::tasks::Tasks;

/// Time that the guard gets beyond the agent's own before it is killed, and the agent with it.
const GUARD_MARGIN: Duration = Duration::from_secs(2);

/// A process and the pipe whose end stops it. Dropping it stops it too.
#[derive(Debug)]
pub(super) struct Process {
    guard: Child,
    lifeline: Option<ChildStdin>,
    grace: Duration,
}

impl Process {
    /// Starts `launch`; what it writes goes to `log`. `guard` is the program that acts as a guard.
    pub(super) fn spawn(
        guard: &Path,
        launch: &Launch,
        grace: Duration,
        log: &AgentLog,
        tasks: &Tasks,
    ) -> io::Result<Self> {
        log.begin();
        let mut child = Command::new(guard)
            .arg(GUARD)
            .arg(grace.as_millis().to_string())
            .arg(&launch.program)
            .args(&launch.arguments)
            .env_clear()
            .envs(&launch.environment)
            .current_dir(&launch.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Keys typed at the server's terminal are for the server alone.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let lifeline = child.stdin.take();
        if let Some(output) = child.stdout.take() {
            let log = log.clone();
            tasks.spawn("agent.stdout", async move { log.copy(output).await });
        }
        if let Some(output) = child.stderr.take() {
            let log = log.clone();
            tasks.spawn("agent.stderr", async move { log.copy(output).await });
        }
        Ok(Self {
            guard: child,
            lifeline,
            grace,
        })
    }

    /// Waits for the end of the process. May be dropped and called again.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        // `Child::wait` would close a standard input that it still has; ours is kept apart for that reason.
        self.guard.wait().await
    }

    /// SIGKILL. The agent dies with its guard.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.guard.start_kill()
    }

    /// SIGTERM, then SIGKILL after the grace time, for everything that the agent started.
    pub(super) async fn stop(mut self) {
        drop(self.lifeline.take());
        if tokio::time::timeout(self.grace + GUARD_MARGIN, self.guard.wait())
            .await
            .is_err()
        {
            // The agent dies with its guard.
            if let Err(error) = self.guard.kill().await {
                tracing::warn!(%error, "cannot kill the guard of an agent");
            }
        }
    }
}
