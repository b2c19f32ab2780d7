//! What a leader makes of Agents, what it leaves alone, and that a follower writes nothing.

use std::time::Duration;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Secret, Service, ServiceAccount},
};
use kagent_core::{
    api::v1alpha2::{Agent, ModelConfig},
    ident::AgentRef,
    leader::Leadership,
    registry::RouteRegistry,
    store::AgentStore,
};
use kube::{
    ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use crate::world::{NAMESPACE, World, settle};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_becomes_objects_a_row_a_route_and_conditions() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world.create_agent("web").await;
    world.wait_for_condition("web", "Accepted", "Reconciled").await;
    let message = world.wait_for_condition("web", "Ready", "DeploymentNotReady").await;
    assert_eq!(message, "Deployment is not ready, 0/1 pods are ready");

    let secret = world.api::<Secret>().get("web").await.expect("Secret");
    let config = &secret.data.expect("data")["config.json"];
    assert_eq!(
        String::from_utf8_lossy(&config.0),
        r#"{"model":{"type":"openai","model":"gpt-4o-mini","base_url":""},"description":"Helps.","instruction":"You help.","stream":false}"#
    );
    let versions = world.versions("web").await;
    assert!(versions.values().all(Option::is_some), "{versions:?}");
    let row = world
        .store
        .find_agent("team__NS__web")
        .await
        .expect("store")
        .expect("row");
    assert_eq!(
        (row.agent_type.as_str(), row.workload_type.as_str()),
        ("Declarative", "deployment")
    );
    assert!(world.routes.find_route(&AgentRef::new(NAMESPACE, "web")).is_some());
    world
        .wait_for::<ModelConfig>("main", "model status", |it| {
            let status = it.and_then(|it| it.status.as_ref());
            status.is_some_and(|status| status.secret_hash.as_ref().is_some_and(|hash| hash.len() == 64))
        })
        .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_follows_the_deployment() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world.create_agent("web").await;
    world.wait_for_condition("web", "Ready", "DeploymentNotReady").await;
    let status = json!({"status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1}});
    let api = world.api::<Deployment>();
    api.patch_status("web", &PatchParams::default(), &Patch::Merge(status))
        .await
        .expect("status");
    world.wait_for_condition("web", "Ready", "DeploymentReady").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_agent_is_not_written_again() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world.create_agent("web").await;
    world.wait_for_condition("web", "Ready", "DeploymentNotReady").await;
    settle().await;
    let before = world.versions("web").await;
    // A new leader looks at everything.
    world.leader.set(Leadership::Follower);
    settle().await;
    world.leader.set(Leadership::Leader);
    // An annotation that renders nothing is one more pass.
    settle().await;
    assert_eq!(world.versions("web").await, before);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_has_routes_and_writes_nothing() {
    let world = World::start(Leadership::Follower).await;
    world.create_model().await;
    let agent = world.create_agent("web").await;
    settle().await;
    assert!(world.routes.find_route(&AgentRef::new(NAMESPACE, "web")).is_some());
    let versions = world.versions("web").await;
    assert_eq!(versions["Agent"], agent.resource_version());
    assert_eq!(
        versions.values().filter(|version| version.is_some()).count(),
        1,
        "{versions:?}"
    );
    assert!(world.store.list_agents().await.expect("store").is_empty());

    world.leader.set(Leadership::Leader);
    world.wait_for_condition("web", "Accepted", "Reconciled").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_others_are_not_overwritten() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world
        .create::<Secret>(json!({"metadata": {"name": "web"}, "stringData": {"precious": "data"}}))
        .await;
    world.create_agent("web").await;
    let message = world.wait_for_condition("web", "Accepted", "ReconcileFailed").await;
    assert!(
        message.contains("Secret team/web exists and does not belong to Agent team/web"),
        "{message}"
    );
    let secret = world.api::<Secret>().get("web").await.expect("Secret");
    assert_eq!(secret.data.expect("data").keys().collect::<Vec<_>>(), ["precious"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named_and_found_when_it_comes() {
    let world = World::start(Leadership::Leader).await;
    world.create_agent("web").await;
    let message = world.wait_for_condition("web", "Accepted", "ReconcileFailed").await;
    assert_eq!(
        message,
        r#"failed to compile agent team/web: ModelConfig.kagent.dev "main" not found"#
    );
    world.create_model().await;
    world.wait_for_condition("web", "Accepted", "Reconciled").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_rolls_the_pods() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world.create_agent("web").await;
    world.wait_for_condition("web", "Accepted", "Reconciled").await;
    let hash = |deployment: &Deployment| {
        let metadata = deployment.spec.template.metadata.clone().unwrap_or_default();
        metadata
            .annotations
            .unwrap_or_default()
            .remove("kagent.dev/config-hash")
    };
    let before = hash(&world.api::<Deployment>().get("web").await.expect("Deployment"));
    let patch = json!({"stringData": {"token": "another-key"}});
    let api = world.api::<Secret>();
    api.patch("key", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .expect("patched");
    world
        .wait_for::<Deployment>("web", "another hash", |it| it.is_some_and(|it| hash(it) != before))
        .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_objects_come_back_and_a_deleted_agent_takes_all_along() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world.create_agent("web").await;
    world.wait_for_condition("web", "Ready", "DeploymentNotReady").await;
    world
        .api::<Service>()
        .delete("web", &DeleteParams::default())
        .await
        .expect("deleted");
    world
        .wait_for::<Service>("web", "the Service's return", |it| it.is_some())
        .await;

    world
        .api::<Agent>()
        .delete("web", &DeleteParams::default())
        .await
        .expect("deleted");
    world
        .wait_for::<Deployment>("web", "garbage collection", |it| it.is_none())
        .await;
    for _ in 0..400 {
        let row = world.store.find_agent("team__NS__web").await.expect("store");
        if row.is_none() && world.routes.find_route(&AgentRef::new(NAMESPACE, "web")).is_none() {
            world.stop().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("row or route stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_not_needed_any_more_is_deleted() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world.create_agent("web").await;
    world.wait_for_condition("web", "Accepted", "Reconciled").await;
    world
        .wait_for::<ServiceAccount>("web", "ServiceAccount", |it| it.is_some())
        .await;
    let patch = json!({"spec": {"declarative": {"deployment": {"serviceAccountName": "other"}}}});
    let api = world.api::<Agent>();
    api.patch("web", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .expect("patched");
    world
        .wait_for::<ServiceAccount>("web", "deletion", |it| it.is_none())
        .await;
    let deployment = world.api::<Deployment>().get("web").await.expect("Deployment");
    let pod = deployment.spec.template.spec.expect("pod");
    assert_eq!(pod.service_account_name.as_deref(), Some("other"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_made_again_at_once_has_its_row_again() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world.create_agent("web").await;
    for round in 0..20 {
        wait_for_row(&world, round).await;
        // As the REST API deletes: the object, and its row without waiting for the leader. The cache may never show that
        // the agent was away.
        let api = world.api::<Agent>();
        api.delete("web", &DeleteParams::default()).await.expect("deleted");
        world.store.delete_agent("team__NS__web").await.expect("store");
        world.create_agent("web").await;
    }
    wait_for_row(&world, 20).await;
    world.stop().await;
}

async fn wait_for_row(world: &World, round: usize) {
    for _ in 0..200 {
        if world.store.find_agent("team__NS__web").await.expect("store").is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no row in round {round}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_variables_of_one_name_are_kept_in_order() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world
        .create::<Agent>(json!({
            "metadata": {"name": "web"},
            "spec": {"type": "Declarative", "declarative": {
                "modelConfig": "main", "systemMessage": "You help.",
                "deployment": {"env": [{"name": "OPENAI_API_KEY", "value": "mine"}]},
            }},
        }))
        .await;
    world.wait_for_condition("web", "Accepted", "Reconciled").await;
    settle().await;
    let deployment = world.api::<Deployment>().get("web").await.expect("Deployment");
    let pod = deployment.spec.template.spec.clone().expect("pod");
    let keys = pod.containers[0]
        .env
        .iter()
        .flatten()
        .filter(|it| it.name == "OPENAI_API_KEY");
    assert_eq!(keys.count(), 2);
    // A new leader writes nothing.
    let versions = world.versions("web").await;
    world.leader.set(Leadership::Follower);
    settle().await;
    world.leader.set(Leadership::Leader);
    settle().await;
    assert_eq!(world.versions("web").await, versions);
    world.stop().await;
}
