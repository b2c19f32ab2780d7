//! Tool servers and their tools, as the REST API lists them: what discovery found, kept for as long as the server exists.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;

/// A row of table `toolserver`.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolServerRecord {
    /// `namespace/name` of the object.
    pub name: String,
    /// `RemoteMCPServer.kagent.dev`, `MCPServer.kagent.dev` or `Service`.
    pub group_kind: String,
    /// For people.
    pub description: Option<String>,
    /// Absent in rows that older versions wrote without it.
    pub created_at: Option<Timestamp>,
    /// Absent in rows that older versions wrote without it.
    pub updated_at: Option<Timestamp>,
    /// kagent 0.9 never sets it.
    pub last_connected: Option<Timestamp>,
}

/// What a controller writes of a tool server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewToolServer {
    /// `namespace/name` of the object.
    pub name: String,
    /// `Kind` or `Kind.group`.
    pub group_kind: String,
    /// For people.
    pub description: String,
}

/// A row of table `tool`.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolRecord {
    /// The tool's name on its server.
    pub id: String,
    /// `namespace/name` of the server.
    pub server_name: String,
    /// Kind of the server.
    pub group_kind: String,
    /// What the server says about it.
    pub description: Option<String>,
    /// Absent in rows that older versions wrote without it.
    pub created_at: Option<Timestamp>,
    /// Absent in rows that older versions wrote without it.
    pub updated_at: Option<Timestamp>,
}

/// A tool that was discovered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewTool {
    /// The tool's name on its server.
    pub id: String,
    /// What the server says about it.
    pub description: String,
}

/// Keeps tool servers and tools.
#[async_trait]
pub trait ToolStore: Send + Sync {
    /// Writes the server, over an existing row too; a deleted row comes back to life, its tools do not. `created_at`
    /// stays. A row that already says the same is not written again.
    async fn upsert_tool_server(&self, server: &NewToolServer) -> Result<()>;

    /// All servers that are not deleted, by `created_at`, then name and kind; rows without a time come last.
    async fn list_tool_servers(&self) -> Result<Vec<ToolServerRecord>>;

    /// Marks the server and all its tools as deleted. Whether there was such a server.
    async fn delete_tool_server(&self, name: &str, group_kind: &str) -> Result<bool>;

    /// Makes these, and no others, the tools of a server. Of two tools with one id the first counts. What already says
    /// the same is not written again; a tool that comes back keeps its `created_at`.
    async fn replace_tools(&self, server_name: &str, group_kind: &str, tools: &[NewTool]) -> Result<()>;

    /// All tools that are not deleted, by `created_at`, then server, kind and id; rows without a time come last.
    async fn list_tools(&self) -> Result<Vec<ToolRecord>>;

    /// The tools of one server, in the same order.
    async fn list_tools_of_server(&self, server_name: &str, group_kind: &str) -> Result<Vec<ToolRecord>>;
}

/// The tools without repeated ids: the first counts.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(super) fn without_repeated(tools: &[NewTool]) -> Vec<&NewTool> {
    let mut seen = std::collections::HashSet::new();
    tools.iter().filter(|tool| seen.insert(&tool.id)).collect()
}

/// Refuses what no engine can keep.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(super) fn check_tools(server_name: &str, group_kind: &str, tools: &[NewTool]) -> Result<()> {
    super::sql::check_text(&[("tool server", Some(server_name)), ("kind", Some(group_kind))])?;
    tools.iter().try_for_each(|tool| {
        super::sql::check_text(&[
            ("tool id", Some(&tool.id)),
            ("tool description", Some(&tool.description)),
        ])
    })
}
