//! A way to the API server that notes who writes what.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use kube::Client;
use serde_json::json;
use tokio::{net::TcpListener, sync::Mutex, task::JoinSet};

use super::monotonic_ns;

/// Forwards everything with the rights of its own client; ends when dropped.
pub struct CountingProxy {
    address: SocketAddr,
    state: Arc<Forwarding>,
    _serving: JoinSet<()>,
}

/// A write that was asked for.
#[derive(Clone, Debug)]
pub struct Write {
    /// Method and path.
    pub what: String,
    /// When it arrived, see [`super::monotonic_ns`].
    pub at: i64,
}

struct Forwarding {
    client: Client,
    writes: Mutex<Vec<Write>>,
}

impl CountingProxy {
    /// Listens on a free port, without TLS.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start(client: Client) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let writes = Mutex::new(Vec::new());
        let state = Arc::new(Forwarding { client, writes });
        let router = Router::new().fallback(forward).with_state(Arc::clone(&state));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // It ends with the value that holds it.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            state,
            _serving: serving,
        })
    }

    /// Writes a kubeconfig that leads here.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_kubeconfig(&self, path: &Path) -> Result<PathBuf> {
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "proxy", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
            "current-context": "proxy",
        });
        std::fs::write(path, kubeconfig.to_string())?;
        Ok(path.to_owned())
    }

    /// Every write so far, in order.
    pub async fn list_writes(&self) -> Vec<Write> {
        self.state.writes.lock().await.clone()
    }
}

async fn forward(State(state): State<Arc<Forwarding>>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let what = format!("{} {}", request.method(), request.uri().path());
        let at = monotonic_ns();
        state.writes.lock().await.push(Write { what, at });
    }
    let (mut parts, body) = request.into_parts();
    // Host and credentials are the client's own.
    parts.headers.remove("host");
    let Ok(body) = body.collect().await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let request = http::Request::from_parts(parts, kube::client::Body::from(body.to_bytes().to_vec()));
    match state.client.send(request).await {
        Ok(response) => response.map(Body::new).into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
