//! An agent with everything it refers to, checked and ready to be rendered. `validate` makes it; building from it cannot
//! fail for reasons of the user.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, Container, EnvVar, LocalObjectReference, PodSecurityContext, ResourceRequirements, SecurityContext,
    Toleration, Volume, VolumeMount,
};
use kagent_api::{a2a::AgentSkill, adk};

/// An agent, ready to be rendered.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedAgent {
    /// Namespace of the Agent.
    pub namespace: String,
    /// Name of the Agent.
    pub name: String,
    /// `metadata.uid`, for owner references; empty before the Agent exists (dry validation).
    pub uid: String,
    /// The Agent's own annotations, which its objects inherit.
    pub annotations: BTreeMap<String, String>,
    /// `spec.description`.
    pub description: String,
    /// What runs.
    pub workload: Workload,
    /// Probe timings, whatever runs.
    pub runtime: Runtime,
    /// Pod settings.
    pub pod: PodOptions,
    /// Skills of the card.
    pub card_skills: Vec<AgentSkill>,
    /// Whether the Service is marked as A2A.
    pub marks_service: bool,
    /// Settings of the sandbox runtime, where it is needed.
    pub sandbox: Option<SandboxSettings>,
    /// Files that are fetched before the agent starts.
    pub skills: Option<ResolvedSkills>,
}

/// What runs in the pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Workload {
    /// One of kagent's runtimes, driven by `config.json`.
    Declarative(Box<ResolvedDeclarative>),
    /// The user's own image.
    Byo(ByoContainer),
}

/// Which of kagent's runtimes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Runtime {
    /// The Python ADK.
    #[default]
    Python,
    /// The Go ADK.
    Go,
}

/// The content of `config.json`, and what the pod needs for it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedDeclarative {
    /// The chat model.
    pub model: ResolvedModel,
    /// The system message, after templating.
    pub instruction: String,
    /// MCP servers, in the order of the spec.
    pub mcp_tools: Vec<ResolvedMcpTool>,
    /// Agents called as tools, in the order of the spec.
    pub remote_agents: Vec<adk::RemoteAgent>,
    /// `spec.declarative.executeCodeBlocks`.
    pub execute_code: Option<bool>,
    /// `spec.declarative.stream`.
    pub stream: bool,
    /// Long-term memory.
    pub memory: Option<ResolvedMemory>,
    /// `spec.sandbox.network`.
    pub network: Option<adk::Network>,
    /// `spec.declarative.context`.
    pub context: Option<ResolvedContext>,
    /// `imageRegistry` of the deployment.
    pub image_registry: Option<String>,
}

/// A model, with what the pod needs to use it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedModel {
    /// Name of the ModelConfig.
    pub name: String,
    /// Its part of `config.json`.
    pub config: adk::Model,
    /// What it adds to the pod.
    pub needs: PodNeeds,
    /// `status.secretHash`, decoded; empty before the first reconcile.
    pub secret_hash: Vec<u8>,
}

/// What a model or a tool adds to the pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodNeeds {
    /// Environment.
    pub env: Vec<EnvVar>,
    /// Volumes.
    pub volumes: Vec<Volume>,
    /// Where they are mounted.
    pub volume_mounts: Vec<VolumeMount>,
}

impl PodNeeds {
    /// Adds what `other` needs and is not there yet: by name, and mounts by name and path; the first wins.
    pub fn merge(&mut self, other: &Self) {
        for env in &other.env {
            if !self.env.iter().any(|known| known.name == env.name) {
                self.env.push(env.clone());
            }
        }
        for volume in &other.volumes {
            if !self.volumes.iter().any(|known| known.name == volume.name) {
                self.volumes.push(volume.clone());
            }
        }
        for mount in &other.volume_mounts {
            let same = |known: &VolumeMount| known.name == mount.name && known.mount_path == mount.mount_path;
            if !self.volume_mounts.iter().any(same) {
                self.volume_mounts.push(mount.clone());
            }
        }
    }
}

