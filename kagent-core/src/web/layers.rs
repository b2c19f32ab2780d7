//! What happens around every request: a request id, one log line, panics as 500, a total time limit for those that do
//! not stream, and the router's own answers (404, 405).

use std::{any::Any, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

use super::{
    error::{error_response, plain_text},
    path,
};
use crate::{clock::new_id, error::Error};

/// Names a request in logs; taken from the caller when it is a plain word, else made here.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps a finished router: path rules first, then routing, so that 301, 404 and 405 need no authentication. It still
/// lacks [`with_log`].
pub fn finish(router: Router) -> Router {
    let routed = router
        .fallback(|| async { not_found() })
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED })
        .layer(CatchPanicLayer::custom(answer_panic));
    Router::new().fallback_service(routed).layer(from_fn(normalize_path))
}

/// Gives every request of a router its id and its log line; the last layer, so that it knows all answers.
pub fn with_log(router: Router) -> Router {
    router.layer(from_fn(log_request))
}

/// The router's answer to an unknown path.
pub fn not_found() -> Response {
    plain_text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// Refuses HEAD, which axum would answer where GET is routed and the Go controller does not.
pub async fn refuse_head(request: Request, next: Next) -> Response {
    if request.method() == Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    next.run(request).await
}

/// Bounds the time of a request that is answered in one piece.
pub fn limit_time<S: Clone + Send + Sync + 'static>(
    router: utoipa_axum::router::OpenApiRouter<S>,
    limit: Duration,
) -> utoipa_axum::router::OpenApiRouter<S> {
    router.route_layer(from_fn_with_state(limit, bound_time))
}

async fn bound_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => error_response(&Error::unavailable("The request took too long, try again")),
    }
}

async fn normalize_path(request: Request, next: Next) -> Response {
    match path::normalize(request) {
        Ok(request) => next.run(request).await,
        Err(response) => *response,
    }
}

/// The id of a request: its caller's when that is a plain word, else a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_plain =
        |id: &&HeaderValue| !id.is_empty() && id.len() <= 64 && id.as_bytes().iter().all(u8::is_ascii_graphic);
    headers.get(REQUEST_ID).filter(is_plain).cloned().unwrap_or_else(|| {
        let mut text = uuid::Uuid::encode_buffer();
        let text = new_id().hyphenated().encode_lower(&mut text);
        HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("none"))
    })
}

/// What every line that is logged for a request says about it.
pub(crate) fn request_span(method: &Method, path: &str, id: &HeaderValue) -> tracing::Span {
    tracing::info_span!(
        "http.request",
        http.method = %method,
        http.path = path,
        request.id = id.to_str().unwrap_or_default(),
    )
}

/// The log line of a request, within its span.
pub(crate) fn log_answer(status: StatusCode, began: Instant, is_quiet: bool) {
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = status.as_u16();
    if is_quiet {
        tracing::debug!(http.status = status, duration_ms, "request");
    } else {
        tracing::info!(http.status = status, duration_ms, "request");
    }
}

async fn log_request(mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers());
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let span = request_span(request.method(), request.uri().path(), &id);
    async move {
        let began = Instant::now();
        let is_quiet = matches!(request.uri().path(), "/health");
        let mut response = next.run(request).await;
        response.headers_mut().insert(REQUEST_ID, id);
        log_answer(response.status(), began, is_quiet);
        response
    }
    .instrument(span)
    .await
}

fn answer_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    error_response(&Error::internal("Internal server error").with_source(text.to_owned()))
}
