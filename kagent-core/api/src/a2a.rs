//! The agent card of the A2A protocol, in the form that is valid for wire 0.3 and wire 1.0 at the same time.
//!
//! Field order is the order on the wire (`tests/recordings/a2a`, area `cards`): the fields of 1.0 first, those that only
//! 0.3 readers need (`url`, `protocolVersion`, `preferredTransport`) last.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// JSON-RPC 2.0 over HTTP, the only binding that is served.
pub const BINDING_JSONRPC: &str = "JSONRPC";

/// What an agent can do and where it is reached.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentCard {
    /// Media types (or `text`) that the agent reads.
    #[serde(default)]
    pub default_input_modes: Vec<String>,
    /// Media types (or `text`) that the agent writes.
    #[serde(default)]
    pub default_output_modes: Vec<String>,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Where its documentation is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documentation_url: Option<String>,
    /// Where its picture is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon_url: Option<String>,
    /// Name, as an identifier (`my_agent`).
    #[serde(default)]
    pub name: String,
    /// Who runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Value>,
    /// Signatures over the card; they must be dropped when a URL in it is rewritten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<Value>,
    /// Version of the agent itself; kagent leaves it empty.
    #[serde(default)]
    pub version: String,
    /// What it is good at. Never null: Python readers refuse that.
    #[serde(default)]
    pub skills: Vec<AgentSkill>,
    /// Optional parts of the protocol that it supports.
    #[serde(default)]
    pub capabilities: AgentCapabilities,
    /// Where it is reached, by which binding and version; the first is preferred (1.0).
    #[serde(default)]
    pub supported_interfaces: Vec<AgentInterface>,
    /// How to sign in, by name; the shapes of 0.3 and 1.0 differ, so it is kept as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_schemes: Option<Value>,
    /// Which of the schemes are needed (1.0).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_requirements: Vec<Value>,
    /// Which of the schemes are needed (0.3).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security: Vec<Value>,
    /// Further addresses (0.3).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_interfaces: Vec<LegacyInterface>,
    /// Whether there is an extended card (0.3).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub supports_authenticated_extended_card: bool,
    /// Address of the first 0.3 interface (0.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Version of the protocol at `url` (0.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<String>,
    /// Binding at `url` (0.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_transport: Option<String>,
}

/// Optional parts of the protocol; a flag that is false is left out.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentCapabilities {
    /// Extensions that the agent knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Value>,
    /// Whether there is an extended card (1.0).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub extended_agent_card: bool,
    /// Whether it sends push notifications.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub push_notifications: bool,
    /// Whether a task carries the history of its states (0.3).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub state_transition_history: bool,
    /// Whether it answers with event streams.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub streaming: bool,
}

/// One address of an agent (1.0).
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentInterface {
    /// Address.
    pub url: String,
    /// `JSONRPC`, `GRPC` or `HTTP+JSON`.
    #[serde(default)]
    pub protocol_binding: String,
    /// `0.3` or `1.0`.
    #[serde(default)]
    pub protocol_version: String,
    /// Tenant to name in requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// One further address of an agent (0.3).
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LegacyInterface {
    /// Binding at `url`.
    pub transport: String,
    /// Address.
    pub url: String,
}

/// Something an agent is good at.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentSkill {
    /// For people and for models that choose among agents.
    #[serde(default)]
    pub description: String,
    /// Prompts that show what it does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<String>,
    /// Unique within the card.
    #[serde(default)]
    pub id: String,
    /// Media types that it reads, where they differ from the card's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input_modes: Vec<String>,
    /// Name for people.
    #[serde(default)]
    pub name: String,
    /// Media types that it writes, where they differ from the card's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_modes: Vec<String>,
    /// Keywords; always written, `null` when the manifest has none.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
}
