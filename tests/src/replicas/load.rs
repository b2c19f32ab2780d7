//! Requests of all kinds to a replica, again and again, until the test has seen enough: every failure is kept.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

/// Pause between two requests of one kind.
const PAUSE: Duration = Duration::from_millis(20);
/// Events of one stream, a tenth of a second each.
const EVENTS: u64 = 10;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Requests that go on until they are stopped.
pub struct Load {
    stop: watch::Sender<bool>,
    running: JoinSet<LoadReport>,
}

/// What became of the requests.
#[derive(Clone, Debug, Default)]
pub struct LoadReport {
    /// How many were made.
    pub requests: usize,
    /// What went wrong, with the time since the load began.
    pub failures: Vec<String>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Unary,
    Stream,
    Card,
    Rest,
}

impl Load {
    /// Starts to send A2A messages, streams, card and REST requests about `agent` (`namespace/name`) to `url`.
    ///
    /// # Errors
    /// When there is no HTTP client.
    pub fn start(url: &str, agent: &str) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?;
        let (stop, stopped) = watch::channel(false);
        let mut running = JoinSet::new();
        for kind in [Kind::Unary, Kind::Stream, Kind::Card, Kind::Rest] {
            let (http, stopped) = (http.clone(), stopped.clone());
            let (url, agent) = (url.to_owned(), agent.to_owned());
            running.spawn(async move {
                let began = Instant::now();
                let mut report = LoadReport::default();
                while !*stopped.borrow() {
                    report.requests += 1;
                    if let Err(error) = request(&http, &url, &agent, kind).await {
                        let after = began.elapsed().as_secs_f32();
                        report.failures.push(format!("{kind:?} after {after:.2} s: {error:#}"));
                    }
                    sleep(PAUSE).await;
                }
                report
            });
        }
        Ok(Self { stop, running })
    }

    /// Stops it; what became of all requests.
    pub async fn stop(self) -> LoadReport {
        self.stop.send_replace(true);
        let mut sum = LoadReport::default();
        for report in self.running.join_all().await {
            sum.requests += report.requests;
            sum.failures.extend(report.failures);
        }
        sum
    }
}

impl LoadReport {
    /// # Panics
    /// When a request failed, or there were too few to say anything.
    pub fn assert_flawless(&self, replica: &str) {
        assert!(self.requests > 20, "{replica} was asked only {} times", self.requests);
        assert!(
            self.failures.is_empty(),
            "{} of {} requests to {replica} failed, first: {:?}",
            self.failures.len(),
            self.requests,
            &self.failures[..self.failures.len().min(5)]
        );
    }
}

async fn request(http: &reqwest::Client, url: &str, agent: &str, kind: Kind) -> Result<()> {
    let a2a = format!("{url}/api/a2a/{agent}/");
    let answer = match kind {
        Kind::Unary => http.post(&a2a).json(&message("message/send")).send(),
        Kind::Stream => http.post(&a2a).json(&message("message/stream")).send(),
        Kind::Card => http.get(format!("{a2a}.well-known/agent-card.json")).send(),
        Kind::Rest => http.get(format!("{url}/api/agents/{agent}")).send(),
    };
    let answer = answer.await?;
    let status = answer.status();
    let text = answer.text().await.context("the body broke off")?;
    ensure!(status == 200, "{status}: {text}");
    match kind {
        Kind::Stream => {
            let events = text.lines().filter(|line| line.starts_with("data:")).count();
            ensure!(events as u64 == EVENTS, "{events} events of {EVENTS}: {text}");
        }
        _ => {
            let body: Value = serde_json::from_str(&text).context("not JSON")?;
            if !body["error"].is_null() && body["error"] != false {
                bail!("{text}");
            }
        }
    }
    Ok(())
}

fn message(method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"message": {
        "kind": "message", "role": "user", "messageId": "m", "metadata": {"events": EVENTS},
        "parts": [{"kind": "text", "text": "hello"}],
    }}})
}
