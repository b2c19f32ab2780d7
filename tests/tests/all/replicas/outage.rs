//! The API server goes away and comes back, and a token is replaced meanwhile: replicas serve on, and then catch up.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use k8s_openapi::api::{core::v1::ServiceAccount, rbac::v1::ClusterRoleBinding};
use kagent_tests::{
    plane::ControlPlane,
    replicas::{Load, Replica, ScriptedAgent},
};
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::json;
use tokio::time::{Duration, Instant, sleep};

use super::{AGENT, QUICK, install_on};

/// Longer than the leader's lease.
const OUTAGE: Duration = Duration::from_secs(9);
/// A client reads its token again after a minute at the latest, and a watch waits half a minute at most between tries.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(240);

#[tokio::test]
async fn replicas_outlive_an_outage_of_the_api_server_and_a_new_token() -> Result<()> {
    // Its own: it is stopped.
    let plane = ControlPlane::start().await;
    let agent = ScriptedAgent::start().await?;
    let installation = install_on(&plane, "outage", &agent).await?;
    let namespace = installation.namespace.clone();
    let mut replicas = Vec::new();
    for name in ["one", "two"] {
        let kubeconfig = plane.kubeconfig_for(&namespace, name).await;
        grant_everything(&plane, &namespace, name).await?;
        replicas.push(installation.start_with(name, &kubeconfig, &QUICK, &[]).await?);
    }
    installation.create_agent(AGENT).await?;
    installation.wait_until_reconciled(AGENT).await?;
    for replica in &replicas {
        wait_for_route(replica, &namespace, AGENT).await?;
    }

    let agent_path = format!("{namespace}/{AGENT}");
    let loads: Vec<_> = replicas
        .iter()
        .map(|replica| Load::start(&replica.url(), &agent_path))
        .collect::<Result<_>>()?;
    // The old tokens are worth nothing any more when the API server is back.
    for name in ["one", "two"] {
        replace_token(&plane, &namespace, name).await?;
    }
    plane.stop_apiserver();
    let stopped = Instant::now();
    while stopped.elapsed() < OUTAGE {
        for replica in &replicas {
            let ready = replica.is_ready().await;
            assert!(
                ready,
                "{} is unready:\n{}",
                replica.name,
                replica.read_readiness().await?
            );
        }
        sleep(Duration::from_millis(200)).await;
    }
    plane.start_apiserver().await;
    installation.create_agent("later").await?;
    installation.wait_until_reconciled("later").await?;
    for replica in &replicas {
        wait_for_route(replica, &namespace, "later").await?;
    }
    for (load, replica) in loads.into_iter().zip(&replicas) {
        load.stop().await.assert_flawless(&replica.name);
    }
    installation.wait_for_leader(&[&replicas[0], &replicas[1]]).await?;
    Ok(())
}

async fn wait_for_route(replica: &Replica, namespace: &str, agent: &str) -> Result<()> {
    let path = format!("/api/a2a/{namespace}/{agent}/.well-known/agent-card.json");
    let began = Instant::now();
    while replica.get_status(&path).await? != 200 {
        let waited = began.elapsed();
        assert!(
            waited < CAUGHT_UP_WITHIN,
            "{} has no route to {agent}:\n{}",
            replica.name,
            replica.read_log()
        );
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn grant_everything(plane: &ControlPlane, namespace: &str, account: &str) -> Result<()> {
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": {"name": format!("{namespace}-{account}")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }))?;
    let api: Api<ClusterRoleBinding> = Api::all(plane.admin_client().await);
    api.create(&PostParams::default(), &binding).await?;
    Ok(())
}

/// As a token that is rotated: the file gets a new one, and the old one ends (with its ServiceAccount).
async fn replace_token(plane: &ControlPlane, namespace: &str, account: &str) -> Result<()> {
    let api: Api<ServiceAccount> = Api::namespaced(plane.admin_client().await, namespace);
    api.delete(account, &DeleteParams::default()).await?;
    let token = plane.issue_token(namespace, account).await;
    let file = plane.dir().join(format!("{namespace}.{account}.token"));
    write(&file, &token)
}

fn write(file: &Path, token: &str) -> Result<()> {
    fs::write(file, token).with_context(|| format!("cannot write {}", file.display()))
}
