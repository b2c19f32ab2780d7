//! The agent under both sides: answers unary calls at once, and opens streams on which it sends nothing.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Either, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What the agent answers to a unary call; the load sends the same id.
pub const ANSWER: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"result":{"kind":"message","messageId":"m-2","contextId":"c-1","#,
    r#""parts":[{"kind":"text","text":"hello back"}],"role":"agent"}}"#
);

/// A body that never ends and never says anything.
#[derive(Debug)]
pub struct Silence;

impl Body for Silence {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

/// Serves until the process is told to end.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener) -> Result<()> {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        connections.spawn(async move {
            // A caller that goes away is not an error of the agent.
            let _ = http1::Builder::new()
                .max_buf_size(8192)
                .serve_connection(TokioIo::new(stream), service_fn(answer))
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Either<Full<Bytes>, Silence>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let streams = body.windows(16).any(|window| window == b"\"message/stream\"");
    let (content_type, body) = if streams {
        ("text/event-stream", Either::Right(Silence))
    } else {
        ("application/json", Either::Left(Full::from(ANSWER)))
    };
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}
