//! The Kubernetes objects of an agent, one kind per file. Pure: the same agent and options give the same objects.

mod config_map;
mod deployment;
mod labels;
mod secret;
mod service;
mod service_account;

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Secret, Service, ServiceAccount},
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};

use super::{options::TranslateOptions, resolved::ResolvedAgent};

pub use deployment::CONFIG_HASH_ANNOTATION;
pub(crate) use deployment::MAIN_CONTAINER;

/// The rendered files, as the pod sees them under `/config`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigFiles {
    /// `config.json`; empty for BYO agents.
    pub config: String,
    /// `agent-card.json`.
    pub card: String,
    /// `srt-settings.json`, where the sandbox runtime is needed.
    pub sandbox: Option<String>,
    /// `config.json` of skills-init, where there are skills.
    pub skills: Option<String>,
}

/// All objects of an agent, in the order in which they are applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// What the pod reads.
    pub secret: Secret,
    /// Absent when the agent uses an existing one.
    pub service_account: Option<ServiceAccount>,
    /// Only with skills.
    pub config_map: Option<ConfigMap>,
    /// What runs.
    pub deployment: Deployment,
    /// Where it is reached.
    pub service: Service,
}

/// The objects of `agent`.
pub fn build_manifest(
    agent: &ResolvedAgent,
    options: &TranslateOptions,
    files: &ConfigFiles,
    config_hash: &str,
) -> Manifest {
    let service_account_name = deployment::service_account_name(agent, options);
    Manifest {
        secret: secret::build_secret(agent, options, files),
        service_account: (service_account_name == agent.name)
            .then(|| service_account::build_service_account(agent, options)),
        config_map: files
            .skills
            .as_ref()
            .map(|config| config_map::build_config_map(agent, config)),
        deployment: deployment::build_deployment(agent, options, config_hash),
        service: service::build_service(agent, options),
    }
}

/// Name, owner, labels and annotations that all objects but the ConfigMap have.
fn build_metadata(agent: &ResolvedAgent, options: &TranslateOptions) -> ObjectMeta {
    ObjectMeta {
        labels: Some(labels::build_labels(agent, options)),
        annotations: labels::build_annotations(agent),
        ..build_bare_metadata(agent, agent.name.clone())
    }
}

/// Name and owner.
fn build_bare_metadata(agent: &ResolvedAgent, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(agent.namespace.clone()),
        owner_references: Some(vec![OwnerReference {
            api_version: "kagent.dev/v1alpha2".to_owned(),
            kind: "Agent".to_owned(),
            name: agent.name.clone(),
            uid: agent.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }]),
        ..ObjectMeta::default()
    }
}
