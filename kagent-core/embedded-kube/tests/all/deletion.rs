//! Deletion: finalizers, preconditions, owners and dependents, namespaces, definitions.

use embedded_kube::EmbeddedKube;
use futures::TryStreamExt;
use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions, WatchEvent, WatchParams},
};
use serde_json::json;

use crate::support::{config_map, config_maps, refusal, secrets, server, widget, widget_crd, widgets};

fn owned_by(name: &str, owner: &ConfigMap, block: bool) -> ConfigMap {
    let mut object = config_map(name, &[]);
    object.metadata.owner_references = Some(vec![
        serde_json::from_value(
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": owner.name_any(), "uid": owner.uid(),
            "controller": true, "blockOwnerDeletion": block }),
        )
        .expect("an owner"),
    ]);
    object
}

#[tokio::test]
async fn a_finalizer_keeps_the_object_until_it_is_taken_off() {
    let api = config_maps(&server().client());
    let mut new = config_map("a", &[]);
    new.metadata.finalizers = Some(vec!["test/hold".to_owned()]);
    api.create(&PostParams::default(), &new).await.expect("created");
    let waiting = api
        .delete("a", &DeleteParams::default())
        .await
        .expect("deleted")
        .left()
        .expect("the object");
    assert!(waiting.metadata.deletion_timestamp.is_some());
    let add = Patch::Merge(json!({ "metadata": { "finalizers": ["test/hold", "test/more"] } }));
    let status = refusal(api.patch("a", &PatchParams::default(), &add).await);
    assert_eq!(
        status.message,
        "ConfigMap \"a\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"test/more\"}"
    );
    api.patch(
        "a",
        &PatchParams::default(),
        &Patch::Merge(json!({ "metadata": { "finalizers": null } })),
    )
    .await
    .expect("released");
    assert_eq!(refusal(api.get("a").await).code, 404);
}

#[tokio::test]
async fn dependents_go_with_their_last_owner() {
    let client = server().client();
    let api = config_maps(&client);
    let one = api
        .create(&PostParams::default(), &config_map("one", &[]))
        .await
        .expect("created");
    let two = api
        .create(&PostParams::default(), &config_map("two", &[]))
        .await
        .expect("created");
    let child = api
        .create(&PostParams::default(), &owned_by("child", &one, true))
        .await
        .expect("created");
    api.create(&PostParams::default(), &owned_by("grandchild", &child, true))
        .await
        .expect("created");
    let mut shared = owned_by("shared", &one, true);
    let mut second = owned_by("x", &two, true)
        .metadata
        .owner_references
        .expect("owners")
        .remove(0);
    second.controller = None;
    shared.metadata.owner_references.as_mut().expect("owners").push(second);
    api.create(&PostParams::default(), &shared).await.expect("created");

    let gone = api
        .delete("one", &DeleteParams::default())
        .await
        .expect("deleted")
        .right()
        .expect("a status");
    assert!(gone.is_success());
    let left: Vec<String> = api
        .list(&ListParams::default())
        .await
        .expect("listed")
        .items
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(left, ["shared", "two"]);
    assert_eq!(api.get("shared").await.expect("read").owner_references().len(), 1);
    api.delete("two", &DeleteParams::default()).await.expect("deleted");
    assert!(api.list(&ListParams::default()).await.expect("listed").items.is_empty());
}

#[tokio::test]
async fn orphaned_dependents_stay_and_foreground_waits_for_them() {
    let api = config_maps(&server().client());
    let owner = api
        .create(&PostParams::default(), &config_map("owner", &[]))
        .await
        .expect("created");
    api.create(&PostParams::default(), &owned_by("child", &owner, true))
        .await
        .expect("created");
    api.delete("owner", &DeleteParams::orphan()).await.expect("deleted");
    assert!(api.get("child").await.expect("it stays").owner_references().is_empty());

    let owner = api
        .create(&PostParams::default(), &config_map("owner", &[]))
        .await
        .expect("created");
    let mut held = owned_by("held", &owner, true);
    held.metadata.finalizers = Some(vec!["test/hold".to_owned()]);
    api.create(&PostParams::default(), &held).await.expect("created");
    api.delete("owner", &DeleteParams::foreground())
        .await
        .expect("deleted")
        .left()
        .expect("it waits");
    assert!(
        api.get("held")
            .await
            .expect("it waits")
            .metadata
            .deletion_timestamp
            .is_some()
    );
    api.patch(
        "held",
        &PatchParams::default(),
        &Patch::Merge(json!({ "metadata": { "finalizers": null } })),
    )
    .await
    .expect("released");
    assert_eq!(refusal(api.get("owner").await).code, 404);
}

#[tokio::test]
async fn an_object_whose_owner_is_gone_is_collected_unless_collection_is_off() {
    for on in [true, false] {
        let server = EmbeddedKube::builder()
            .garbage_collection(on)
            .build()
            .expect("a server");
        let api = config_maps(&server.client());
        let owner = api
            .create(&PostParams::default(), &config_map("owner", &[]))
            .await
            .expect("created");
        api.delete("owner", &DeleteParams::default()).await.expect("deleted");
        api.create(&PostParams::default(), &owned_by("late", &owner, true))
            .await
            .expect("created");
        assert_eq!(api.get("late").await.is_ok(), !on);
    }
}

