//! The callers of a case: send what was recorded, when it was recorded, and keep what comes back.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex as BlockingMutex},
    time::Duration,
};

use anyhow::{Context, Result};
use futures::future::BoxFuture;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Mutex, task::JoinSet, time::Instant};

use super::{
    case::{Call, Case},
    wire::{Head, read_body, read_head},
};

/// No answer may take longer.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// What a caller got.
#[derive(Clone, Debug, Default)]
pub struct Answered {
    /// The final head, if there was one.
    pub head: Option<Head>,
    /// The body without transfer framing, as far as it came.
    pub body: Vec<u8>,
    /// `complete`, `recorder-closed` or `connection-closed-early`.
    pub end: String,
}

/// Something that happens between two calls of a case, such as an Agent that is deleted.
pub type Between<'a> = dyn Fn(usize) -> BoxFuture<'a, Result<()>> + Sync + 'a;

type Connection = Arc<Mutex<Option<(TcpStream, Vec<u8>)>>>;

/// Makes the calls of a case; `between(n)` is awaited before call `n`.
///
/// A call waits for all calls that had ended when it was recorded, then for the recorded pause.
///
/// # Errors
/// When the server cannot be reached at all.
pub async fn play_calls(server: SocketAddr, case: &Case, between: &Between<'_>) -> Result<Vec<Answered>> {
    let mut connections: HashMap<String, Connection> = HashMap::new();
    let mut running: JoinSet<(usize, Result<Answered>)> = JoinSet::new();
    let mut answers: Vec<Option<Answered>> = vec![None; case.calls.len()];
    let start = Instant::now();
    for (index, call) in case.calls.iter().enumerate() {
        let mut ended_at = None;
        for (earlier, before) in case.calls[..index].iter().enumerate() {
            if before.response.end_ms > call.request.t_ms {
                continue;
            }
            ended_at = ended_at.max(Some(before.response.end_ms));
            while answers[earlier].is_none() {
                let (done, answer) = running.join_next().await.context("a call was lost")??;
                answers[done] = Some(answer?);
            }
        }
        let (from, pause) = match ended_at {
            Some(ended_at) => (Instant::now(), call.request.t_ms - ended_at),
            None => (start, call.request.t_ms),
        };
        tokio::time::sleep_until(from + Duration::from_millis(pause)).await;
        between(index).await?;
        let connection = match &call.request.connection {
            Some(name) => {
                let name = name.trim_end_matches(" (reused)").to_owned();
                Arc::clone(connections.entry(name).or_default())
            }
            None => Connection::default(),
        };
        let call = call.clone();
        running.spawn(async move { (index, make_call(server, &call, connection).await) });
    }
    while let Some(done) = running.join_next().await {
        let (index, answer) = done?;
        answers[index] = Some(answer?);
    }
    Ok(answers.into_iter().map(Option::unwrap_or_default).collect())
}

async fn make_call(server: SocketAddr, call: &Call, connection: Connection) -> Result<Answered> {
    let mut slot = connection.lock().await;
    let (mut stream, mut buffer) = match slot.take() {
        Some(open) => open,
        None => {
            let stream = TcpStream::connect(server)
                .await
                .with_context(|| format!("connect to {server}"))?;
            (stream, Vec::new())
        }
    };
    let leaves = call.response.end == "recorder-closed";
    let limit = if leaves {
        Duration::from_millis(call.response.end_ms.saturating_sub(call.request.t_ms))
    } else {
        CALL_LIMIT
    };
    let request_head = call.request.head.decode()?;
    let is_head = request_head.starts_with(b"HEAD ");
    let bytes = [request_head, call.request.body.decode()?].concat();
    let body = BlockingMutex::new(Vec::new());
    let head = BlockingMutex::new(None);
    let exchange = async {
        // A server may answer and close before it has read everything.
        let _ = stream.write_all(&bytes).await;
        let found = loop {
            match read_head(&mut stream, &mut buffer).await {
                Ok(Some(head)) if head.status().is_some_and(|status| status < 200) => {}
                Ok(Some(head)) => break head,
                Ok(None) | Err(_) => return Ok("connection-closed-early"),
            }
        };
        *head.lock().expect("no panic") = Some(found.clone());
        if is_head || matches!(found.status(), Some(204 | 304)) {
            return Ok("complete");
        }
        let keep = |bytes: &[u8]| body.lock().expect("no panic").extend_from_slice(bytes);
        let (_, whole) = read_body(&mut stream, &mut buffer, &found, true, keep).await?;
        Ok::<_, anyhow::Error>(if whole { "complete" } else { "connection-closed-early" })
    };
    let end = match tokio::time::timeout(limit, exchange).await {
        Ok(end) => end?,
        Err(_) if leaves => "recorder-closed",
        Err(_) => "no end within 30 s",
    };
    if end == "complete" {
        *slot = Some((stream, buffer));
    }
    Ok(Answered {
        head: head.into_inner().expect("no panic"),
        body: body.into_inner().expect("no panic"),
        end: end.to_owned(),
    })
}
