//! Namespaces that agents may be in.

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt, api::ListParams};

use super::hide;
use crate::{
    cluster::{Cluster, WatchScope, fetch::within_deadline},
    error::{ErrorKind, Result},
};

/// A namespace and its phase.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamespaceView {
    /// Name.
    pub name: String,
    /// `Active` or `Terminating`; empty when this server may not look.
    pub status: String,
}

/// The namespaces that this server watches and that exist, by name without regard to case.
///
/// # Errors
/// When the API server does not list them.
pub async fn list_namespaces(cluster: &Cluster) -> Result<Vec<NamespaceView>> {
    let mut namespaces = match &cluster.scope {
        WatchScope::All => list_all(cluster).await?,
        WatchScope::Namespaces(names) => list_watched(cluster, names).await,
    };
    namespaces.sort_by_cached_key(|namespace| namespace.name.to_lowercase());
    Ok(namespaces)
}

async fn list_all(cluster: &Cluster) -> Result<Vec<NamespaceView>> {
    const WHAT: &str = "Failed to list namespaces";
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let list = within_deadline(WHAT, api.list(&ListParams::default())).await;
    Ok(list.map_err(|error| hide(WHAT, error))?.into_iter().map(view).collect())
}

/// One read per namespace: a server with a watch list often may not list them all.
async fn list_watched(cluster: &Cluster, names: &[String]) -> Vec<NamespaceView> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let reads = names
        .iter()
        .map(|name| within_deadline("failed to get namespace", api.get_opt(name)));
    let mut namespaces = Vec::new();
    for (name, read) in names.iter().zip(futures::future::join_all(reads).await) {
        match read {
            Ok(Some(namespace)) => namespaces.push(view(namespace)),
            Ok(None) => {}
            // Not allowed to look at them at all: what the operator configured is what there is to say.
            Err(error) if error.kind() == ErrorKind::Forbidden => {
                return names.iter().map(|name| unseen(name)).collect();
            }
            Err(error) => {
                tracing::warn!(namespace = name, error = %error.chain(), "namespace cannot be read and is left out");
            }
        }
    }
    namespaces
}

fn view(namespace: Namespace) -> NamespaceView {
    NamespaceView {
        name: namespace.name_any(),
        status: namespace.status.and_then(|status| status.phase).unwrap_or_default(),
    }
}

fn unseen(name: &str) -> NamespaceView {
    NamespaceView {
        name: name.to_owned(),
        status: String::new(),
    }
}
