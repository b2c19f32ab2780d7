//! Services with the label `kagent.dev/mcp-service=true` and kmcp's MCPServers: followed by discovery for as long as they
//! are there, carry the label, and (MCPServer) discovery is not switched off. kmcp's kind may come and go at run time.

use std::{collections::HashSet, fmt::Debug, future::Future, sync::Arc};

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Service;
use kagent_api::v1alpha2::MCPServer;
use kube::{
    Api, Client, Resource, ResourceExt,
    core::NamespaceResourceScope,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;

use super::{
    context::Context,
    discovery::{Discovery, Target},
    events::Events,
};
use crate::{
    cluster::WatchScope,
    translate::{
        ObjectKey, ObjectKind,
        discovery::{McpEndpoint, of_mcp_server, of_service},
    },
};

/// kagent 0.9 describes these so.
const DESCRIPTION: &str = "N/A";

/// Follows both kinds until it is dropped.
pub(super) async fn run(context: &Context, discovery: Arc<Discovery>, events: Events) {
    let services = Watched::<Service> {
        kind: ObjectKind::Service,
        labels: "kagent.dev/mcp-service=true",
        endpoint_of: of_service,
        discovery: Arc::clone(&discovery),
        events: events.clone(),
    };
    let servers = Watched::<MCPServer> {
        kind: ObjectKind::McpServer,
        labels: "kagent.dev/discovery!=disabled",
        endpoint_of: of_mcp_server,
        discovery,
        events,
    };
    tokio::join!(services.run(context), servers.run(context));
}

/// One kind of objects that are tool servers.
struct Watched<K> {
    kind: ObjectKind,
    labels: &'static str,
    endpoint_of: fn(&K) -> Result<McpEndpoint, String>,
    discovery: Arc<Discovery>,
    events: Events,
}

impl<K> Watched<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    fn run(self, context: &Context) -> impl Future<Output = ()> {
        let client = context.cluster.client.clone();
        let apis: Vec<Api<K>> = match &context.cluster.scope {
            WatchScope::All => vec![Api::all(client)],
            WatchScope::Namespaces(namespaces) => namespaces
                .iter()
                .map(|namespace| Api::namespaced(Client::clone(&client), namespace))
                .collect(),
        };
        let count = apis.len();
        let config = watcher::Config::default().labels(self.labels);
        let events = stream::select_all(apis.into_iter().enumerate().map(|(scope, api)| {
            let events = watcher(api, config.clone()).default_backoff();
            events.map(move |event| (scope, event)).boxed()
        }));
        self.follow(events, count)
    }

    async fn follow<S>(self, mut events: S, count: usize)
    where
        S: futures::Stream<Item = (usize, watcher::Result<Event<K>>)> + Unpin,
    {
        // Per watch: what a list that is under way has named, and what the watch has named at all.
        let mut listing: Vec<HashSet<ObjectKey>> = vec![HashSet::new(); count];
        let mut members = listing.clone();
        let mut unlisted: HashSet<usize> = (0..count).collect();
        while let Some((scope, event)) = events.next().await {
            match event {
                Ok(Event::Init) => {
                    listing[scope].clear();
                    continue;
                }
                Ok(Event::InitApply(object)) => {
                    let key = self.apply(&object);
                    listing[scope].insert(key.clone());
                    members[scope].insert(key);
                    continue;
                }
                Ok(Event::Apply(object)) => {
                    members[scope].insert(self.apply(&object));
                    continue;
                }
                Ok(Event::Delete(object)) => {
                    let key = self.key_of(&object);
                    members[scope].remove(&key);
                    self.discovery.forget(&key);
                    continue;
                }
                Ok(Event::InitDone) => {}
                Err(error) if is_absent(&error) => listing[scope].clear(),
                Err(error) => {
                    tracing::debug!(
                        watch = %K::plural(&()),
                        error = %crate::error::chain(&error),
                        "watch interrupted, trying again"
                    );
                    continue;
                }
            }
            // The list is whole: what it did not name is gone.
            let gone: Vec<_> = members[scope].difference(&listing[scope]).cloned().collect();
            for key in gone {
                members[scope].remove(&key);
                self.discovery.forget(&key);
            }
            if unlisted.remove(&scope) && unlisted.is_empty() {
                self.discovery.mark_complete(self.kind);
            }
        }
    }

    fn apply(&self, object: &K) -> ObjectKey {
        let key = self.key_of(object);
        let endpoint = (self.endpoint_of)(object);
        let target = Target {
            description: DESCRIPTION.to_owned(),
            endpoint,
        };
        if self.discovery.follow(&key, target.clone())
            && let Err(message) = &target.endpoint
        {
            tracing::warn!(server = %key.name, kind = %key.kind, reason = message, "a tool server cannot be used");
            self.events.warn(object, "DiscoveryFailed", message);
        }
        key
    }

    fn key_of(&self, object: &K) -> ObjectKey {
        ObjectKey::new(self.kind, object.namespace().unwrap_or_default(), object.name_any())
    }
}

/// The kind is not installed, so there are none of it.
fn is_absent(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code == 404,
        _ => false,
    }
}
