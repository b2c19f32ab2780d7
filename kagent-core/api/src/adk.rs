//! The `config.json` that agent runtimes read. Field order is serialisation order and part of the contract: a
//! Secret's bytes and the config hash depend on it. Text form: `kagent_core::translate::json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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

/// A model with its provider; the provider is the key `type`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "type")]
pub enum Model {
    /// OpenAI and everything that speaks its API.
    #[serde(rename = "openai")]
    OpenAi(OpenAi),
    /// OpenAI on Azure.
    #[serde(rename = "azure_openai")]
    AzureOpenAi(AzureOpenAi),
    /// Anthropic.
    #[serde(rename = "anthropic")]
    Anthropic(Anthropic),
    /// Gemini on Vertex AI.
    #[serde(rename = "gemini_vertex_ai")]
    GeminiVertexAi(PlainModel),
    /// Anthropic on Vertex AI.
    #[serde(rename = "gemini_anthropic")]
    AnthropicVertexAi(PlainModel),
    /// Ollama.
    #[serde(rename = "ollama")]
    Ollama(Ollama),
    /// Gemini by API key.
    #[serde(rename = "gemini")]
    Gemini(PlainModel),
    /// Amazon Bedrock.
    #[serde(rename = "bedrock")]
    Bedrock(Bedrock),
    /// SAP AI Core.
    #[serde(rename = "sap_ai_core")]
    SapAiCore(SapAiCore),
}

impl Model {
    /// The value of the key `type`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::OpenAi(_) => "openai",
            Self::AzureOpenAi(_) => "azure_openai",
            Self::Anthropic(_) => "anthropic",
            Self::GeminiVertexAi(_) => "gemini_vertex_ai",
            Self::AnthropicVertexAi(_) => "gemini_anthropic",
            Self::Ollama(_) => "ollama",
            Self::Gemini(_) => "gemini",
            Self::Bedrock(_) => "bedrock",
            Self::SapAiCore(_) => "sap_ai_core",
        }
    }
}

/// What every provider has.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ModelBase {
    /// The model's name at the provider.
    #[serde(default)]
    pub model: String,
    /// Headers sent with every request, sorted by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// TLS settings.
    #[serde(flatten)]
    pub tls: Tls,
    /// Whether the caller's own bearer token is used as API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_passthrough: Option<bool>,
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

/// A provider without settings of its own.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct PlainModel {
    /// Name, headers, TLS.
    #[serde(flatten)]
    pub base: ModelBase,
}

/// OpenAI's settings.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct OpenAi {
    /// Name, headers, TLS.
    #[serde(flatten)]
    pub base: ModelBase,
    /// Where the API is; empty means OpenAI itself.
    #[serde(default)]
    pub base_url: String,
    /// Sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Longest answer in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// Number of answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<i64>,
    /// Sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// `minimal`, `low`, `medium` or `high`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    /// Sampling seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// Sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Where the token comes from instead of an API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_exchange: Option<TokenExchange>,
}

/// How a token is obtained.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct TokenExchange {
    /// `GDCHServiceAccount`.
    #[serde(rename = "type")]
    pub exchange_type: String,
    /// Settings of that type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gdch_service_account: Option<GdchServiceAccount>,
}

/// A service account of Google Distributed Cloud.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct GdchServiceAccount {
    /// The mounted key file.
    pub service_account_path: String,
    /// The token's audience.
    pub audience: String,
}

/// Azure's settings.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct AzureOpenAi {
    /// Name (of the deployment), headers, TLS.
    #[serde(flatten)]
    pub base: ModelBase,
    /// Longest answer in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// Sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
}

/// Anthropic's settings.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Anthropic {
    /// Name, headers, TLS.
    #[serde(flatten)]
    pub base: ModelBase,
    /// Where the API is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Longest answer in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// Sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
}

/// Ollama's settings.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Ollama {
    /// Name, headers, TLS.
    #[serde(flatten)]
    pub base: ModelBase,
    /// Passed on as text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// Bedrock's settings.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Bedrock {
    /// Name, headers, TLS.
    #[serde(flatten)]
    pub base: ModelBase,
    /// AWS region.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub region: String,
    /// Free-form fields of the request, keys sorted.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub additional_model_request_fields: Map<String, Value>,
    /// Whether prompts are cached.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prompt_caching: bool,
    /// `5m` or `1h`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cache_ttl: String,
}

/// SAP AI Core's settings.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct SapAiCore {
    /// Name, headers, TLS.
    #[serde(flatten)]
    pub base: ModelBase,
    /// Where the API is.
    #[serde(default)]
    pub base_url: String,
    /// Resource group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resource_group: String,
    /// Where tokens are issued.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub auth_url: String,
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
