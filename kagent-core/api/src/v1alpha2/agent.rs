//! Agent: something that answers A2A, either described here (declarative) or brought as an image (BYO).

mod declarative;
mod deployment;
mod skills;
mod tools;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    declarative::{
        A2AConfig, AgentSkill, ContextCompressionConfig, ContextConfig, ContextSummarizerConfig, DeclarativeAgentSpec,
        DeclarativeRuntime, MemorySpec, PromptSource, PromptTemplateSpec,
    },
    deployment::{
        ByoAgentSpec, ByoDeploymentSpec, DeclarativeDeploymentSpec, ServiceAccountConfig, SharedDeploymentSpec,
    },
    skills::{GitRepo, NetworkConfig, SandboxConfig, SkillForAgent, SkillsInitContainer},
    tools::{McpServerTool, Tool, ToolType},
};
use super::AllowedNamespaces;
use crate::schema::rules;

/// What the agent is and how it runs.
#[derive(Clone, CustomResource, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "kagent.dev",
    version = "v1alpha2",
    kind = "Agent",
    plural = "agents",
    category = "kagent",
    namespaced,
    status = "AgentStatus",
    schema = "disabled",
    derive = "Default",
    derive = "PartialEq",
    // Objects without a spec are valid; kube refuses a plain `serde(default)` here.
    attr = "cfg_attr(all(), serde(default))",
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.type"}"#,
    printcolumn = r#"{"name":"Runtime","type":"string","jsonPath":".spec.declarative.runtime"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status"}"#,
    printcolumn = r#"{"name":"Accepted","type":"string","jsonPath":".status.conditions[?(@.type=='Accepted')].status"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    ("has(self.type)", "type must be specified"),
    ("self.type == 'Declarative' || self.type == 'BYO'", "type must be either Declarative or BYO"),
    (
        "(self.type == 'Declarative' && has(self.declarative)) || (self.type == 'BYO' && has(self.byo))",
        "declarative must be specified if type is Declarative, or byo must be specified if type is BYO",
    ),
])))]
pub struct AgentSpec {
    /// Which of the two blocks below counts; `Declarative` if absent.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "Declarative"))]
    pub type_: Option<AgentType>,
    /// An agent that brings its own image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byo: Option<ByoAgentSpec>,
    /// An agent that kagent's runtime runs from a description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declarative: Option<DeclarativeAgentSpec>,
    /// What the agent is for. Agents that use it as a tool read this, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Skills that are loaded into the agent's pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skills: Option<SkillForAgent>,
    /// What the agent's sandbox may reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxConfig>,
    /// Which other namespaces' agents may use this one as a tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_namespaces: Option<AllowedNamespaces>,
}

impl AgentSpec {
    /// The type, or the default where the field is absent.
    pub fn agent_type(&self) -> AgentType {
        self.type_.clone().unwrap_or_default()
    }
}

/// Where an agent's behaviour comes from.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum AgentType {
    /// From the description in the spec.
    #[default]
    Declarative,
    /// From its own image.
    #[serde(rename = "BYO")]
    Byo,
    /// A value that this version does not know.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

/// What is known about an agent.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// Generation of the spec that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`, `Ready`, `UnsupportedFeatures`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Condition>>,
}
