//! Objects that the Go controller wrote are adopted as they are: nothing but ownership is written, and only once.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Secret, Service, ServiceAccount},
};
use kagent_core::{
    api::v1alpha2::{Agent, ModelConfig},
    leader::Leadership,
    translate::{
        hash::{config_hash, from_hex},
        keep::KEPT_HASH_ANNOTATION,
        manifest::CONFIG_HASH_ANNOTATION,
    },
};
use kube::{
    Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::world::{World, settle};

/// What the Go controller's writes are known by.
const OTHER: &str = "manager";

impl World {
    /// Writes the object anew the way a program does that knows no server-side apply.
    async fn rewrite<K>(&self, name: &str, change: impl Fn(&mut Value))
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + std::fmt::Debug + Serialize + DeserializeOwned,
    {
        let api = self.api::<K>();
        let live = api.get(name).await.expect("object");
        let mut value = serde_json::to_value(&live).expect("JSON");
        let metadata = value["metadata"].as_object_mut().expect("metadata");
        for field in [
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "managedFields",
            "generation",
        ] {
            metadata.remove(field);
        }
        change(&mut value);
        api.delete(name, &DeleteParams::default()).await.expect("deleted");
        let parameters = PostParams {
            field_manager: Some(OTHER.to_owned()),
            ..PostParams::default()
        };
        let object: K = serde_json::from_value(value).expect("object");
        api.create(&parameters, &object).await.expect("created");
    }

    /// Has the agent `web` rendered, and then all its objects written by somebody else.
    async fn adopt(&self, change: impl Fn(&mut Value)) {
        self.wait_for_condition("web", "Ready", "DeploymentNotReady").await;
        settle().await;
        self.leader.set(Leadership::Follower);
        settle().await;
        self.rewrite::<Secret>("web", |_| {}).await;
        self.rewrite::<ServiceAccount>("web", |_| {}).await;
        self.rewrite::<Service>("web", |_| {}).await;
        self.rewrite::<Deployment>("web", change).await;
    }

    async fn lead_again(&self) {
        self.leader.set(Leadership::Follower);
        settle().await;
        self.leader.set(Leadership::Leader);
        settle().await;
        settle().await;
    }

    async fn deployment(&self) -> Deployment {
        self.api::<Deployment>().get("web").await.expect("Deployment")
    }
}

/// Managers that applied, and managers that updated.
fn managers(object: &impl Resource, operation: &str) -> Vec<String> {
    let entries = object.meta().managed_fields.iter().flatten();
    entries
        .filter(|entry| entry.operation.as_deref() == Some(operation))
        .filter_map(|entry| entry.manager.clone())
        .collect()
}

fn hash_of(deployment: &Deployment) -> String {
    let metadata = deployment.spec.template.metadata.clone().unwrap_or_default();
    metadata.annotations.unwrap_or_default()[CONFIG_HASH_ANNOTATION].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_the_go_controller_are_adopted_without_a_change() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world.create_agent("web").await;
    // What it left behind on the pods stays: removing it would restart them.
    world
        .adopt(|deployment| {
            deployment["spec"]["template"]["metadata"]["labels"]["team"] = json!("blue");
            deployment["spec"]["replicas"] = json!(3);
        })
        .await;
    let before = world.deployment().await;
    assert_eq!(managers(&before, "Update"), [OTHER]);

    world.lead_again().await;
    let after = world.deployment().await;
    assert_eq!(
        after.metadata.generation, before.metadata.generation,
        "the pods would roll"
    );
    assert_eq!(after.spec, before.spec);
    assert_eq!(managers(&after, "Update"), Vec::<String>::new());
    assert_eq!(managers(&after, "Apply"), ["kagent-controller"]);
    let secret = world.api::<Secret>().get("web").await.expect("Secret");
    assert_eq!(managers(&secret, "Update"), Vec::<String>::new());

    let versions = world.versions("web").await;
    world.lead_again().await;
    assert_eq!(world.versions("web").await, versions, "a second start wrote something");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_rendered_any_more_goes_and_replicas_stay() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world.create_agent("web").await;
    world.wait_for_condition("web", "Accepted", "Reconciled").await;
    let agents = world.api::<Agent>();
    let patch = |deployment: Value| Patch::Merge(json!({"spec": {"declarative": {"deployment": deployment}}}));
    let set = patch(json!({"replicas": 3, "labels": {"team": "blue"}}));
    agents
        .patch("web", &PatchParams::default(), &set)
        .await
        .expect("patched");
    let has_label = |deployment: &Deployment| {
        let labels = deployment
            .spec
            .template
            .metadata
            .as_ref()
            .and_then(|it| it.labels.as_ref());
        labels.is_some_and(|labels| labels.contains_key("team"))
    };
    world
        .wait_for::<Deployment>("web", "the label", |it| it.is_some_and(has_label))
        .await;
    assert_eq!(world.deployment().await.spec.replicas, Some(3));
    agents
        .patch("web", &PatchParams::default(), &patch(Value::Null))
        .await
        .expect("patched");
    let after = world
        .wait_for::<Deployment>("web", "no label", |it| it.is_some_and(|it| !has_label(it)))
        .await
        .expect("Deployment");
    assert_eq!(after.spec.replicas, Some(3), "the replicas were reset");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_was_computed_too_early_is_left_alone_until_a_secret_changes() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world
        .create::<Secret>(json!({"metadata": {"name": "other-key"}, "stringData": {"token": "fake-key-2"}}))
        .await;
    world
        .create::<ModelConfig>(json!({
            "metadata": {"name": "embedding"},
            "spec": {
                "provider": "OpenAI", "model": "embed", "apiKeySecret": "other-key", "apiKeySecretKey": "token",
            },
        }))
        .await;
    world
        .create::<Agent>(json!({
            "metadata": {"name": "web"},
            "spec": {
                "type": "Declarative",
                "declarative": {
                    "modelConfig": "main", "systemMessage": "You help.", "memory": {"modelConfig": "embedding"},
                },
            },
        }))
        .await;
    world.wait_for_condition("web", "Ready", "DeploymentNotReady").await;
    let main = world
        .wait_for::<ModelConfig>("main", "hash", |it| {
            it.is_some_and(|it| it.status.as_ref().is_some_and(|status| status.secret_hash.is_some()))
        })
        .await
        .and_then(|config| config.status)
        .and_then(|status| status.secret_hash)
        .expect("hash");
    let data = world
        .api::<Secret>()
        .get("web")
        .await
        .expect("Secret")
        .data
        .expect("data");
    let main = from_hex(&main).expect("hex");
    let early = config_hash(&[&data["config.json"].0, &data["agent-card.json"].0, &main]);
    let whole = hash_of(&world.deployment().await);
    assert_ne!(early, whole);
    world
        .adopt(|deployment| {
            deployment["spec"]["template"]["metadata"]["annotations"][CONFIG_HASH_ANNOTATION] = json!(early);
        })
        .await;
    let before = world.deployment().await;
    for _ in 0..2 {
        world.lead_again().await;
        let after = world.deployment().await;
        assert_eq!(hash_of(&after), early);
        assert_eq!(
            after.metadata.generation, before.metadata.generation,
            "the pods would roll"
        );
        assert_eq!(after.annotations().get(KEPT_HASH_ANNOTATION), Some(&whole));
    }

    let patch = json!({"stringData": {"token": "another-key"}});
    let secrets = world.api::<Secret>();
    secrets
        .patch("other-key", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .expect("patched");
    let rolled = world
        .wait_for::<Deployment>("web", "another hash", |it| it.is_some_and(|it| hash_of(it) != early))
        .await
        .expect("Deployment");
    assert_ne!(hash_of(&rolled), whole);
    assert_eq!(rolled.annotations().get(KEPT_HASH_ANNOTATION), None);
    world.stop().await;
}
