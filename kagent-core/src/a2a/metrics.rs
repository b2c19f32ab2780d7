//! What the hop counts. Labels are bounded: agents that exist, methods and outcomes of fixed lists.

use std::sync::atomic::AtomicI64;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// How a request went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The agent answered with a result, or its stream ended by itself.
    Ok,
    /// The agent answered with an error.
    AgentError,
    /// The request was refused here.
    Rejected,
    /// There was no usable answer from the agent.
    Failed,
    /// The caller left before the end.
    Canceled,
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::AgentError => "agent_error",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    agent: String,
    method: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct FailureLabels {
    reason: &'static str,
}

/// The counters; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    requests: Family<RequestLabels, Counter>,
    active_streams: Gauge<i64, AtomicI64>,
    upstream_errors: Family<FailureLabels, Counter>,
}

impl Metrics {
    /// Makes the counters known to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "kagent_a2a_requests",
            "A2A requests by agent, method and outcome",
            self.requests.clone(),
        );
        registry.register(
            "kagent_a2a_active_streams",
            "Event streams that are open towards callers",
            self.active_streams.clone(),
        );
        registry.register(
            "kagent_a2a_upstream_errors",
            "Agents that could not be reached or broke off, by reason",
            self.upstream_errors.clone(),
        );
    }

    /// The counter of one kind of request.
    pub fn requests(&self, agent: &str, method: &'static str, outcome: Outcome) -> Counter {
        self.requests
            .get_or_create(&RequestLabels {
                agent: agent.to_owned(),
                method,
                outcome: outcome.label(),
            })
            .clone()
    }

    /// Counts a fault on the way to an agent.
    pub fn count_upstream_error(&self, reason: &'static str) {
        self.upstream_errors.get_or_create(&FailureLabels { reason }).inc();
    }

    /// Counts an open stream until the guard is dropped.
    pub fn open_stream(&self) -> OpenStream {
        self.active_streams.inc();
        OpenStream(self.active_streams.clone())
    }
}

/// An open stream; dropping it ends the count.
#[derive(Debug)]
pub struct OpenStream(Gauge<i64, AtomicI64>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_carry_their_labels() {
        let metrics = Metrics::default();
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        metrics.requests("kagent/a", "send", Outcome::Ok).inc();
        let stream = metrics.open_stream();
        metrics.count_upstream_error("connect");
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
        assert!(
            text.contains(r#"kagent_a2a_requests_total{agent="kagent/a",method="send",outcome="ok"} 1"#),
            "{text}"
        );
        assert!(text.contains("kagent_a2a_active_streams 1"), "{text}");
        assert!(
            text.contains(r#"kagent_a2a_upstream_errors_total{reason="connect"} 1"#),
            "{text}"
        );
        drop(stream);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("text");
        assert!(text.contains("kagent_a2a_active_streams 0"), "{text}");
    }
}
