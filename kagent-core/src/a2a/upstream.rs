//! HTTP towards agents: one pooled HTTP/1.1 client whose connections find their address by a [`HostResolver`].
//!
//! It follows no redirect, retries nothing that may have been read, and has no total timeout.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{Either, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::net::TcpStream;
use tower::Service;

use super::error::RpcError;
use crate::{error::chain, resolve::HostResolver};

/// Idle connections that are kept per agent, and for how long.
const POOL_PER_AGENT: usize = 64;
const POOL_IDLE: Duration = Duration::from_secs(60);
/// Read buffer of a connection; a stream that sends nothing holds one.
const READ_BUFFER: usize = 2 * 1024;

/// A request's body: bytes at hand, or a stream that is passed on.
pub type RequestBody = Either<Full<Bytes>, UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>>;

/// Opens connections to agents.
#[derive(Clone)]
pub struct Connector {
    resolver: Arc<dyn HostResolver>,
    timeout: Duration,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let Self { resolver, timeout } = self.clone();
        Box::pin(async move {
            tokio::time::timeout(timeout, connect(&*resolver, &target))
                .await
                .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "connect timed out")))
        })
    }
}

async fn connect(resolver: &dyn HostResolver, target: &Uri) -> io::Result<TokioIo<TcpStream>> {
    let host = target
        .host()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the URL has no host"))?;
    let addresses = resolver.resolve_host(host, target.port_u16().unwrap_or(80)).await?;
    let mut failure = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(TokioIo::new(stream));
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
}

/// The client. Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct Upstream {
    client: Client<Connector, RequestBody>,
    idle_timeout: Duration,
}

/// Why an agent gave no answer.
#[derive(Debug)]
pub enum SendError {
    /// No connection, or it broke before the head of an answer.
    Unreachable(hyper_util::client::legacy::Error),
    /// Nothing came for the idle time.
    Idle,
}

impl SendError {
    /// What the caller is told; `host` is the agent's, as in the URL.
    pub fn to_rpc(&self, endpoint: &Uri) -> RpcError {
        let why = match self {
            Self::Unreachable(error) => reason(error),
            Self::Idle => "the agent was silent for too long".to_owned(),
        };
        let authority = endpoint.authority().map_or("", |authority| authority.as_str());
        RpcError::internal(format!(
            "failed to send HTTP request: Post \"http://{authority}\": {why}"
        ))
    }

    /// A short word for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unreachable(error) if error.is_connect() => "connect",
            Self::Unreachable(_) => "broken",
            Self::Idle => "idle",
        }
    }

    /// Everything, for the log.
    pub fn detail(&self) -> String {
        match self {
            Self::Unreachable(error) => chain(error),
            Self::Idle => "idle timeout".to_owned(),
        }
    }
}

/// What a caller may know of a broken connection: no address, no operating system's text beyond the kind.
fn reason(error: &hyper_util::client::legacy::Error) -> String {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(error) = current.downcast_ref::<io::Error>() {
            return match error.kind() {
                io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
                io::ErrorKind::ConnectionReset => "connection reset by the agent".to_owned(),
                io::ErrorKind::TimedOut => "connect timed out".to_owned(),
                io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
                _ if error.raw_os_error().is_none() => "no such host".to_owned(),
                kind => kind.to_string(),
            };
        }
        if let Some(error) = current.downcast_ref::<hyper::Error>()
            && error.is_incomplete_message()
        {
            return "EOF".to_owned();
        }
        cause = current.source();
    }
    if error.is_connect() {
        "cannot connect"
    } else {
        "the answer is no HTTP"
    }
    .to_owned()
}

impl Upstream {
    /// A client that connects within `connect_timeout` and gives up on an answer after `idle_timeout` of silence.
    pub fn new(resolver: Arc<dyn HostResolver>, connect_timeout: Duration, idle_timeout: Duration) -> Self {
        let connector = Connector {
            resolver,
            timeout: connect_timeout,
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_PER_AGENT)
            .http1_read_buf_exact_size(READ_BUFFER)
            .http1_ignore_invalid_headers_in_responses(true)
            .build(connector);
        Self { client, idle_timeout }
    }

    /// How long an agent may be silent.
    pub fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    /// Sends a request and returns once the head of the answer is there.
    ///
    /// # Errors
    /// When there is no connection, it breaks, or the agent is silent for the idle time.
    pub async fn send(&self, request: Request<RequestBody>) -> Result<Response<Incoming>, SendError> {
        match tokio::time::timeout(self.idle_timeout, self.client.request(request)).await {
            Ok(answer) => answer.map_err(SendError::Unreachable),
            Err(_) => Err(SendError::Idle),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::DnsResolver;

    fn upstream() -> Upstream {
        let second = Duration::from_secs(1);
        Upstream::new(Arc::new(DnsResolver), second, second)
    }

    fn get(uri: &str) -> Request<RequestBody> {
        Request::get(uri).body(Either::Left(Full::default())).expect("request")
    }

    #[tokio::test]
    async fn a_refused_connection_says_so_without_an_address() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
        let port = listener.local_addr().expect("address").port();
        drop(listener);
        let error = upstream()
            .send(get(&format!("http://127.0.0.1:{port}/")))
            .await
            .expect_err("refused");
        assert_eq!(error.label(), "connect");
        let message = error.to_rpc(&Uri::from_static("http://a.kagent:8080/")).message;
        assert_eq!(
            message,
            "failed to send HTTP request: Post \"http://a.kagent:8080\": connection refused"
        );
    }

    #[tokio::test]
    async fn a_silent_agent_ends_in_the_idle_time() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
        let address = listener.local_addr().expect("address");
        let error = upstream()
            .send(get(&format!("http://{address}/")))
            .await
            .expect_err("silent");
        assert!(matches!(error, SendError::Idle));
    }
}
