//! Skills that are loaded into an agent's pod, and what its sandbox may reach.

use k8s_openapi::api::core::v1::{EnvVar, LocalObjectReference, ResourceRequirements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Skills from images and git repositories.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SkillForAgent {
    /// Pull images over plain HTTP or with any certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insecure_skip_verify: Option<bool>,
    /// OCI images with skills.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    pub refs: Option<Vec<String>>,
    /// Secret with credentials for the git repositories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_auth_secret_ref: Option<LocalObjectReference>,
    /// Git repositories with skills.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    pub git_refs: Option<Vec<GitRepo>>,
    /// Secrets with credentials for the images.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    pub image_pull_secrets: Option<Vec<LocalObjectReference>>,
    /// Settings of the init container that fetches the skills.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init_container: Option<SkillsInitContainer>,
}

/// A git repository with a skill.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GitRepo {
    /// Address of the repository.
    #[serde(default)]
    #[schemars(!default)]
    pub url: String,
    /// Branch, tag or full commit id; `main` if absent.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "main"))]
    pub ref_: Option<String>,
    /// Folder of the skill inside the repository; its root if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Name of the skill; taken from the path or the address if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Settings of the init container that fetches the skills.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SkillsInitContainer {
    /// Resources of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Environment of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<EnvVar>>,
}

/// What the agent's sandbox may do.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxConfig {
    /// What it may reach.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkConfig>,
}

/// What the agent's sandbox may reach.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkConfig {
    /// Domains that it may reach; none if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_domains: Option<Vec<String>>,
}
