//! The Deployment of an agent: which image, its environment, volumes and probes. The order of lists is part of the pod
//! template: changing it rolls every agent.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{
            ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource, HTTPGetAction,
            LocalObjectReference, ObjectFieldSelector, PodSpec, PodTemplateSpec, Probe, ProjectedVolumeSource,
            ResourceRequirements, SecretVolumeSource, SecurityContext, ServiceAccountTokenProjection, Volume,
            VolumeMount, VolumeProjection,
        },
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use super::{
    super::{
        AGENT_PORT,
        options::TranslateOptions,
        pod::literal_env,
        resolved::{ByoContainer, PodNeeds, ResolvedAgent, ResolvedDeclarative, ResolvedSkills, Runtime, Workload},
        skills,
    },
    build_metadata, labels,
};

/// The pod annotation whose change rolls the pods.
pub const CONFIG_HASH_ANNOTATION: &str = "kagent.dev/config-hash";

/// Name of the main container.
pub(crate) const MAIN_CONTAINER: &str = "kagent";

/// The Deployment of `agent`.
pub(super) fn build_deployment(agent: &ResolvedAgent, options: &TranslateOptions, config_hash: &str) -> Deployment {
    let mut annotations = agent.pod.annotations.clone();
    annotations.insert(CONFIG_HASH_ANNOTATION.to_owned(), config_hash.to_owned());
    Deployment {
        metadata: build_metadata(agent, options),
        spec: DeploymentSpec {
            replicas: agent.pod.replicas,
            selector: LabelSelector {
                match_labels: Some(labels::build_selector(agent)),
                ..LabelSelector::default()
            },
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels::build_labels(agent, options)),
                    annotations: Some(annotations),
                    ..ObjectMeta::default()
                }),
                spec: Some(build_pod(agent, options)),
            },
            ..DeploymentSpec::default()
        },
        ..Deployment::default()
    }
}

/// The service account that the pod runs as.
pub(super) fn service_account_name(agent: &ResolvedAgent, options: &TranslateOptions) -> String {
    let default = &options.default_service_account_name;
    match &agent.pod.service_account_name {
        Some(name) if !name.is_empty() => name.clone(),
        _ if !default.is_empty() => default.clone(),
        _ => agent.name.clone(),
    }
}

fn build_pod(agent: &ResolvedAgent, options: &TranslateOptions) -> PodSpec {
    let needs = collect_needs(agent);
    let mut containers = vec![build_main_container(agent, options, &needs)];
    containers.extend(agent.pod.extra_containers.clone());
    let init_containers = agent
        .skills
        .as_ref()
        .map(|skills| vec![build_skills_container(agent, skills, options)]);
    PodSpec {
        service_account_name: Some(service_account_name(agent, options)),
        image_pull_secrets: some_if_any(build_pull_secrets(agent, options)),
        tolerations: some_if_any(agent.pod.tolerations.clone()),
        affinity: agent.pod.affinity.clone(),
        node_selector: (!agent.pod.node_selector.is_empty()).then(|| agent.pod.node_selector.clone()),
        security_context: agent.pod.pod_security_context.clone(),
        containers,
        init_containers,
        volumes: Some(build_volumes(agent, &needs)),
        ..PodSpec::default()
    }
}

/// What models and tools add, the models first.
fn collect_needs(agent: &ResolvedAgent) -> PodNeeds {
    let mut needs = PodNeeds::default();
    if let Workload::Declarative(declarative) = &agent.workload {
        needs.merge(&declarative.model.needs);
        if let Some(summarizer) = declarative.context.as_ref().and_then(|it| it.summarizer.as_ref()) {
            needs.merge(&summarizer.needs);
        }
        if let Some(memory) = &declarative.memory {
            needs.merge(&memory.model.needs);
        }
        for tool in &declarative.mcp_tools {
            needs.merge(&tool.needs);
        }
    }
    needs
}

fn build_pull_secrets(agent: &ResolvedAgent, options: &TranslateOptions) -> Vec<LocalObjectReference> {
    let mut secrets = agent.pod.image_pull_secrets.clone();
    let global = &options.image_pull_secret;
    let declarative = matches!(agent.workload, Workload::Declarative(_));
    if declarative && !global.is_empty() && !secrets.iter().any(|secret| secret.name == *global) {
        secrets.push(LocalObjectReference { name: global.clone() });
    }
    secrets
}

