//! From an Agent to its runtime's files and Kubernetes objects. Pure: no client, no clock, no randomness, no environment;
//! the same input gives the same bytes.
//!
//! # The steps
//! 1. [`references::list_references`] and [`references::follow_references`] say what an Agent refers to; the caller reads
//!    it (`cluster::fetch::fetch_references` does) into a [`Fetched`].
//! 2. [`validate()`] checks the Agent against that and gives a [`ResolvedAgent`], or everything that is wrong with it.
//! 3. [`build`] renders it. It does not fail for reasons of the user.
//!
//! Checking an Agent before it is written (dry validation) is steps 1 and 2 with the object that was submitted:
//! ```text
//! let fetched = cluster::fetch::fetch_references(&cluster, &agent, &options).await?;
//! translate::validate(&agent, &fetched, &options)?;      // Problems → Error::invalid
//! ```

pub mod card;
pub mod config;
pub mod discovery;
pub mod fetched;
pub mod hash;
pub mod json;
pub mod keep;
pub mod manifest;
mod mcp;
mod model;
pub mod options;
mod pod;
mod prompt;
mod quantity;
pub mod references;
pub mod resolved;
pub mod skills;
pub mod template;
mod tools;
pub mod validate;

use kagent_api::{a2a::AgentCard, adk::AgentConfig};
use serde::Serialize;

pub use fetched::{Fetched, ObjectKey, ObjectKind};
pub use keep::HashInput;
pub use manifest::{ConfigFiles, Manifest};
pub use options::TranslateOptions;
pub use resolved::ResolvedAgent;
pub use validate::{Problem, Problems, validate};

use crate::error::Result;
use resolved::{SandboxSettings, Workload};

/// The port that every agent listens on, and that of its Service.
pub const AGENT_PORT: i32 = 8080;

/// Everything that is made of an agent.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentOutputs {
    /// The runtime's configuration; `None` for BYO agents.
    pub config: Option<AgentConfig>,
    /// The card that the runtime serves.
    pub card: AgentCard,
    /// The files of the Secret.
    pub files: ConfigFiles,
    /// The Kubernetes objects.
    pub manifest: Manifest,
    /// The value of the pod annotation that rolls the pods.
    pub config_hash: String,
    /// What that hash is taken over besides the files.
    pub hash_input: HashInput,
}

/// Renders an agent.
///
/// # Errors
/// `Internal` when something cannot be written as JSON, which is a fault of ours.
pub fn build(agent: &ResolvedAgent, options: &TranslateOptions) -> Result<AgentOutputs> {
    let config = match &agent.workload {
        Workload::Declarative(declarative) => Some(config::build_config(&agent.description, declarative)),
        Workload::Byo(_) => None,
    };
    let card = card::build_card(agent);
    let files = ConfigFiles {
        config: match &config {
            Some(config) => json::to_compact(config)?,
            None => String::new(),
        },
        card: json::to_indented(&card)?,
        sandbox: match &agent.sandbox {
            Some(settings) => Some(json::to_compact(&SandboxFile::from(settings))?),
            None => None,
        },
        skills: match &agent.skills {
            Some(skills) => Some(json::to_compact(&skills.config)?),
            None => None,
        },
    };
    let hash_input = build_hash_input(agent, &files);
    let config_hash = hash_input.hash(&files);
    let manifest = manifest::build_manifest(agent, options, &files, &config_hash);
    Ok(AgentOutputs {
        config,
        card,
        files,
        manifest,
        config_hash,
        hash_input,
    })
}

/// What decides whether the pods roll; nothing for a BYO agent that reads nothing of ours.
fn build_hash_input(agent: &ResolvedAgent, files: &ConfigFiles) -> HashInput {
    match &agent.workload {
        Workload::Declarative(declarative) => {
            let mut secrets = vec![declarative.model.secret_hash.clone()];
            if let Some(summarizer) = declarative.context.as_ref().and_then(|it| it.summarizer.as_ref()) {
                secrets.push(summarizer.secret_hash.clone());
            }
            if let Some(memory) = &declarative.memory
                && memory.model.name != declarative.model.name
            {
                secrets.push(memory.model.secret_hash.clone());
            }
            secrets.extend(declarative.mcp_tools.iter().map(|tool| tool.secret_hash.clone()));
            secrets.retain(|hash| !hash.is_empty());
            HashInput::Config(secrets)
        }
        Workload::Byo(byo) if byo.mounts_config => HashInput::Mounted,
        Workload::Byo(_) if files.skills.is_some() => HashInput::Skills,
        Workload::Byo(_) => HashInput::Nothing,
    }
}

/// `srt-settings.json`, keys sorted.
#[derive(Serialize)]
struct SandboxFile<'a> {
    filesystem: SandboxFilesystem,
    network: SandboxNetwork<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SandboxFilesystem {
    allow_write: [&'static str; 2],
    deny_read: [&'static str; 0],
    deny_write: [&'static str; 0],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SandboxNetwork<'a> {
    allowed_domains: &'a [String],
    denied_domains: [&'static str; 0],
}

impl<'a> From<&'a SandboxSettings> for SandboxFile<'a> {
    fn from(settings: &'a SandboxSettings) -> Self {
        Self {
            filesystem: SandboxFilesystem {
                allow_write: [".", "/tmp"],
                deny_read: [],
                deny_write: [],
            },
            network: SandboxNetwork {
                allowed_domains: &settings.allowed_domains,
                denied_domains: [],
            },
        }
    }
}
