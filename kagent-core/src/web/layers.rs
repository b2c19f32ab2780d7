//! What happens around every request: a request id, one log line, panics as 500, a total time limit for those that do
//! not stream, and the router's own answers (404, 405).

use std::{any::Any, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

use super::{
    error::{error_response, plain_text},
    path,
};
use crate::{clock::new_id, error::Error};

/// Names a request in logs; taken from the caller when it is a plain word, else made here.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps a finished router: path rules first, then routing, so that 301, 404 and 405 need no authentication.
pub fn finish(router: Router) -> Router {
    let routed = router
        .fallback(|| async { not_found() })
        .method_not_allowed_fallback(|| async { StatusCode::METHOD_NOT_ALLOWED })
        .layer(CatchPanicLayer::custom(answer_panic));
    Router::new()
        .fallback_service(routed)
        .layer(from_fn(normalize_path))
        .layer(from_fn(log_request))
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

async fn log_request(mut request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(REQUEST_ID)
        .filter(|id| !id.is_empty() && id.len() <= 64 && id.as_bytes().iter().all(u8::is_ascii_graphic))
        .cloned()
        .or_else(|| HeaderValue::from_str(&new_id().to_string()).ok());
    if let Some(id) = &id {
        request.headers_mut().insert(REQUEST_ID, id.clone());
    }
    let span = tracing::info_span!(
        "http.request",
        http.method = %request.method(),
        http.path = request.uri().path(),
        request.id = id.as_ref().and_then(|id| id.to_str().ok()),
    );
    async move {
        let start = tokio::time::Instant::now();
        let quiet = matches!(request.uri().path(), "/health");
        let mut response = next.run(request).await;
        if let Some(id) = id {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        let duration_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let status = response.status().as_u16();
        if quiet {
            tracing::debug!(http.status = status, duration_ms, "request");
        } else {
            tracing::info!(http.status = status, duration_ms, "request");
        }
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
