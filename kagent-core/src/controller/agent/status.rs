//! Step 5: the Agent's status. Clients read types, reasons and messages, therefore they are the Go controller's. All
//! conditions are told in one pass, and nothing is written when nothing changed.

use k8s_openapi::{
    api::apps::v1::Deployment,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kagent_api::v1alpha2::{Agent, AgentStatus, AgentType, DeclarativeRuntime, remove_condition, set_condition};
use kube::{
    Api,
    api::{Patch, PatchParams},
    runtime::reflector::ObjectRef,
};
use serde_json::json;

use super::{super::context::Context, name_of};
use crate::{
    cluster::{
        apply::{Applied, FIELD_MANAGER},
        fetch::within_deadline,
    },
    error::{ErrorKind, Result},
};

const ACCEPTED: &str = "Accepted";
const READY: &str = "Ready";
const UNSUPPORTED: &str = "UnsupportedFeatures";

/// Whether everything that the Agent says could be done.
pub(super) enum Accepted {
    Yes,
    No(String),
}

/// Writes the status if it is not `current`. What was written.
///
/// # Errors
/// When the API server does not take it. An Agent that went meanwhile is no error.
pub(super) async fn update_status(
    context: &Context,
    agent: &Agent,
    current: Option<&AgentStatus>,
    accepted: &Accepted,
    applied: Option<&Applied>,
) -> Result<Option<AgentStatus>> {
    let (namespace, name) = name_of(agent);
    let cached = context
        .cluster
        .deployments
        .get(&ObjectRef::new(&name).within(&namespace));
    let deployment = applied.map(|applied| &applied.deployment).or(cached.as_deref());
    let status = build_status(agent, current, accepted, deployment, Time(context.clock.now()));
    if current == Some(&status) {
        return Ok(None);
    }
    let api: Api<Agent> = Api::namespaced(context.cluster.client.clone(), &namespace);
    let patch = Patch::Merge(json!({ "status": status }));
    let parameters = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let request = api.patch_status(&name, &parameters, &patch);
    match within_deadline("failed to update the status", request).await {
        Ok(_) => Ok(Some(status)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The status that says what became of the Agent. Pure.
fn build_status(
    agent: &Agent,
    current: Option<&AgentStatus>,
    accepted: &Accepted,
    deployment: Option<&Deployment>,
    now: Time,
) -> AgentStatus {
    let mut status = current.cloned().unwrap_or_default();
    status.observed_generation = agent.metadata.generation;
    let mut conditions = status.conditions.take().unwrap_or_default();
    let condition = |type_: &str, status: &str, reason: &str, message: String| Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        observed_generation: agent.metadata.generation,
        last_transition_time: now.clone(),
    };
    set_condition(
        &mut conditions,
        match accepted {
            Accepted::Yes => condition(
                ACCEPTED,
                "True",
                "Reconciled",
                "Agent configuration accepted".to_owned(),
            ),
            Accepted::No(message) => condition(ACCEPTED, "False", "ReconcileFailed", message.clone()),
        },
    );
    match unsupported_features(agent) {
        Some(message) => {
            set_condition(
                &mut conditions,
                condition(UNSUPPORTED, "True", "UnsupportedFeatures", message),
            );
        }
        None => {
            remove_condition(&mut conditions, UNSUPPORTED);
        }
    }
    let (ready, reason, message) = readiness(agent, deployment);
    set_condition(&mut conditions, condition(READY, ready, reason, message));
    status.conditions = Some(conditions);
    status
}

fn readiness(agent: &Agent, deployment: Option<&Deployment>) -> (&'static str, &'static str, String) {
    let Some(deployment) = deployment else {
        let (_, name) = name_of(agent);
        let message = format!("Deployment.apps {name:?} not found");
        return ("Unknown", "DeploymentNotFound", message);
    };
    let wanted = deployment.spec.replicas.unwrap_or(1);
    let status = deployment.status.as_ref();
    let available = status.and_then(|status| status.available_replicas).unwrap_or_default();
    if available >= wanted {
        return ("True", "DeploymentReady", "Deployment is ready".to_owned());
    }
    let mut message = format!("Deployment is not ready, {available}/{wanted} pods are ready");
    // Why nothing moves is said by the Deployment's own conditions.
    for condition in status
        .and_then(|status| status.conditions.as_ref())
        .into_iter()
        .flatten()
    {
        let stuck = match condition.type_.as_deref() {
            Some("Progressing") => condition.status.as_deref() == Some("False"),
            Some("ReplicaFailure") => condition.status.as_deref() == Some("True"),
            _ => false,
        };
        if let (true, Some(reason)) = (stuck, condition.message.as_ref()) {
            message = format!("{message}: {reason}");
        }
    }
    ("False", "DeploymentNotReady", message)
}

/// What the Go runtime cannot do. A warning, not a failure.
fn unsupported_features(agent: &Agent) -> Option<String> {
    let declarative = agent.spec.declarative.as_ref()?;
    if agent.spec.agent_type() != AgentType::Declarative || declarative.runtime() != DeclarativeRuntime::Go {
        return None;
    }
    let mut features = Vec::new();
    if declarative.execute_code_blocks == Some(true) {
        features.push("code execution (executeCodeBlocks is deprecated)");
    }
    if declarative
        .context
        .as_ref()
        .is_some_and(|context| context.compaction.is_some())
    {
        features.push("context compaction");
    }
    (!features.is_empty()).then(|| {
        format!(
            "The following features are not supported in Go runtime and will be ignored: {}. \
             Consider using runtime: python or removing these configurations.",
            features.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{api::apps::v1::DeploymentStatus, jiff::Timestamp};

    use super::*;

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).expect("time"))
    }

    fn mk_agent() -> Agent {
        let mut agent = Agent::default();
        agent.metadata.name = Some("web".to_owned());
        agent.metadata.namespace = Some("team".to_owned());
        agent.metadata.generation = Some(3);
        agent
    }

    fn mk_deployment(available: i32) -> Deployment {
        let mut deployment = Deployment::default();
        deployment.spec.replicas = Some(1);
        deployment.status = Some(DeploymentStatus {
            available_replicas: Some(available),
            ..DeploymentStatus::default()
        });
        deployment
    }

    fn summarize(status: &AgentStatus) -> Vec<(String, String, String, String)> {
        let conditions = status.conditions.iter().flatten();
        conditions
            .map(|it| {
                (
                    it.type_.clone(),
                    it.status.clone(),
                    it.reason.clone(),
                    it.message.clone(),
                )
            })
            .collect()
    }

    #[test]
    fn accepted_and_ready_are_told_in_one_pass() {
        let status = build_status(&mk_agent(), None, &Accepted::Yes, Some(&mk_deployment(0)), at(1));
        let expect = |type_: &str, status: &str, reason: &str, message: &str| {
            (
                type_.to_owned(),
                status.to_owned(),
                reason.to_owned(),
                message.to_owned(),
            )
        };
        assert_eq!(
            summarize(&status),
            [
                expect("Accepted", "True", "Reconciled", "Agent configuration accepted"),
                expect(
                    "Ready",
                    "False",
                    "DeploymentNotReady",
                    "Deployment is not ready, 0/1 pods are ready"
                ),
            ]
        );
        assert_eq!(status.observed_generation, Some(3));
    }

    #[test]
    fn the_same_state_later_is_the_same_status() {
        let build = |current: Option<&AgentStatus>, second| {
            build_status(
                &mk_agent(),
                current,
                &Accepted::Yes,
                Some(&mk_deployment(1)),
                at(second),
            )
        };
        let first = build(None, 1);
        assert_eq!(build(Some(&first), 2), first);
    }

    #[test]
    fn a_refused_agent_says_whether_it_still_runs() {
        let refused = || Accepted::No("no model".to_owned());
        let running = build_status(&mk_agent(), None, &refused(), Some(&mk_deployment(1)), at(1));
        let absent = build_status(&mk_agent(), None, &refused(), None, at(1));
        assert_eq!(summarize(&running)[1].1, "True");
        assert_eq!(summarize(&absent)[1].2, "DeploymentNotFound");
        assert_eq!(summarize(&absent)[0].3, "no model");
    }
}
