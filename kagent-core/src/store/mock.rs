//! A mock of the whole store, for tests of what stands on it. Never for tests of a database.

use async_trait::async_trait;

use super::{
    AgentStore, EventStore, HealthStore, LeaseStore, SessionStore, TaskStore, ToolStore,
    agents::{AgentRecord, NewAgent},
    events::{Appended, EventQuery, EventRecord, NewEvent},
    leases::{LeaseClaim, LeaseRecord},
    sessions::{NewSession, SessionRecord},
    tasks::{NewTask, TaskRecord},
    tools::{NewTool, NewToolServer, ToolRecord, ToolServerRecord},
};
use crate::error::Result;

mockall::mock! {
    /// A store of which each test says what it answers.
    pub Store {}

    #[async_trait]
    impl AgentStore for Store {
        async fn upsert_agent(&self, agent: &NewAgent) -> Result<()>;
        async fn find_agent(&self, id: &str) -> Result<Option<AgentRecord>>;
        async fn list_agents(&self) -> Result<Vec<AgentRecord>>;
        async fn delete_agent(&self, id: &str) -> Result<bool>;
    }

    #[async_trait]
    impl EventStore for Store {
        async fn append_event(&self, event: &NewEvent) -> Result<Appended>;
        async fn list_events(&self, session_id: &str, user_id: &str, query: &EventQuery) -> Result<Vec<EventRecord>>;
    }

    #[async_trait]
    impl HealthStore for Store {
        async fn check_health(&self) -> Result<()>;
    }

    #[async_trait]
    impl LeaseStore for Store {
        async fn take_lease(&self, claim: &LeaseClaim) -> Result<Option<LeaseRecord>>;
        async fn release_lease(&self, name: &str, holder: &str) -> Result<bool>;
    }

    #[async_trait]
    impl SessionStore for Store {
        async fn upsert_session(&self, session: &NewSession) -> Result<SessionRecord>;
        async fn find_session(&self, id: &str, user_id: &str) -> Result<Option<SessionRecord>>;
        async fn list_sessions(&self, user_id: &str) -> Result<Vec<SessionRecord>>;
        async fn list_sessions_for_agent(&self, agent_id: &str, user_id: &str) -> Result<Vec<SessionRecord>>;
        async fn update_session_agent(
            &self,
            id: &str,
            user_id: &str,
            agent_id: &str,
        ) -> Result<Option<SessionRecord>>;
        async fn delete_session(&self, id: &str, user_id: &str) -> Result<bool>;
    }

    #[async_trait]
    impl TaskStore for Store {
        async fn upsert_task(&self, task: &NewTask) -> Result<()>;
        async fn find_task(&self, id: &str) -> Result<Option<TaskRecord>>;
        async fn list_tasks_for_session(&self, session_id: &str) -> Result<Vec<TaskRecord>>;
        async fn delete_task(&self, id: &str) -> Result<bool>;
    }

    #[async_trait]
    impl ToolStore for Store {
        async fn upsert_tool_server(&self, server: &NewToolServer) -> Result<()>;
        async fn list_tool_servers(&self) -> Result<Vec<ToolServerRecord>>;
        async fn delete_tool_server(&self, name: &str, group_kind: &str) -> Result<bool>;
        async fn replace_tools(&self, server_name: &str, group_kind: &str, tools: &[NewTool]) -> Result<()>;
        async fn list_tools(&self) -> Result<Vec<ToolRecord>>;
        async fn list_tools_of_server(&self, server_name: &str, group_kind: &str) -> Result<Vec<ToolRecord>>;
    }
}
