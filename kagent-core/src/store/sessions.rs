//! Conversations of a user with an agent. Keyed by (id, user): two users may choose the same id.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;

/// A row of table `session`.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionRecord {
    /// Chosen by the client or made by the server.
    pub id: String,
    /// Owner.
    pub user_id: String,
    /// Title shown in lists.
    pub name: Option<String>,
    /// Python id of the agent.
    pub agent_id: Option<String>,
    /// `user` or `agent` (an agent called this one); free text in practice.
    pub source: Option<String>,
    /// Absent in rows that older versions wrote without it.
    pub created_at: Option<Timestamp>,
    /// Absent in rows that older versions wrote without it.
    pub updated_at: Option<Timestamp>,
}

/// What a client writes of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct NewSession {
    /// Id.
    pub id: String,
    /// Owner.
    pub user_id: String,
    /// Title.
    pub name: Option<String>,
    /// Python id of the agent.
    pub agent_id: Option<String>,
    /// `user` or `agent`.
    pub source: Option<String>,
}

/// Keeps sessions. `updated_at` never goes back: not by a slow clock, not by an old request.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Writes the session, over an existing row of (id, user) too: name, agent and source are replaced, `created_at`
    /// stays, and a deleted row comes back to life. The row as it is now.
    async fn upsert_session(&self, session: &NewSession) -> Result<SessionRecord>;

    /// The user's session, unless deleted.
    async fn find_session(&self, id: &str, user_id: &str) -> Result<Option<SessionRecord>>;

    /// The user's sessions, last updated first, then last created, then by id; rows without a time come first.
    async fn list_sessions(&self, user_id: &str) -> Result<Vec<SessionRecord>>;

    /// The user's sessions with one agent except those with source `agent`; same order.
    async fn list_sessions_for_agent(&self, agent_id: &str, user_id: &str) -> Result<Vec<SessionRecord>>;

    /// Changes the agent of a session. The row as it is now, or `None` when there is none.
    async fn update_session_agent(&self, id: &str, user_id: &str, agent_id: &str) -> Result<Option<SessionRecord>>;

    /// Marks the session as deleted; its events and tasks stay. Whether there was one.
    async fn delete_session(&self, id: &str, user_id: &str) -> Result<bool>;
}
