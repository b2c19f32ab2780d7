//! Sends a recorded request byte for byte: no path is cleaned, no header added but `Host` and `Content-Length`.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::recording::Request;

const TIMEOUT: Duration = Duration::from_secs(30);

/// What came back.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Status; 0 when the connection was closed without an answer.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends `request` on a connection of its own.
///
/// # Errors
/// When the server cannot be reached, or does not answer within 30 s.
pub async fn send(server: SocketAddr, request: &Request) -> Result<Answer> {
    tokio::time::timeout(TIMEOUT, exchange(server, request))
        .await
        .context("the server does not answer")?
}

/// The status of a GET, if there is an answer.
pub async fn get_status(server: SocketAddr, path: &str) -> Option<u16> {
    let answer = send(server, &Request::get(path)).await.ok()?;
    Some(answer.status).filter(|status| *status != 0)
}

async fn exchange(server: SocketAddr, recorded: &Request) -> Result<Answer> {
    let stream = TcpStream::connect(server).await.context("connect to the server")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut request = http::Request::builder()
        .method(recorded.method.as_str())
        .uri(recorded.path.as_str())
        .header(http::header::HOST, server.to_string());
    for (name, value) in &recorded.headers {
        let values = match value {
            Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
            other => vec![other.as_str().unwrap_or_default()],
        };
        for value in values {
            request = request.header(name, http::HeaderValue::from_bytes(value.as_bytes())?);
        }
    }
    let request = request.body(Full::new(Bytes::from(recorded.body()?)))?;
    let exchange = async {
        match sender.send_request(request).await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                Ok(Answer {
                    status: head.status.as_u16(),
                    headers: head.headers,
                    body: body.collect().await?.to_bytes().to_vec(),
                })
            }
            Err(error) if error.is_incomplete_message() => Ok(Answer::default()),
            Err(error) => Err(error.into()),
        }
    };
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        // The connection may end together with the answer.
        _ = connection => exchange.await,
    }
}
