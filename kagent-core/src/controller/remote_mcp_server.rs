//! RemoteMCPServers: says in their status what discovery found. Asking the server itself is discovery's work.

use std::{collections::HashSet, sync::Arc};

use futures::{StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kagent_api::v1alpha2::{DiscoveredTool, RemoteMCPServer, RemoteMCPServerStatus, find_condition, set_condition};
use kube::{
    ResourceExt,
    runtime::{
        controller::{self, Action},
        reflector::ObjectRef,
    },
};
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::{
    backoff::Backoffs,
    context::Context,
    dependencies::{Dependencies, OwnerName},
    discovery::{Discovery, Outcome, Target, name_of_row},
    events::Events,
    queue::{Happened, queue},
    related::RelatedChange,
    report,
    write_status::write_status,
};
use crate::{
    cluster::fetch::fetch_keys,
    error::Result,
    translate::{Fetched, ObjectKey, ObjectKind, discovery},
};

/// RemoteMCPServers that are worked on at the same time.
const CONCURRENCY: u16 = 8;

struct Reconciler {
    context: Context,
    discovery: Arc<Discovery>,
    dependencies: Arc<Dependencies>,
    backoffs: Backoffs,
    events: Events,
}

/// Reconciles RemoteMCPServers until it is dropped. `outcomes` names those of which discovery has news.
pub(super) async fn run(
    context: &Context,
    related: broadcast::Receiver<RelatedChange>,
    discovery: Arc<Discovery>,
    outcomes: mpsc::UnboundedReceiver<ObjectKey>,
    events: Events,
) {
    let servers = context.cluster.remote_mcp_servers.clone();
    let dependencies = Arc::new(Dependencies::default());
    let reconciler = Arc::new(Reconciler {
        context: context.clone(),
        discovery: Arc::clone(&discovery),
        dependencies: Arc::clone(&dependencies),
        backoffs: Backoffs::default(),
        events,
    });
    let known = servers.clone();
    let requests = queue::<RemoteMCPServer>(context.cluster.changes(), related, move |happened| match happened {
        Happened::Missed => {
            let all: Vec<_> = known.state().iter().map(|server| name_of(server)).collect();
            for key in discovery.list_followed(ObjectKind::RemoteMcpServer) {
                if known.get(&ObjectRef::new(&key.name).within(&key.namespace)).is_none() {
                    discovery.forget(&key);
                }
            }
            all
        }
        Happened::Cached(key) if key.kind == ObjectKind::RemoteMcpServer => {
            let own = (key.namespace.clone(), key.name.clone());
            match known.get(&ObjectRef::new(&own.1).within(&own.0)) {
                Some(_) => vec![own],
                None => {
                    dependencies.retain(&own, &HashSet::new());
                    discovery.forget(key);
                    Vec::new()
                }
            }
        }
        Happened::Cached(_) => Vec::new(),
        Happened::Related(change) => change.key.iter().flat_map(|key| dependencies.owners_of(key)).collect(),
    });
    let news = UnboundedReceiverStream::new(outcomes)
        .filter(|key| std::future::ready(key.kind == ObjectKind::RemoteMcpServer))
        .map(|key| Ok(ObjectRef::new(&key.name).within(&key.namespace)));
    let results = controller::applier(
        |server, reconciler: Arc<Reconciler>| Box::pin(async move { reconciler.reconcile(&server).await }),
        |server, _error, reconciler| {
            let (namespace, name) = name_of(&server);
            Action::requeue(reconciler.backoffs.next(&namespace, &name))
        },
        reconciler,
        servers,
        stream::select(requests, news),
        controller::Config::default().concurrency(CONCURRENCY),
    );
    results.for_each(|_| std::future::ready(())).await;
}

impl Reconciler {
    async fn reconcile(&self, server: &RemoteMCPServer) -> Result<Action> {
        let (namespace, name) = name_of(server);
        let outcome = self.update(server).await;
        let written: Vec<_> = matches!(outcome, Ok(true))
            .then(|| "status".to_owned())
            .into_iter()
            .collect();
        let report = report::Outcome {
            kind: "RemoteMCPServer",
            namespace: &namespace,
            name: &name,
            written: &written,
        };
        match outcome {
            Ok(_) => {
                report.reconciled();
                self.backoffs.reset(&namespace, &name);
                Ok(Action::await_change())
            }
            Err(error) => {
                report.failed(&error);
                Err(error)
            }
        }
    }

    /// Whether the status was written.
    async fn update(&self, server: &RemoteMCPServer) -> Result<bool> {
        let name = name_of(server);
        let fetched = self.fetch(server, &name).await?;
        let key = ObjectKey::new(ObjectKind::RemoteMcpServer, &name.0, &name.1);
        let target = Target {
            description: server.spec.description.clone(),
            endpoint: discovery::of_remote_server(server, &fetched, &self.context.options),
        };
        self.discovery.follow(&key, target);
        let Some(outcome) = self.discovery.find_outcome(&key) else {
            // The status is written once discovery has something to say; that it has comes back as news.
            return Ok(false);
        };
        let known = match &outcome {
            Outcome::Found(_) => Vec::new(),
            Outcome::Failed(_) => self.list_known_tools(&key).await?,
        };
        let hash = discovery::hash_of_remote_server(server, &fetched);
        let status = build_status(
            server,
            &outcome,
            known,
            hash.ok().flatten(),
            Time(self.context.clock.now()),
        );
        let current = server.status.as_ref();
        if current == Some(&status) {
            return Ok(false);
        }
        let written = write_status::<RemoteMCPServer, _>(&self.context.cluster.client, &name, current, &status).await?;
        if written {
            self.tell(server, &outcome);
        }
        Ok(written)
    }

    /// Tools that were found when the server last answered, perhaps before a restart.
    async fn list_known_tools(&self, key: &ObjectKey) -> Result<Vec<DiscoveredTool>> {
        let (name, kind) = (name_of_row(key), key.kind.to_string());
        let rows = self.context.store.list_tools_of_server(&name, &kind).await?;
        let mut tools: Vec<_> = rows
            .into_iter()
            .map(|row| DiscoveredTool {
                name: row.id,
                description: row.description.unwrap_or_default(),
            })
            .collect();
        tools.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(tools)
    }

    async fn fetch(&self, server: &RemoteMCPServer, owner: &OwnerName) -> Result<Fetched> {
        let keys: HashSet<_> = discovery::list_server_sources(server, &self.context.options)
            .into_iter()
            .filter(|key| key.kind != ObjectKind::Namespace)
            .collect();
        for key in &keys {
            self.dependencies.add(owner, key);
        }
        self.dependencies.retain(owner, &keys);
        fetch_keys(&self.context.cluster, keys).await
    }

    fn tell(&self, server: &RemoteMCPServer, outcome: &Outcome) {
        let conditions = server.status.as_ref().and_then(|status| status.conditions.as_deref());
        let before = find_condition(conditions.unwrap_or_default(), "Accepted");
        match outcome {
            Outcome::Failed(message) if before.is_none_or(|it| it.message != *message) => {
                self.events.warn(server, "ReconcileFailed", message);
            }
            Outcome::Found(tools) if before.is_some_and(|it| it.status == "False") => {
                self.events
                    .note(server, "Reconciled", &format!("{} tools discovered", tools.len()));
            }
            _ => {}
        }
    }
}

/// The status that says what was found. Pure.
fn build_status(
    server: &RemoteMCPServer,
    outcome: &Outcome,
    known: Vec<DiscoveredTool>,
    secret_hash: Option<String>,
    now: Time,
) -> RemoteMCPServerStatus {
    let mut status = server.status.clone().unwrap_or_default();
    let generation = server.metadata.generation;
    let (accepted, reason, message) = match outcome {
        Outcome::Found(_) => ("True", "Reconciled", "Remote MCP server configuration accepted"),
        Outcome::Failed(message) => ("False", "ReconcileFailed", message.as_str()),
    };
    let mut conditions = status.conditions.take().unwrap_or_default();
    set_condition(
        &mut conditions,
        Condition {
            type_: "Accepted".to_owned(),
            status: accepted.to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            observed_generation: generation,
            last_transition_time: now,
        },
    );
    let tools = match outcome {
        Outcome::Found(tools) => tools
            .iter()
            .map(|tool| DiscoveredTool {
                name: tool.id.clone(),
                description: tool.description.clone(),
            })
            .collect(),
        Outcome::Failed(_) => known,
    };
    RemoteMCPServerStatus {
        observed_generation: generation,
        conditions: Some(conditions),
        discovered_tools: (!tools.is_empty()).then_some(tools),
        secret_hash,
    }
}

fn name_of(server: &RemoteMCPServer) -> OwnerName {
    (server.namespace().unwrap_or_default(), server.name_any())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;

    use super::*;
    use crate::store::tools::NewTool;

    fn mk_server(status: Option<RemoteMCPServerStatus>) -> RemoteMCPServer {
        let mut server = RemoteMCPServer::default();
        server.metadata.generation = Some(2);
        server.status = status;
        server
    }

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).expect("time"))
    }

    #[test]
    fn a_failure_keeps_the_tools_and_the_same_failure_later_changes_nothing() {
        let tool = NewTool {
            id: "forecast".to_owned(),
            description: "Says".to_owned(),
        };
        let found = build_status(&mk_server(None), &Outcome::Found(vec![tool]), vec![], None, at(1));
        let tools = found.discovered_tools.clone().expect("tools");
        assert_eq!(tools[0].name, "forecast");
        let failed = Outcome::Failed("it is away".to_owned());
        let build = |status: RemoteMCPServerStatus, second| {
            build_status(&mk_server(Some(status)), &failed, tools.clone(), None, at(second))
        };
        let away = build(found, 2);
        assert_eq!(away.discovered_tools.as_ref(), Some(&tools));
        let conditions = away.conditions.as_deref().expect("conditions");
        assert_eq!(conditions[0].reason, "ReconcileFailed");
        assert_eq!(conditions[0].last_transition_time, at(2));
        assert_eq!(build(away.clone(), 3), away);
    }
}
