//! The exchange with one answer: bytes of the agent's response document, under the caller's id.

use std::{fmt, future::poll_fn, io::Read, pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, Response, StatusCode, header};
use http_body::Body;

use super::{error::RpcError, headers, jsonrpc, relay::Outgoing, upstream::AgentBody};

/// Room for a body whose length is not known.
const FIRST_CAPACITY: usize = 8 * 1024;

/// An agent's answer that may be passed on.
pub(super) struct Answered {
    /// Headers for the caller.
    pub(super) headers: HeaderMap,
    /// The response document.
    pub(super) body: Bytes,
    /// Whether it is a JSON-RPC error.
    pub(super) is_error: bool,
}

/// Why a body could not be read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// It is larger than is allowed.
    TooLarge,
    /// Nothing came for the idle time.
    Idle,
    /// The connection broke; what had come by then.
    Broken { read: Bytes, cause: String },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the body is too large"),
            Self::Idle => f.write_str("nothing came for too long"),
            Self::Broken { .. } => f.write_str("unexpected EOF"),
        }
    }
}

/// Reads a whole body of at most `limit` bytes whose parts are never further apart than `idle`.
pub(super) async fn read_body<B>(mut body: B, limit: usize, idle: Duration) -> Result<Bytes, ReadError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: fmt::Display,
{
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(ReadError::TooLarge);
    }
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(idle, poll_fn(|context| Pin::new(&mut body).poll_frame(context)));
        let chunk = match frame.await {
            Err(_) => return Err(ReadError::Idle),
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            Ok(Some(Err(error))) => {
                let read = if all.is_empty() { first } else { all.freeze() };
                return Err(ReadError::Broken {
                    read,
                    cause: error.to_string(),
                });
            }
        };
        if all.len() + first.len() + chunk.len() > limit {
            return Err(ReadError::TooLarge);
        }
        if first.is_empty() && all.is_empty() {
            first = chunk;
            if body.is_end_stream() {
                break;
            }
            continue;
        }
        if all.is_empty() {
            let capacity = usize::try_from(announced)
                .unwrap_or(limit)
                .clamp(FIRST_CAPACITY, 1 << 20);
            all.reserve(capacity);
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&chunk);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

/// Whether the agent's HTTP status promises a JSON document.
///
/// # Errors
/// What to answer otherwise; the body of an HTTP error is never shown.
pub(super) fn check_status(status: StatusCode) -> Result<(), RpcError> {
    if status.is_success() && status != StatusCode::NO_CONTENT {
        return Ok(());
    }
    Err(unexpected_status(status))
}

fn unexpected_status(status: StatusCode) -> RpcError {
    RpcError::internal(format!(
        "unexpected HTTP status: {} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    ))
}

/// The whole document that an agent answered.
pub(super) async fn read_document(outgoing: &Outgoing, response: Response<AgentBody>) -> Result<Bytes, RpcError> {
    let config = &outgoing.shared.config;
    let gzip = response
        .headers()
        .get(header::CONTENT_ENCODING)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"));
    let undecodable = |detail: &dyn fmt::Display| RpcError::internal(format!("failed to decode response: {detail}"));
    let body = match read_body(response.into_body(), config.max_answer, config.idle_timeout).await {
        Ok(body) => body,
        // Whole documents in cut bodies count, as they do for the Go controller.
        Err(ReadError::Broken { read, cause }) => {
            config.metrics.count_upstream_error("broken");
            tracing::info!(
                agent.endpoint = %outgoing.endpoint,
                request.id = outgoing.request_id(),
                error = cause,
                "agent's answer is cut"
            );
            read
        }
        Err(error) => {
            config.metrics.count_upstream_error("unreadable");
            return Err(undecodable(&error));
        }
    };
    if !gzip {
        return Ok(body);
    }
    let mut plain = Vec::new();
    let limit = config.max_answer as u64 + 1;
    MultiGzDecoder::new(&body[..])
        .take(limit)
        .read_to_end(&mut plain)
        .map_err(|_| undecodable(&"it is not gzip"))?;
    if plain.len() > config.max_answer {
        return Err(undecodable(&ReadError::TooLarge));
    }
    Ok(plain.into())
}

/// Sends the request and reads the answer.
///
/// # Errors
/// What the caller gets instead when there is no usable answer.
pub(super) async fn call(mut outgoing: Outgoing) -> Result<Answered, RpcError> {
    let response = outgoing.send().await.map_err(|error| outgoing.failed(&error))?;
    let status = response.status();
    check_status(status)?;
    let mut headers = HeaderMap::new();
    headers::copy_extensions(response.headers(), &mut headers);
    let document = read_document(&outgoing, response).await?;
    if document.is_empty() && status != StatusCode::OK {
        return Err(unexpected_status(status));
    }
    let answer = jsonrpc::peek_answer(&document, outgoing.method)?;
    if let Some(error) = outgoing.check_refusal(answer.error_code).await {
        return Err(error);
    }
    Ok(Answered {
        headers,
        body: jsonrpc::answer_under(&document, &answer, &outgoing.id),
        is_error: answer.is_error,
    })
}
