//! Watches, for leaders only, the objects that agents refer to or own and that nobody else needs. Only metadata is read:
//! the values of other people's Secrets never enter this process.

use std::fmt::Debug;

use futures::{Stream, StreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service, ServiceAccount};
use kagent_api::v1alpha2::MCPServer;
use kube::{
    Api, Client, Resource,
    api::PartialObjectMeta,
    core::NamespaceResourceScope,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::broadcast;

use super::dependencies::OwnerName;
use crate::{
    cluster::{Cluster, WatchScope},
    translate::{ObjectKey, ObjectKind},
};

/// What a watch of related objects tells.
#[derive(Clone, Debug)]
pub(super) enum RelatedChange {
    /// An object changed or went.
    Object(RelatedObject),
    /// A watch began, or began again: what went before that was told to nobody.
    Listed,
}

/// A related object that changed or went.
#[derive(Clone, Debug)]
pub(super) struct RelatedObject {
    /// Which; `None` for a kind that is only owned.
    pub(super) key: Option<ObjectKey>,
    /// The Agent that owns it.
    pub(super) owner: Option<OwnerName>,
}

/// Sends every change until it is dropped.
pub(super) async fn watch_all(cluster: &Cluster, changes: broadcast::Sender<RelatedChange>) {
    let mut streams = stream::select_all([
        watch_kind::<Secret>(cluster, Some(ObjectKind::Secret)),
        watch_kind::<ConfigMap>(cluster, Some(ObjectKind::ConfigMap)),
        watch_kind::<Service>(cluster, Some(ObjectKind::Service)),
        watch_kind::<MCPServer>(cluster, Some(ObjectKind::McpServer)),
        watch_kind::<ServiceAccount>(cluster, None),
        watch_namespaces(cluster),
        watch_permissions(cluster),
    ]);
    while let Some(change) = streams.next().await {
        // No controller listens only while leadership ends.
        let _ = changes.send(change);
    }
}

type Changes = stream::BoxStream<'static, RelatedChange>;

fn watch_kind<K>(cluster: &Cluster, kind: Option<ObjectKind>) -> Changes
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let client = cluster.client.clone();
    let apis: Vec<Api<PartialObjectMeta<K>>> = match &cluster.scope {
        WatchScope::All => vec![Api::all(client)],
        WatchScope::Namespaces(namespaces) => namespaces
            .iter()
            .map(|namespace| Api::namespaced(Client::clone(&client), namespace))
            .collect(),
    };
    stream::select_all(apis.into_iter().map(move |api| watch_api(api, kind).boxed())).boxed()
}

/// Labels of namespaces decide who may refer to whom.
fn watch_namespaces(cluster: &Cluster) -> Changes {
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(cluster.client.clone());
    watch_api(api, Some(ObjectKind::Namespace)).boxed()
}

/// What was refused can be done now, and need not wait for its next try.
fn watch_permissions(cluster: &Cluster) -> Changes {
    stream::unfold(cluster.permissions().granted(), |mut granted| async {
        granted.changed().await.ok()?;
        Some((RelatedChange::Listed, granted))
    })
    .boxed()
}

fn watch_api<K>(api: Api<PartialObjectMeta<K>>, kind: Option<ObjectKind>) -> impl Stream<Item = RelatedChange>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    watcher(api, watcher::Config::default())
        .default_backoff()
        .filter_map(move |event| {
            std::future::ready(match event {
                Ok(Event::Apply(object) | Event::InitApply(object) | Event::Delete(object)) => {
                    Some(RelatedChange::Object(describe(&object, kind)))
                }
                Ok(Event::InitDone) => Some(RelatedChange::Listed),
                Ok(Event::Init) => None,
                Err(error) => {
                    // A kind that is not installed or may not be read is tried again, and is no news each time.
                    let error = crate::error::chain(&error);
                    tracing::debug!(watch = %K::plural(&()), error, "watch interrupted, trying again");
                    None
                }
            })
        })
}

fn describe<K>(object: &PartialObjectMeta<K>, kind: Option<ObjectKind>) -> RelatedObject {
    let metadata = &object.metadata;
    let namespace = metadata.namespace.clone().unwrap_or_default();
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    let owner = owners
        .iter()
        .find(|owner| owner.kind == "Agent" && owner.api_version.starts_with("kagent.dev/"));
    RelatedObject {
        key: kind.map(|kind| ObjectKey::new(kind, namespace.clone(), metadata.name.clone().unwrap_or_default())),
        owner: owner.map(|owner| (namespace, owner.name.clone())),
    }
}
