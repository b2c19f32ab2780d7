//! Rows of agents that do not exist any more are deleted, also those that went while nobody led.

use std::collections::HashSet;

use tokio::sync::mpsc;

use super::{backoff, context::Context};
use crate::{cluster::WatchScope, error::Result, ident::AgentRef, ident::python_id};

/// Says that an agent went.
#[derive(Clone, Debug)]
pub(super) struct RowsSender(mpsc::Sender<()>);

impl RowsSender {
    /// Asks for a look at all rows. Requests during one look are one more look.
    pub(super) fn notify(&self) {
        // Full means that a look is due already.
        let _ = self.0.try_send(());
    }
}

/// The two ends of the request.
pub(super) fn channel() -> (RowsSender, mpsc::Receiver<()>) {
    let (sender, receiver) = mpsc::channel(1);
    (RowsSender(sender), receiver)
}

/// Looks at all rows now and whenever it is asked to.
pub(super) async fn run(context: &Context, mut requests: mpsc::Receiver<()>) {
    loop {
        let mut waits = backoff::build();
        while let Err(error) = delete_stale(context).await {
            tracing::warn!(error = %error.chain(), "rows of deleted agents stay for now, trying again");
            tokio::time::sleep(waits.next().unwrap_or_default()).await;
        }
        if requests.recv().await.is_none() {
            return;
        }
    }
}

async fn delete_stale(context: &Context) -> Result<()> {
    let rows = context.store.list_agents().await?;
    // After the rows: an agent that is made in between has its row spared.
    let existing = list_existing(context);
    for row in rows {
        let ours = row.workload_type != "sandbox" && in_scope(&context.cluster.scope, &row.id);
        // Again right before the deletion: it may have been made again while other rows were deleted.
        let stale = ours && !existing.contains(&row.id) && !list_existing(context).contains(&row.id);
        if !stale {
            continue;
        }
        let _permit = context.begin_write()?;
        if context.store.delete_agent(&row.id).await? {
            tracing::info!(agent.id = row.id, "row of a deleted agent deleted");
        }
    }
    Ok(())
}

/// Ids of the rows that agents of the cache have.
fn list_existing(context: &Context) -> HashSet<String> {
    let agents = context.cluster.agents.state();
    let ids = agents.iter().map(|agent| {
        let metadata = &agent.metadata;
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        AgentRef::new(namespace, metadata.name.as_deref().unwrap_or_default()).python_id()
    });
    ids.collect()
}

/// Agents of namespaces that are not watched are somebody else's.
fn in_scope(scope: &WatchScope, id: &str) -> bool {
    match scope {
        WatchScope::All => true,
        WatchScope::Namespaces(namespaces) => namespaces
            .iter()
            .any(|namespace| id.starts_with(&python_id(&format!("{namespace}/")))),
    }
}
