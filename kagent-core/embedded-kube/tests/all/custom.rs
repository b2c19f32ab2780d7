//! Custom kinds: definitions, schema, rules, versions, status.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::support::{refusal, server, widget, widget_crd, widget_kind, widgets};

#[tokio::test]
async fn status_and_spec_are_kept_apart_and_only_spec_counts_generations() {
    let server = server();
    server.install_crds(vec![widget_crd()]).expect("installed");
    let client = server.client();
    let api = widgets(&client);
    let mut new = widget("w", json!({ "color": "red" }));
    new.data["status"] = json!({ "phase": "Sent" });
    let created = api.create(&PostParams::default(), &new).await.expect("created");
    assert!(created.data.get("status").is_none(), "status is not taken on create");
    assert_eq!(created.data["spec"]["size"], 3, "the default is filled in");
    assert_eq!(created.metadata.generation, Some(1));

    let both = Patch::Merge(json!({ "spec": { "color": "green" }, "status": { "phase": "Ready" } }));
    let after = api
        .patch_status("w", &PatchParams::default(), &both)
        .await
        .expect("patched");
    assert_eq!(
        (&after.data["status"]["phase"], &after.data["spec"]["color"]),
        (&json!("Ready"), &json!("red"))
    );
    assert_eq!(after.metadata.generation, Some(1));
    let both = Patch::Merge(json!({ "spec": { "color": "green" }, "status": { "phase": "Gone" } }));
    let after = api.patch("w", &PatchParams::default(), &both).await.expect("patched");
    assert_eq!(
        (&after.data["status"]["phase"], &after.data["spec"]["color"]),
        (&json!("Ready"), &json!("green"))
    );
    assert_eq!(after.metadata.generation, Some(2));
    let label = Patch::Merge(json!({ "metadata": { "labels": { "a": "b" } } }));
    let after = api.patch("w", &PatchParams::default(), &label).await.expect("patched");
    assert_eq!(after.metadata.generation, Some(2));
}

#[tokio::test]
async fn schema_and_rules_are_enforced_with_all_causes() {
    let server = server();
    server.install_crds(vec![widget_crd()]).expect("installed");
    let client = server.client();
    let api = widgets(&client);
    let status = refusal(
        api.create(
            &PostParams::default(),
            &widget("w", json!({ "color": "blue", "size": 20 })),
        )
        .await,
    );
    assert_eq!(status.code, 422);
    assert_eq!(
        status.message,
        "Widget.example.com \"w\" is invalid: [spec.color: Unsupported value: \"blue\": supported values: \"red\", \"green\", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]"
    );
    let causes = status.details.expect("details").causes;
    assert_eq!(
        (causes.len(), causes[0].field.as_str(), causes[0].reason.as_str()),
        (2, "spec.color", "FieldValueNotSupported")
    );
    let status = refusal(
        api.create(
            &PostParams::default(),
            &widget("w", json!({ "color": "red", "size": 20 })),
        )
        .await,
    );
    assert_eq!(
        status.message,
        "Widget.example.com \"w\" is invalid: spec: Invalid value: size must be below 10"
    );
}

#[tokio::test]
async fn unknown_fields_are_pruned_or_refused_as_asked() {
    let server = server();
    server.install_crds(vec![widget_crd()]).expect("installed");
    let client = server.client();
    let api = widgets(&client);
    let sent = widget("w", json!({ "color": "red", "colour": "red" }));
    let created = api.create(&PostParams::default(), &sent).await.expect("created");
    assert!(created.data["spec"].get("colour").is_none());
    let strict = PatchParams::default().validation_strict();
    let status = refusal(
        api.patch("w", &strict, &Patch::Merge(json!({ "spec": { "colour": "x" } })))
            .await,
    );
    assert_eq!(status.code, 422);
    assert!(
        status
            .message
            .ends_with("strict decoding error: unknown field \"spec.colour\""),
        "{}",
        status.message
    );
}

#[tokio::test]
async fn another_served_version_shows_the_same_object() {
    let server = server();
    server.install_crds(vec![widget_crd()]).expect("installed");
    let client = server.client();
    widgets(&client)
        .create(&PostParams::default(), &widget("w", json!({ "color": "red" })))
        .await
        .expect("created");
    let beta: Api<kube::core::DynamicObject> = Api::namespaced_with(client, "default", &widget_kind("v1beta1"));
    let found = beta.get("w").await.expect("read");
    assert_eq!(found.types.expect("types").api_version, "example.com/v1beta1");
    assert_eq!(
        beta.list(&ListParams::default()).await.expect("listed").items[0]
            .types
            .as_ref()
            .expect("types")
            .api_version,
        "example.com/v1beta1"
    );
}

#[tokio::test]
async fn definitions_become_established_and_bad_ones_say_where() {
    let client = server().client();
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let created = api
        .create(&PostParams::default(), &widget_crd())
        .await
        .expect("created");
    let established = kube::runtime::conditions::is_crd_established();
    assert!(kube::runtime::wait::Condition::matches_object(
        &established,
        Some(&created)
    ));
    widgets(&client)
        .list(&ListParams::default())
        .await
        .expect("the kind is served");

    let mut bad = serde_json::to_value(widget_crd()).expect("a value");
    bad["metadata"]["name"] = json!("others.example.com");
    bad["spec"]["names"]["plural"] = json!("others");
    bad["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["x-kubernetes-validations"][0]["rule"] =
        json!("self.size <");
    let bad: CustomResourceDefinition = serde_json::from_value(bad).expect("a definition");
    let status = refusal(api.create(&PostParams::default(), &bad).await);
    assert_eq!(status.code, 422);
    assert!(
        status.message.contains("spec.versions[0].schema.openAPIV3Schema"),
        "{}",
        status.message
    );
}
