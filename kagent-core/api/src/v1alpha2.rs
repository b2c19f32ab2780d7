//! The served API version: the kinds people write, and what they share. Types and schemas only; no I/O, no clock.
//!
//! Everything deserialises leniently (unknown fields are ignored, missing ones are `None` or empty, unknown enum
//! values are kept in `Other`), because one odd object must not break the list it is in. Strictness is the CRD's part.

mod agent;
mod condition;
mod mcp_server;
mod model_config;
mod model_provider_config;
mod namespaces;
mod reference;
mod remote_mcp_server;
mod tls;
mod value;

pub use agent::{
    A2AConfig, Agent, AgentSkill, AgentSpec, AgentStatus, AgentType, ByoAgentSpec, ByoDeploymentSpec,
    ContextCompressionConfig, ContextConfig, ContextSummarizerConfig, DeclarativeAgentSpec, DeclarativeDeploymentSpec,
    DeclarativeRuntime, GitRepo, McpServerTool, MemorySpec, NetworkConfig, PromptSource, PromptTemplateSpec,
    SandboxConfig, ServiceAccountConfig, SharedDeploymentSpec, SkillForAgent, SkillsInitContainer, Tool, ToolType,
};
pub use condition::{find_condition, is_condition_true, remove_condition, set_condition};
pub use mcp_server::{
    HttpTransport, HttpTransportTls, MCPServer, MCPServerDeployment, MCPServerSpec, MCPServerStatus, StdioTransport,
    TransportType,
};
pub use model_config::{
    AnthropicConfig, AnthropicVertexAiConfig, AzureOpenAiConfig, BedrockConfig, CacheTtl, GdchServiceAccountConfig,
    GeminiConfig, GeminiVertexAiConfig, ModelConfig, ModelConfigSpec, ModelConfigStatus, ModelProvider, OllamaConfig,
    OpenAiConfig, ReasoningEffort, SapAiCoreConfig, TokenExchangeConfig, TokenExchangeType,
};
pub use model_provider_config::{
    ModelProviderConfig, ModelProviderConfigSpec, ModelProviderConfigStatus, SecretReference,
};
pub use namespaces::{AllowedNamespaces, FromNamespaces};
pub use reference::{TypedLocalReference, TypedReference};
pub use remote_mcp_server::{DiscoveredTool, McpProtocol, RemoteMCPServer, RemoteMCPServerSpec, RemoteMCPServerStatus};
pub use tls::TlsConfig;
pub use value::{ValueRef, ValueSource, ValueSourceType};

/// The API group of every kind here.
pub const GROUP: &str = "kagent.dev";
/// The API version of every kind here, except [`MCPServer`].
pub const VERSION: &str = "v1alpha2";
/// Group and version as objects carry them.
pub const API_VERSION: &str = "kagent.dev/v1alpha2";
