//! Agents: the object as users wrote it, and what the server says about it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::v1alpha2::{AgentSpec, AgentStatus, Tool};

/// An agent in lists and single reads.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentResponse {
    /// Python id, `kagent__NS__my_agent`; equals the `agent_id` of its sessions.
    pub id: String,
    /// The object.
    pub agent: AgentResource,
    /// Provider of its model; empty for BYO agents and where the ModelConfig is missing.
    pub model_provider: String,
    /// Its model; empty likewise.
    pub model: String,
    /// `namespace/name` of its ModelConfig; empty likewise.
    pub model_config_ref: String,
    /// Always null.
    pub memory_refs: Option<Vec<String>>,
    /// Its tools; null for BYO agents and where the ModelConfig is missing.
    #[cfg_attr(feature = "utoipa", schema(schema_with = schemas::tools))]
    pub tools: Option<Vec<Tool>>,
    /// Whether its pods are ready.
    pub deployment_ready: bool,
    /// Whether its configuration was accepted.
    pub accepted: bool,
    /// `deployment`.
    pub workload_mode: String,
}

/// An Agent object, as in Kubernetes but for `managedFields`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentResource {
    /// `kagent.dev/v1alpha2`; absent in the answer to a create.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// `Agent`; absent in the answer to a create.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Kubernetes' ObjectMeta.
    pub metadata: Map<String, Value>,
    /// What the agent is.
    #[cfg_attr(feature = "utoipa", schema(schema_with = schemas::agent_spec))]
    pub spec: AgentSpec,
    /// What is known about it.
    pub status: AgentStatusView,
}

/// The status of an Agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentStatusView {
    /// Generation of the spec that the conditions are about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`, `Ready`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<ConditionView>>,
}

/// One condition of an object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConditionView {
    /// Which condition.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Generation of the spec that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// RFC 3339, whole seconds.
    pub last_transition_time: Value,
    /// One word.
    pub reason: String,
    /// For people.
    pub message: String,
}

impl From<AgentStatus> for AgentStatusView {
    fn from(status: AgentStatus) -> Self {
        Self {
            observed_generation: status.observed_generation,
            conditions: status
                .conditions
                .map(|conditions| conditions.into_iter().map(ConditionView::from).collect()),
        }
    }
}

impl From<Condition> for ConditionView {
    fn from(condition: Condition) -> Self {
        Self {
            type_: condition.type_,
            status: condition.status,
            observed_generation: condition.observed_generation,
            last_transition_time: serde_json::to_value(condition.last_transition_time).unwrap_or_default(),
            reason: condition.reason,
            message: condition.message,
        }
    }
}

/// Schemas that are written once, by schemars, and only referred to here; the server's document has them merged in.
#[cfg(feature = "utoipa")]
mod schemas {
    use utoipa::openapi::{Ref, RefOr, Schema, schema::ArrayBuilder};

    pub(super) fn agent_spec() -> RefOr<Schema> {
        Ref::from_schema_name("AgentSpec").into()
    }

    pub(super) fn tools() -> RefOr<Schema> {
        let items = Ref::from_schema_name("Tool");
        RefOr::T(Schema::Array(ArrayBuilder::new().items(items).build()))
    }
}