#[tokio::test]
async fn preconditions_protect_from_deleting_another_object() {
    let api = config_maps(&server().client());
    let object = api
        .create(&PostParams::default(), &config_map("a", &[]))
        .await
        .expect("created");
    let wrong = DeleteParams::default().preconditions(Preconditions {
        uid: Some("other".to_owned()),
        resource_version: None,
    });
    let status = refusal(api.delete("a", &wrong).await);
    assert_eq!(status.code, 409);
    assert!(
        status
            .message
            .contains("the UID in the precondition (other) does not match the UID in record ("),
        "{}",
        status.message
    );
    let right = DeleteParams::default().preconditions(Preconditions {
        uid: object.uid(),
        resource_version: object.resource_version(),
    });
    api.delete("a", &right).await.expect("deleted");
}

#[tokio::test]
async fn a_collection_is_deleted_by_selector() {
    let api = config_maps(&server().client());
    for name in ["a", "b"] {
        api.create(&PostParams::default(), &config_map(name, &[]))
            .await
            .expect("created");
    }
    let mut other = config_map("c", &[]);
    other.metadata.labels = None;
    api.create(&PostParams::default(), &other).await.expect("created");
    api.delete_collection(&DeleteParams::default(), &ListParams::default().labels("test=yes"))
        .await
        .expect("deleted");
    let left: Vec<String> = api
        .list(&ListParams::default())
        .await
        .expect("listed")
        .items
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(left, ["c"]);
}

#[tokio::test]
async fn a_namespace_goes_with_its_contents_and_waits_for_finalizers() {
    let client = EmbeddedKube::builder()
        .namespace("n")
        .build()
        .expect("a server")
        .client();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let inside: Api<ConfigMap> = Api::namespaced(client.clone(), "n");
    let mut held = config_map("held", &[]);
    held.metadata.finalizers = Some(vec!["test/hold".to_owned()]);
    inside.create(&PostParams::default(), &held).await.expect("created");
    inside
        .create(&PostParams::default(), &config_map("free", &[]))
        .await
        .expect("created");
    namespaces.delete("n", &DeleteParams::default()).await.expect("deleted");
    assert_eq!(
        namespaces
            .get("n")
            .await
            .expect("it waits")
            .status
            .expect("status")
            .phase
            .as_deref(),
        Some("Terminating")
    );
    let status = refusal(inside.create(&PostParams::default(), &config_map("new", &[])).await);
    assert_eq!(
        (status.code, status.message.as_str()),
        (
            403,
            "configmaps \"new\" is forbidden: unable to create new content in namespace n because it is being terminated"
        )
    );
    inside
        .patch(
            "held",
            &PatchParams::default(),
            &Patch::Merge(json!({ "metadata": { "finalizers": null } })),
        )
        .await
        .expect("released");
    assert_eq!(refusal(namespaces.get("n").await).code, 404);
    assert_eq!(
        refusal(namespaces.delete("default", &DeleteParams::default()).await).code,
        403
    );
}

#[tokio::test]
async fn a_definition_takes_its_objects_along() {
    let server = server();
    server.install_crds(vec![widget_crd()]).expect("installed");
    let client = server.client();
    let widget = widgets(&client)
        .create(&PostParams::default(), &widget("w", json!({ "color": "red" })))
        .await
        .expect("created");
    let secret = json!({ "metadata": { "name": "s", "ownerReferences": [
        { "apiVersion": "example.com/v1", "kind": "Widget", "name": "w", "uid": widget.uid() }] } });
    secrets(&client)
        .create(
            &PostParams::default(),
            &serde_json::from_value(secret).expect("a secret"),
        )
        .await
        .expect("created");
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions
        .delete("widgets.example.com", &DeleteParams::default())
        .await
        .expect("deleted");
    assert_eq!(refusal(widgets(&client).list(&ListParams::default()).await).code, 404);
    assert_eq!(
        refusal(secrets(&client).get("s").await).code,
        404,
        "what the object owned is gone too"
    );
    server.install_crds(vec![widget_crd()]).expect("installed again");
    assert!(
        widgets(&client)
            .list(&ListParams::default())
            .await
            .expect("listed")
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn watches_of_a_kind_see_its_objects_go_and_end_with_its_definition() {
    let server = server();
    server.install_crds(vec![widget_crd()]).expect("installed");
    let client = server.client();
    let api = widgets(&client);
    api.create(&PostParams::default(), &widget("w", json!({ "color": "red" })))
        .await
        .expect("created");
    let events = api.watch(&WatchParams::default(), "0").await.expect("watching");
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions
        .delete("widgets.example.com", &DeleteParams::default())
        .await
        .expect("deleted");
    let events = tokio::time::timeout(std::time::Duration::from_secs(10), events.try_collect::<Vec<_>>());
    let events = events.await.expect("the watch ends").expect("no error");
    assert!(
        matches!(events.as_slice(), [WatchEvent::Added(_), WatchEvent::Deleted(_)]),
        "{events:?}"
    );
}
