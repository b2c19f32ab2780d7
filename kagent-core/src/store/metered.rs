//! A store around a store that measures every call: a span, and a histogram by method and outcome. It changes nothing.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use tracing::{Instrument, Span, debug_span};

use super::{
    AgentStore, EventStore, HealthStore, LeaseStore, SessionStore, Store, TaskStore, ToolStore,
    agents::{AgentRecord, NewAgent},
    events::{Appended, EventQuery, EventRecord, NewEvent},
    leases::{LeaseClaim, LeaseRecord},
    sessions::{NewSession, SessionRecord},
    tasks::{NewTask, TaskRecord},
    tools::{NewTool, NewToolServer, ToolRecord, ToolServerRecord},
};
use crate::error::{ErrorKind, Result};

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Labels {
    method: &'static str,
    outcome: &'static str,
}

/// How long the calls of a store take.
#[derive(Clone, Debug)]
pub struct StoreMetrics {
    duration: Family<Labels, Histogram, fn() -> Histogram>,
}

impl StoreMetrics {
    /// Adds `store_duration_seconds` to the registry, whose prefix it gets.
    pub fn register(registry: &mut Registry) -> Self {
        // 0.1 ms (SQLite in memory) to 26 s (longer than every deadline).
        let build: fn() -> Histogram = || Histogram::new(exponential_buckets(0.0001, 4.0, 10));
        let duration = Family::new_with_constructor(build);
        registry.register_with_unit(
            "store_duration",
            "Time that a call of the store took",
            Unit::Seconds,
            duration.clone(),
        );
        Self { duration }
    }

    fn record(&self, method: &'static str, outcome: &'static str, duration: Duration) {
        let labels = Labels { method, outcome };
        self.duration.get_or_create(&labels).observe(duration.as_secs_f64());
    }
}

/// Measures the store that it wraps.
pub struct MeteredStore {
    store: Arc<dyn Store>,
    metrics: StoreMetrics,
}

impl MeteredStore {
    /// Wraps `store`.
    pub fn new(store: Arc<dyn Store>, metrics: StoreMetrics) -> Self {
        Self { store, metrics }
    }

    /// A call whose future is dropped before its end is not counted.
    async fn measure<T>(
        &self,
        method: &'static str,
        span: Span,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let start = Instant::now();
        let result = call.instrument(span).await;
        self.metrics.record(method, outcome(&result), start.elapsed());
        result
    }
}

fn outcome<T>(result: &Result<T>) -> &'static str {
    match result.as_ref().map_err(|error| error.kind()) {
        Ok(_) => "ok",
        Err(ErrorKind::Unavailable) => "unavailable",
        Err(ErrorKind::Internal) => "failed",
        Err(_) => "refused",
    }
}

#[async_trait]
impl AgentStore for MeteredStore {
    async fn upsert_agent(&self, agent: &NewAgent) -> Result<()> {
        let span = debug_span!("store.agents.upsert_agent");
        self.measure("upsert_agent", span, self.store.upsert_agent(agent)).await
    }

    async fn find_agent(&self, id: &str) -> Result<Option<AgentRecord>> {
        let span = debug_span!("store.agents.find_agent");
        self.measure("find_agent", span, self.store.find_agent(id)).await
    }

    async fn list_agents(&self) -> Result<Vec<AgentRecord>> {
        let span = debug_span!("store.agents.list_agents");
        self.measure("list_agents", span, self.store.list_agents()).await
    }

    async fn delete_agent(&self, id: &str) -> Result<bool> {
        let span = debug_span!("store.agents.delete_agent");
        self.measure("delete_agent", span, self.store.delete_agent(id)).await
    }
}

#[async_trait]
impl EventStore for MeteredStore {
    async fn append_event(&self, event: &NewEvent) -> Result<Appended> {
        let span = debug_span!("store.events.append_event");
        self.measure("append_event", span, self.store.append_event(event)).await
    }

    async fn list_events(&self, session_id: &str, user_id: &str, query: &EventQuery) -> Result<Vec<EventRecord>> {
        let span = debug_span!("store.events.list_events");
        let call = self.store.list_events(session_id, user_id, query);
        self.measure("list_events", span, call).await
    }
}

#[async_trait]
impl HealthStore for MeteredStore {
    async fn check_health(&self) -> Result<()> {
        let span = debug_span!("store.health.check_health");
        self.measure("check_health", span, self.store.check_health()).await
    }
}

#[async_trait]
impl LeaseStore for MeteredStore {
    async fn take_lease(&self, claim: &LeaseClaim) -> Result<Option<LeaseRecord>> {
        let span = debug_span!("store.leases.take_lease");
        self.measure("take_lease", span, self.store.take_lease(claim)).await
    }

    async fn release_lease(&self, name: &str, holder: &str) -> Result<bool> {
        let span = debug_span!("store.leases.release_lease");
        let call = self.store.release_lease(name, holder);
        self.measure("release_lease", span, call).await
    }
}

#[async_trait]
impl SessionStore for MeteredStore {
    async fn upsert_session(&self, session: &NewSession) -> Result<SessionRecord> {
        let span = debug_span!("store.sessions.upsert_session");
        let call = self.store.upsert_session(session);
        self.measure("upsert_session", span, call).await
    }

