//! HTTP towards agents: a pooled HTTP/1.1 client whose connections find their address by a [`HostResolver`].
//!
//! It follows no redirect, retries nothing that may have been read, and has no total timeout.

mod body;
mod link;
mod pool;

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, Uri,
    header::{self, Entry},
    uri::{Authority, PathAndQuery},
};
use http_body_util::{Either, Full, combinators::UnsyncBoxBody};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

pub use self::body::AgentBody;
use self::{
    link::{Failure, Link},
    pool::Pool,
};
use super::error::RpcError;
use crate::{error::chain, resolve::HostResolver};

/// How often connections that wait for their next request are looked at.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// A request's body: bytes at hand, or a stream that is passed on.
pub type RequestBody = Either<Full<Bytes>, UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>>;

async fn connect(resolver: &dyn HostResolver, authority: &Authority) -> io::Result<TcpStream> {
    let addresses = resolver
        .resolve_host(authority.host(), authority.port_u16().unwrap_or(80))
        .await?;
    let mut failure = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
}

/// The client. Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct Upstream {
    shared: Arc<Shared>,
}

struct Shared {
    resolver: Arc<dyn HostResolver>,
    connect_timeout: Duration,
    idle_timeout: Duration,
    pool: Arc<Pool>,
}

/// Why an agent gave no answer.
#[derive(Debug)]
pub enum SendError {
    /// There is no connection.
    Connect(io::Error),
    /// The connection broke before the head of an answer, or the answer is no HTTP.
    Broken(hyper::Error),
    /// Nothing came for the idle time.
    Idle,
}

impl SendError {
    /// What the caller is told; `host` is the agent's, as in the URL.
    pub fn to_rpc(&self, endpoint: &Uri) -> RpcError {
        let why = match self {
            Self::Connect(error) => word(error),
            Self::Broken(error) => reason(error),
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
            Self::Connect(_) => "connect",
            Self::Broken(_) => "broken",
            Self::Idle => "idle",
        }
    }

    /// Everything, for the log.
    pub fn detail(&self) -> String {
        match self {
            Self::Connect(error) => chain(error),
            Self::Broken(error) => chain(error),
            Self::Idle => "idle timeout".to_owned(),
        }
    }
}

/// What a caller may know of a broken connection: no address, no operating system's text beyond the kind.
fn reason(error: &hyper::Error) -> String {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(error) = current.downcast_ref::<io::Error>() {
            return word(error);
        }
        cause = current.source();
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        "EOF"
    } else {
        "the answer is no HTTP"
    }
    .to_owned()
}

fn word(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset by the agent".to_owned(),
        io::ErrorKind::TimedOut => "connect timed out".to_owned(),
        io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        _ if error.raw_os_error().is_none() => "no such host".to_owned(),
        kind => kind.to_string(),
    }
}

impl Upstream {
    /// A client that connects within `connect_timeout` and gives up on an answer after `idle_timeout` of silence.
    pub fn new(resolver: Arc<dyn HostResolver>, connect_timeout: Duration, idle_timeout: Duration) -> Self {
        Self {
            shared: Arc::new(Shared {
                resolver,
                connect_timeout,
                idle_timeout,
                pool: Arc::default(),
            }),
        }
    }

    /// How long an agent may be silent.
    pub fn idle_timeout(&self) -> Duration {
        self.shared.idle_timeout
    }

    /// Closes idle connections in time, until `stop`; without it they stay open until an agent's next request.
    pub async fn keep_tidy(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(TIDY_EVERY) => self.shared.pool.tidy(),
            }
        }
    }

    /// Sends a request and returns once the head of the answer is there. Its URI is absolute.
    ///
    /// A connection that the agent closed before anything of the request was sent is replaced; nothing else is retried.
    ///
    /// # Errors
    /// When there is no connection, it breaks, or the agent is silent for the idle time.
    pub async fn send(&self, mut request: Request<RequestBody>) -> Result<Response<AgentBody>, SendError> {
        let agent = prepare(&mut request).map_err(SendError::Connect)?;
        let Shared { pool, idle_timeout, .. } = &*self.shared;
        loop {
            let pooled = pool.take(&agent);
            let is_fresh = pooled.is_none();
            let mut link = match pooled {
                Some(link) => Some(link),
                None => Some(self.connect(&agent).await.map_err(SendError::Connect)?),
            };
            match link::ask(&mut link, request, *idle_timeout).await {
                Ok(response) => {
                    return Ok(response.map(|incoming| AgentBody::new(incoming, link, Arc::clone(pool), agent)));
                }
                Err(Failure::NotSent(unsent, _)) if !is_fresh => request = *unsent,
                Err(Failure::NotSent(_, error)) => return Err(SendError::Broken(error)),
                Err(Failure::Failed(error)) => return Err(error),
            }
        }
    }

    async fn connect(&self, agent: &Authority) -> io::Result<Box<Link>> {
        let Shared {
            resolver,
            connect_timeout,
            ..
        } = &*self.shared;
        let stream = tokio::time::timeout(*connect_timeout, connect(&**resolver, agent))
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "connect timed out"))??;
        Link::new(stream).await
    }
}

