//! A stand-in for the way to a database server: refuses, forwards, or swallows everything, as a test wants.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use url::Url;

/// Forwards a port of its own to the database server once it is opened.
pub(crate) struct Forwarder {
    address: SocketAddr,
    target: String,
    frozen: Arc<watch::Sender<bool>>,
    running: JoinSet<()>,
}

impl Forwarder {
    /// A port that refuses connections until [`Forwarder::start`].
    pub(crate) async fn closed(database: &str) -> Self {
        let url = Url::parse(database).expect("a URL");
        let target = format!(
            "{}:{}",
            url.host_str().expect("the URL names a host"),
            url.port().unwrap_or(5432)
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Self {
            address: listener.local_addr().expect("a bound port"),
            target,
            frozen: Arc::new(watch::Sender::new(false)),
            running: JoinSet::new(),
        }
    }

    /// The database's URL on this way.
    pub(crate) fn url(&self, database: &str) -> String {
        let mut url = Url::parse(database).expect("a URL");
        url.set_ip_host(self.address.ip()).expect("a host can be set");
        url.set_port(Some(self.address.port())).expect("a port can be set");
        url.into()
    }

    /// Accepts and forwards from now on.
    pub(crate) async fn start(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the port is still free");
        let target = self.target.clone();
        let frozen = Arc::clone(&self.frozen);
        self.running.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let target = target.clone();
                let frozen = frozen.subscribe();
                connections.spawn(forward(client, target, frozen));
            }
        });
    }

    /// Breaks all connections and refuses new ones.
    pub(crate) async fn stop(&mut self) {
        self.running.shutdown().await;
    }

    /// Whether bytes are held back in both directions, without an end of the connections.
    pub(crate) fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }
}

async fn forward(mut client: TcpStream, target: String, frozen: watch::Receiver<bool>) {
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    tokio::select! {
        () = copy(from_client, to_server, frozen.clone()) => {}
        () = copy(from_server, to_client, frozen) => {}
    }
}

async fn copy<R, W>(mut from: R, mut to: W, mut frozen: watch::Receiver<bool>)
where
    R: tokio::io::AsyncRead + Unpin,
    W: tokio::io::AsyncWrite + Unpin,
{
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length) = tokio::io::AsyncReadExt::read(&mut from, &mut buffer).await {
        let thawed = frozen.wait_for(|frozen| !frozen).await.is_ok();
        if length == 0 || !thawed || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