    async fn find_session(&self, id: &str, user_id: &str) -> Result<Option<SessionRecord>> {
        let span = debug_span!("store.sessions.find_session");
        let call = self.store.find_session(id, user_id);
        self.measure("find_session", span, call).await
    }

    async fn list_sessions(&self, user_id: &str) -> Result<Vec<SessionRecord>> {
        let span = debug_span!("store.sessions.list_sessions");
        let call = self.store.list_sessions(user_id);
        self.measure("list_sessions", span, call).await
    }

    async fn list_sessions_for_agent(&self, agent_id: &str, user_id: &str) -> Result<Vec<SessionRecord>> {
        let span = debug_span!("store.sessions.list_sessions_for_agent");
        let call = self.store.list_sessions_for_agent(agent_id, user_id);
        self.measure("list_sessions_for_agent", span, call).await
    }

    async fn update_session_agent(&self, id: &str, user_id: &str, agent_id: &str) -> Result<Option<SessionRecord>> {
        let span = debug_span!("store.sessions.update_session_agent");
        let call = self.store.update_session_agent(id, user_id, agent_id);
        self.measure("update_session_agent", span, call).await
    }

    async fn delete_session(&self, id: &str, user_id: &str) -> Result<bool> {
        let span = debug_span!("store.sessions.delete_session");
        let call = self.store.delete_session(id, user_id);
        self.measure("delete_session", span, call).await
    }
}

#[async_trait]
impl TaskStore for MeteredStore {
    async fn upsert_task(&self, task: &NewTask) -> Result<()> {
        let span = debug_span!("store.tasks.upsert_task");
        self.measure("upsert_task", span, self.store.upsert_task(task)).await
    }

    async fn find_task(&self, id: &str) -> Result<Option<TaskRecord>> {
        let span = debug_span!("store.tasks.find_task");
        self.measure("find_task", span, self.store.find_task(id)).await
    }

    async fn list_tasks_for_session(&self, session_id: &str) -> Result<Vec<TaskRecord>> {
        let span = debug_span!("store.tasks.list_tasks_for_session");
        let call = self.store.list_tasks_for_session(session_id);
        self.measure("list_tasks_for_session", span, call).await
    }

    async fn delete_task(&self, id: &str) -> Result<bool> {
        let span = debug_span!("store.tasks.delete_task");
        self.measure("delete_task", span, self.store.delete_task(id)).await
    }
}

#[async_trait]
impl ToolStore for MeteredStore {
    async fn upsert_tool_server(&self, server: &NewToolServer) -> Result<()> {
        let span = debug_span!("store.tools.upsert_tool_server");
        let call = self.store.upsert_tool_server(server);
        self.measure("upsert_tool_server", span, call).await
    }

    async fn list_tool_servers(&self) -> Result<Vec<ToolServerRecord>> {
        let span = debug_span!("store.tools.list_tool_servers");
        let call = self.store.list_tool_servers();
        self.measure("list_tool_servers", span, call).await
    }

    async fn delete_tool_server(&self, name: &str, group_kind: &str) -> Result<bool> {
        let span = debug_span!("store.tools.delete_tool_server");
        let call = self.store.delete_tool_server(name, group_kind);
        self.measure("delete_tool_server", span, call).await
    }

    async fn replace_tools(&self, server_name: &str, group_kind: &str, tools: &[NewTool]) -> Result<()> {
        let span = debug_span!("store.tools.replace_tools");
        let call = self.store.replace_tools(server_name, group_kind, tools);
        self.measure("replace_tools", span, call).await
    }

    async fn list_tools(&self) -> Result<Vec<ToolRecord>> {
        let span = debug_span!("store.tools.list_tools");
        self.measure("list_tools", span, self.store.list_tools()).await
    }

    async fn list_tools_of_server(&self, server_name: &str, group_kind: &str) -> Result<Vec<ToolRecord>> {
        let span = debug_span!("store.tools.list_tools_of_server");
        let call = self.store.list_tools_of_server(server_name, group_kind);
        self.measure("list_tools_of_server", span, call).await
    }
}

#[cfg(all(test, feature = "test-util"))]
mod tests {
    use super::*;
    use crate::{error::Error, store::mock::MockStore};

    #[tokio::test]
    async fn calls_are_counted_by_method_and_outcome() {
        let mut store = MockStore::new();
        store.expect_find_task().returning(|_| Ok(None));
        store
            .expect_check_health()
            .returning(|| Err(Error::unavailable("the database is away")));
        let mut registry = Registry::with_prefix("kagent");
        let metered = MeteredStore::new(Arc::new(store), StoreMetrics::register(&mut registry));

        assert_eq!(metered.find_task("a").await.expect("found"), None);
        let error = metered.check_health().await.expect_err("healthy");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "the answer was changed");

        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("encodes");
        for line in [
            "kagent_store_duration_seconds_count{method=\"find_task\",outcome=\"ok\"} 1",
            "kagent_store_duration_seconds_count{method=\"check_health\",outcome=\"unavailable\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
