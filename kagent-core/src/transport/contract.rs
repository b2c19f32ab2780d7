//! What every [`SpokeTransport`] must do; run it on each implementation.
//!
//! The implementation under test reaches one cluster, whose server is [`serve_contract`].

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;

use super::{Body, SpokeTransport};
use crate::{error::ErrorKind, ident::ClusterId};

/// Nothing in the contract takes longer than this when it works.
const PROMPTLY: Duration = Duration::from_secs(10);

/// The server that the cluster under test runs: it answers `POST /echo` with the request's body as it arrives, and
/// anything else with 404 and the path as text.
pub async fn serve_contract(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    if request.method() == Method::POST && request.uri().path() == "/echo" {
        return Ok(Response::new(request.into_body()));
    }
    let mut answer = Response::new(text(request.uri().to_string()));
    *answer.status_mut() = StatusCode::NOT_FOUND;
    Ok(answer)
}

/// Runs the whole contract. `cluster` is served by [`serve_contract`]; `unknown` is a cluster that does not exist.
///
/// # Panics
/// When the implementation breaks the contract; the message says how.
pub async fn check(transport: Arc<dyn SpokeTransport>, cluster: &ClusterId, unknown: &ClusterId) {
    an_unknown_cluster_is_not_found(&*transport, unknown).await;
    status_path_and_query_arrive(&*transport, cluster).await;
    bodies_stream_both_ways(&*transport, cluster).await;
}

async fn an_unknown_cluster_is_not_found(transport: &dyn SpokeTransport, unknown: &ClusterId) {
    let request = Request::new(empty());
    let error = transport
        .send(unknown, request)
        .await
        .expect_err("an unknown cluster answered");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

async fn status_path_and_query_arrive(transport: &dyn SpokeTransport, cluster: &ClusterId) {
    let request = Request::get("/api/agents?namespace=a%20b")
        .body(empty())
        .expect("a valid request");
    let answer = transport.send(cluster, request).await.expect("the cluster answers");
    assert_eq!(
        answer.status(),
        StatusCode::NOT_FOUND,
        "the status was changed on the way"
    );
    let body = answer.into_body().collect().await.expect("the body arrives").to_bytes();
    assert!(
        body.ends_with(b"/api/agents?namespace=a%20b"),
        "path or query were changed on the way: {body:?}"
    );
}

async fn bodies_stream_both_ways(transport: &dyn SpokeTransport, cluster: &ClusterId) {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let frames = ReceiverStream::new(receiver).map(|chunk| Ok(Frame::data(chunk)));
    let request = Request::post("/echo")
        .body(StreamBody::new(frames).boxed_unsync())
        .expect("a valid request");
    let mut echo = timeout(PROMPTLY, transport.send(cluster, request))
        .await
        .expect("the head of the answer waited for the request's body")
        .expect("the cluster answers")
        .into_body();

    for chunk in ["first", "second"] {
        sender
            .send(Bytes::from(chunk))
            .await
            .expect("the request's body is still read");
        let frame = timeout(PROMPTLY, echo.frame()).await.expect("a chunk was held back");
        let frame = frame.expect("the answer ended early").expect("the answer broke");
        assert_eq!(frame.into_data().expect("data"), chunk);
    }
    drop(sender);
    let rest = timeout(PROMPTLY, echo.collect())
        .await
        .expect("the end was held back")
        .expect("the answer broke");
    assert!(rest.to_bytes().is_empty(), "bytes arrived that nobody had sent");
}

fn text(text: String) -> Body {
    Full::new(Bytes::from(text))
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}
