//! Agents as the REST API and the runtimes know them: one row per reconciled Agent object.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;

/// A row of table `agent`.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentRecord {
    /// Python id, `kagent__NS__my_agent`.
    pub id: String,
    /// `Declarative` or `BYO`.
    pub agent_type: String,
    /// `deployment` or `sandbox`.
    pub workload_type: String,
    /// The runtime's `config.json` text; `None` for BYO agents. Not interpreted.
    pub config: Option<String>,
    /// Absent in rows that older versions wrote without it.
    pub created_at: Option<Timestamp>,
    /// Absent in rows that older versions wrote without it.
    pub updated_at: Option<Timestamp>,
}

/// What the reconciler writes of an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct NewAgent {
    /// Python id.
    pub id: String,
    /// `Declarative` or `BYO`.
    pub agent_type: String,
    /// `deployment` or `sandbox`.
    pub workload_type: String,
    /// The runtime's `config.json`.
    pub config: Option<String>,
}

/// Keeps agents.
#[async_trait]
pub trait AgentStore: Send + Sync {
    /// Writes the agent, over an existing row too; a deleted row comes back to life. `created_at` stays. A row that
    /// already says the same is not written again.
    async fn upsert_agent(&self, agent: &NewAgent) -> Result<()>;

    /// The agent with this python id, unless deleted.
    async fn find_agent(&self, id: &str) -> Result<Option<AgentRecord>>;

    /// All agents that are not deleted, by `created_at`, then id; rows without a time come last.
    async fn list_agents(&self) -> Result<Vec<AgentRecord>>;

    /// Marks the agent as deleted. Whether there was one.
    async fn delete_agent(&self, id: &str) -> Result<bool>;
}
