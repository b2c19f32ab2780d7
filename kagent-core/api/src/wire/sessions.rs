//! Sessions.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::events::Event;

/// A conversation of a user with an agent.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Session {
    /// Id; unique per user.
    pub id: String,
    /// Title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Owner.
    pub user_id: String,
    /// When it was made; year 1 when unknown.
    pub created_at: Timestamp,
    /// When it, its events or its tasks last changed.
    pub updated_at: Timestamp,
    /// Python id of the agent, `kagent__NS__my_agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// `user`, or `agent` when another agent began it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// Body of `POST /api/sessions` and `PUT /api/sessions/{session_id}`.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct SessionRequest {
    /// The agent, as `namespace/name` or python id. Required.
    pub agent_ref: Option<String>,
    /// Title. In an update: the id of the session.
    pub name: Option<String>,
    /// Id; made by the server when empty.
    pub id: Option<String>,
    /// `user` or `agent`.
    pub source: Option<String>,
}

/// A session and its events.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct SessionWithEvents {
    /// The session.
    pub session: Session,
    /// Its events, in the order asked for.
    pub events: Vec<Event>,
}
