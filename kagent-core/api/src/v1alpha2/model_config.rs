//! ModelConfig: one model at one provider, with one block of settings per provider.
//!
//! Numbers that the runtime takes as decimals (temperature, top-p) are strings here, as in the CRD.

mod providers;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::providers::{
    AnthropicConfig, AnthropicVertexAiConfig, AzureOpenAiConfig, BedrockConfig, CacheTtl, GdchServiceAccountConfig,
    GeminiConfig, GeminiVertexAiConfig, OllamaConfig, OpenAiConfig, ReasoningEffort, SapAiCoreConfig,
    TokenExchangeConfig, TokenExchangeType,
};
use super::TlsConfig;
use crate::schema::rules;

/// Which model to use, where it is, and which key opens it.
#[derive(Clone, CustomResource, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "kagent.dev",
    version = "v1alpha2",
    kind = "ModelConfig",
    plural = "modelconfigs",
    shortname = "mc",
    category = "kagent",
    namespaced,
    status = "ModelConfigStatus",
    schema = "disabled",
    derive = "Default",
    derive = "PartialEq",
    // Objects without a spec are valid; kube refuses a plain `serde(default)` here.
    attr = "cfg_attr(all(), serde(default))",
    printcolumn = r#"{"name":"Provider","type":"string","jsonPath":".spec.provider"}"#,
    printcolumn = r#"{"name":"Model","type":"string","jsonPath":".spec.model"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    ("!(has(self.openAI) && self.provider != 'OpenAI')", "provider.openAI must be nil if the provider is not OpenAI"),
    (
        "!(has(self.anthropic) && self.provider != 'Anthropic')",
        "provider.anthropic must be nil if the provider is not Anthropic",
    ),
    (
        "!(has(self.azureOpenAI) && self.provider != 'AzureOpenAI')",
        "provider.azureOpenAI must be nil if the provider is not AzureOpenAI",
    ),
    ("!(has(self.ollama) && self.provider != 'Ollama')", "provider.ollama must be nil if the provider is not Ollama"),
    ("!(has(self.gemini) && self.provider != 'Gemini')", "provider.gemini must be nil if the provider is not Gemini"),
    (
        "!(has(self.geminiVertexAI) && self.provider != 'GeminiVertexAI')",
        "provider.geminiVertexAI must be nil if the provider is not GeminiVertexAI",
    ),
    (
        "!(has(self.anthropicVertexAI) && self.provider != 'AnthropicVertexAI')",
        "provider.anthropicVertexAI must be nil if the provider is not AnthropicVertexAI",
    ),
    ("!(has(self.bedrock) && self.provider != 'Bedrock')", "provider.bedrock must be nil if the provider is not Bedrock"),
    (
        "!(has(self.sapAICore) && self.provider != 'SAPAICore')",
        "provider.sapAICore must be nil if the provider is not SAPAICore",
    ),
    ("!(has(self.apiKeySecretKey) && !has(self.apiKeySecret))", "apiKeySecret must be set if apiKeySecretKey is set"),
    (
        "!(has(self.apiKeySecret) && !has(self.apiKeySecretKey) && self.provider != 'Bedrock' && self.provider != 'SAPAICore')",
        "apiKeySecretKey must be set if apiKeySecret is set (except for Bedrock and SAPAICore providers)",
    ),
    (
        "!(has(self.apiKeyPassthrough) && self.apiKeyPassthrough && has(self.apiKeySecret) && size(self.apiKeySecret) > 0)",
        "apiKeyPassthrough and apiKeySecret are mutually exclusive",
    ),
    (
        "!(has(self.apiKeyPassthrough) && self.apiKeyPassthrough && (self.provider == 'Gemini' || self.provider == 'GeminiVertexAI' || self.provider == 'AnthropicVertexAI'))",
        "apiKeyPassthrough must be false if provider is Gemini;GeminiVertexAI;AnthropicVertexAI",
    ),
    (
        "!(has(self.openAI) && has(self.openAI.tokenExchange) && (!has(self.apiKeySecret) || size(self.apiKeySecret) == 0))",
        "openAI.tokenExchange requires apiKeySecret (the service account secret)",
    ),
    (
        "!(has(self.openAI) && has(self.openAI.tokenExchange) && has(self.apiKeyPassthrough) && self.apiKeyPassthrough)",
        "openAI.tokenExchange and apiKeyPassthrough are mutually exclusive",
    ),
    (
        "!(has(self.openAI) && has(self.openAI.tokenExchange) && self.openAI.tokenExchange.type == 'GDCHServiceAccount' && !has(self.openAI.tokenExchange.gdchServiceAccount))",
        "openAI.tokenExchange type GDCHServiceAccount requires openAI.tokenExchange.gdchServiceAccount",
    ),
])))]
pub struct ModelConfigSpec {
    /// Name of the model, in the provider's words.
    #[serde(default)]
    #[schemars(!default)]
    pub model: String,
    /// Name of the Secret with the API key, in the same namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_secret: Option<String>,
    /// Key of the API key inside the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_secret_key: Option<String>,
    /// Send the caller's own bearer token to the provider instead of a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key_passthrough: Option<bool>,
    /// Headers of every request to the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_headers: Option<BTreeMap<String, String>>,
    /// Which provider it is; `OpenAI` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "OpenAI"))]
    pub provider: Option<ModelProvider>,
    /// Settings of OpenAI and of endpoints that speak like it.
    #[serde(rename = "openAI", skip_serializing_if = "Option::is_none")]
    pub open_ai: Option<OpenAiConfig>,
    /// Settings of Anthropic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anthropic: Option<AnthropicConfig>,
    /// Settings of Azure OpenAI.
    #[serde(rename = "azureOpenAI", skip_serializing_if = "Option::is_none")]
    pub azure_open_ai: Option<AzureOpenAiConfig>,
    /// Settings of Ollama.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ollama: Option<OllamaConfig>,
    /// Settings of Gemini.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gemini: Option<GeminiConfig>,
    /// Settings of Gemini on Vertex AI.
    #[serde(rename = "geminiVertexAI", skip_serializing_if = "Option::is_none")]
    pub gemini_vertex_ai: Option<GeminiVertexAiConfig>,
    /// Settings of Anthropic on Vertex AI.
    #[serde(rename = "anthropicVertexAI", skip_serializing_if = "Option::is_none")]
    pub anthropic_vertex_ai: Option<AnthropicVertexAiConfig>,
    /// Settings of Amazon Bedrock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bedrock: Option<BedrockConfig>,
    /// Settings of SAP AI Core.
    #[serde(rename = "sapAICore", skip_serializing_if = "Option::is_none")]
    pub sap_ai_core: Option<SapAiCoreConfig>,
    /// How to verify the provider's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
}

impl ModelConfigSpec {
    /// The provider, or the default where the field is absent.
    pub fn provider(&self) -> ModelProvider {
        self.provider.clone().unwrap_or_default()
    }
}

/// The model providers.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
pub enum ModelProvider {
    /// Anthropic.
    Anthropic,
    /// OpenAI, or an endpoint that speaks like it.
    #[default]
    OpenAI,
    /// Azure OpenAI.
    AzureOpenAI,
    /// Ollama.
    Ollama,
    /// Gemini.
    Gemini,
    /// Gemini on Vertex AI.
    GeminiVertexAI,
    /// Anthropic on Vertex AI.
    AnthropicVertexAI,
    /// Amazon Bedrock.
    Bedrock,
    /// SAP AI Core.
    SAPAICore,
    /// A provider that this version does not know.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

/// What is known about a model configuration.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelConfigStatus {
    /// Generation of the spec that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Condition>>,
    /// Hash over the Secrets that the spec names, hexadecimal SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_hash: Option<String>,
}
