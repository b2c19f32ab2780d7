//! The `config.json` that agent runtimes read. Field order is serialisation order and part of the contract: a
//! Secret's bytes and the config hash depend on it. Text form: `kagent_core::translate::json`.

mod model;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use model::{
    Anthropic, AzureOpenAi, Bedrock, GdchServiceAccount, Model, ModelBase, Ollama, OpenAi, PlainModel, SapAiCore,
    TokenExchange,
};

/// The whole file.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct AgentConfig {
    /// The chat model.
    pub model: Model,
    /// What the agent is for; empty when the Agent has no description.
    #[serde(default)]
    pub description: String,
    /// The system message.
    #[serde(default)]
    pub instruction: String,
    /// MCP servers spoken to by streamable HTTP.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http_tools: Vec<HttpTool>,
    /// MCP servers spoken to by the older SSE transport.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sse_tools: Vec<SseTool>,
    /// Agents called as tools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remote_agents: Vec<RemoteAgent>,
    /// Whether code blocks of the answer are run; absent when the Agent does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execute_code: Option<bool>,
    /// Whether the model is asked to stream.
    #[serde(default)]
    pub stream: bool,
    /// Long-term memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// Where sandboxed code may connect to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// How long conversations are shortened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_config: Option<ContextConfig>,
}

/// TLS settings of a connection; all absent means the runtime's defaults.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Tls {
    /// Whether the server's certificate is accepted unseen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_insecure_skip_verify: Option<bool>,
    /// A mounted file with the certificate authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_ca_cert_path: Option<String>,
    /// Whether only that authority is trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_disable_system_cas: Option<bool>,
}

/// An MCP server by streamable HTTP.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct HttpTool {
    /// How to connect.
    pub params: HttpToolParams,
    /// Which of its tools; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Headers of the caller that are passed on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_headers: Vec<String>,
    /// Tools that a person must approve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub require_approval: Vec<String>,
}

/// How to connect by streamable HTTP.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct HttpToolParams {
    /// The endpoint.
    pub url: String,
    /// Always present, empty too.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sse_read_timeout: Option<f64>,
    /// Whether the session is ended on close.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminate_on_close: Option<bool>,
    /// TLS settings.
    #[serde(flatten)]
    pub tls: Tls,
}

/// An MCP server by SSE.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SseTool {
    /// How to connect.
    pub params: SseToolParams,
    /// Which of its tools; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Headers of the caller that are passed on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_headers: Vec<String>,
    /// Tools that a person must approve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub require_approval: Vec<String>,
}

/// How to connect by SSE.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct SseToolParams {
    /// The endpoint.
    pub url: String,
    /// Always present, empty too.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<f64>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sse_read_timeout: Option<f64>,
    /// TLS settings.
    #[serde(flatten)]
    pub tls: Tls,
}

/// An agent called as a tool.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RemoteAgent {
    /// Python id.
    pub name: String,
    /// Its root; the runtime appends `/.well-known/agent-card.json`, so there is no slash at the end.
    pub url: String,
    /// Headers of every call.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What the model is told about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// Long-term memory.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Memory {
    /// Days until an entry is forgotten; 0 means the server's default.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ttl_days: i64,
    /// The embedding model.
    pub embedding: Embedding,
}

/// An embedding model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Embedding {
    /// As [`Model::type_name`].
    #[serde(alias = "type")]
    pub provider: String,
    /// The model's name.
    pub model: String,
    /// Where the API is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub base_url: String,
}

/// Where sandboxed code may connect to.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Network {
    /// Domains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_domains: Vec<String>,
}

/// How long conversations are shortened.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ContextConfig {
    /// By summaries of older parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compaction: Option<Compaction>,
}

/// When and how older parts are summarised.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Compaction {
    /// Every so many invocations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compaction_interval: Option<i64>,
    /// Invocations kept from the part before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overlap_size: Option<i64>,
    /// The model that summarises.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summarizer_model: Option<Model>,
    /// Its prompt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prompt_template: String,
    /// Tokens that trigger it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_threshold: Option<i64>,
    /// Events kept as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_retention_size: Option<i64>,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_comes_first_and_absent_fields_are_absent() {
        let model = Model::OpenAi(OpenAi {
            base: ModelBase {
                model: "gpt-4o".to_owned(),
                ..ModelBase::default()
            },
            ..OpenAi::default()
        });
        assert_eq!(
            serde_json::to_string(&model).expect("serialises"),
            r#"{"type":"openai","model":"gpt-4o","base_url":""}"#
        );
    }

    #[test]
    fn a_config_reads_back_as_it_was_written() {
        let text = r#"{"model":{"type":"ollama","model":"m"},"description":"","instruction":"i","stream":false,"memory":{"embedding":{"provider":"ollama","model":"e"}}}"#;
        let config: AgentConfig = serde_json::from_str(text).expect("reads");
        assert_eq!(serde_json::to_string(&config).expect("serialises"), text);
    }
}
