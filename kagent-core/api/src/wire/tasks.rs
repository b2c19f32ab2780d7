//! A2A tasks. The shape is A2A's own, 0.3 or 1.0 by header; only its outline stands here.

use serde::{Deserialize, Serialize};

/// A task in the A2A 0.3 shape, or in the 1.0 shape where `A2A-Version: 1.0` was sent.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Task {
    /// Id; made by the server when empty.
    pub id: String,
    /// Id of the session.
    pub context_id: String,
    /// `task`; 0.3 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// State, message and timestamp.
    pub status: TaskStatus,
    /// Messages so far.
    pub history: Vec<serde_json::Value>,
    /// Artifacts so far.
    pub artifacts: Vec<serde_json::Value>,
    /// Free data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Where a task stands.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct TaskStatus {
    /// `working`, `input-required`, … (0.3) or `TASK_STATE_WORKING`, … (1.0).
    pub state: String,
    /// What the agent says to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<serde_json::Value>,
    /// RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
}
