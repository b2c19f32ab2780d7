//! Agents as wire bodies, with the key order of the Go controller.

use kagent_api::{
    v1alpha2::Agent,
    wire::agents::{AgentResource, AgentResponse},
};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    ident::AgentRef,
    service::agents::{AgentView, list_conditions},
};

/// Keys of ObjectMeta in Go's order. `managedFields` is left out: no client reads it and it is most of the bytes.
const METADATA_KEYS: [&str; 14] = [
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
];

pub(super) fn agent_response(view: AgentView) -> AgentResponse {
    let tools = view.tools().map(<[_]>::to_vec);
    let conditions = list_conditions(&view.agent);
    let deployment_ready = matches!(
        conditions.get("Ready"),
        Some(("True", "DeploymentReady" | "WorkloadReady"))
    );
    let accepted = matches!(conditions.get("Accepted"), Some(("True", _)));
    let metadata = &view.agent.metadata;
    let agent = AgentRef::new(
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    );
    let model = view.model.clone();
    AgentResponse {
        id: agent.python_id(),
        agent: agent_resource(Agent::clone(&view.agent), true),
        model_provider: model.as_ref().map(|it| it.provider.clone()).unwrap_or_default(),
        model: model.as_ref().map(|it| it.model.clone()).unwrap_or_default(),
        model_config_ref: model.map(|it| it.config_ref).unwrap_or_default(),
        memory_refs: None,
        tools,
        deployment_ready,
        accepted,
        workload_mode: "deployment".to_owned(),
    }
}

/// The answer to a create names neither kind nor version.
pub(super) fn created_agent(agent: Agent) -> AgentResource {
    agent_resource(agent, false)
}

/// The answer to an update names the kind first.
pub(super) fn updated_agent(agent: Agent) -> impl Serialize {
    #[derive(Serialize)]
    struct KindFirst {
        kind: &'static str,
        #[serde(flatten)]
        agent: AgentResource,
    }
    KindFirst {
        kind: "Agent",
        agent: AgentResource {
            kind: None,
            ..agent_resource(agent, true)
        },
    }
}

fn agent_resource(agent: Agent, is_typed: bool) -> AgentResource {
    AgentResource {
        api_version: is_typed.then(|| "kagent.dev/v1alpha2".to_owned()),
        kind: is_typed.then(|| "Agent".to_owned()),
        metadata: ordered_metadata(serde_json::to_value(agent.metadata).unwrap_or_default()),
        spec: agent.spec,
        status: agent.status.map(Into::into).unwrap_or_default(),
    }
}

fn ordered_metadata(mut metadata: Value) -> Map<String, Value> {
    METADATA_KEYS
        .iter()
        .filter_map(|&key| Some((key.to_owned(), metadata.get_mut(key)?.take())))
        .collect()
}
