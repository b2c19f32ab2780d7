//! Three real replicas on a real control plane and one Postgres: one leads, all serve, whatever happens to the others.

#[path = "replicas/components.rs"]
mod components;
#[path = "replicas/contender.rs"]
mod contender;
#[path = "replicas/election.rs"]
mod election;
#[path = "replicas/followers.rs"]
mod followers;
#[path = "replicas/outage.rs"]
mod outage;

use anyhow::Result;
use kagent_tests::{
    plane::ControlPlane,
    replicas::{Installation, ScriptedAgent},
};

/// Durations with which a test ends soon; they relate to each other as the defaults do.
const QUICK: [&str; 3] = [
    "--leader-elect-lease-duration=6s",
    "--leader-elect-renew-deadline=4s",
    "--leader-elect-retry-period=800ms",
];

/// The agent that everybody asks for.
const AGENT: &str = "echo";

/// An installation of its own on the control plane that all tests of this process share.
async fn install(prefix: &str, agent: &ScriptedAgent) -> Result<Installation> {
    let plane = ControlPlane::shared().await;
    install_on(plane, prefix, agent).await
}

async fn install_on(plane: &ControlPlane, prefix: &str, agent: &ScriptedAgent) -> Result<Installation> {
    plane.install_crds().await;
    let namespace = plane.namespace(prefix).await;
    let client = plane.admin_client().await;
    Installation::new(client, namespace, plane.admin_kubeconfig(), agent.address()).await
}
