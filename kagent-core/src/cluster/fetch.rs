//! Reads what an Agent refers to: from the caches where there is one, else from the API server. Never writes.

use std::{collections::BTreeSet, fmt::Debug, future::Future, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Namespace;
use kagent_api::v1alpha2::{Agent, MCPServer};
use kube::{
    Api, Resource,
    core::NamespaceResourceScope,
    runtime::reflector::{ObjectRef, Store},
};
use serde::de::DeserializeOwned;

use super::Cluster;
use crate::{
    error::{Error, Result},
    translate::{
        Fetched, ObjectKey, ObjectKind, TranslateOptions,
        fetched::FetchedObject,
        references::{follow_references, list_references},
    },
};

/// Longest wait for one answer of the API server.
pub const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// Everything that `agent` refers to, directly or not. `on_reference` learns of each name before it is read, existing or
/// not, so that a change of it can lead back to the Agent.
///
/// # Errors
/// `Unavailable` when the API server does not answer; `Forbidden` when it refuses. Absent objects are no error.
pub async fn fetch_references(
    cluster: &Cluster,
    agent: &Agent,
    options: &TranslateOptions,
    mut on_reference: impl FnMut(&ObjectKey),
) -> Result<Fetched> {
    let mut fetched = Fetched::default();
    let mut seen = BTreeSet::new();
    let mut waiting = list_references(agent, options);
    while let Some(key) = waiting.pop() {
        if !seen.insert(key.clone()) {
            continue;
        }
        on_reference(&key);
        if let Some(object) = fetch_object(cluster, &key).await? {
            waiting.extend(follow_references(&object, options));
            fetched.insert(key, object);
        }
    }
    Ok(fetched)
}

/// Exactly these objects, as far as they exist.
///
/// # Errors
/// As [`fetch_references`].
pub async fn fetch_keys(cluster: &Cluster, keys: impl IntoIterator<Item = ObjectKey>) -> Result<Fetched> {
    let mut fetched = Fetched::default();
    for key in keys {
        if let Some(object) = fetch_object(cluster, &key).await? {
            fetched.insert(key, object);
        }
    }
    Ok(fetched)
}

async fn fetch_object(cluster: &Cluster, key: &ObjectKey) -> Result<Option<FetchedObject>> {
    Ok(match key.kind {
        ObjectKind::Agent => find(cluster, &cluster.agents, key).await?.map(FetchedObject::Agent),
        ObjectKind::ModelConfig => find(cluster, &cluster.model_configs, key)
            .await?
            .map(FetchedObject::ModelConfig),
        ObjectKind::RemoteMcpServer => find(cluster, &cluster.remote_mcp_servers, key)
            .await?
            .map(FetchedObject::RemoteMcpServer),
        ObjectKind::McpServer => read_mcp_server(cluster, key).await?,
        ObjectKind::Service => read(cluster, key).await?.map(FetchedObject::Service),
        ObjectKind::Secret => read(cluster, key).await?.map(FetchedObject::Secret),
        ObjectKind::ConfigMap => read(cluster, key).await?.map(FetchedObject::ConfigMap),
        ObjectKind::Namespace => read_namespace(cluster, key).await?,
        ObjectKind::Deployment | ObjectKind::ModelProviderConfig => None,
    })
}

/// From the cache, or from the API server when the cache does not have it: an object that was made a moment before is
/// found.
async fn find<K>(cluster: &Cluster, store: &Store<K>, key: &ObjectKey) -> Result<Option<Arc<K>>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + 'static,
{
    match store.get(&ObjectRef::new(&key.name).within(&key.namespace)) {
        Some(cached) => Ok(Some(cached)),
        None => read(cluster, key).await,
    }
}

async fn read<K>(cluster: &Cluster, key: &ObjectKey) -> Result<Option<Arc<K>>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(cluster.client.clone(), &key.namespace);
    Ok(answer(key, api.get_opt(&key.name)).await?.map(Arc::new))
}

/// kmcp's kind may not be installed, which the API server says with another 404 than for an object that is not there.
async fn read_mcp_server(cluster: &Cluster, key: &ObjectKey) -> Result<Option<FetchedObject>> {
    let api: Api<MCPServer> = Api::namespaced(cluster.client.clone(), &key.namespace);
    let look = async {
        match api.get(&key.name).await {
            Ok(server) => Ok(Some(FetchedObject::McpServer(Arc::new(server)))),
            Err(kube::Error::Api(status)) if status.code == 404 => {
                let is_named = status.details.as_ref().is_some_and(|details| !details.name.is_empty());
                Ok((!is_named).then_some(FetchedObject::NoSuchKind))
            }
            Err(error) => Err(error),
        }
    };
    answer(key, look).await
}

/// Restricted rights often exclude Namespaces, which is a fact about them and not a failure.
async fn read_namespace(cluster: &Cluster, key: &ObjectKey) -> Result<Option<FetchedObject>> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    match answer(key, api.get_opt(&key.name)).await {
        Ok(namespace) => Ok(namespace.map(|it| FetchedObject::Namespace(Arc::new(it)))),
        Err(error) if error.kind() == crate::error::ErrorKind::Forbidden => Ok(Some(FetchedObject::ForbiddenNamespace)),
        Err(error) => Err(error),
    }
}

async fn answer<T>(key: &ObjectKey, read: impl Future<Output = kube::Result<T>>) -> Result<T> {
    let what = format!("failed to get {} {}/{}", key.kind, key.namespace, key.name);
    within_deadline(&what, read).await
}

/// The answer of the API server, or why there is none.
///
/// # Errors
/// See [`from_kube`]; `Unavailable` after [`READ_TIMEOUT`].
pub async fn within_deadline<T>(what: &str, request: impl Future<Output = kube::Result<T>>) -> Result<T> {
    match tokio::time::timeout(READ_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(|error| from_kube(what, error)),
        Err(_) => Err(Error::unavailable(format!("{what}: the API server does not answer"))),
    }
}

/// An error of the API server in our terms. Its own message is for users and is kept.
pub fn from_kube(what: &str, error: kube::Error) -> Error {
    let kube::Error::Api(status) = &error else {
        return Error::unavailable(what.to_owned()).with_source(error);
    };
    let message = format!("{what}: {}", status.message);
    let error_of = match status.code {
        404 => Error::not_found,
        409 if status.reason == "AlreadyExists" => Error::already_exists,
        409 => Error::conflict,
        400 | 413 => Error::invalid,
        422 => Error::rejected,
        401 | 403 => Error::forbidden,
        429 | 500..=599 => Error::unavailable,
        _ => Error::internal,
    };
    error_of(message).with_source(error)
}
