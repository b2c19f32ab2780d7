//! Listens and serves: HTTP/1.1 and HTTP/2 without TLS on one port, with a graceful end.
//!
//! No total timeouts: a request may stream for days. What is limited is the time to send a request's head.

use std::{
    convert::Infallible, error::Error as StdError, future::Future, io, net::SocketAddr, pin::Pin, time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::{
    drain::{Drain, Graceful, Place},
    head_timer::HeadTimer,
    preface::{Prefixed, read_preface},
};
use crate::{
    error::{Error, Result},
    tasks::Tasks,
};

/// Pause after a failed accept, which is mostly "too many open files": retrying at once would only burn CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often an HTTP/2 client must prove that it is alive, and how long it may take.
const HTTP2_KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Streams per HTTP/2 connection; a hub multiplexes all its users on few connections.
const HTTP2_STREAMS: u32 = 1024;

/// Limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// Time for the head of a request, which is also how long a kept-alive connection may be idle.
    pub header_timeout: Duration,
    /// How long open requests may go on after the stop; then they are cut.
    pub drain_timeout: Duration,
}

/// Opens a listener on `address`: `host:port`, or `:port` for all addresses of the machine.
///
/// # Errors
/// One line that names the address and the reason, such as a port in use.
pub async fn listen(what: &str, address: &str) -> Result<TcpListener> {
    let bound = match address.strip_prefix(':') {
        // One IPv6 socket takes IPv4 as well; machines without IPv6 get the IPv4 one.
        Some(port) => match TcpListener::bind(format!("[::]:{port}")).await {
            Err(error) if !matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {
                TcpListener::bind(format!("0.0.0.0:{port}")).await
            }
            bound => bound,
        },
        None => TcpListener::bind(address).await,
    };
    bound.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            Error::unavailable(format!("cannot listen on {address} ({what}): the port is in use"))
        }
        io::ErrorKind::PermissionDenied => {
            Error::forbidden(format!("cannot listen on {address} ({what}): not permitted"))
        }
        _ => Error::unavailable(format!("cannot listen on {address} ({what})")).with_source(error),
    })
}

/// Serves `service` on `listener` until `stop`, then lets open requests end within the drain time.
///
/// Returns when nothing is connected any more, at once if nothing was.
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    options: ServeOptions,
    stop: CancellationToken,
    tasks: Tasks,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let mut http1 = http1::Builder::new();
    http1.header_read_timeout(options.header_timeout);
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_KEEP_ALIVE)
        .keep_alive_timeout(HTTP2_KEEP_ALIVE)
        .max_concurrent_streams(HTTP2_STREAMS);
    let drain = Drain::default();
    loop {
        let (stream, peer) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let connection = Connection {
            http1: http1.clone(),
            http2: http2.clone(),
            service: service.clone(),
            header_timeout: options.header_timeout,
        };
        tasks.spawn_many("http.connection", connection.serve(stream, peer, drain.enter()));
    }
    // New clients are refused from here on.
    drop(listener);
    drain.stop();
    let open = drain.count();
    if open > 0 {
        tracing::info!(
            connections = open,
            limit_s = options.drain_timeout.as_secs(),
            "draining"
        );
    }
    if tokio::time::timeout(options.drain_timeout, drain.wait()).await.is_err() {
        tracing::warn!("the drain time is over: open requests are cut");
        drain.cut();
    }
}

struct Connection<S> {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    service: S,
    header_timeout: Duration,
}

impl<S, B> Connection<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    async fn serve(self, stream: TcpStream, peer: SocketAddr, mut place: Place) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %peer, "cannot set TCP_NODELAY");
        }
        let stream = tokio::select! {
            // Nothing has been asked yet, so nothing is lost.
            () = place.stopped() => return,
            read = read_preface(stream, self.header_timeout) => match read {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::trace!(%error, %peer, "no request on a connection");
                    return;
                }
            },
        };
        // On its own, so that a stream that stays open holds nothing of how it began.
        if let Some(Err(error)) = self.drive(stream, place).await {
            // A client that goes away is not a failure of ours.
            tracing::debug!(%error, %peer, "connection ended");
        }
    }

    /// A connection that could be either would hold the room of both for as long as its streams are open.
    fn drive(self, stream: Prefixed<TcpStream>, place: Place) -> Driving {
        let service = TowerToHyperService::new(self.service);
        if stream.is_http2() {
            let connection = self.http2.serve_connection(TokioIo::new(stream), service);
            Box::pin(place.serve(connection))
        } else {
            let mut http1 = self.http1;
            http1.timer(HeadTimer::default());
            let connection = http1.serve_connection(TokioIo::new(stream), service);
            Box::pin(place.serve(connection.with_upgrades()))
        }
    }
}

type Driving = Pin<Box<dyn Future<Output = Option<hyper::Result<()>>> + Send>>;

type Http1<S> = http1::UpgradeableConnection<TokioIo<Prefixed<TcpStream>>, TowerToHyperService<S>>;
type Http2<S> = http2::Connection<TokioIo<Prefixed<TcpStream>>, TowerToHyperService<S>, TokioExecutor>;