/// Makes the request one for a connection to its host: path only, and a `Host`. Returns whose connection it needs.
fn prepare(request: &mut Request<RequestBody>) -> io::Result<Authority> {
    let target = std::mem::take(request.uri_mut()).into_parts();
    let authority = target
        .authority
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the URL has no host"))?;
    let path = target.path_and_query.unwrap_or_else(|| PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
    if let Entry::Vacant(host) = request.headers_mut().entry(header::HOST) {
        let text = match authority.port_u16() {
            Some(80) => authority.host(),
            _ => authority.as_str(),
        };
        let value = HeaderValue::from_str(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        host.insert(value);
    }
    Ok(authority)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::{resolve::DnsResolver, tasks::Tasks};

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

    /// Answers each request on a connection with `close_after` answers, then closes it; counts connections.
    async fn closing_agent(close_after: usize) -> (String, Arc<AtomicUsize>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
        let address = listener.local_addr().expect("address");
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let (tasks, _ends) = Tasks::new();
        tasks.spawn("agent", async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                for _ in 0..close_after {
                    let mut request = [0; 1024];
                    if stream.read(&mut request).await.unwrap_or(0) == 0 {
                        break;
                    }
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                    stream.write_all(answer).await.expect("write");
                }
            }
        });
        (format!("http://{address}/"), connections)
    }

    async fn ask(upstream: &Upstream, uri: &str) -> Bytes {
        let answer = upstream.send(get(uri)).await.expect("answer");
        answer.into_body().collect().await.expect("body").to_bytes()
    }

    #[tokio::test]
    async fn a_connection_serves_one_request_after_the_other() {
        let (uri, connections) = closing_agent(10).await;
        let upstream = upstream();
        for _ in 0..5 {
            assert_eq!(ask(&upstream, &uri).await, "ok");
        }
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_connection_that_the_agent_closed_while_it_was_idle_is_replaced() {
        let (uri, connections) = closing_agent(1).await;
        let upstream = upstream();
        for _ in 0..3 {
            assert_eq!(ask(&upstream, &uri).await, "ok");
            // The end of the connection must have arrived.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(connections.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn idle_connections_that_the_agent_closed_are_given_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
        let address = listener.local_addr().expect("address");
        let upstream = upstream();
        let uri = format!("http://{address}/");
        let answer = async {
            let (mut stream, _) = listener.accept().await.expect("accept");
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.expect("request") > 0);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            stream.write_all(answer).await.expect("write");
            stream
        };
        let (_, stream) = tokio::join!(ask(&upstream, &uri), answer);
        upstream.shared.pool.tidy();
        assert_eq!(upstream.shared.pool.len(), 1);
        drop(stream);
        while upstream.shared.pool.len() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            upstream.shared.pool.tidy();
        }
    }

    #[tokio::test]
    async fn an_unread_answer_ends_its_connection() {
        let (uri, connections) = closing_agent(10).await;
        let upstream = upstream();
        drop(upstream.send(get(&uri)).await.expect("answer"));
        ask(&upstream, &uri).await;
        assert_eq!(connections.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn requests_name_their_host_and_path_only() {
        for (uri, host, path) in [
            ("http://a.kagent:8080/", "a.kagent:8080", "/"),
            ("http://a.kagent:80/x?y=z", "a.kagent", "/x?y=z"),
            ("http://a.kagent", "a.kagent", "/"),
        ] {
            let mut request = get(uri);
            prepare(&mut request).expect("has a host");
            assert_eq!(request.headers()["host"], host);
            assert_eq!(request.uri().to_string(), path);
        }
        let error = prepare(&mut get("/x")).expect_err("no host");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
