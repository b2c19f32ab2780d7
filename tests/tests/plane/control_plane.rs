//! The control plane itself: what tests rely on when they use it.

use std::time::{Duration, Instant};

use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    core::v1::{ConfigMap, Pod},
};
use kagent_api::v1alpha2::Agent;
use kagent_tests::plane::ControlPlane;
use kube::{Api, api::PostParams};
use serde_json::json;

const WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn the_controller_manager_makes_pods_of_a_deployment() {
    let plane = ControlPlane::shared().await;
    let client = plane.admin_client().await;
    let namespace = plane.namespace("rollout").await;
    let deployment = serde_json::from_value(json!({
        "metadata": {"name": "a"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "a"}},
            "template": {
                "metadata": {"labels": {"app": "a"}},
                "spec": {"containers": [{"name": "a", "image": "example.org/a"}]},
            },
        },
    }))
    .expect("deployment");
    let deployments = Api::<Deployment>::namespaced(client.clone(), &namespace);
    deployments
        .create(&PostParams::default(), &deployment)
        .await
        .expect("created");
    let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
    let started = Instant::now();
    while pods.list(&Default::default()).await.expect("pods").items.len() < 2 {
        assert!(started.elapsed() < WITHIN, "no Pods");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let sets = Api::<ReplicaSet>::namespaced(client, &namespace);
    assert_eq!(sets.list(&Default::default()).await.expect("sets").items.len(), 1);
}

#[tokio::test]
async fn a_service_account_may_do_nothing_until_it_is_allowed() {
    let plane = ControlPlane::shared().await;
    let namespace = plane.namespace("rights").await;
    let kubeconfig = plane.kubeconfig_for(&namespace, "nobody").await;
    let client = plane.client(&kubeconfig).await;
    let refused = Api::<ConfigMap>::namespaced(client, &namespace)
        .list(&Default::default())
        .await;
    let message = refused.expect_err("refused").to_string();
    let who = format!("User \"system:serviceaccount:{namespace}:nobody\" cannot list resource \"configmaps\"");
    assert!(message.contains(&who), "{message}");
}

#[tokio::test]
async fn the_api_server_goes_away_and_comes_back_with_all_objects() {
    let plane = ControlPlane::start().await;
    plane.install_crds().await;
    let namespace = plane.namespace("restart").await;
    let client = plane.admin_client().await;
    let agents = Api::<Agent>::namespaced(client, &namespace);
    let agent = serde_json::from_value(json!({
        "apiVersion": "kagent.dev/v1alpha2", "kind": "Agent", "metadata": {"name": "a"},
        "spec": {"type": "BYO", "byo": {"deployment": {"image": "example.org/a"}}},
    }))
    .expect("agent");
    agents.create(&PostParams::default(), &agent).await.expect("created");
    plane.stop_apiserver();
    agents.get("a").await.expect_err("nobody answers");
    plane.start_apiserver().await;
    agents.get("a").await.expect("the same object");
}

/// Command lines of all processes that mention `text`.
fn find_processes(text: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("/proc");
    let lines = entries.filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(text))
        .collect()
}

#[tokio::test]
async fn nothing_is_left_when_the_test_process_is_killed() {
    let dir = tempfile::tempdir().expect("directory");
    let place = dir.path().display().to_string();
    let mut test = tokio::process::Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "control_plane::a_service_account_may_do_nothing_until_it_is_allowed",
        ])
        .env("TMPDIR", dir.path())
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("a test process");
    let started = Instant::now();
    while find_processes(&place)
        .iter()
        .filter(|line| line.contains("kube-apiserver"))
        .count()
        < 2
    {
        assert!(started.elapsed() < WITHIN, "the API server does not start");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    test.kill().await.expect("killed");
    let killed = Instant::now();
    loop {
        let processes = find_processes(&place);
        let files = std::fs::read_dir(dir.path()).expect("directory").count();
        if processes.is_empty() && files == 0 {
            break;
        }
        assert!(killed.elapsed() < WITHIN, "{files} entries and {processes:?} are left");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
