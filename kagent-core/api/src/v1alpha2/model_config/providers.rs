//! The settings of each model provider.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::PlainInteger;

/// Settings of OpenAI and of endpoints that speak like it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenAiConfig {
    /// Base URL of the API; OpenAI's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Organization to bill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Sampling temperature, a decimal number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<String>,
    /// Most tokens to generate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PlainInteger>")]
    pub max_tokens: Option<i64>,
    /// Nucleus sampling, a decimal number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<String>,
    /// Penalty on frequent tokens, a decimal number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<String>,
    /// Penalty on tokens that are already there, a decimal number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<String>,
    /// Seed of the sampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PlainInteger>")]
    pub seed: Option<i64>,
    /// Number of completions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PlainInteger>")]
    pub n: Option<i64>,
    /// Bound of one request in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PlainInteger>")]
    pub timeout: Option<i64>,
    /// How long the model may think.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<ReasoningEffort>,
    /// Exchange the key for short-lived tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_exchange: Option<TokenExchangeConfig>,
}

/// How long a model may think.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ReasoningEffort {
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// As usual.
    Medium,
    /// Long.
    High,
    /// A value that this version does not know.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

/// How the key is exchanged for short-lived tokens.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenExchangeConfig {
    /// Which exchange it is.
    #[serde(rename = "type", default)]
    #[schemars(!default)]
    pub type_: TokenExchangeType,
    /// Settings of the Google Distributed Cloud exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gdch_service_account: Option<GdchServiceAccountConfig>,
}

/// The token exchanges.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum TokenExchangeType {
    /// A service account of Google Distributed Cloud.
    #[serde(rename = "GDCHServiceAccount")]
    GdchServiceAccount,
    /// A value that this version does not know, or nothing (empty).
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

impl Default for TokenExchangeType {
    /// Nothing: there is no default exchange.
    fn default() -> Self {
        Self::Other(String::new())
    }
}

/// Settings of the Google Distributed Cloud exchange.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GdchServiceAccountConfig {
    /// Audience of the tokens.
    #[serde(default)]
    #[schemars(!default)]
    pub audience: String,
}

/// Settings of Anthropic.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnthropicConfig {
    /// Base URL of the API; Anthropic's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Most tokens to generate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PlainInteger>")]
    pub max_tokens: Option<i64>,
    /// Sampling temperature, a decimal number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<String>,
    /// Nucleus sampling, a decimal number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<String>,
    /// Sample from the likeliest tokens only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PlainInteger>")]
    pub top_k: Option<i64>,
}

/// Settings of Azure OpenAI.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AzureOpenAiConfig {
    /// Endpoint of the Azure resource.
    #[serde(default)]
    #[schemars(!default)]
    pub azure_endpoint: String,
    /// Version of the API.
    #[serde(default)]
    #[schemars(!default)]
    pub api_version: String,
    /// Name of the deployment; the model's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure_deployment: Option<String>,
    /// Token of the Azure directory, instead of a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure_ad_token: Option<String>,
    /// Sampling temperature, a decimal number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<String>,
    /// Most tokens to generate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PlainInteger>")]
    pub max_tokens: Option<i64>,
    /// Nucleus sampling, a decimal number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<String>,
}

/// Settings of Ollama.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OllamaConfig {
    /// Address of the Ollama server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Options of the model, in Ollama's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<BTreeMap<String, String>>,
}

/// Settings of Gemini: none.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct GeminiConfig {}

/// Settings of Gemini on Vertex AI.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GeminiVertexAiConfig {
    /// Google Cloud project.
    #[serde(rename = "projectID", default)]
    #[schemars(!default)]
    pub project_id: String,
    /// Google Cloud region.
    #[serde(default)]
    #[schemars(!default)]
    pub location: String,
    /// Sampling temperature, a decimal number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<String>,
    /// Nucleus sampling, a decimal number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<String>,
    /// Sample from the likeliest tokens only, a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<String>,
    /// Texts that end the generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_sequences: Option<Vec<String>>,
    /// Most tokens to generate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PlainInteger>")]
    pub max_output_tokens: Option<i64>,
    /// Number of candidates.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PlainInteger>")]
    pub candidate_count: Option<i64>,
    /// Media type of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_mime_type: Option<String>,
}

/// Settings of Anthropic on Vertex AI.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnthropicVertexAiConfig {
    /// Google Cloud project.
    #[serde(rename = "projectID", default)]
    #[schemars(!default)]
    pub project_id: String,
    /// Google Cloud region.
    #[serde(default)]
    #[schemars(!default)]
    pub location: String,
    /// Sampling temperature, a decimal number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<String>,
    /// Nucleus sampling, a decimal number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<String>,
    /// Sample from the likeliest tokens only, a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<String>,
    /// Texts that end the generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_sequences: Option<Vec<String>>,
    /// Most tokens to generate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PlainInteger>")]
    pub max_tokens: Option<i64>,
}

/// Settings of Amazon Bedrock.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BedrockConfig {
    /// AWS region.
    #[serde(default)]
    #[schemars(!default)]
    pub region: String,
    /// Fields that are passed to the model as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub additional_model_request_fields: Option<serde_json::Value>,
    /// Whether prompts are cached.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub prompt_caching: Option<bool>,
    /// How long prompts are cached; 5 minutes if absent.
    #[serde(rename = "cacheTTL", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "5m"))]
    pub cache_ttl: Option<CacheTtl>,
}

/// How long prompts are cached.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum CacheTtl {
    /// Five minutes.
    #[default]
    #[serde(rename = "5m")]
    FiveMinutes,
    /// One hour.
    #[serde(rename = "1h")]
    OneHour,
    /// A value that this version does not know.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

/// Settings of SAP AI Core.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SapAiCoreConfig {
    /// Base URL of the API.
    #[serde(default)]
    #[schemars(!default)]
    pub base_url: String,
    /// Resource group.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "default"))]
    pub resource_group: Option<String>,
    /// Where tokens are issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_url: Option<String>,
}
