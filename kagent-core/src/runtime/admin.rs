//! The listeners for the platform: `/healthz` and `/readyz` on one address, `/metrics` on another.
//!
//! `/healthz` says that the process runs; `/readyz` runs the named checks and lists them with `?verbose`, or when
//! one of them fails.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;

use super::{health::Checks, metrics::Metrics};

/// `/healthz` and `/readyz`.
pub fn probes_router(checks: Checks) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(readyz))
        .with_state(checks)
}

/// `/metrics` in the OpenMetrics text format.
pub fn metrics_router(metrics: Arc<Metrics>) -> Router {
    Router::new().route("/metrics", get(metrics_text)).with_state(metrics)
}

#[derive(Deserialize)]
struct ReadyQuery {
    verbose: Option<String>,
}

async fn readyz(State(checks): State<Checks>, Query(query): Query<ReadyQuery>) -> Response {
    let results = checks.run().await;
    let ready = results.iter().all(|check| check.result.is_ok() || !check.required);
    let quiet = results.iter().all(|check| check.result.is_ok());
    if quiet && query.verbose.is_none() {
        return "ok".into_response();
    }
    let mut body = String::new();
    for check in &results {
        match &check.result {
            Ok(()) => body.push_str(&format!("[+]{} ok\n", check.name)),
            Err(reason) if check.required => body.push_str(&format!("[-]{} failed: {reason}\n", check.name)),
            Err(reason) => body.push_str(&format!("[!]{}: {reason}\n", check.name)),
        }
    }
    let (status, verdict) = if ready {
        (StatusCode::OK, "readyz check passed\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "readyz check failed\n")
    };
    body.push_str(verdict);
    (status, body).into_response()
}

async fn metrics_text(State(metrics): State<Arc<Metrics>>) -> Response {
    match metrics.encode() {
        Ok(text) => (
            [(
                header::CONTENT_TYPE,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            )],
            text,
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot write the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn fetch(router: Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).expect("request");
        let response = router.oneshot(request).await.expect("infallible");
        let status = response.status();
        let body = response.into_body().collect().await.expect("body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn readyz_says_what_failed_and_why() {
        let checks = Checks::default();
        checks.register("database", || std::future::ready(Err("it is away".to_owned())));
        let routes = checks.gate("routes", "not read yet");
        routes.open();
        let router = probes_router(checks);

        let (status, body) = fetch(router.clone(), "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            body,
            "[-]database failed: it is away\n[+]routes ok\nreadyz check failed\n"
        );
        assert_eq!(fetch(router, "/healthz").await, (StatusCode::OK, "ok".to_owned()));
    }

    #[tokio::test]
    async fn readyz_lists_the_checks_when_asked() {
        let checks = Checks::default();
        checks.gate("routes", "").open();
        let router = probes_router(checks);
        assert_eq!(
            fetch(router.clone(), "/readyz").await,
            (StatusCode::OK, "ok".to_owned())
        );
        assert_eq!(
            fetch(router, "/readyz?verbose").await,
            (StatusCode::OK, "[+]routes ok\nreadyz check passed\n".to_owned())
        );
    }

    #[tokio::test]
    async fn metrics_are_open_metrics() {
        let metrics = Arc::new(Metrics::new("1.2.3"));
        let (status, body) = fetch(metrics_router(metrics), "/metrics").await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("kagent_build_info{version=\"1.2.3\"} 1"), "{body}");
        assert!(body.ends_with("# EOF\n"), "{body}");
    }
}
