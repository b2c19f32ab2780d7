//! A2A tasks. The payload is the task's JSON in the 0.3 shape (or 1.0 where `protocol_version` says so).

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;

/// A row of table `task`.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRecord {
    /// Task id.
    pub id: String,
    /// Context id of the task, which is the session's id.
    pub session_id: Option<String>,
    /// The task's JSON text.
    pub data: String,
    /// `None` or empty: 0.3 JSON; `1.0`: A2A 1.0 JSON.
    pub protocol_version: Option<String>,
    /// Absent in rows that older versions wrote without it.
    pub created_at: Option<Timestamp>,
    /// Absent in rows that older versions wrote without it.
    pub updated_at: Option<Timestamp>,
}

/// What a runtime writes of a task.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTask {
    /// Task id.
    pub id: String,
    /// Context id.
    pub session_id: Option<String>,
    /// The task's JSON text.
    pub data: String,
    /// See [`TaskRecord::protocol_version`].
    pub protocol_version: Option<String>,
}

/// Keeps tasks.
#[async_trait]
pub trait TaskStore: Send + Sync {
    /// Writes the task, over an existing row too; `created_at` stays, a deleted row comes back to life, and sessions
    /// with the task's session id are marked as updated.
    async fn upsert_task(&self, task: &NewTask) -> Result<()>;

    /// The task, unless deleted.
    async fn find_task(&self, id: &str) -> Result<Option<TaskRecord>>;

    /// Tasks of a session, oldest first, then by id; rows without a time come last. Not scoped to a user: tasks have
    /// none.
    async fn list_tasks_for_session(&self, session_id: &str) -> Result<Vec<TaskRecord>>;

    /// Marks the task as deleted. Whether there was one.
    async fn delete_task(&self, id: &str) -> Result<bool>;
}
