//! Agents as objects of the cluster: listed and read from this replica's cache, checked before they are written.

use std::{collections::BTreeMap, sync::Arc};

use kagent_api::v1alpha2::{Agent, AgentSpec, AgentType, Tool};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PostParams},
    runtime::reflector::ObjectRef,
};

use super::names;
use crate::{
    auth::{Authorizer, Principal, Resource, Verb},
    cluster::{
        Cluster,
        fetch::{fetch_references, within_deadline},
    },
    error::{Error, ErrorKind, Result},
    ident::AgentRef,
    translate::{TranslateOptions, validate},
};

/// How often an update is tried again when somebody else wrote in between.
const UPDATE_ATTEMPTS: usize = 5;

/// What agents' rules work with.
#[derive(Clone, Copy)]
pub struct AgentContext<'a> {
    /// Where the objects are.
    pub cluster: &'a Cluster,
    /// What the operator decided about all agents.
    pub options: &'a TranslateOptions,
    /// Who may what.
    pub authorizer: &'a dyn Authorizer,
    /// Who asks.
    pub caller: &'a Principal,
}

/// An agent with what its references say about it.
#[derive(Clone, Debug)]
pub struct AgentView {
    /// The object.
    pub agent: Arc<Agent>,
    /// Provider, model and `namespace/name` of its ModelConfig; `None` for BYO agents and where it is missing.
    pub model: Option<AgentModel>,
}

/// The model of an agent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AgentModel {
    /// Provider, such as `OpenAI`.
    pub provider: String,
    /// Model.
    pub model: String,
    /// `namespace/name` of the ModelConfig.
    pub config_ref: String,
}

impl AgentView {
    /// The tools of a declarative agent whose model is known.
    pub fn tools(&self) -> Option<&[Tool]> {
        self.model.as_ref()?;
        self.agent.spec.declarative.as_ref()?.tools.as_deref()
    }
}

/// All agents that this server watches, or those of one namespace; by namespace and name.
///
/// # Errors
/// `Invalid` when `namespace` cannot be one.
pub async fn list_agents(context: AgentContext<'_>, namespace: Option<&str>) -> Result<Vec<AgentView>> {
    if let Some(namespace) = namespace {
        names::check_namespace(namespace)?;
    }
    context.authorize(Verb::Get, "").await?;
    let mut agents = context.cluster.agents.state();
    agents.retain(|agent| namespace.is_none_or(|asked| agent.namespace().as_deref() == Some(asked)));
    agents.sort_by_key(|agent| (agent.namespace(), agent.name_any()));
    Ok(agents.into_iter().map(|agent| context.view(agent)).collect())
}

/// An agent.
///
/// # Errors
/// `NotFound` when there is none.
pub async fn get_agent(context: AgentContext<'_>, agent: &AgentRef) -> Result<AgentView> {
    context.authorize(Verb::Get, &agent.to_string()).await?;
    let key = ObjectRef::new(&agent.name).within(&agent.namespace);
    match context.cluster.agents.get(&key) {
        Some(agent) => Ok(context.view(agent)),
        None => Err(Error::not_found(format!(
            "Agent not found: Agent.kagent.dev {:?} not found",
            agent.name
        ))),
    }
}

/// Checks an agent and creates it.
///
/// # Errors
/// `Invalid` when it has no usable name or does not translate; what the API server says to it.
pub async fn create_agent(context: AgentContext<'_>, mut agent: Agent) -> Result<Agent> {
    let key = context.identify(&mut agent, "Invalid agent metadata")?;
    context.authorize(Verb::Create, &key.to_string()).await?;
    context.check(&agent).await?;
    agent.status = None;
    const WHAT: &str = "Failed to create Agent in Kubernetes";
    let api: Api<Agent> = Api::namespaced(context.cluster.client.clone(), &key.namespace);
    within_deadline(WHAT, api.create(&post_params(), &agent))
        .await
        .map_err(|error| keep_meaning(WHAT, error))
}

/// Checks an agent and replaces the spec of the existing one; its labels, annotations and version are not looked at.
///
/// # Errors
/// `NotFound` when there is none; else as [`create_agent`].
pub async fn update_agent(context: AgentContext<'_>, mut agent: Agent) -> Result<Agent> {
    let key = context.identify(&mut agent, "Invalid Agent metadata")?;
    context.authorize(Verb::Update, &key.to_string()).await?;
    const WHAT: &str = "Failed to update Agent";
    let api: Api<Agent> = Api::namespaced(context.cluster.client.clone(), &key.namespace);
    let mut current = find_agent(&api, &key).await?;
    context.check(&agent).await?;
    for attempt in 1.. {
        current.spec = agent.spec.clone();
        let outcome = within_deadline(WHAT, api.replace(&key.name, &post_params(), &current)).await;
        match outcome {
            Err(error) if error.kind() == ErrorKind::Conflict && attempt < UPDATE_ATTEMPTS => {
                current = find_agent(&api, &key).await?;
            }
            other => return other.map_err(|error| keep_meaning(WHAT, error)),
        }
    }
    Err(Error::internal(WHAT))
}

