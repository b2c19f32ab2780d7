//! Events of sessions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What happened in a session, as the agent's runtime tells it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Event {
    /// Id; unique per user.
    pub id: String,
    /// Session.
    pub session_id: String,
    /// Owner of the session.
    pub user_id: String,
    /// When it was appended; year 1 in the answer to the append.
    pub created_at: Timestamp,
    /// As `created_at`.
    pub updated_at: Timestamp,
    /// Opaque text, JSON in practice.
    pub data: String,
}

/// Body of `POST /api/sessions/{session_id}/events`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct EventRequest {
    /// Id; made by the server when empty.
    pub id: String,
    /// Opaque text.
    pub data: String,
}
