//! The load: unary calls one after another on a number of connections, or streams that are held open.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpStream, task::JoinSet};

/// What a unary run saw.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct UnaryRun {
    /// Requests that were answered.
    pub requests: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Median latency, in microseconds.
    pub p50_us: f64,
    /// 99th percentile, in microseconds.
    pub p99_us: f64,
}

fn body(method: &str) -> String {
    format!(
        concat!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{}","params":{{"message":{{"kind":"message","messageId":"m-1","#,
            r#""role":"user","parts":[{{"kind":"text","text":"hello"}}]}}}}}}"#
        ),
        method
    )
}

fn request(to: &Uri, method: &str) -> Result<Request<Full<Bytes>>> {
    let path = to.path_and_query().map_or("/", |path| path.as_str());
    Ok(Request::post(path)
        .header("host", to.authority().context("no authority")?.as_str())
        .header("content-type", "application/json")
        .body(Full::from(body(method)))?)
}

async fn connect(to: &Uri) -> Result<SendRequest<Full<Bytes>>> {
    let address = to.authority().context("no authority")?.as_str();
    let stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("connect to {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(8192)
        .handshake(TokioIo::new(stream))
        .await?;
    #[expect(clippy::disallowed_methods, reason = "a load generator has no shutdown to wait for")]
    tokio::spawn(connection);
    Ok(sender)
}

/// Sends unary calls on `connections` connections for `time`.
///
/// # Errors
/// When a call is not answered with HTTP 200 and a result.
pub async fn run_unary(to: &Uri, connections: usize, time: Duration) -> Result<UnaryRun> {
    let started = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..connections {
        let to = to.clone();
        running.spawn(async move {
            let mut sender = connect(&to).await?;
            let mut latencies = Vec::with_capacity(1 << 16);
            while started.elapsed() < time {
                let begun = Instant::now();
                sender.ready().await?;
                let response = sender.send_request(request(&to, "message/send")?).await?;
                let status = response.status();
                let body = response.into_body().collect().await?.to_bytes();
                ensure!(
                    status == 200 && body.windows(9).any(|window| window == b"\"result\":"),
                    "{to} answered {status}: {}",
                    String::from_utf8_lossy(&body)
                );
                latencies.push(u32::try_from(begun.elapsed().as_nanos() / 100).unwrap_or(u32::MAX));
            }
            Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(run) = running.join_next().await {
        latencies.append(&mut run??);
    }
    let seconds = started.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let percentile = |share: f64| {
        let index = (latencies.len() as f64 * share) as usize;
        f64::from(latencies.get(index).copied().unwrap_or_default()) / 10.0
    };
    Ok(UnaryRun {
        requests: latencies.len() as u64,
        seconds,
        p50_us: percentile(0.50),
        p99_us: percentile(0.99),
    })
}

/// Opens this many streams and returns once each has its head; they end when the result is dropped.
///
/// # Errors
/// When a stream is not opened with HTTP 200.
pub async fn open_streams(to: &Uri, count: usize) -> Result<Vec<(SendRequest<Full<Bytes>>, hyper::body::Incoming)>> {
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        let mut sender = connect(to).await?;
        let response = sender.send_request(request(to, "message/stream")?).await?;
        ensure!(response.status() == 200, "{to} answered {}", response.status());
        streams.push((sender, response.into_body()));
    }
    Ok(streams)
}
