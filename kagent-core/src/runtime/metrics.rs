//! Prometheus metrics of the process, and the middleware that counts HTTP requests by route.

use std::{fmt, sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

/// Labels of one kind of request.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

/// The metrics of a process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Histogram,
    in_flight: Gauge,
}

impl Metrics {
    /// The metrics of a process of this version.
    pub fn new(version: &str) -> Self {
        let mut registry = Registry::default();
        registry.register(
            "kagent_build",
            "What is running",
            Info::new(vec![("version".to_owned(), version.to_owned())]),
        );
        let requests = Family::<RequestLabels, Counter>::default();
        registry.register(
            "kagent_http_requests",
            "Requests whose answer has begun, by method, route and status",
            requests.clone(),
        );
        let durations = Histogram::new([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0]);
        registry.register(
            "kagent_http_request_duration_seconds",
            "Time until the head of the answer",
            durations.clone(),
        );
        let in_flight = Gauge::default();
        registry.register(
            "kagent_http_requests_in_flight",
            "Requests whose answer has not begun",
            in_flight.clone(),
        );
        Self {
            registry,
            requests,
            durations,
            in_flight,
        }
    }

    /// Where other parts add theirs, before the metrics are shared.
    pub fn registry(&mut self) -> &mut Registry {
        &mut self.registry
    }

    /// All metrics in the OpenMetrics text format.
    ///
    /// # Errors
    /// When a metric cannot be written, which is a fault of ours.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// Middleware that counts a request and measures the time until its head is there.
///
/// Routes are labelled by their pattern, never by their path, so that callers cannot make new series.
pub async fn count_request(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let method = known_method(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let began = Instant::now();
    let in_flight = InFlight::new(&metrics.in_flight);
    let response = next.run(request).await;
    drop(in_flight);
    metrics.durations.observe(began.elapsed().as_secs_f64());
    metrics
        .requests
        .get_or_create(&RequestLabels {
            method,
            route,
            status: response.status().as_u16(),
        })
        .inc();
    response
}

/// A method by name when it is a standard one; made-up methods share one label.
fn known_method(method: &http::Method) -> String {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known.to_owned(),
        _ => "other".to_owned(),
    }
}

/// Counts one down when dropped, so that a caller who leaves is counted too.
struct InFlight<'a>(&'a Gauge);

impl<'a> InFlight<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use axum::{Router, body::Body, middleware, routing::get};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn requests_are_counted_by_route_pattern() {
        let metrics = Arc::new(Metrics::new("0"));
        let router = Router::new()
            .route("/agents/{name}", get(async || "ok"))
            .layer(middleware::from_fn_with_state(metrics.clone(), count_request));
        for path in ["/agents/a", "/agents/b"] {
            let request = Request::get(path).body(Body::empty()).expect("request");
            router.clone().oneshot(request).await.expect("infallible");
        }
        let text = metrics.encode().expect("text");
        assert!(
            text.contains(r#"kagent_http_requests_total{method="GET",route="/agents/{name}",status="200"} 2"#),
            "{text}"
        );
        assert!(text.contains("kagent_http_requests_in_flight 0"), "{text}");
    }
}
