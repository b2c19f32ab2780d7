//! MCPServer: the part of kmcp's kind that is needed to reach a server that kmcp runs.
//!
//! A view for reading. Never write it back: the fields that are not here would be lost.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::PlainInteger;

/// How kmcp runs a tool server, as far as its clients need to know.
#[derive(Clone, CustomResource, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "kagent.dev",
    version = "v1alpha1",
    kind = "MCPServer",
    plural = "mcpservers",
    category = "kagent",
    namespaced,
    status = "MCPServerStatus",
    schema = "disabled",
    derive = "Default",
    derive = "PartialEq",
    // Objects without a spec are valid; kube refuses a plain `serde(default)` here.
    attr = "cfg_attr(all(), serde(default))"
)]
#[serde(rename_all = "camelCase")]
pub struct MCPServerSpec {
    /// The workload.
    #[serde(default)]
    #[schemars(!default)]
    pub deployment: MCPServerDeployment,
    /// How the server speaks MCP inside its pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport_type: Option<TransportType>,
    /// Settings of the stdio transport.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdio_transport: Option<StdioTransport>,
    /// Settings of the HTTP transport.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_transport: Option<HttpTransport>,
    /// Bound of one request, as a Go duration.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "30s"))]
    pub timeout: Option<String>,
}

/// The workload of an MCPServer.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MCPServerDeployment {
    /// Container image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Port of the server's Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PlainInteger>", extend("default" = 3000))]
    pub port: Option<i64>,
    /// Program to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<String>,
    /// Arguments of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Environment of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
}

/// Settings of the stdio transport: none.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct StdioTransport {}

/// Settings of the HTTP transport.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpTransport {
    /// Port that the server listens on inside its pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_port: Option<i32>,
    /// Path of the MCP endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// TLS towards the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<HttpTransportTls>,
}

/// TLS settings of the HTTP transport.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpTransportTls {
    /// Name of the Secret with certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<String>,
    /// Accept any certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub insecure_skip_verify: Option<bool>,
}

/// How a server speaks MCP inside its pod.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum TransportType {
    /// Standard input and output; kmcp puts a gateway in front.
    Stdio,
    /// HTTP.
    Http,
    /// A value that this version does not know.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

/// What kmcp reports about a server.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MCPServerStatus {
    /// Generation of the spec that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready` and kmcp's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Condition>>,
}