fn build_main_container(agent: &ResolvedAgent, options: &TranslateOptions, needs: &PodNeeds) -> Container {
    let base = match &agent.workload {
        Workload::Declarative(declarative) => build_runtime_container(agent, declarative, options),
        Workload::Byo(byo) => build_byo_container(byo),
    };
    let (initial_delay, timeout, period) = match agent.runtime {
        Runtime::Python => (15, 15, 15),
        Runtime::Go => (1, 5, 1),
    };
    Container {
        name: MAIN_CONTAINER.to_owned(),
        image_pull_policy: Some(
            agent
                .pod
                .image_pull_policy
                .clone()
                .unwrap_or_else(|| options.image_pull_policy.clone()),
        ),
        env: Some(build_env(agent, options, needs)),
        ports: Some(vec![ContainerPort {
            name: Some("http".to_owned()),
            container_port: AGENT_PORT,
            ..ContainerPort::default()
        }]),
        readiness_probe: Some(Probe {
            http_get: Some(HTTPGetAction {
                path: Some("/.well-known/agent-card.json".to_owned()),
                port: IntOrString::String("http".to_owned()),
                ..HTTPGetAction::default()
            }),
            initial_delay_seconds: Some(initial_delay),
            timeout_seconds: Some(timeout),
            period_seconds: Some(period),
            ..Probe::default()
        }),
        resources: Some(agent.pod.resources.clone().unwrap_or_else(default_resources)),
        security_context: build_security_context(agent),
        volume_mounts: Some(build_mounts(agent, needs)),
        ..base
    }
}

/// kagent's own runtime: the image's entry point with its three flags.
fn build_runtime_container(
    agent: &ResolvedAgent,
    declarative: &ResolvedDeclarative,
    options: &TranslateOptions,
) -> Container {
    let registry = declarative.image_registry.as_ref().unwrap_or(&options.image_registry);
    let repository = &options.image_repository;
    let (repository, suffix) = match agent.runtime {
        Runtime::Python => (repository.clone(), ""),
        Runtime::Go => (
            match repository.rsplit_once('/') {
                Some((parent, _)) => format!("{parent}/golang-adk"),
                None => "golang-adk".to_owned(),
            },
            // The small Go image has no sandbox runtime.
            if agent.sandbox.is_some() { "-full" } else { "" },
        ),
    };
    let args = [
        "--host",
        &options.default_agent_bind_host,
        "--port",
        "8080",
        "--filepath",
        "/config",
    ];
    Container {
        image: Some(format!("{registry}/{repository}:{}{suffix}", options.image_tag)),
        args: Some(args.map(str::to_owned).to_vec()),
        ..Container::default()
    }
}

fn build_byo_container(byo: &ByoContainer) -> Container {
    Container {
        image: Some(byo.image.clone()),
        command: some_if_any(byo.command.clone()),
        args: some_if_any(byo.args.clone()),
        working_dir: byo.working_dir.clone(),
        ..Container::default()
    }
}

/// The user's variables, the models', the server's `OTEL_*`, ours. Duplicates stay: the last one counts.
fn build_env(agent: &ResolvedAgent, options: &TranslateOptions, needs: &PodNeeds) -> Vec<EnvVar> {
    let mut env = agent.pod.env.clone();
    env.extend(needs.env.clone());
    env.extend(options.otel_env.iter().map(|(name, value)| literal_env(name, value)));
    env.push(EnvVar {
        name: "KAGENT_NAMESPACE".to_owned(),
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: "metadata.namespace".to_owned(),
                ..ObjectFieldSelector::default()
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    });
    env.push(literal_env("KAGENT_NAME", &agent.name));
    env.push(literal_env("KAGENT_URL", options.kagent_url()));
    if agent.skills.is_some() {
        env.push(literal_env("KAGENT_SKILLS_FOLDER", "/skills"));
    }
    if agent.sandbox.is_some() {
        env.push(literal_env("KAGENT_SRT_SETTINGS_PATH", "/config/srt-settings.json"));
    }
    env
}

