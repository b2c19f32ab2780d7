//! Checks an Agent against what it refers to and gives a `ResolvedAgent`, or everything that is wrong with it. Pure.
//!
//! Texts that the Go controller has, too, are its own, because users search for them.

mod across_namespaces;
mod chain;
mod declarative;
mod pod_options;

use std::{collections::BTreeSet, fmt};

use kagent_api::{
    a2a,
    v1alpha2::{Agent, AgentType, ByoDeploymentSpec, DeclarativeRuntime, SharedDeploymentSpec},
};

use super::{
    fetched::{Fetched, ObjectKey},
    options::TranslateOptions,
    resolved::{ByoContainer, ResolvedAgent, Runtime, SandboxSettings, Workload},
    skills::{GitInput, SkillsInput, resolve_skills},
};
use crate::error::Error;

/// Something that is wrong with an Agent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where, as a path into the Agent (`spec.declarative.tools[2]`).
    pub field: String,
    /// What, for users.
    pub message: String,
    /// During what it was found; decides the words in front of the message.
    pub(super) stage: Stage,
}

/// What was being done when a problem was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    Reference,
    Compile,
    Skills,
}

impl Problem {
    /// A problem with `field`.
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
            stage: Stage::Compile,
        }
    }

    /// Something that is referred to does not exist.
    pub(super) fn missing(key: &ObjectKey) -> Self {
        Self::new("spec", format!("{} {:?} not found", key.kind, key.name))
    }

    /// Something that is legal and not built yet. It is never just left out.
    pub(super) fn unsupported(field: &str) -> Self {
        Self::new(field, format!("not supported yet by this server: {field}"))
    }

    /// The same problem at another place.
    pub(super) fn at(mut self, field: &str) -> Self {
        field.clone_into(&mut self.field);
        self
    }

    /// The same problem, found at another time.
    fn during(mut self, stage: Stage) -> Self {
        self.stage = stage;
        self
    }
}

/// Everything that is wrong with an Agent; never empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problems {
    agent: String,
    list: Vec<Problem>,
}

impl Problems {
    /// The problems, in the order in which they were found.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }
}

