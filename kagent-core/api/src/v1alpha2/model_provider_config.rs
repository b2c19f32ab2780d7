//! ModelProviderConfig: an account at a model provider, whose models are discovered.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ModelProvider;
use crate::schema::{PlainInteger, rules};

/// Where a provider's API is and which key opens it.
#[derive(Clone, CustomResource, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "kagent.dev",
    version = "v1alpha2",
    kind = "ModelProviderConfig",
    plural = "modelproviderconfigs",
    shortname = "mprov",
    category = "kagent",
    namespaced,
    status = "ModelProviderConfigStatus",
    schema = "disabled",
    derive = "Default",
    derive = "PartialEq",
    // Objects without a spec are valid; kube refuses a plain `serde(default)` here.
    attr = "cfg_attr(all(), serde(default))",
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.type"}"#,
    printcolumn = r#"{"name":"Endpoint","type":"string","jsonPath":".spec.endpoint"}"#,
    printcolumn = r#"{"name":"Models","type":"integer","jsonPath":".status.modelCount"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    (
        "!has(self.endpoint) || size(self.endpoint) == 0 || self.endpoint.startsWith('http://') || self.endpoint.startsWith('https://')",
        "endpoint must be a valid URL starting with http:// or https://",
    ),
    (
        "self.type == 'Ollama' || (has(self.secretRef) && has(self.secretRef.name) && size(self.secretRef.name) > 0)",
        "secretRef is required for providers that need authentication (not Ollama)",
    ),
])))]
pub struct ModelProviderConfigSpec {
    /// Which provider it is.
    #[serde(rename = "type", default)]
    #[schemars(!default)]
    pub type_: ModelProvider,
    /// Base URL of the provider's API; the provider's public one if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^https?://.*"))]
    pub endpoint: Option<String>,
    /// The Secret with the API key. It must have exactly one key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
}

/// A Secret in the same namespace.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// Name of the Secret.
    #[serde(default)]
    #[schemars(!default)]
    pub name: String,
}

/// What is known about the provider.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelProviderConfigStatus {
    /// Generation of the spec that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `SecretResolved`, `ModelsDiscovered`, `Ready`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<Condition>>,
    /// Models that the provider listed when it was last asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovered_models: Option<Vec<String>>,
    /// Number of discovered models, for the printer column.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PlainInteger>")]
    pub model_count: Option<i64>,
    /// When the provider was last asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_discovery_time: Option<Time>,
    /// Hash over the Secret, hexadecimal SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_hash: Option<String>,
}