/// Deletes an agent. Its sessions stay.
///
/// # Errors
/// `NotFound` when there is none.
pub async fn delete_agent(context: AgentContext<'_>, agent: &AgentRef) -> Result<()> {
    context.authorize(Verb::Delete, &agent.to_string()).await?;
    const WHAT: &str = "Failed to delete Agent";
    let api: Api<Agent> = Api::namespaced(context.cluster.client.clone(), &agent.namespace);
    match within_deadline(WHAT, api.delete(&agent.name, &DeleteParams::default())).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::not_found("Agent not found")),
        Err(error) => Err(keep_meaning(WHAT, error)),
    }
}

impl AgentContext<'_> {
    async fn authorize(&self, verb: Verb, name: &str) -> Result<()> {
        let resource = Resource { kind: "Agent", name };
        let allowed = self.authorizer.authorize(self.caller, verb, resource).await;
        allowed.map_err(|error| error.context("Not authorized"))
    }

    /// Fills in the namespace and gives the agent's name, if it is one.
    fn identify(&self, agent: &mut Agent, context: &str) -> Result<AgentRef> {
        let namespace = agent
            .metadata
            .namespace
            .take()
            .filter(|namespace| !namespace.is_empty())
            .unwrap_or_else(|| self.options.controller_namespace.clone());
        let name = agent.metadata.name.clone().unwrap_or_default();
        names::check_object_name(&name).map_err(|error| error.context(context))?;
        if !self.cluster.scope.contains(&namespace) {
            let reason = format!("namespace {namespace:?} is not watched by this server");
            return Err(Error::invalid(reason).context(context));
        }
        agent.metadata.namespace = Some(namespace.clone());
        Ok(AgentRef::new(namespace, name))
    }

    /// What reconciliation would say of the agent.
    async fn check(&self, agent: &Agent) -> Result<()> {
        const WHAT: &str = "Invalid agent configuration";
        // The API server would fill in the type; the Go controller insists on it here.
        if agent.spec.type_.is_none() {
            return Err(Error::invalid("unknown agent type: ").context(WHAT));
        }
        let fetched = fetch_references(self.cluster, agent, self.options, |_| {})
            .await
            .map_err(|error| keep_meaning(WHAT, error))?;
        match validate(agent, &fetched, self.options) {
            Ok(_) => Ok(()),
            Err(problems) => {
                let first = problems
                    .list()
                    .first()
                    .map_or_else(|| problems.to_string(), |it| it.message.clone());
                Err(Error::invalid(first).context(WHAT).with_source(problems))
            }
        }
    }

    fn view(&self, agent: Arc<Agent>) -> AgentView {
        let model = self.find_model(&agent.spec, agent.namespace().as_deref().unwrap_or_default());
        AgentView { agent, model }
    }

    fn find_model(&self, spec: &AgentSpec, namespace: &str) -> Option<AgentModel> {
        if spec.agent_type() != AgentType::Declarative {
            return None;
        }
        let named = spec.declarative.as_ref()?.model_config.as_deref();
        let name = named
            .filter(|name| !name.is_empty())
            .unwrap_or(&self.options.default_model_config_name);
        let config = self
            .cluster
            .model_configs
            .get(&ObjectRef::new(name).within(namespace))?;
        let provider = serde_json::to_value(&config.spec.provider).ok();
        Some(AgentModel {
            provider: provider
                .and_then(|it| it.as_str().map(str::to_owned))
                .unwrap_or_default(),
            model: config.spec.model.clone(),
            config_ref: format!("{namespace}/{name}"),
        })
    }
}

async fn find_agent(api: &Api<Agent>, key: &AgentRef) -> Result<Agent> {
    const WHAT: &str = "Failed to get Agent";
    within_deadline(WHAT, api.get_opt(&key.name))
        .await
        .map_err(|error| keep_meaning(WHAT, error))?
        .ok_or_else(|| Error::not_found("Agent not found"))
}

fn post_params() -> PostParams {
    PostParams {
        field_manager: Some("kagent-server".to_owned()),
        ..PostParams::default()
    }
}

/// Faults on the way to the API server show `what` alone; its own refusals keep their text.
fn keep_meaning(what: &str, error: Error) -> Error {
    match error.kind() {
        ErrorKind::Unavailable | ErrorKind::Internal => super::hide(what, error),
        _ => error,
    }
}

/// The conditions of an agent by type: status and reason.
pub fn list_conditions(agent: &Agent) -> BTreeMap<&str, (&str, &str)> {
    let conditions = agent
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    conditions
        .map(|condition| {
            (
                condition.type_.as_str(),
                (condition.status.as_str(), condition.reason.as_str()),
            )
        })
        .collect()
}