impl fmt::Display for Problems {
    /// The message of the condition `Accepted`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let agent = &self.agent;
        for (position, problem) in self.list.iter().enumerate() {
            if position > 0 {
                f.write_str("; ")?;
            }
            let said = position > 0 && self.list[position - 1].stage == problem.stage;
            match problem.stage {
                Stage::Compile if !said => write!(f, "failed to compile agent {agent}: ")?,
                Stage::Skills if !said => write!(
                    f,
                    "failed to build manifest for agent {agent}: failed to build skills init container: "
                )?,
                _ => {}
            }
            f.write_str(&problem.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Self {
        Self::invalid(problems.to_string())
    }
}

/// Checks `agent` against what it refers to.
///
/// # Errors
/// All problems that could be found; one may hide another.
pub fn validate(agent: &Agent, fetched: &Fetched, options: &TranslateOptions) -> Result<ResolvedAgent, Problems> {
    let namespace = agent.metadata.namespace.clone().unwrap_or_default();
    let name = agent.metadata.name.clone().unwrap_or_default();
    let mut problems = Vec::new();
    let resolved = resolve(agent, &namespace, &name, fetched, options, &mut problems);
    match resolved {
        Some(resolved) if problems.is_empty() => Ok(resolved),
        _ => Err(Problems {
            agent: format!("{namespace}/{name}"),
            list: problems,
        }),
    }
}

/// `None` only with at least one problem.
fn resolve(
    agent: &Agent,
    namespace: &str,
    name: &str,
    fetched: &Fetched,
    options: &TranslateOptions,
    problems: &mut Vec<Problem>,
) -> Option<ResolvedAgent> {
    let spec = &agent.spec;
    let skills = match resolve_skills(skills_input(agent)) {
        Ok(skills) => skills,
        Err(message) => {
            problems.push(Problem::new("spec.skills", message).during(Stage::Skills));
            None
        }
    };
    let (workload, shared) = match spec.agent_type() {
        AgentType::Declarative => {
            let Some(declarative) = &spec.declarative else {
                problems.push(Problem::new(
                    "spec.declarative",
                    "declarative must be specified if type is Declarative",
                ));
                return None;
            };
            let before = problems.len();
            across_namespaces::check(agent, declarative, fetched, options, problems);
            if problems.len() > before {
                return None;
            }
            chain::check(agent, fetched, problems);
            let resolved = declarative::resolve(agent, declarative, skills.as_ref(), fetched, options, problems);
            let shared = declarative.deployment.as_ref().map(|it| it.shared.clone());
            (Workload::Declarative(Box::new(resolved?)), shared)
        }
        AgentType::Byo => {
            let byo = spec.byo.as_ref().and_then(|byo| byo.deployment.as_ref());
            let Some(deployment) = byo else {
                problems.push(Problem::new("spec.byo.deployment", "BYO deployment spec is required"));
                return None;
            };
            let container = resolve_byo(deployment, spec.sandbox.is_some(), problems);
            (Workload::Byo(container?), Some(deployment.shared.clone()))
        }
        AgentType::Other(other) => {
            problems.push(Problem::new("spec.type", format!("unknown agent type: {other}")));
            return None;
        }
    };
    let shared = shared.unwrap_or_default();
    check_containers(&shared, problems);
    // A declarative block that was left in a BYO agent still decides these two.
    let runtime = match spec.declarative.as_ref().and_then(|it| it.runtime.as_ref()) {
        Some(DeclarativeRuntime::Go) => Runtime::Go,
        _ => Runtime::Python,
    };
    let a2a = spec.declarative.as_ref().and_then(|it| it.a2a_config.as_ref());
    let needs_sandbox = match &workload {
        Workload::Byo(_) => spec.sandbox.is_some(),
        Workload::Declarative(declarative) => spec.skills.is_some() || declarative.execute_code == Some(true),
    };
    let domains = spec.sandbox.as_ref().and_then(|it| it.network.as_ref());
    let domains = domains.and_then(|it| it.allowed_domains.clone());
    let card_skills = match &workload {
        Workload::Declarative(_) => a2a.and_then(|it| it.skills.as_deref()).unwrap_or_default(),
        Workload::Byo(_) => &[],
    };
    Some(ResolvedAgent {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        uid: agent.metadata.uid.clone().unwrap_or_default(),
        annotations: agent.metadata.annotations.clone().unwrap_or_default(),
        description: spec.description.clone().unwrap_or_default(),
        workload,
        runtime,
        pod: pod_options::resolve(shared),
        card_skills: card_skills.iter().map(build_card_skill).collect(),
        marks_service: a2a.is_some(),
        sandbox: needs_sandbox.then(|| SandboxSettings {
            allowed_domains: domains.unwrap_or_default(),
        }),
        skills,
    })
}

fn resolve_byo(
    deployment: &ByoDeploymentSpec,
    mounts_config: bool,
    problems: &mut Vec<Problem>,
) -> Option<ByoContainer> {
    let image = deployment.image.clone().unwrap_or_default();
    if image.is_empty() {
        problems.push(Problem::new(
            "spec.byo.deployment.image",
            "image is required for BYO deployment",
        ));
        return None;
    }
    let command = deployment.cmd.clone().filter(|command| !command.is_empty());
    Some(ByoContainer {
        image,
        command: command.into_iter().collect(),
        args: deployment.args.clone().unwrap_or_default(),
        working_dir: deployment.working_dir.clone().filter(|directory| !directory.is_empty()),
        mounts_config,
    })
}

fn check_containers(shared: &SharedDeploymentSpec, problems: &mut Vec<Problem>) {
    let mut names = BTreeSet::new();
    for container in shared.extra_containers.iter().flatten() {
        let name = &container.name;
        let message = if name == super::manifest::MAIN_CONTAINER {
            format!("extraContainers: container name {name:?} is reserved")
        } else if !names.insert(name) {
            format!("extraContainers: duplicate container name {name:?}")
        } else {
            continue;
        };
        problems.push(Problem::new("spec.deployment.extraContainers", message));
    }
}

fn skills_input(agent: &Agent) -> SkillsInput {
    let Some(skills) = &agent.spec.skills else {
        return SkillsInput::default();
    };
    let init = skills.init_container.as_ref();
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    SkillsInput {
        oci_refs: skills.refs.clone().unwrap_or_default(),
        git_refs: skills
            .git_refs
            .iter()
            .flatten()
            .map(|git| GitInput {
                url: git.url.clone(),
                reference: text(&git.ref_),
                path: text(&git.path),
                name: text(&git.name),
            })
            .collect(),
        git_auth_secret: skills.git_auth_secret_ref.as_ref().map(|secret| secret.name.clone()),
        pull_secrets: skills
            .image_pull_secrets
            .iter()
            .flatten()
            .map(|secret| secret.name.clone())
            .collect(),
        insecure: skills.insecure_skip_verify.unwrap_or_default(),
        resources: init
            .and_then(|it| it.resources.clone())
            .map(pod_options::canonical_resources),
        env: init.and_then(|it| it.env.clone()).unwrap_or_default(),
    }
}

/// Tags are never null: Python runtimes refuse such a card and do not start.
fn build_card_skill(skill: &kagent_api::v1alpha2::AgentSkill) -> a2a::AgentSkill {
    a2a::AgentSkill {
        id: skill.id.clone().unwrap_or_default(),
        name: skill.name.clone(),
        description: skill.description.clone().unwrap_or_default(),
        tags: Some(skill.tags.clone().unwrap_or_default()),
        examples: skill.examples.clone().unwrap_or_default(),
        input_modes: skill.input_modes.clone().unwrap_or_default(),
        output_modes: skill.output_modes.clone().unwrap_or_default(),
    }
}
