//! Create, read, list, replace, patch and status, through `kube`.

use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{ConfigMap, Namespace, Secret},
};
use kube::{
    Api, Discovery, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
    core::PartialObjectMeta,
};
use serde_json::json;

use crate::support::{config_map, config_maps, refusal, secrets, server, widget_crd};

#[tokio::test]
async fn an_object_is_created_read_replaced_and_listed() {
    let client = server().client();
    let api = config_maps(&client);
    let created = api
        .create(&PostParams::default(), &config_map("a", &[("k", "1")]))
        .await
        .expect("created");
    assert!(created.uid().is_some());
    assert!(created.creation_timestamp().is_some());
    assert_eq!(created.namespace().as_deref(), Some("default"));
    assert_eq!(created.metadata.generation, None, "ConfigMaps have no generation");

    let mut next = api.get("a").await.expect("read");
    assert_eq!(next, created);
    next.data = Some([("k".to_owned(), "2".to_owned())].into());
    let replaced = api.replace("a", &PostParams::default(), &next).await.expect("replaced");
    assert_eq!(replaced.uid(), created.uid());
    let versions = [&created, &replaced].map(|object| {
        object
            .resource_version()
            .expect("a version")
            .parse::<u64>()
            .expect("a number")
    });
    assert!(versions[1] > versions[0]);

    let listed = api
        .list(&ListParams::default().labels("test=yes"))
        .await
        .expect("listed");
    assert_eq!(listed.items.len(), 1);
    assert!(
        api.list(&ListParams::default().labels("test!=yes"))
            .await
            .expect("listed")
            .items
            .is_empty()
    );
    assert_eq!(
        api.list(&ListParams::default().fields("metadata.name=a"))
            .await
            .expect("listed")
            .items
            .len(),
        1
    );
    let everywhere: Api<ConfigMap> = Api::all(client);
    assert_eq!(
        everywhere
            .list(&ListParams::default())
            .await
            .expect("listed")
            .items
            .len(),
        1
    );
}

#[tokio::test]
async fn a_write_that_changes_nothing_keeps_the_version() {
    let client = server().client();
    let api = config_maps(&client);
    let created = api
        .create(&PostParams::default(), &config_map("a", &[("k", "1")]))
        .await
        .expect("created");
    let same = api
        .replace("a", &PostParams::default(), &created)
        .await
        .expect("replaced");
    assert_eq!(same.resource_version(), created.resource_version());
    let patch = Patch::Merge(json!({ "data": { "k": "1" } }));
    let same = api.patch("a", &PatchParams::default(), &patch).await.expect("patched");
    assert_eq!(same.resource_version(), created.resource_version());
}

#[tokio::test]
async fn json_merge_and_strategic_patches_change_a_secret() {
    let client = server().client();
    let api = secrets(&client);
    let secret: Secret =
        serde_json::from_value(json!({ "metadata": { "name": "s" }, "stringData": { "a": "1" } })).expect("a secret");
    let created = api.create(&PostParams::default(), &secret).await.expect("created");
    assert_eq!(created.data.expect("data")["a"].0, b"1");
    assert_eq!(created.type_.as_deref(), Some("Opaque"));

    let patch: json_patch::Patch =
        serde_json::from_value(json!([{ "op": "add", "path": "/metadata/labels", "value": { "x": "y" } }]))
            .expect("a patch");
    let patched = api
        .patch("s", &PatchParams::default(), &Patch::Json::<()>(patch))
        .await
        .expect("patched");
    assert_eq!(patched.labels()["x"], "y");
    let merged = api
        .patch(
            "s",
            &PatchParams::default(),
            &Patch::Merge(json!({ "metadata": { "labels": null } })),
        )
        .await
        .expect("patched");
    assert!(merged.labels().is_empty());
    let strategic = Patch::Strategic(json!({ "stringData": { "b": "2" } }));
    let patched = api
        .patch("s", &PatchParams::default(), &strategic)
        .await
        .expect("patched");
    assert_eq!(patched.data.expect("data").len(), 2);
}

