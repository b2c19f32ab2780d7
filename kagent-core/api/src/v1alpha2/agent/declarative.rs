//! The declarative half of an Agent: prompt, model, tools, memory and context.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{deployment::DeclarativeDeploymentSpec, tools::Tool};
use crate::{
    schema::{PlainInteger, rules},
    v1alpha2::{TypedLocalReference, ValueSource},
};

/// An agent that kagent's runtime runs from a description.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[(
    "!has(self.systemMessage) || !has(self.systemMessageFrom)",
    "systemMessage and systemMessageFrom are mutually exclusive",
)])))]
pub struct DeclarativeAgentSpec {
    /// Which runtime runs the agent; Python if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "python"))]
    pub runtime: Option<DeclarativeRuntime>,
    /// The system prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_message: Option<String>,
    /// Where to find the system prompt, instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_message_from: Option<ValueSource>,
    /// Texts that the system prompt may include.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_template: Option<PromptTemplateSpec>,
    /// Name of the ModelConfig, in the same namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_config: Option<String>,
    /// Whether the model's answers are streamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// What the agent may call.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    pub tools: Option<Vec<Tool>>,
    /// What the agent card says.
    #[serde(rename = "a2aConfig", skip_serializing_if = "Option::is_none")]
    pub a2a_config: Option<A2AConfig>,
    /// How the agent's pods run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeclarativeDeploymentSpec>,
    /// Whether code in the model's answers is executed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execute_code_blocks: Option<bool>,
    /// What the agent remembers across sessions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemorySpec>,
    /// What of a long session the model sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<ContextConfig>,
}

impl DeclarativeAgentSpec {
    /// The runtime, or the default where the field is absent.
    pub fn runtime(&self) -> DeclarativeRuntime {
        self.runtime.clone().unwrap_or_default()
    }

    /// The tools, none if the field is absent.
    pub fn tools(&self) -> &[Tool] {
        self.tools.as_deref().unwrap_or_default()
    }
}

/// The runtimes of declarative agents.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DeclarativeRuntime {
    /// `kagent-adk`, in Python.
    #[default]
    Python,
    /// The one in Go.
    Go,
    /// A value that this version does not know.
    #[serde(untagged)]
    #[schemars(skip)]
    Other(String),
}

/// Texts that a system prompt may include.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PromptTemplateSpec {
    /// ConfigMaps with texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    pub data_sources: Option<Vec<PromptSource>>,
}

/// A ConfigMap with texts. Kind and group are not looked at.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PromptSource {
    /// The ConfigMap. Its fields stand beside the one below.
    #[serde(flatten)]
    pub reference: TypedLocalReference,
    /// Name of the source in the prompt; the ConfigMap's if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
}

/// What the agent card says.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct A2AConfig {
    /// Skills on the card.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub skills: Option<Vec<AgentSkill>>,
}

/// A skill on the agent card.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentSkill {
    /// Id of the skill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name of the skill.
    #[serde(default)]
    #[schemars(!default, length(min = 1))]
    pub name: String,
    /// What the skill is good for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Keywords.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    pub tags: Option<Vec<String>>,
    /// Example prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    pub examples: Option<Vec<String>>,
    /// Media types that the skill takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_modes: Option<Vec<String>>,
    /// Media types that the skill gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_modes: Option<Vec<String>>,
}

/// What an agent remembers across sessions.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemorySpec {
    /// Name of the ModelConfig that makes embeddings, in the same namespace.
    #[serde(default)]
    #[schemars(!default)]
    pub model_config: String,
    /// Days until a memory is forgotten; the server's default if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PlainInteger>", range(min = 1))]
    pub ttl_days: Option<i64>,
}

/// What of a long session the model sees.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextConfig {
    /// How older events are summed up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compaction: Option<ContextCompressionConfig>,
}

/// How older events are summed up.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextCompressionConfig {
    /// Number of user turns after which events are summed up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PlainInteger>", range(min = 1), extend("default" = 5))]
    pub compaction_interval: Option<i64>,
    /// Number of turns that two summaries share.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PlainInteger>", range(min = 0), extend("default" = 2))]
    pub overlap_size: Option<i64>,
    /// Who sums up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summarizer: Option<ContextSummarizerConfig>,
    /// Number of tokens above which events are summed up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PlainInteger>")]
    pub token_threshold: Option<i64>,
    /// Number of newest events that are always kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PlainInteger>")]
    pub event_retention_size: Option<i64>,
}

/// Who sums up, and how it is asked to.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextSummarizerConfig {
    /// Name of the ModelConfig, in the same namespace; the agent's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_config: Option<String>,
    /// The prompt; the runtime's own if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_template: Option<String>,
}
