//! Whether an agent answers: one HTTP request, or an open port where no path is known.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::net::TcpStream;

/// An answer that takes longer is none.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks agents whether they are ready.
#[derive(Clone, Debug)]
pub struct Prober(Client<HttpConnector, Empty<Bytes>>);

impl Default for Prober {
    fn default() -> Self {
        Self::new()
    }
}

impl Prober {
    /// A prober with no connections.
    pub fn new() -> Self {
        // A pooled connection would keep an agent from ending gracefully.
        Self(
            Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build_http(),
        )
    }

    /// Whether the agent at `address` is ready: a status from 200 to 399 at `path`, as Kubernetes has it.
    pub async fn is_ready(&self, address: SocketAddr, path: Option<&str>) -> bool {
        let answer = async {
            let Some(path) = path else {
                return TcpStream::connect(address).await.is_ok();
            };
            let Ok(uri) = format!("http://{address}{path}").parse() else {
                return false;
            };
            let answer = self.0.get(uri).await;
            answer.is_ok_and(|answer| answer.status().is_success() || answer.status().is_redirection())
        };
        tokio::time::timeout(TIMEOUT, answer).await.unwrap_or(false)
    }
}
