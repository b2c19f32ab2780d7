//! Watches, the `watcher` and `reflector` of kube on top of them, and readers that do not read.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, pin_mut};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    runtime::{WatchStreamExt, reflector, watcher},
};
use serde_json::json;

use crate::support::{config_map, config_maps, server};

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future)
        .await
        .expect("in time")
}

#[tokio::test]
async fn a_watch_tells_of_every_change_in_order() {
    let api = config_maps(&server().client());
    let version = api
        .list(&ListParams::default())
        .await
        .expect("listed")
        .metadata
        .resource_version
        .expect("a version");
    let events = api.watch(&WatchParams::default(), &version).await.expect("watching");
    pin_mut!(events);
    api.create(&PostParams::default(), &config_map("a", &[]))
        .await
        .expect("created");
    api.patch(
        "a",
        &PatchParams::default(),
        &Patch::Merge(json!({ "data": { "k": "1" } })),
    )
    .await
    .expect("patched");
    api.delete("a", &Default::default()).await.expect("deleted");
    let mut versions = Vec::new();
    for expected in ["added", "modified", "deleted"] {
        let (kind, object) = match within(events.try_next()).await.expect("an event").expect("not the end") {
            WatchEvent::Added(object) => ("added", object),
            WatchEvent::Modified(object) => ("modified", object),
            WatchEvent::Deleted(object) => ("deleted", object),
            other => panic!("{other:?}"),
        };
        assert_eq!(kind, expected);
        versions.push(
            object
                .resource_version()
                .expect("a version")
                .parse::<u64>()
                .expect("a number"),
        );
    }
    assert!(versions.is_sorted(), "{versions:?}");
}

#[tokio::test]
async fn an_object_that_stops_matching_is_deleted_for_the_selector() {
    let api = config_maps(&server().client());
    let version = api
        .list(&ListParams::default())
        .await
        .expect("listed")
        .metadata
        .resource_version
        .expect("a version");
    let events = api
        .watch(&WatchParams::default().labels("test=yes"), &version)
        .await
        .expect("watching");
    pin_mut!(events);
    api.create(&PostParams::default(), &config_map("a", &[]))
        .await
        .expect("created");
    let patch = Patch::Merge(json!({ "metadata": { "labels": { "test": "no" } } }));
    api.patch("a", &PatchParams::default(), &patch).await.expect("patched");
    assert!(matches!(within(events.next()).await, Some(Ok(WatchEvent::Added(_)))));
    assert!(matches!(within(events.next()).await, Some(Ok(WatchEvent::Deleted(_)))));
}

#[tokio::test]
async fn a_version_that_left_the_history_is_410() {
    let server = embedded_kube::EmbeddedKube::builder()
        .history(2)
        .build()
        .expect("a server");
    let api = config_maps(&server.client());
    let version = api
        .list(&ListParams::default())
        .await
        .expect("listed")
        .metadata
        .resource_version
        .expect("a version");
    for name in ["a", "b", "c", "d"] {
        api.create(&PostParams::default(), &config_map(name, &[]))
            .await
            .expect("created");
    }
    let events = api.watch(&WatchParams::default(), &version).await.expect("watching");
    pin_mut!(events);
    match within(events.next()).await {
        Some(Ok(WatchEvent::Error(status))) => {
            assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
            assert!(
                status.message.starts_with("too old resource version: "),
                "{}",
                status.message
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(within(events.next()).await.is_none(), "the watch ends");
}

#[tokio::test]
async fn a_watch_ends_after_its_timeout() {
    let api = config_maps(&server().client());
    let events = api
        .watch(&WatchParams::default().timeout(1), "0")
        .await
        .expect("watching");
    assert!(
        within(events.try_collect::<Vec<_>>())
            .await
            .expect("no error")
            .is_empty()
    );
}

#[tokio::test]
async fn readers_that_do_not_read_hold_up_nobody() {
    let server = embedded_kube::EmbeddedKube::builder()
        .history(64)
        .build()
        .expect("a server");
    let api = config_maps(&server.client());
    let mut stalled = Vec::new();
    for _ in 0..50 {
        stalled.push(api.watch(&WatchParams::default(), "0").await.expect("watching").boxed());
    }
    within(async {
        for index in 0..500 {
            api.create(&PostParams::default(), &config_map(&format!("c{index}"), &[]))
                .await
                .expect("created");
        }
    })
    .await;
    let mut last = stalled.pop().expect("a watch");
    let mut expired = false;
    while let Some(event) = within(last.next()).await {
        expired |= matches!(event, Ok(WatchEvent::Error(status)) if status.code == 410);
    }
    assert!(expired, "who was left behind is told so");
}

#[tokio::test]
async fn watchers_and_reflectors_follow_in_both_ways_of_listing() {
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let api = config_maps(&server().client());
        api.create(&PostParams::default(), &config_map("before", &[]))
            .await
            .expect("created");
        let (reader, writer) = reflector::store::<ConfigMap>();
        let events = watcher(api.clone(), config).reflect(writer).applied_objects();
        pin_mut!(events);
        assert_eq!(
            within(events.try_next())
                .await
                .expect("an event")
                .expect("an object")
                .name_any(),
            "before"
        );
        api.create(&PostParams::default(), &config_map("after", &[]))
            .await
            .expect("created");
        assert_eq!(
            within(events.try_next())
                .await
                .expect("an event")
                .expect("an object")
                .name_any(),
            "after"
        );
        assert_eq!(reader.len(), 2);
    }
}

#[tokio::test]
async fn a_namespaced_watch_sees_only_its_namespace() {
    let server = embedded_kube::EmbeddedKube::builder()
        .namespace("other")
        .build()
        .expect("a server");
    let client = server.client();
    let other: Api<ConfigMap> = Api::namespaced(client.clone(), "other");
    let events = other.watch(&WatchParams::default(), "0").await.expect("watching");
    pin_mut!(events);
    config_maps(&client)
        .create(&PostParams::default(), &config_map("elsewhere", &[]))
        .await
        .expect("created");
    other
        .create(&PostParams::default(), &config_map("here", &[]))
        .await
        .expect("created");
    match within(events.next()).await {
        Some(Ok(WatchEvent::Added(object))) => assert_eq!(object.name_any(), "here"),
        other => panic!("{other:?}"),
    }
}
