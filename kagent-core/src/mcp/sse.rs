//! The older transport of MCP (2024-11-05): one event stream from the server, messages posted to an address that the
//! stream names first. rmcp has no client for it any more.

use std::future::Future;

use futures::{StreamExt, stream::BoxStream};
use reqwest::{Client, header::ACCEPT};
use rmcp::{
    RoleClient,
    model::ClientJsonRpcMessage,
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use sse_stream::{Sse, SseStream};
use url::Url;

use crate::error::{Error, Result, chain};

/// A conversation over server-sent events.
pub(super) struct SseTransport {
    client: Client,
    post_url: Url,
    events: BoxStream<'static, Result<Sse>>,
}

impl SseTransport {
    /// Opens the stream and waits for the address of messages. The stream ends with an error after `limit` bytes.
    ///
    /// # Errors
    /// `Unavailable` with why there is no such stream; `Invalid` when `url` is none.
    pub(super) async fn connect(client: Client, url: &str, limit: usize) -> Result<Self> {
        let url = Url::parse(url).map_err(|error| Error::invalid(format!("{url:?} is no URL: {error}")))?;
        let request = client.get(url.clone()).header(ACCEPT, "text/event-stream");
        let response = request.send().await.and_then(reqwest::Response::error_for_status);
        let response = response.map_err(|error| failed("failed to connect", error))?;
        let mut received = 0;
        let bytes = response.bytes_stream().map(move |chunk| {
            let chunk = chunk.map_err(|error| failed("the event stream broke off", error))?;
            received += chunk.len();
            if received > limit {
                return Err(Error::unavailable("the server sends too much"));
            }
            Ok(chunk)
        });
        let mut events = SseStream::from_bytes_stream(bytes)
            .map(|event| event.map_err(|error| Error::unavailable(chain(&error))))
            .boxed();
        let post_url = find_address(&url, &mut events).await?;
        Ok(Self {
            client,
            post_url,
            events,
        })
    }
}

/// Messages carry headers that are meant for this server alone.
async fn find_address(url: &Url, events: &mut BoxStream<'static, Result<Sse>>) -> Result<Url> {
    while let Some(event) = events.next().await {
        let event = event?;
        if event.event.as_deref() != Some("endpoint") {
            continue;
        }
        let address = event.data.unwrap_or_default();
        let joined = url.join(address.trim());
        return match joined {
            Ok(joined) if joined.origin() == url.origin() => Ok(joined),
            _ => Err(Error::unavailable("the server wants messages at another origin")),
        };
    }
    Err(Error::unavailable("the server names no address for messages"))
}

fn failed(what: &str, error: reqwest::Error) -> Error {
    Error::unavailable(format!("{what}: {}", chain(&error))).with_source(error)
}

impl Transport<RoleClient> for SseTransport {
    type Error = Error;

    fn send(&mut self, item: TxJsonRpcMessage<RoleClient>) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        let message: ClientJsonRpcMessage = item;
        let request = self.client.post(self.post_url.clone()).json(&message);
        async move {
            let answer = request.send().await.and_then(reqwest::Response::error_for_status);
            answer
                .map(drop)
                .map_err(|error| failed("a message was not taken", error))
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        while let Some(event) = self.events.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    tracing::debug!(error = %error.chain(), "the event stream of a tool server ended");
                    return None;
                }
            };
            if !matches!(event.event.as_deref(), None | Some("message")) {
                continue;
            }
            match serde_json::from_str(event.data.as_deref().unwrap_or_default()) {
                Ok(message) => return Some(message),
                Err(error) => tracing::debug!(%error, "a tool server sent something that is no message"),
            }
        }
        None
    }

    async fn close(&mut self) -> Result<(), Error> {
        self.events = futures::stream::empty().boxed();
        Ok(())
    }
}
