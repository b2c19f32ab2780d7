//! A Go process that contends for the Lease with client-go's own leader election, as a Go controller would.

use std::{path::Path, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{requirements::find_required, server::send_signal};

const WITHIN: Duration = Duration::from_secs(90);

/// A running contender; killed when dropped.
pub struct GoContender {
    child: Child,
    events: Arc<Mutex<Vec<ContenderEvent>>>,
    _reading: JoinSet<()>,
}

/// What a contender said.
#[derive(Clone, Debug, Deserialize)]
pub struct ContenderEvent {
    /// `joins`, `leads`, `works` (again and again while it leads), `follows`.
    pub event: String,
    /// When, in nanoseconds of the machine's monotonic clock.
    pub at: i64,
}

/// The machine's monotonic clock in nanoseconds, which is the same for all processes.
pub fn monotonic_ns() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

impl GoContender {
    /// Joins the election for `name` in `namespace`, with the durations that tests use.
    ///
    /// # Errors
    /// When the program is not there.
    pub fn start(kubeconfig: &Path, namespace: &str, name: &str, identity: &str) -> Result<Self> {
        let what = "the built tests/control-plane/cmd/lease-contender";
        let program = find_required("KAGENT_TEST_LEASE_CONTENDER", what)?;
        let mut child = Command::new(&program)
            .arg("-kubeconfig")
            .arg(kubeconfig)
            .args(["-namespace", namespace, "-name", name, "-identity", identity])
            .args([
                "-lease-duration",
                "6s",
                "-renew-deadline",
                "4s",
                "-retry-period",
                "800ms",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let output = child.stdout.take().context("it has no output")?;
        let events = Arc::new(Mutex::new(Vec::new()));
        let mut reading = JoinSet::new();
        let read = Arc::clone(&events);
        reading.spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(event) = serde_json::from_str(&line) {
                    read.lock().await.push(event);
                }
            }
        });
        Ok(Self {
            child,
            events,
            _reading: reading,
        })
    }

    /// Everything that it has said.
    pub async fn list_events(&self) -> Vec<ContenderEvent> {
        self.events.lock().await.clone()
    }

    /// Waits until it says `event` after `since`; when it said so.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn wait_for(&self, event: &str, since: i64) -> Result<i64> {
        let began = Instant::now();
        loop {
            let events = self.list_events().await;
            if let Some(said) = events.iter().find(|said| said.event == event && said.at > since) {
                return Ok(said.at);
            }
            if began.elapsed() > WITHIN {
                let said: Vec<_> = events.iter().filter(|said| said.event != "works").collect();
                bail!("the contender does not say {event}, only {said:?}");
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends a signal: `TERM`, `STOP`, `CONT`.
    ///
    /// # Errors
    /// When it has ended already.
    pub async fn signal(&self, signal: &str) -> Result<()> {
        send_signal(&self.child, signal).await
    }
}

/// From when to when it worked: it says so every 20 ms while it leads.
pub fn list_terms(events: &[ContenderEvent]) -> Vec<(i64, i64)> {
    let mut terms: Vec<(i64, i64)> = Vec::new();
    for said in events {
        match (said.event.as_str(), terms.last_mut()) {
            ("leads", _) => terms.push((said.at, said.at)),
            ("works", Some(term)) => term.1 = said.at,
            _ => {}
        }
    }
    terms
}