impl<S, B> Graceful for Http1<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    fn stop(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S, B> Graceful for Http2<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    fn stop(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, routing::get};
    use bytes::Bytes;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::mpsc,
        time::Instant,
    };
    use tokio_stream::wrappers::UnboundedReceiverStream;

    use super::*;

    struct Server {
        address: SocketAddr,
        stop: CancellationToken,
        tasks: Tasks,
        events: mpsc::UnboundedSender<io::Result<Bytes>>,
    }

    /// A server whose `/stream` sends what `events` gets and ends with it.
    async fn start(options: ServeOptions) -> Server {
        let (events, receiver) = mpsc::unbounded_channel();
        let receiver = std::sync::Arc::new(parking_lot::Mutex::new(Some(receiver)));
        let router = Router::new().route("/", get(async || "hello")).route(
            "/stream",
            get(async move || {
                let receiver = receiver.lock().take().expect("one request");
                axum::body::Body::from_stream(UnboundedReceiverStream::new(receiver))
            }),
        );
        let (tasks, _ends) = Tasks::new();
        let stop = CancellationToken::new();
        Server {
            address: start_router(router, options, &stop, &tasks).await,
            stop,
            tasks,
            events,
        }
    }

    async fn start_router(
        router: Router,
        options: ServeOptions,
        stop: &CancellationToken,
        tasks: &Tasks,
    ) -> SocketAddr {
        let listener = listen("test", "127.0.0.1:0").await.expect("listener");
        let address = listener.local_addr().expect("address");
        tasks.spawn("serve", serve(listener, router, options, stop.clone(), tasks.clone()));
        address
    }

    fn options(drain: Duration) -> ServeOptions {
        ServeOptions {
            header_timeout: Duration::from_secs(30),
            drain_timeout: drain,
        }
    }

    async fn connect(server: &Server, path: &str) -> TcpStream {
        let mut client = TcpStream::connect(server.address).await.expect("connect");
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n");
        client.write_all(request.as_bytes()).await.expect("write");
        client.readable().await.expect("answer");
        client
    }

    #[tokio::test]
    async fn the_end_is_at_once_when_clients_are_idle() {
        let server = start(options(Duration::from_secs(60))).await;
        let _idle = connect(&server, "/").await;
        let _silent = TcpStream::connect(server.address).await.expect("connect");
        let began = Instant::now();
        server.stop.cancel();
        assert!(server.tasks.shutdown(Duration::from_secs(10)).await);
        assert!(began.elapsed() < Duration::from_secs(5));
        TcpStream::connect(server.address)
            .await
            .expect_err("it does not listen any more");
    }

    #[tokio::test]
    async fn an_open_stream_may_end_after_the_stop() {
        let server = start(options(Duration::from_secs(60))).await;
        let mut client = connect(&server, "/stream").await;
        server.stop.cancel();
        server.events.send(Ok(Bytes::from_static(b"last words"))).expect("open");
        drop(server.events);
        let mut text = String::new();
        client.read_to_string(&mut text).await.expect("whole answer");
        assert!(text.contains("last words") && text.ends_with("0\r\n\r\n"), "{text}");
        assert!(server.tasks.shutdown(Duration::from_secs(10)).await);
    }

    #[tokio::test]
    async fn a_stream_that_does_not_end_is_cut_after_the_drain_time() {
        let server = start(options(Duration::from_millis(50))).await;
        let mut client = connect(&server, "/stream").await;
        server.stop.cancel();
        let mut text = String::new();
        client.read_to_string(&mut text).await.expect("closed");
        assert!(!text.ends_with("0\r\n\r\n"), "a cut answer must not look whole: {text}");
        assert!(server.tasks.shutdown(Duration::from_secs(10)).await);
    }

    #[tokio::test]
    async fn a_connection_is_closed_when_the_next_head_does_not_come_in_time() {
        let limit = Duration::from_millis(400);
        let server = start(ServeOptions {
            header_timeout: limit,
            ..options(Duration::from_secs(1))
        })
        .await;
        let mut client = connect(&server, "/").await;
        let mut answer = [0; 1024];
        // Each request begins the time anew.
        for _ in 0..3 {
            tokio::time::sleep(limit / 2).await;
            let count = client.read(&mut answer).await.expect("answer");
            assert!(answer[..count].ends_with(b"hello"));
            client
                .write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n")
                .await
                .expect("write");
        }
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(10), client.read_to_end(&mut rest)).await;
        closed.expect("closed").expect("read");
        assert!(rest.ends_with(b"hello"));
    }

    #[tokio::test]
    async fn a_request_may_turn_its_connection_into_another_protocol() {
        let (tasks, _ends) = Tasks::new();
        let spawner = tasks.clone();
        let echo = async move |mut request: axum::extract::Request| {
            spawner.spawn("echo", async move {
                let upgraded = hyper::upgrade::on(&mut request).await.expect("upgraded");
                let mut stream = TokioIo::new(upgraded);
                let mut word = [0; 4];
                stream.read_exact(&mut word).await.expect("a word");
                stream.write_all(&word).await.expect("write");
            });
            let headers = [("connection", "upgrade"), ("upgrade", "echo")];
            (http::StatusCode::SWITCHING_PROTOCOLS, headers)
        };
        let router = Router::new().route("/echo", get(echo));
        let stop = CancellationToken::new();
        let address = start_router(router, options(Duration::from_secs(1)), &stop, &tasks).await;
        let mut client = TcpStream::connect(address).await.expect("connect");
        let head = "GET /echo HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n";
        client.write_all(head.as_bytes()).await.expect("write");
        client.write_all(b"word").await.expect("write");
        let mut text = String::new();
        client.read_to_string(&mut text).await.expect("read");
        assert!(
            text.starts_with("HTTP/1.1 101") && text.ends_with("\r\n\r\nword"),
            "{text}"
        );
        stop.cancel();
        assert!(tasks.shutdown(Duration::from_secs(10)).await);
    }

    #[tokio::test]
    async fn a_port_in_use_is_one_clear_line() {
        let first = listen("test", "127.0.0.1:0").await.expect("listener");
        let address = first.local_addr().expect("address").to_string();
        let error = listen("API", &address).await.expect_err("in use");
        assert_eq!(
            error.chain(),
            format!("cannot listen on {address} (API): the port is in use")
        );
    }
}
