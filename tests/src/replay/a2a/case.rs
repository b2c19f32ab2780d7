//! The form of A2A recordings: one case per JSON document, as the README of the recordings describes it.

use std::path::Path;

use anyhow::{Context, Result, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

/// One recorded case.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// `AREA/NAME`.
    pub case: String,
    /// What the caller speaks, where the case has a caller of A2A.
    pub wire: Option<String>,
    /// What the agent plays: the n-th request gets the n-th entry, the last one repeats.
    pub upstream_script: Vec<ScriptEntry>,
    /// The caller's requests and what was answered.
    pub calls: Vec<Call>,
    /// What the agent received.
    pub upstream_requests: Vec<UpstreamRequest>,
}

/// A caller's request and its answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// What is sent.
    pub request: CallRequest,
    /// What came back.
    pub response: CallResponse,
}

/// A caller's request.
#[derive(Clone, Debug, Deserialize)]
pub struct CallRequest {
    /// Start line and headers with the blank line.
    pub head: RecordedBytes,
    /// What follows it on the wire.
    pub body: RecordedBytes,
    /// Milliseconds from the start of the case.
    pub t_ms: u64,
    /// Calls with the same name share a connection.
    pub connection: Option<String>,
}

/// What a caller got.
#[derive(Clone, Debug, Deserialize)]
pub struct CallResponse {
    /// HTTP status; none when there was no response.
    pub status: Option<u16>,
    /// Start line and headers.
    pub head: Option<RecordedBytes>,
    /// The body without transfer framing.
    #[serde(default)]
    pub body: RecordedBytes,
    /// How it ended.
    pub end: String,
    /// When, in milliseconds from the start of the case.
    pub end_ms: u64,
}

/// A request as an agent received it.
#[derive(Clone, Debug, Deserialize)]
pub struct UpstreamRequest {
    /// Start line and headers.
    pub head: RecordedBytes,
    /// The body without transfer framing.
    #[serde(default)]
    pub body: RecordedBytes,
    /// Number of the TCP connection within the case.
    pub connection: u32,
    /// Set when the agent saw the connection close before its script was finished.
    pub peer_closed_ms: Option<u64>,
}

/// What an agent answers to one request.
#[derive(Clone, Debug, Deserialize)]
pub struct ScriptEntry {
    /// Start line and headers with LF line ends; framing is added.
    pub head: String,
    /// Parts of the body.
    #[serde(default)]
    pub chunks: Vec<ScriptChunk>,
    /// `content-length` (default), `chunked`, `close` or `none`.
    pub framing: Option<String>,
    /// A wrong length on purpose.
    pub declare_length: Option<u64>,
    /// Before the head.
    #[serde(default)]
    pub delay_ms: u64,
    /// Before the end.
    #[serde(default)]
    pub hold_ms: u64,
    /// `keep-alive` (default), `abort`, `reset`, `close-without-response` or `reset-without-response`.
    pub end: Option<String>,
}

/// A part of a scripted body.
#[derive(Clone, Debug, Deserialize)]
pub struct ScriptChunk {
    /// What is sent.
    pub bytes: RecordedBytes,
    /// How long after the part before.
    #[serde(default)]
    pub after_ms: u64,
}

/// Bytes in one of the three recorded forms.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum RecordedBytes {
    /// UTF-8.
    Text {
        /// The text.
        text: String,
    },
    /// Anything.
    Base64 {
        /// Standard alphabet with padding.
        base64: String,
    },
    /// Text with folded runs of one character.
    Segments {
        /// In order.
        segments: Vec<Segment>,
    },
}

/// A part of folded text.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Segment {
    /// As it is.
    Text {
        /// The text.
        text: String,
    },
    /// One character many times.
    Run {
        /// The character.
        repeat: String,
        /// How often.
        count: usize,
    },
}

impl Default for RecordedBytes {
    fn default() -> Self {
        Self::Text { text: String::new() }
    }
}

impl RecordedBytes {
    /// The bytes.
    ///
    /// # Errors
    /// When base64 is broken.
    pub fn decode(&self) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Text { text } => text.clone().into_bytes(),
            Self::Base64 { base64 } => STANDARD.decode(base64)?,
            Self::Segments { segments } => segments
                .iter()
                .map(|segment| match segment {
                    Segment::Text { text } => text.clone(),
                    Segment::Run { repeat, count } => repeat.repeat(*count),
                })
                .collect::<String>()
                .into_bytes(),
        })
    }
}

impl Case {
    /// The area that the case belongs to.
    pub fn area(&self) -> &str {
        self.case.split_once('/').map_or("", |(area, _)| area)
    }

    /// What the caller speaks: as recorded, else by the header of its requests.
    pub fn caller_wire(&self) -> &str {
        if let Some(wire) = &self.wire {
            return wire;
        }
        let asks_for_10 = self.calls.iter().any(|call| {
            let head = call.request.head.decode().unwrap_or_default().to_ascii_lowercase();
            head.windows(17).any(|window| window == b"\na2a-version: 1.0")
        });
        if asks_for_10 { "1.0" } else { "0.3" }
    }
}

/// All cases of an area under `folder`: packed as `AREA.jsonl`, or one file per case as `AREA/NAME.json`.
///
/// # Errors
/// When there is no such area or a file is not of this form.
pub fn read_area(folder: &Path, area: &str) -> Result<Vec<Case>> {
    let packed = folder.join(format!("{area}.jsonl"));
    if packed.exists() {
        let text = std::fs::read_to_string(&packed)?;
        return text
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| format!("read {}", packed.display())))
            .collect();
    }
    let unpacked = folder.join(area);
    if !unpacked.is_dir() {
        bail!("{} has no area {area}", folder.display());
    }
    let mut files: Vec<_> = std::fs::read_dir(unpacked)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    files
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
        .map(|file| serde_json::from_slice(&std::fs::read(file)?).with_context(|| format!("read {}", file.display())))
        .collect()
}