/// An embedding model and how long its entries live.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedMemory {
    /// The embedding model.
    pub model: ResolvedModel,
    /// Days; 0 means the server's default.
    pub ttl_days: i64,
}

/// How conversations are shortened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResolvedContext {
    /// What `config.json` says of it, the summarizer's model included.
    pub config: adk::ContextConfig,
    /// The model that summarises, where it is not the agent's own.
    pub summarizer: Option<ResolvedModel>,
}

/// How an MCP server is spoken to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum McpProtocol {
    /// Streamable HTTP.
    StreamableHttp,
    /// The older SSE transport.
    Sse,
}

/// An MCP server as the agent uses it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedMcpTool {
    /// Transport.
    pub protocol: McpProtocol,
    /// The endpoint, after proxy and egress rules.
    pub url: String,
    /// Headers of the server, overlaid by those of the tool and of the proxy.
    pub headers: BTreeMap<String, String>,
    /// Seconds.
    pub timeout: Option<f64>,
    /// Seconds.
    pub sse_read_timeout: Option<f64>,
    /// Whether the session is ended on close.
    pub terminate_on_close: Option<bool>,
    /// TLS settings.
    pub tls: adk::Tls,
    /// Which of its tools.
    pub tools: Vec<String>,
    /// Headers of the caller that are passed on.
    pub allowed_headers: Vec<String>,
    /// Tools that a person must approve.
    pub require_approval: Vec<String>,
    /// What it adds to the pod.
    pub needs: PodNeeds,
    /// `status.secretHash` of the server, decoded; empty where there is none.
    pub secret_hash: Vec<u8>,
}

/// The user's own container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ByoContainer {
    /// Image.
    pub image: String,
    /// `command`, at most one element.
    pub command: Vec<String>,
    /// `args`.
    pub args: Vec<String>,
    /// `workingDir`.
    pub working_dir: Option<String>,
    /// Whether `/config` is mounted.
    pub mounts_config: bool,
}

/// `srt-settings.json`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SandboxSettings {
    /// Domains that may be connected to.
    pub allowed_domains: Vec<String>,
}

/// What skills-init fetches.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedSkills {
    /// `config.json` of skills-init.
    pub config: super::skills::SkillsInitConfig,
    /// Secret with git credentials.
    pub git_auth_secret: Option<String>,
    /// Pull secrets, mounted one by one.
    pub pull_secrets: Vec<String>,
    /// Resources of the init container, where the user set them.
    pub resources: Option<ResourceRequirements>,
    /// Environment of the init container.
    pub env: Vec<EnvVar>,
}

/// Pod settings that declarative and BYO agents share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodOptions {
    /// Absent leaves the number to somebody else (an autoscaler).
    pub replicas: Option<i32>,
    /// Pull secrets.
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// Extra volumes.
    pub volumes: Vec<Volume>,
    /// Extra mounts.
    pub volume_mounts: Vec<VolumeMount>,
    /// Labels of all objects and of the pod.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the pod.
    pub annotations: BTreeMap<String, String>,
    /// Environment, before ours.
    pub env: Vec<EnvVar>,
    /// Overrides the server's.
    pub image_pull_policy: Option<String>,
    /// Replaces the default resources whole.
    pub resources: Option<ResourceRequirements>,
    /// Tolerations.
    pub tolerations: Vec<Toleration>,
    /// Affinity.
    pub affinity: Option<Affinity>,
    /// Node selector.
    pub node_selector: BTreeMap<String, String>,
    /// Of the main container.
    pub security_context: Option<SecurityContext>,
    /// Of the pod.
    pub pod_security_context: Option<PodSecurityContext>,
    /// An existing service account.
    pub service_account_name: Option<String>,
    /// Labels of the service account that is made.
    pub service_account_labels: BTreeMap<String, String>,
    /// Annotations of the service account that is made.
    pub service_account_annotations: BTreeMap<String, String>,
    /// Side cars.
    pub extra_containers: Vec<Container>,
}
