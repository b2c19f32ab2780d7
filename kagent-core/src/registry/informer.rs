//! Feeds routes from the watch of Agents, on every replica. It never asks who leads, and an agent has a route whatever
//! its status says.

use std::{collections::HashSet, sync::Arc};

use kagent_api::v1alpha2::Agent;
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{AgentRoute, RouteWriter};
use crate::{
    cluster::{Cluster, ObjectKey, ObjectKind},
    ident::AgentRef,
    tasks::Tasks,
};

/// Starts feeding `routes`. Until every Agent of the cluster has its route, `routes` is pending in
/// [`Cluster::sync`].
pub fn start(cluster: &Cluster, routes: Arc<dyn RouteWriter>, tasks: &Tasks) {
    let pending = cluster.sync().register("routes");
    let agents = cluster.agents.clone();
    // Before the first look at the cache, so that no change falls in between.
    let changes = cluster.changes();
    let shutdown = tasks.shutdown_token().clone();
    tasks.spawn_critical("routes", async move {
        let feed = async {
            if agents.wait_until_ready().await.is_err() {
                return;
            }
            write_all(&agents, &*routes);
            drop(pending);
            follow(&agents, changes, &*routes).await;
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = feed => {}
        }
    });
}

async fn follow(agents: &Store<Agent>, mut changes: Receiver<ObjectKey>, routes: &dyn RouteWriter) {
    loop {
        match changes.recv().await {
            Ok(key) if key.kind == ObjectKind::Agent => write_one(agents, &key, routes),
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => write_all(agents, routes),
            Err(RecvError::Closed) => return,
        }
    }
}

fn write_all(agents: &Store<Agent>, routes: &dyn RouteWriter) {
    let all = agents.state();
    let mut known = HashSet::new();
    for agent in all {
        let reference = reference_of(&agent);
        known.insert(reference.clone());
        upsert(reference, agent, routes);
    }
    routes.retain_routes(&known);
}

fn write_one(agents: &Store<Agent>, key: &ObjectKey, routes: &dyn RouteWriter) {
    let reference = AgentRef::new(&key.namespace, &key.name);
    match agents.get(&ObjectRef::new(&key.name).within(&key.namespace)) {
        Some(agent) => upsert(reference, agent, routes),
        None => routes.remove_route(&reference),
    }
}

fn upsert(reference: AgentRef, agent: Arc<Agent>, routes: &dyn RouteWriter) {
    match AgentRoute::new(reference, agent) {
        Ok(route) => routes.upsert_route(route),
        Err(error) => tracing::warn!(error = %error.chain(), "agent gets no route"),
    }
}

fn reference_of(agent: &Agent) -> AgentRef {
    let metadata = &agent.metadata;
    AgentRef::new(
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    )
}
