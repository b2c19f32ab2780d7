//! The reference: a reverse proxy of hyper's server and client and nothing else.

use std::convert::Infallible;

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, combinators::BoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::TcpListener;

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

/// Serves until the process is told to end; every request goes to `to`, whatever its path.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, to: Uri) -> Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, to) = (client.clone(), to.clone());
        connections.spawn(async move {
            let forward = service_fn(move |mut request: Request<Incoming>| {
                let client = client.clone();
                *request.uri_mut() = to.clone();
                async move { Ok::<_, Infallible>(forward(&client, request).await) }
            });
            // A caller that goes away is not an error of the proxy.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), forward)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn forward(client: &Client<HttpConnector, Incoming>, request: Request<Incoming>) -> Answer {
    match client.request(request).await {
        Ok(response) => response.map(BodyExt::boxed),
        Err(_) => {
            let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}
