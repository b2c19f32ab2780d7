//! The Kubernetes side of the control plane: caches that every replica fills from watches, and what is read and written
//! beside them. Caches never ask who leads; only `apply` writes.

pub mod apply;
mod cache;
pub mod fetch;
mod permissions;
mod sync;

use k8s_openapi::api::apps::v1::Deployment;
use kagent_api::v1alpha2::{Agent, ModelConfig, ModelProviderConfig, RemoteMCPServer};
use kube::{Client, runtime::reflector::Store};
use tokio::sync::broadcast;

use crate::tasks::Tasks;

pub use permissions::{Permission, Permissions};
pub use sync::SyncState;

// What changes are named by.
pub use crate::translate::{ObjectKey, ObjectKind};

/// Changes that a slow listener may be behind before it has to look at everything.
const CHANGES_KEPT: usize = 4096;

/// Which namespaces are looked at.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum WatchScope {
    /// All of them.
    #[default]
    All,
    /// These, each by a watch of its own: the server may lack the right to watch the whole cluster.
    Namespaces(Vec<String>),
}

impl WatchScope {
    /// These namespaces; all of them when there are none.
    pub fn from_namespaces(namespaces: impl IntoIterator<Item = String>) -> Self {
        let mut namespaces: Vec<_> = namespaces.into_iter().collect();
        namespaces.sort();
        namespaces.dedup();
        if namespaces.is_empty() {
            Self::All
        } else {
            Self::Namespaces(namespaces)
        }
    }

    /// Whether objects of `namespace` are looked at.
    pub fn contains(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Namespaces(namespaces) => namespaces.iter().any(|known| known == namespace),
        }
    }
}

/// The cluster as this replica sees it. Cheap to clone; all clones share the caches.
#[derive(Clone)]
pub struct Cluster {
    /// For everything that is not cached, and for writes.
    pub client: Client,
    /// Which namespaces the caches cover.
    pub scope: WatchScope,
    /// All Agents.
    pub agents: Store<Agent>,
    /// All ModelConfigs.
    pub model_configs: Store<ModelConfig>,
    /// All ModelProviderConfigs.
    pub model_provider_configs: Store<ModelProviderConfig>,
    /// All RemoteMCPServers.
    pub remote_mcp_servers: Store<RemoteMCPServer>,
    /// The Deployments of agents (label `app=kagent`).
    pub deployments: Store<Deployment>,
    sync: SyncState,
    permissions: Permissions,
    changes: broadcast::Sender<ObjectKey>,
}

impl Cluster {
    /// Starts the watches as tasks; they end with `tasks` and restart with backoff when the API server goes away.
    ///
    /// Returns at once: [`Cluster::sync`] tells when the caches are complete.
    pub fn start(client: Client, scope: WatchScope, tasks: &Tasks) -> Self {
        let (client, permissions) = Permissions::observe(&client, &scope, tasks);
        let sync = SyncState::default();
        let (changes, _) = broadcast::channel(CHANGES_KEPT);
        let cache = cache::Cache {
            client: client.clone(),
            scope: scope.clone(),
            sync: sync.clone(),
            changes: changes.clone(),
        };
        Self {
            agents: cache.start("agents", ObjectKind::Agent, None, tasks),
            model_configs: cache.start("modelconfigs", ObjectKind::ModelConfig, None, tasks),
            model_provider_configs: cache.start("modelproviderconfigs", ObjectKind::ModelProviderConfig, None, tasks),
            remote_mcp_servers: cache.start("remotemcpservers", ObjectKind::RemoteMcpServer, None, tasks),
            deployments: cache.start("deployments", ObjectKind::Deployment, Some("app=kagent"), tasks),
            client,
            scope,
            sync,
            permissions,
            changes,
        }
    }

    /// Which caches are complete.
    pub fn sync(&self) -> &SyncState {
        &self.sync
    }

    /// Which rights the server was found to lack.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// Names of objects that changed or went, from now on. After `Lagged` everything has to be looked at.
    pub fn changes(&self) -> broadcast::Receiver<ObjectKey> {
        self.changes.subscribe()
    }
}
