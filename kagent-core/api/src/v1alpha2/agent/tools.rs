//! What a declarative agent may call: tool servers and other agents.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    schema::rules,
    v1alpha2::{TypedReference, ValueRef},
};

/// One tool: a tool server or another agent.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    ("!(has(self.mcpServer) && self.type != 'McpServer')", "type.mcpServer must be nil if the type is not McpServer"),
    (
        "!(!has(self.mcpServer) && self.type == 'McpServer')",
        "type.mcpServer must be specified for McpServer filter.type",
    ),
    ("!(has(self.agent) && self.type != 'Agent')", "type.agent must be nil if the type is not Agent"),
    ("!(!has(self.agent) && self.type == 'Agent')", "type.agent must be specified for Agent filter.type"),
])))]
pub struct Tool {
    /// Which of the two blocks below counts. The API server insists on it; objects that did not pass it may lack it.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<ToolType>,
    /// A tool server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcp_server: Option<McpServerTool>,
    /// Another agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<TypedReference>,
    /// Headers of every request to the tool. Their Secrets and ConfigMaps are in the agent's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers_from: Option<Vec<ValueRef>>,
}

/// What kind of tool it is.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ToolType {
    /// A tool server.
    McpServer,
    /// Another agent.
    Agent,
    /// A value that this version does not know.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

/// A tool server, and which of its tools the agent may use.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[(
    "!has(self.requireApproval) || self.requireApproval.all(x, has(self.toolNames) && x in self.toolNames)",
    "each RequireApproval entry must also appear in ToolNames",
)])))]
pub struct McpServerTool {
    /// Which object describes the server: a RemoteMCPServer, an MCPServer or a Service.
    ///
    /// Its fields stand beside the ones below.
    #[serde(flatten)]
    pub reference: TypedReference,
    /// Names of the tools that the agent may use; all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50))]
    pub tool_names: Option<Vec<String>>,
    /// Names of the tools that a person must approve on each call. Each must also be in `tool_names`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50))]
    pub require_approval: Option<Vec<String>>,
    /// Names of the headers of the caller's request that are passed on to the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_headers: Option<Vec<String>>,
}
