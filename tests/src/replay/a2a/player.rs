//! The scripted agent: plays a case's script on every name that resolves to it, and keeps what it received.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    task::JoinSet,
};

use super::{
    case::ScriptEntry,
    wire::{Head, read_body, read_head},
};

/// A request that the agent received.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its head.
    pub head: Head,
    /// Its body without transfer framing.
    pub body: Vec<u8>,
    /// Number of its connection, from 1.
    pub connection: u32,
    /// Whether the connection closed before the script was finished.
    pub peer_closed: bool,
}

#[derive(Default)]
struct Play {
    script: Vec<ScriptEntry>,
    received: Vec<Received>,
    connections: u32,
    open: JoinSet<()>,
}

/// The scripted agent.
pub struct Player {
    address: SocketAddr,
    play: Arc<Mutex<Play>>,
    _accepting: JoinSet<()>,
}

impl Player {
    /// Listens on `address`.
    ///
    /// # Errors
    /// When the address is in use.
    pub async fn start(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("the scripted agent cannot listen on {address}"))?;
        let address = listener.local_addr()?;
        let play = Arc::new(Mutex::new(Play::default()));
        let mut accepting = JoinSet::new();
        let shared = Arc::clone(&play);
        accepting.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut play = shared.lock().await;
                play.connections += 1;
                let number = play.connections;
                let connection = Arc::clone(&shared);
                play.open.spawn(async move {
                    // A connection that breaks is part of the script or seen in what is compared.
                    let _ = serve(stream, number, connection).await;
                });
            }
        });
        Ok(Self {
            address,
            play,
            _accepting: accepting,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins a case: connections of the case before are closed.
    pub async fn load(&self, script: Vec<ScriptEntry>) {
        let mut open = {
            let mut play = self.play.lock().await;
            let open = std::mem::take(&mut play.open);
            *play = Play {
                script,
                ..Play::default()
            };
            open
        };
        let had_some = !open.is_empty();
        open.shutdown().await;
        if had_some {
            // The server notices closed idle connections before it is called again.
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }

    /// What was received since [`Player::load`].
    pub async fn received(&self) -> Vec<Received> {
        self.play.lock().await.received.clone()
    }
}

async fn serve(mut stream: TcpStream, number: u32, play: Arc<Mutex<Play>>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    while let Some(head) = read_head(&mut stream, &mut buffer).await? {
        let (body, _) = read_body(&mut stream, &mut buffer, &head, false, |_| {}).await?;
        let (entry, index) = {
            let mut play = play.lock().await;
            let index = play.received.len();
            play.received.push(Received {
                head,
                body: body.clone(),
                connection: number,
                peer_closed: false,
            });
            let entry = play.script.get(index).or_else(|| play.script.last()).cloned();
            (entry, index)
        };
        let Some(entry) = entry else { return Ok(()) };
        let step = answer(&mut stream, &entry, &body);
        match step.await {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(_) => {
                play.lock().await.received[index].peer_closed = true;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Waits; an error when the other side closes meanwhile.
async fn pause(stream: &mut TcpStream, millis: u64) -> Result<()> {
    if millis == 0 {
        return Ok(());
    }
    let mut byte = [0];
    tokio::select! {
        read = stream.read(&mut byte) => anyhow::bail!("the other side closed or spoke: {read:?}"),
        () = tokio::time::sleep(Duration::from_millis(millis)) => Ok(()),
    }
}

/// Plays one entry; whether the connection stays open.
async fn answer(stream: &mut TcpStream, entry: &ScriptEntry, request: &[u8]) -> Result<bool> {
    pause(stream, entry.delay_ms).await?;
    match entry.end.as_deref() {
        Some("close-without-response") => return Ok(false),
        Some("reset-without-response") => {
            stream.set_zero_linger()?;
            return Ok(false);
        }
        _ => {}
    }
    let id = serde_json::from_slice::<Value>(request)
        .ok()
        .and_then(|request| request.get("id").cloned())
        .unwrap_or_default();
    let chunks: Vec<(u64, Vec<u8>)> = entry
        .chunks
        .iter()
        .map(|chunk| Ok((chunk.after_ms, with_id(&chunk.bytes.decode()?, &id))))
        .collect::<Result<_>>()?;
    let mut head = entry.head.trim_end_matches('\n').replace('\n', "\r\n");
    let framing = entry.framing.as_deref().unwrap_or("content-length");
    match framing {
        "chunked" => head.push_str("\r\nTransfer-Encoding: chunked"),
        "content-length" => {
            let length: usize = chunks.iter().map(|(_, bytes)| bytes.len()).sum();
            let length = entry.declare_length.unwrap_or(length as u64);
            head.push_str(&format!("\r\nContent-Length: {length}"));
        }
        _ => {}
    }
    head.push_str("\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    for (after, bytes) in chunks {
        pause(stream, after).await?;
        if framing == "chunked" {
            let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
            chunk.extend_from_slice(&bytes);
            chunk.extend_from_slice(b"\r\n");
            stream.write_all(&chunk).await?;
        } else {
            stream.write_all(&bytes).await?;
        }
    }
    pause(stream, entry.hold_ms).await?;
    match entry.end.as_deref() {
        Some("abort") => Ok(false),
        Some("reset") => {
            // What was written must have been read before the reset discards it.
            tokio::time::sleep(Duration::from_millis(50)).await;
            stream.set_zero_linger()?;
            Ok(false)
        }
        _ => {
            if framing == "chunked" {
                stream.write_all(b"0\r\n\r\n").await?;
            }
            Ok(framing != "close")
        }
    }
}

/// Puts the id of the request in: an id that is no string replaces the quotes too.
fn with_id(bytes: &[u8], id: &Value) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return bytes.to_vec();
    };
    if !text.contains("${UPSTREAM_ID}") {
        return bytes.to_vec();
    }
    let json = id.to_string();
    let inner = json.trim_matches('"');
    text.replace("\"${UPSTREAM_ID}\"", &json)
        .replace("${UPSTREAM_ID}", inner)
        .into_bytes()
}