#[tokio::test]
async fn pages_are_consistent_while_objects_change() {
    let client = server().client();
    let api = config_maps(&client);
    for name in ["a", "b", "c", "d"] {
        api.create(&PostParams::default(), &config_map(name, &[]))
            .await
            .expect("created");
    }
    let first = api.list(&ListParams::default().limit(2)).await.expect("listed");
    assert_eq!(
        first.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(first.metadata.remaining_item_count, Some(2));
    api.delete("c", &Default::default()).await.expect("deleted");
    api.create(&PostParams::default(), &config_map("e", &[]))
        .await
        .expect("created");
    let token = first.metadata.continue_.expect("a token");
    let rest = api
        .list(&ListParams::default().continue_token(&token))
        .await
        .expect("listed");
    assert_eq!(
        rest.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>(),
        ["c", "d"]
    );
}

#[tokio::test]
async fn a_dry_run_checks_and_stores_nothing() {
    let client = server().client();
    let api = config_maps(&client);
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    api.create(&dry, &config_map("a", &[])).await.expect("would be created");
    assert_eq!(refusal(api.get("a").await).code, 404);
    assert_eq!(refusal(api.create(&dry, &config_map("A", &[])).await).code, 422);
}

#[tokio::test]
async fn names_are_generated_from_a_prefix() {
    let client = server().client();
    let api = config_maps(&client);
    let mut new = config_map("x", &[]);
    new.metadata.name = None;
    new.metadata.generate_name = Some("job-".to_owned());
    let names = [
        api.create(&PostParams::default(), &new)
            .await
            .expect("created")
            .name_any(),
        api.create(&PostParams::default(), &new)
            .await
            .expect("created")
            .name_any(),
    ];
    assert!(
        names.iter().all(|name| name.starts_with("job-") && name.len() == 9),
        "{names:?}"
    );
    assert_ne!(names[0], names[1]);
}

#[tokio::test]
async fn discovery_finds_built_in_and_custom_kinds() {
    let server = server();
    server.install_crds(vec![widget_crd()]).expect("installed");
    let client = server.client();
    let plain = Discovery::new(client.clone()).run().await.expect("discovered");
    let aggregated = Discovery::new(client.clone())
        .run_aggregated()
        .await
        .expect("discovered");
    for discovery in [plain, aggregated] {
        let (kind, capabilities) = discovery
            .get("example.com")
            .expect("the group")
            .recommended_kind("Widget")
            .expect("the kind");
        assert_eq!((kind.version.as_str(), kind.plural.as_str()), ("v1", "widgets"));
        assert!(capabilities.supports_operation(kube::discovery::verbs::PATCH));
        assert!(
            discovery
                .get("apps")
                .expect("apps")
                .recommended_kind("Deployment")
                .is_some()
        );
        assert!(discovery.get("").expect("core").recommended_kind("Secret").is_some());
    }
    assert_eq!(client.apiserver_version().await.expect("a version").minor, "35");
}

#[tokio::test]
async fn metadata_can_be_asked_for_alone() {
    let client = server().client();
    let api = config_maps(&client);
    api.create(&PostParams::default(), &config_map("a", &[("k", "1")]))
        .await
        .expect("created");
    let partial: PartialObjectMeta<ConfigMap> = api.get_metadata("a").await.expect("read");
    assert_eq!(partial.name_any(), "a");
    assert_eq!(
        api.list_metadata(&ListParams::default())
            .await
            .expect("listed")
            .items
            .len(),
        1
    );
}

#[tokio::test]
async fn leases_and_deployments_keep_what_is_sent() {
    let client = server().client();
    let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-system");
    let lease: Lease = serde_json::from_value(json!({ "metadata": { "name": "l" }, "spec": {
        "holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-01-02T03:04:05.678901Z" } }))
    .expect("a lease");
    let stored = leases.create(&PostParams::default(), &lease).await.expect("created");
    assert_eq!(stored.spec, lease.spec);

    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "default");
    let deployment: Deployment = serde_json::from_value(json!({ "metadata": { "name": "d" }, "spec": {
        "selector": { "matchLabels": { "a": "b" } },
        "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [
            { "name": "c", "image": "i", "ports": [{ "containerPort": 80 }] }] } } } }))
    .expect("a deployment");
    let stored = deployments
        .create(&PostParams::default(), &deployment)
        .await
        .expect("created");
    assert_eq!(stored.metadata.generation, Some(1));
    let status = Patch::Merge(json!({ "status": { "readyReplicas": 1 } }));
    let stored = deployments
        .patch_status("d", &PatchParams::default(), &status)
        .await
        .expect("patched");
    assert_eq!(stored.metadata.generation, Some(1));
    assert_eq!(stored.status.expect("status").ready_replicas, Some(1));

    let namespaces: Api<Namespace> = Api::all(client);
    let names: Vec<String> = namespaces
        .list(&ListParams::default())
        .await
        .expect("listed")
        .items
        .iter()
        .map(ResourceExt::name_any)
        .collect();
    assert_eq!(names, ["default", "kube-node-lease", "kube-public", "kube-system"]);
}

#[tokio::test]
async fn a_thousand_objects_are_listed_and_a_call_takes_well_below_a_millisecond() {
    let client = server().client();
    let api = config_maps(&client);
    for index in 0..1000 {
        api.create(
            &PostParams::default(),
            &config_map(&format!("c{index:04}"), &[("k", "v")]),
        )
        .await
        .expect("created");
    }
    assert_eq!(
        api.list(&ListParams::default()).await.expect("listed").items.len(),
        1000
    );
    let start = std::time::Instant::now();
    for _ in 0..100 {
        api.get("c0500").await.expect("read");
    }
    let each = start.elapsed() / 100;
    // Generous: other tests run beside this one, in a debug build.
    assert!(each < std::time::Duration::from_millis(10), "a read took {each:?}");
}
