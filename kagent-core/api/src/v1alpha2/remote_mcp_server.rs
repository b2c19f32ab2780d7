//! RemoteMCPServer: a tool server that runs somewhere else and is reached by URL.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AllowedNamespaces, TlsConfig, ValueRef};
use crate::schema::rules;

/// Where a tool server is and how to talk to it.
#[derive(Clone, CustomResource, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "kagent.dev",
    version = "v1alpha2",
    kind = "RemoteMCPServer",
    plural = "remotemcpservers",
    shortname = "rmcps",
    category = "kagent",
    namespaced,
    status = "RemoteMCPServerStatus",
    schema = "disabled",
    derive = "Default",
    derive = "PartialEq",
    // Objects without a spec are valid; kube refuses a plain `serde(default)` here.
    attr = "cfg_attr(all(), serde(default))",
    printcolumn = r#"{"name":"Protocol","type":"string","jsonPath":".spec.protocol"}"#,
    printcolumn = r#"{"name":"URL","type":"string","jsonPath":".spec.url"}"#,
    printcolumn = r#"{"name":"Accepted","type":"string","jsonPath":".status.conditions[?(@.type=='Accepted')].status"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    (
        "!self.url.startsWith('http://') || !has(self.tls)",
        "spec.tls must be unset when spec.url has http:// scheme: a TLS opinion contradicts a plaintext URL. Either drop spec.tls, or use https:// / a scheme-less URL.",
    ),
    (
        "!(has(self.allowedNamespaces) && has(self.allowedNamespaces.from) && (self.allowedNamespaces.from == 'All' || self.allowedNamespaces.from == 'Selector') && has(self.tls) && has(self.tls.caCertSecretRef) && size(self.tls.caCertSecretRef) > 0)",
        "spec.allowedNamespaces must not permit cross-namespace access (from: All or from: Selector) when spec.tls.caCertSecretRef is set: a pinned CA Secret is mounted onto the consuming agent's pod and Kubernetes resolves it in the agent's namespace, not this RemoteMCPServer's. Use from: Same (the default), or remove the CA Secret reference.",
    ),
])))]
pub struct RemoteMCPServerSpec {
    /// What the server's tools are for.
    #[serde(default)]
    #[schemars(!default)]
    pub description: String,
    /// How the server speaks MCP; `STREAMABLE_HTTP` if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "STREAMABLE_HTTP"))]
    pub protocol: Option<McpProtocol>,
    /// Address of the MCP endpoint.
    #[serde(default)]
    #[schemars(!default, length(min = 1))]
    pub url: String,
    /// Headers of every request to the server. Their Secrets and ConfigMaps are in this object's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers_from: Option<Vec<ValueRef>>,
    /// Bound of one request, as a Go duration (`30s`, `1m30s`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "30s"))]
    pub timeout: Option<String>,
    /// How long an SSE connection may be silent, as a Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sse_read_timeout: Option<String>,
    /// Whether the client ends its session when it closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub terminate_on_close: Option<bool>,
    /// Which other namespaces' agents may use the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<AllowedNamespaces>,
    /// How to verify the server's certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
}

/// How an MCP server is spoken to.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum McpProtocol {
    /// The older transport: an event stream plus posted messages.
    #[serde(rename = "SSE")]
    Sse,
    /// The current transport.
    #[default]
    #[serde(rename = "STREAMABLE_HTTP")]
    StreamableHttp,
    /// A value that this version does not know. kagent treats it as streamable HTTP.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

/// What is known about a tool server.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RemoteMCPServerStatus {
    /// Generation of the spec that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Condition>>,
    /// Tools that the server listed when it was last asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discovered_tools: Option<Vec<DiscoveredTool>>,
    /// Hash over the Secrets that the spec names, hexadecimal SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_hash: Option<String>,
}

/// A tool as its server lists it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DiscoveredTool {
    /// Name of the tool.
    #[serde(default)]
    #[schemars(!default)]
    pub name: String,
    /// What the tool does, in its server's words.
    #[serde(default)]
    #[schemars(!default)]
    pub description: String,
}