/// Code and skills run in a sandbox that needs privileges, unless the user forbids escalation.
fn build_security_context(agent: &ResolvedAgent) -> Option<SecurityContext> {
    let runs_code = match &agent.workload {
        Workload::Declarative(declarative) => declarative.execute_code == Some(true),
        Workload::Byo(_) => false,
    };
    let given = agent.pod.security_context.clone();
    if !runs_code && agent.skills.is_none() {
        return given;
    }
    let mut context = given.unwrap_or_default();
    if context.allow_privilege_escalation != Some(false) {
        context.privileged = Some(true);
    }
    Some(context)
}

fn mounts_config(agent: &ResolvedAgent) -> bool {
    match &agent.workload {
        Workload::Declarative(_) => true,
        Workload::Byo(byo) => byo.mounts_config,
    }
}

fn build_volumes(agent: &ResolvedAgent, needs: &PodNeeds) -> Vec<Volume> {
    let mut volumes = Vec::new();
    if mounts_config(agent) {
        volumes.push(secret_volume("config", &agent.name));
    }
    volumes.extend(agent.pod.volumes.clone());
    volumes.extend(needs.volumes.clone());
    if let Some(skills) = &agent.skills {
        volumes.push(Volume {
            name: "kagent-skills".to_owned(),
            empty_dir: Some(EmptyDirVolumeSource::default()),
            ..Volume::default()
        });
        volumes.push(Volume {
            name: "skills-init-config".to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: skills::config_map_name(&agent.name),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        });
        if let Some(secret) = &skills.git_auth_secret {
            volumes.push(secret_volume("git-auth", secret));
        }
        for secret in &skills.pull_secrets {
            volumes.push(secret_volume(&skills::pull_secret_volume(secret), secret));
        }
    }
    volumes.push(Volume {
        name: "kagent-token".to_owned(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(vec![VolumeProjection {
                service_account_token: Some(ServiceAccountTokenProjection {
                    audience: Some("kagent".to_owned()),
                    expiration_seconds: Some(3600),
                    path: "kagent-token".to_owned(),
                    ..ServiceAccountTokenProjection::default()
                }),
                ..VolumeProjection::default()
            }]),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    });
    volumes
}

fn build_mounts(agent: &ResolvedAgent, needs: &PodNeeds) -> Vec<VolumeMount> {
    let mut mounts = Vec::new();
    if mounts_config(agent) {
        mounts.push(mount("config", "/config", false));
    }
    mounts.extend(agent.pod.volume_mounts.clone());
    mounts.extend(needs.volume_mounts.clone());
    if agent.skills.is_some() {
        mounts.push(mount("kagent-skills", "/skills", true));
    }
    mounts.push(mount("kagent-token", "/var/run/secrets/tokens", false));
    mounts
}

/// Fetches the skills before the agent starts; its image knows what to do.
fn build_skills_container(agent: &ResolvedAgent, skills: &ResolvedSkills, options: &TranslateOptions) -> Container {
    let mut mounts = vec![
        mount("kagent-skills", "/skills", false),
        mount("skills-init-config", "/etc/kagent/skills-init", true),
    ];
    if skills.git_auth_secret.is_some() {
        mounts.push(mount("git-auth", "/git-auth", true));
    }
    for secret in &skills.pull_secrets {
        let path = format!("/docker-secrets/{secret}");
        mounts.push(mount(&skills::pull_secret_volume(secret), &path, true));
    }
    Container {
        name: "skills-init".to_owned(),
        image: Some(format!(
            "{}/{}:{}",
            options.skills_init_image_registry, options.skills_init_image_repository, options.skills_init_image_tag
        )),
        env: some_if_any(skills.env.clone()),
        resources: Some(skills.resources.clone().unwrap_or_else(default_resources)),
        security_context: agent.pod.security_context.clone(),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn secret_volume(name: &str, secret: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

fn default_resources() -> ResourceRequirements {
    let quantities = |cpu: &str, memory: &str| {
        BTreeMap::from([
            ("cpu".to_owned(), Quantity(cpu.to_owned())),
            ("memory".to_owned(), Quantity(memory.to_owned())),
        ])
    };
    ResourceRequirements {
        requests: Some(quantities("100m", "384Mi")),
        limits: Some(quantities("2", "1Gi")),
        ..ResourceRequirements::default()
    }
}

fn some_if_any<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
