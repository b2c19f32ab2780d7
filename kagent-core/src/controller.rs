//! The controllers: what a leader does so that the cluster becomes what the kagent objects say.
//!
//! All of them run while this replica leads and none when it does not; losing the lease drops what is under way. Routes,
//! caches and the API are not part of this and never stop.
//!
//! # How to add a controller
//! `docs/adding-a-controller.md`. In short: `controller/<kind>.rs` drives dereference → `translate` (pure) → apply →
//! status, and `lead` starts it.

mod agent;
mod backoff;
mod context;
mod dependencies;
mod discovery;
mod events;
mod gate;
mod model_config;
mod model_provider_config;
mod queue;
mod related;
mod remote_mcp_server;
mod report;
mod rows;
mod tool_rows;
mod tool_servers;
mod write_status;

use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use tokio::sync::{broadcast, mpsc, watch};

use crate::{leader::Leadership, tasks::Tasks};
use discovery::Discovery;

pub use context::Context;

/// Pause after the election could not be joined.
const ELECTION_RETRY: Duration = Duration::from_secs(5);

/// Changes of related objects that a slow controller may be behind before it looks at everything.
const RELATED_KEPT: usize = 4096;

/// Starts the controllers as a task that ends with `tasks`. They work whenever this replica leads.
pub fn run(context: Context, tasks: &Tasks) {
    let shutdown = tasks.shutdown_token().clone();
    let workers = tasks.clone();
    tasks.spawn_critical("controllers", async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = follow_leadership(&context, &workers) => {}
        }
    });
}

async fn follow_leadership(context: &Context, tasks: &Tasks) {
    loop {
        // Who cannot see the cluster yet is not fit to lead, and who is elected begins at once.
        context.cluster.sync().wait().await;
        match context.leader.follow().await {
            Ok(mut state) => lead_when_leading(context, tasks, &mut state).await,
            Err(error) => tracing::warn!(error = %error.chain(), "cannot join the leader election, trying again"),
        }
        tokio::time::sleep(ELECTION_RETRY).await;
    }
}

/// Ends when the election itself has ended.
async fn lead_when_leading(context: &Context, tasks: &Tasks, state: &mut watch::Receiver<Leadership>) {
    loop {
        if state.wait_for(|it| *it == Leadership::Leader).await.is_err() {
            return;
        }
        tracing::info!("leading: controllers start");
        tokio::select! {
            // Looked at first: a follower finishes nothing.
            biased;
            // Any change: who leads again after a moment knows nothing of what others did in it.
            lost = state.changed() => {
                tracing::info!("not leading any more: controllers stopped");
                if lost.is_err() {
                    return;
                }
            }
            () = lead(context, tasks) => {}
        }
    }
}

/// Runs all controllers until it is dropped.
async fn lead(context: &Context, tasks: &Tasks) {
    let mut context = context.clone();
    context.cluster.client = gate::gate_writes(&context.cluster.client, context.leader.clone());
    let context = &context;
    let (related, _) = broadcast::channel(RELATED_KEPT);
    let (rows, deleted) = rows::channel();
    let (tool_rows, deleted_servers) = rows::channel();
    let (events, told) = events::channel();
    let (news, outcomes) = mpsc::unbounded_channel();
    // Workers are tasks of their own; they end when this is dropped.
    let stop = tasks.shutdown_token().child_token();
    let _stop = stop.clone().drop_guard();
    let discovery = Discovery::new(context.clone(), tasks, stop, news, tool_rows);
    let parts: [BoxFuture<'_, ()>; 9] = [
        Box::pin(agent::run(context, related.subscribe(), rows, events.clone())),
        Box::pin(model_config::run(context, related.subscribe(), events.clone())),
        Box::pin(model_provider_config::run(context, related.subscribe(), events.clone())),
        Box::pin(remote_mcp_server::run(
            context,
            related.subscribe(),
            discovery.clone(),
            outcomes,
            events.clone(),
        )),
        Box::pin(tool_servers::run(context, discovery.clone(), events)),
        Box::pin(rows::run(context, deleted)),
        Box::pin(tool_rows::run(context, &discovery, deleted_servers)),
        Box::pin(events::run(context.cluster.client.clone(), told)),
        Box::pin(related::watch_all(&context.cluster, related)),
    ];
    join_all(parts).await;
}
