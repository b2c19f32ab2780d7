//! Server-side apply: owners, conflicts, force, removal of what is no longer declared.

use k8s_openapi::api::{apps::v1::Deployment, core::v1::ConfigMap};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::support::{config_map, config_maps, refusal, server, widget, widget_crd, widgets};

fn data(pairs: Value) -> Patch<Value> {
    Patch::Apply(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": pairs }))
}

fn owners(object: &ConfigMap) -> Vec<(String, String, Value)> {
    let entries = object.metadata.managed_fields.clone().unwrap_or_default();
    entries
        .into_iter()
        .map(|entry| {
            (
                entry.manager.unwrap_or_default(),
                entry.operation.unwrap_or_default(),
                entry.fields_v1.map(|fields| fields.0).unwrap_or_default(),
            )
        })
        .collect()
}

#[tokio::test]
async fn an_apply_creates_and_then_removes_what_it_drops() {
    let api = config_maps(&server().client());
    let params = PatchParams::apply("one");
    let created = api
        .patch("a", &params, &data(json!({ "x": "1", "y": "1" })))
        .await
        .expect("created");
    assert_eq!(
        owners(&created),
        [(
            "one".to_owned(),
            "Apply".to_owned(),
            json!({ "f:data": { "f:x": {}, "f:y": {} } })
        )]
    );
    let patched = api
        .patch("a", &params, &data(json!({ "x": "1" })))
        .await
        .expect("applied");
    assert_eq!(patched.data.expect("data").keys().collect::<Vec<_>>(), ["x"]);
}

#[tokio::test]
async fn repeating_an_apply_changes_nothing() {
    let api = config_maps(&server().client());
    let params = PatchParams::apply("one");
    let first = api
        .patch("a", &params, &data(json!({ "x": "1" })))
        .await
        .expect("created");
    let second = api
        .patch("a", &params, &data(json!({ "x": "1" })))
        .await
        .expect("applied");
    assert_eq!(first.resource_version(), second.resource_version());
}

#[tokio::test]
async fn a_foreign_value_is_a_conflict_until_forced() {
    let api = config_maps(&server().client());
    api.patch("a", &PatchParams::apply("one"), &data(json!({ "x": "1", "y": "1" })))
        .await
        .expect("created");
    let status = refusal(
        api.patch("a", &PatchParams::apply("two"), &data(json!({ "x": "2" })))
            .await,
    );
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert_eq!(
        status.message,
        "Apply failed with 1 conflict: conflict with \"one\": .data.x"
    );
    let cause = &status.details.expect("details").causes[0];
    assert_eq!(
        (cause.reason.as_str(), cause.message.as_str(), cause.field.as_str()),
        ("FieldManagerConflict", "conflict with \"one\"", ".data.x")
    );
    let status = refusal(
        api.patch("a", &PatchParams::apply("two"), &data(json!({ "x": "2", "y": "2" })))
            .await,
    );
    assert_eq!(
        status.message,
        "Apply failed with 2 conflicts: conflicts with \"one\":\n- .data.x\n- .data.y"
    );

    let forced = api
        .patch("a", &PatchParams::apply("two").force(), &data(json!({ "x": "2" })))
        .await
        .expect("forced");
    assert_eq!(forced.data.as_ref().expect("data")["x"], "2");
    assert_eq!(
        owners(&forced),
        [
            ("one".to_owned(), "Apply".to_owned(), json!({ "f:data": { "f:y": {} } })),
            ("two".to_owned(), "Apply".to_owned(), json!({ "f:data": { "f:x": {} } })),
        ]
    );
}

#[tokio::test]
async fn equal_values_are_owned_together_and_stay_for_the_other() {
    let api = config_maps(&server().client());
    api.patch("a", &PatchParams::apply("one"), &data(json!({ "x": "1" })))
        .await
        .expect("created");
    api.patch("a", &PatchParams::apply("two"), &data(json!({ "x": "1" })))
        .await
        .expect("shared");
    let left = api
        .patch("a", &PatchParams::apply("one"), &data(json!({})))
        .await
        .expect("given up");
    assert_eq!(left.data.expect("data")["x"], "1");
}

#[tokio::test]
async fn fields_owned_by_update_conflict_and_are_named_so() {
    let api = config_maps(&server().client());
    let params = PostParams {
        field_manager: Some("go".to_owned()),
        ..PostParams::default()
    };
    api.create(&params, &config_map("a", &[("x", "1")]))
        .await
        .expect("created");
    let status = refusal(
        api.patch("a", &PatchParams::apply("two"), &data(json!({ "x": "2" })))
            .await,
    );
    assert_eq!(
        status.message,
        "Apply failed with 1 conflict: conflict with \"go\" using v1: .data.x"
    );
}

#[tokio::test]
async fn managed_fields_can_be_taken_over_by_rewriting_them() {
    let api = config_maps(&server().client());
    let params = PostParams {
        field_manager: Some("go".to_owned()),
        ..PostParams::default()
    };
    let created = api
        .create(&params, &config_map("a", &[("x", "1"), ("y", "1")]))
        .await
        .expect("created");
    let mut entries = serde_json::to_value(created.metadata.managed_fields).expect("entries");
    entries[0]["manager"] = json!("rs");
    entries[0]["operation"] = json!("Apply");
    let patch: json_patch::Patch =
        serde_json::from_value(json!([{ "op": "replace", "path": "/metadata/managedFields", "value": entries }]))
            .expect("a patch");
    api.patch("a", &PatchParams::default(), &Patch::Json::<()>(patch))
        .await
        .expect("rewritten");
    let applied = api
        .patch("a", &PatchParams::apply("rs"), &data(json!({ "x": "1" })))
        .await
        .expect("applied");
    assert_eq!(
        applied.data.as_ref().expect("data").keys().collect::<Vec<_>>(),
        ["x"],
        "what is no longer rendered goes"
    );
    assert!(applied.labels().is_empty());
}

#[tokio::test]
async fn containers_env_and_ports_merge_by_their_keys() {
    let api: Api<Deployment> = Api::namespaced(server().client(), "default");
    let deployment = |containers: Value| {
        Patch::Apply(
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "d" }, "spec": {
            "selector": { "matchLabels": { "a": "b" } },
            "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": containers } } } }),
        )
    };
    let main = json!({ "name": "main", "image": "i:1", "env": [{ "name": "A", "value": "1" }], "ports": [{ "containerPort": 80 }] });
    api.patch("d", &PatchParams::apply("one"), &deployment(json!([main])))
        .await
        .expect("created");
    let side = json!([{ "name": "main", "env": [{ "name": "B", "value": "2" }] }, { "name": "side", "image": "s:1" }]);
    let both = api
        .patch("d", &PatchParams::apply("two"), &deployment(side))
        .await
        .expect("applied");
    let spec = both.spec.template.spec.expect("pod");
    assert_eq!(
        spec.containers
            .iter()
            .map(|container| container.name.as_str())
            .collect::<Vec<_>>(),
        ["main", "side"]
    );
    let env: Vec<String> = spec.containers[0]
        .env
        .clone()
        .unwrap_or_default()
        .into_iter()
        .map(|env| env.name)
        .collect();
    assert_eq!(env.len(), 2, "{env:?}");
    assert_eq!(spec.containers[0].image.as_deref(), Some("i:1"));
    let back = api
        .patch("d", &PatchParams::apply("two"), &deployment(json!([])))
        .await
        .expect("applied");
    let spec = back.spec.template.spec.expect("pod");
    assert_eq!(spec.containers.len(), 1);
    assert_eq!(spec.containers[0].env.as_ref().map(Vec::len), Some(1));
}

