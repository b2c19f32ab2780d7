//! The stand-in scheduler and kubelet: Deployments roll, EndpointSlices fill and Pods restart as in a cluster.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::{Pod, Secret, Service},
    discovery::v1::EndpointSlice,
};
use kagent_tests::plane::{ControlPlane, Kubelet, isolated};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::world::{create, wait_for};

fn mk_deployment(greeting: &str, replicas: i32) -> Value {
    json!({
        "metadata": {"name": "a"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "a"}},
            "template": {
                "metadata": {"labels": {"app": "a"}},
                "spec": {"terminationGracePeriodSeconds": 5, "containers": [{
                    "name": "a",
                    "image": "localhost/quickstart-agent",
                    "env": [
                        {"name": "GREETING", "value": greeting},
                        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "key"}}},
                    ],
                    "ports": [{"name": "http", "containerPort": 8080}],
                    "readinessProbe": {
                        "httpGet": {"path": "/.well-known/agent-card.json", "port": "http"},
                        "initialDelaySeconds": 1, "periodSeconds": 3,
                    },
                }]},
            },
        },
    })
}

fn is_available(deployment: &Deployment) -> bool {
    let wanted = deployment.spec.replicas.unwrap_or(1);
    deployment.status.as_ref().is_some_and(|status| {
        status.observed_generation == deployment.metadata.generation
            && status.updated_replicas == Some(wanted)
            && status.available_replicas == Some(wanted)
            && status.replicas == Some(wanted)
    })
}

#[test]
fn a_deployment_runs_rolls_and_restarts() {
    isolated(async {
        let plane = ControlPlane::start().await;
        let kubelet = Kubelet::start(&plane).await;
        let client = plane.admin_client().await;
        let namespace = plane.namespace("pods").await;
        let deployments = Api::<Deployment>::namespaced(client.clone(), &namespace);
        let pods = Api::<Pod>::namespaced(client.clone(), &namespace);

        // What a container refers to is missing: its Pod says so, and starts when it is there.
        create::<Service>(
            &client,
            &namespace,
            json!({"metadata": {"name": "a"}, "spec": {"selector": {"app": "a"}, "ports": [{"port": 8080}]}}),
        )
        .await;
        create::<Deployment>(&client, &namespace, mk_deployment("one", 2)).await;
        let message = wait_for("a reason", async || {
            let pod = pods.list(&Default::default()).await.expect("pods").items.pop()?;
            pod.status?
                .container_statuses?
                .pop()?
                .state?
                .waiting?
                .message
                .filter(|it| !it.is_empty())
        })
        .await;
        assert_eq!(message, "variable KEY: Secret keys does not exist");
        create::<Secret>(
            &client,
            &namespace,
            json!({"metadata": {"name": "keys"}, "stringData": {"key": "k"}}),
        )
        .await;
        let available = async || Some(deployments.get("a").await.expect("deployment")).filter(is_available);
        wait_for("two replicas", available).await;

        // Each Pod has an address of its own, and the Service leads to all of them by its name.
        let listed = pods.list(&Default::default()).await.expect("pods").items;
        let addresses: BTreeSet<String> = listed.iter().filter_map(|pod| pod.status.clone()?.pod_ip).collect();
        assert_eq!(addresses.len(), 2, "{addresses:?}");
        assert!(
            addresses.iter().all(|address| address.starts_with("10.244.")),
            "{addresses:?}"
        );
        let slices = Api::<EndpointSlice>::namespaced(client.clone(), &namespace);
        let behind = wait_for("two endpoints", async || {
            let slices = slices.list(&Default::default()).await.expect("slices").items;
            let endpoints = slices.iter().flat_map(|slice| slice.endpoints.iter().flatten());
            let behind: BTreeSet<_> = endpoints.flat_map(|endpoint| endpoint.addresses.clone()).collect();
            (behind.len() == 2).then_some(behind)
        })
        .await;
        assert_eq!(behind, addresses);
        let url = format!("http://a.{namespace}:8080/.well-known/agent-card.json");
        let http = reqwest::Client::builder().no_proxy().build().expect("client");
        wait_for("an answer by name", async || {
            let answer = http.get(&url).send().await.ok()?;
            answer.status().is_success().then_some(())
        })
        .await;

        // A process that crashes is started again, in the same Pod.
        let crashed = listed[0].name_any();
        assert!(kubelet.crash(&namespace, &crashed));
        let status = wait_for("a restart", async || {
            let status = pods
                .get(&crashed)
                .await
                .expect("pod")
                .status?
                .container_statuses?
                .pop()?;
            (status.restart_count == 1 && status.ready).then_some(status)
        })
        .await;
        let last = status
            .last_state
            .and_then(|state| state.terminated)
            .expect("how it ended");
        assert_ne!(last.exit_code, 0);
        wait_for("two replicas again", available).await;

        // Another template rolls: new Pods of a new ReplicaSet, the old ones are gone.
        let patch = Patch::Merge(mk_deployment("two", 2));
        deployments
            .patch("a", &PatchParams::default(), &patch)
            .await
            .expect("patched");
        wait_for("the roll-out", available).await;
        let now = wait_for("the end of the old Pods", async || {
            let now = pods.list(&Default::default()).await.expect("pods").items;
            (now.len() == 2).then_some(now)
        })
        .await;
        assert!(now.iter().all(|pod| listed.iter().all(|old| old.uid() != pod.uid())));
        let sets = Api::<ReplicaSet>::namespaced(client.clone(), &namespace);
        assert_eq!(sets.list(&Default::default()).await.expect("sets").items.len(), 2);

        // What is deleted ends: Pods, endpoints and processes.
        deployments
            .delete("a", &DeleteParams::background())
            .await
            .expect("deleted");
        wait_for("the end of all Pods", async || {
            let pods = pods.list(&Default::default()).await.expect("pods").items;
            pods.is_empty().then_some(())
        })
        .await;
        wait_for("the end of the Service's port", async || {
            http.get(&url).send().await.err()
        })
        .await;
    });
}
