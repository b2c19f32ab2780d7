//! The model part of `config.json`: one shape per provider. Field order is serialisation order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Tls;

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
