//! Rows of tool servers that do not exist any more are deleted with their tools, also those that went, lost their label or
//! were switched off while nobody led.

use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc;

use super::{backoff, context::Context, discovery::Discovery};
use crate::{
    error::Result,
    store::tools::ToolServerRecord,
    translate::{ObjectKey, ObjectKind},
};

const KINDS: [ObjectKind; 3] = [ObjectKind::RemoteMcpServer, ObjectKind::McpServer, ObjectKind::Service];

/// Looks at all rows now and whenever it is asked to.
pub(super) async fn run(context: &Context, discovery: &Discovery, mut requests: mpsc::Receiver<()>) {
    loop {
        let mut waits = backoff::build();
        while let Err(error) = delete_stale(context, discovery).await {
            tracing::warn!(error = %error.chain(), "rows of deleted tool servers stay for now, trying again");
            tokio::time::sleep(waits.next().unwrap_or_default()).await;
        }
        if requests.recv().await.is_none() {
            return;
        }
    }
}

async fn delete_stale(context: &Context, discovery: &Discovery) -> Result<()> {
    for row in context.store.list_tool_servers().await? {
        let Some(key) = key_of(&row) else {
            continue;
        };
        let stale = context.cluster.scope.contains(&key.namespace) && is_stale(context, discovery, &key);
        if !stale {
            continue;
        }
        let _permit = context.begin_write()?;
        if context.store.delete_tool_server(&row.name, &row.group_kind).await? {
            tracing::info!(
                server = row.name,
                kind = row.group_kind,
                "row of a deleted tool server deleted"
            );
        }
    }
    Ok(())
}

/// The cache knows all RemoteMCPServers before discovery does.
fn is_stale(context: &Context, discovery: &Discovery, key: &ObjectKey) -> bool {
    match key.kind {
        ObjectKind::RemoteMcpServer => {
            let reference = ObjectRef::new(&key.name).within(&key.namespace);
            context.cluster.remote_mcp_servers.get(&reference).is_none()
        }
        _ => discovery.is_stale(key),
    }
}

/// `None` for rows that are none of ours.
fn key_of(row: &ToolServerRecord) -> Option<ObjectKey> {
    let kind = KINDS.into_iter().find(|kind| kind.to_string() == row.group_kind)?;
    let (namespace, name) = row.name.split_once('/')?;
    Some(ObjectKey::new(kind, namespace, name))
}