#[tokio::test]
async fn custom_kinds_merge_as_their_schema_says_and_status_is_owned_apart() {
    let server = server();
    server.install_crds(vec![widget_crd()]).expect("installed");
    let api = widgets(&server.client());
    let part = |name: &str, count: i64| {
        widget(
            "w",
            json!({ "color": "red", "parts": [{ "name": name, "count": count }] }),
        )
    };
    api.patch("w", &PatchParams::apply("one"), &Patch::Apply(part("a", 1)))
        .await
        .expect("created");
    let both = api
        .patch("w", &PatchParams::apply("two"), &Patch::Apply(part("b", 2)))
        .await
        .expect("applied");
    assert_eq!(
        both.data["spec"]["parts"],
        json!([{ "count": 1, "name": "a" }, { "count": 2, "name": "b" }])
    );
    let status = json!({ "apiVersion": "example.com/v1", "kind": "Widget", "status": { "phase": "Ready" } });
    let after = api
        .patch_status("w", &PatchParams::apply("one"), &Patch::Apply(status))
        .await
        .expect("applied");
    assert_eq!(after.data["status"]["phase"], "Ready");
    assert_eq!(
        after.data["spec"]["parts"], both.data["spec"]["parts"],
        "applying a status leaves the spec alone"
    );
    let entries = after.metadata.managed_fields.expect("entries");
    assert!(
        entries
            .iter()
            .any(|entry| entry.subresource.as_deref() == Some("status"))
    );
}

#[tokio::test]
async fn concurrent_writers_lose_nothing() {
    let api = config_maps(&server().client());
    api.create(&PostParams::default(), &config_map("a", &[]))
        .await
        .expect("created");
    let writers = (0..20).map(|index| {
        let api = api.clone();
        async move {
            let patch = Patch::Merge(json!({ "data": { format!("k{index}"): "v" } }));
            api.patch("a", &PatchParams::default(), &patch).await.expect("patched");
        }
    });
    futures::future::join_all(writers).await;
    assert_eq!(api.get("a").await.expect("read").data.expect("data").len(), 20);
}

#[tokio::test]
async fn applying_a_status_takes_no_owner_of_the_spec_away() {
    let server = server();
    server.install_crds(vec![widget_crd()]).expect("installed");
    let api = widgets(&server.client());
    api.patch(
        "w",
        &PatchParams::apply("spec-owner"),
        &Patch::Apply(widget("w", json!({ "color": "red" }))),
    )
    .await
    .expect("created");
    // The whole object is sent, with another spec and a label: only its status counts.
    let mut whole = widget("w", json!({ "color": "green" }));
    whole.metadata.labels = Some([("a".to_owned(), "b".to_owned())].into());
    whole.data["status"] = json!({ "phase": "Ready" });
    let after = api
        .patch_status("w", &PatchParams::apply("status-owner"), &Patch::Apply(whole))
        .await
        .expect("applied");
    assert_eq!(
        (&after.data["spec"]["color"], &after.data["status"]["phase"]),
        (&json!("red"), &json!("Ready"))
    );
    assert!(after.labels().is_empty());
    let gone = api
        .patch(
            "w",
            &PatchParams::apply("spec-owner"),
            &Patch::Apply(widget("w", json!({ "color": "red", "size": 4 }))),
        )
        .await
        .expect("applied");
    assert_eq!(gone.data["spec"]["size"], 4);
    let entries = gone.metadata.managed_fields.expect("entries");
    let spec_owner = entries
        .iter()
        .find(|entry| entry.manager.as_deref() == Some("spec-owner"))
        .expect("still an owner");
    assert_eq!(
        spec_owner.fields_v1.as_ref().expect("fields").0,
        json!({ "f:spec": { "f:color": {}, "f:size": {} } })
    );
}
