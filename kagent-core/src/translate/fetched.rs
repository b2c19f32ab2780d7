//! What an Agent refers to, as read from the cluster: the input of `validate`. Holds objects, decides nothing.

use std::{collections::BTreeMap, fmt, sync::Arc};

use k8s_openapi::{
    api::core::v1::{ConfigMap, Namespace, Secret, Service},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kagent_api::v1alpha2::{Agent, MCPServer, ModelConfig, RemoteMCPServer};

/// The kinds that an Agent can refer to.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ObjectKind {
    /// kagent.dev Agent.
    Agent,
    /// kagent.dev ModelConfig.
    ModelConfig,
    /// kagent.dev ModelProviderConfig; agents refer to none.
    ModelProviderConfig,
    /// kagent.dev RemoteMCPServer.
    RemoteMcpServer,
    /// kagent.dev MCPServer, which belongs to kmcp.
    McpServer,
    /// Core Service.
    Service,
    /// Core Secret.
    Secret,
    /// Core ConfigMap.
    ConfigMap,
    /// Core Namespace; its key has no namespace.
    Namespace,
    /// apps Deployment; agents own one and refer to none.
    Deployment,
}

impl fmt::Display for ObjectKind {
    /// As the API server names it in "not found" messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agent => "Agent.kagent.dev",
            Self::ModelConfig => "ModelConfig.kagent.dev",
            Self::ModelProviderConfig => "ModelProviderConfig.kagent.dev",
            Self::RemoteMcpServer => "RemoteMCPServer.kagent.dev",
            Self::McpServer => "MCPServer.kagent.dev",
            Self::Service => "Service",
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::Namespace => "Namespace",
            Self::Deployment => "Deployment.apps",
        })
    }
}

/// Names one object.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObjectKey {
    /// Kind.
    pub kind: ObjectKind,
    /// Namespace; empty for a Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// An object by kind, namespace and name.
    pub fn new(kind: ObjectKind, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind,
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// A Namespace.
    pub fn of_namespace(name: impl Into<String>) -> Self {
        Self::new(ObjectKind::Namespace, "", name)
    }
}

/// One object that was read.
#[derive(Clone, Debug)]
pub enum FetchedObject {
    /// An Agent.
    Agent(Arc<Agent>),
    /// A ModelConfig.
    ModelConfig(Arc<ModelConfig>),
    /// A RemoteMCPServer.
    RemoteMcpServer(Arc<RemoteMCPServer>),
    /// An MCPServer.
    McpServer(Arc<MCPServer>),
    /// A Service.
    Service(Arc<Service>),
    /// A Secret.
    Secret(Arc<Secret>),
    /// A ConfigMap.
    ConfigMap(Arc<ConfigMap>),
    /// A Namespace.
    Namespace(Arc<Namespace>),
    /// The server may not read this Namespace.
    ForbiddenNamespace,
    /// Objects of this kind cannot exist: it is not installed.
    NoSuchKind,
}

/// Objects by key. What is not in it does not exist.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    objects: BTreeMap<ObjectKey, FetchedObject>,
}

impl Fetched {
    /// Adds what was read at `key`.
    pub fn insert(&mut self, key: ObjectKey, object: FetchedObject) {
        self.objects.insert(key, object);
    }

    /// Adds an object under its own name; for tests and for callers that have whole objects.
    pub fn insert_object(&mut self, object: FetchedObject) {
        let (kind, metadata) = match &object {
            FetchedObject::Agent(it) => (ObjectKind::Agent, &it.metadata),
            FetchedObject::ModelConfig(it) => (ObjectKind::ModelConfig, &it.metadata),
            FetchedObject::RemoteMcpServer(it) => (ObjectKind::RemoteMcpServer, &it.metadata),
            FetchedObject::McpServer(it) => (ObjectKind::McpServer, &it.metadata),
            FetchedObject::Service(it) => (ObjectKind::Service, &it.metadata),
            FetchedObject::Secret(it) => (ObjectKind::Secret, &it.metadata),
            FetchedObject::ConfigMap(it) => (ObjectKind::ConfigMap, &it.metadata),
            FetchedObject::Namespace(it) => (ObjectKind::Namespace, &it.metadata),
            FetchedObject::ForbiddenNamespace | FetchedObject::NoSuchKind => return,
        };
        let key = key_of(kind, metadata);
        self.insert(key, object);
    }

    /// Whether something was read at `key`.
    pub fn contains(&self, key: &ObjectKey) -> bool {
        self.objects.contains_key(key)
    }

    /// Whatever was read at `key`.
    pub fn find(&self, key: &ObjectKey) -> Option<&FetchedObject> {
        self.objects.get(key)
    }

    /// The Agent of this name.
    pub fn find_agent(&self, namespace: &str, name: &str) -> Option<&Agent> {
        match self.find(&ObjectKey::new(ObjectKind::Agent, namespace, name)) {
            Some(FetchedObject::Agent(agent)) => Some(agent),
            _ => None,
        }
    }

    /// The ModelConfig of this name.
    pub fn find_model_config(&self, namespace: &str, name: &str) -> Option<&ModelConfig> {
        match self.find(&ObjectKey::new(ObjectKind::ModelConfig, namespace, name)) {
            Some(FetchedObject::ModelConfig(config)) => Some(config),
            _ => None,
        }
    }

    /// The RemoteMCPServer of this name.
    pub fn find_remote_mcp_server(&self, namespace: &str, name: &str) -> Option<&RemoteMCPServer> {
        match self.find(&ObjectKey::new(ObjectKind::RemoteMcpServer, namespace, name)) {
            Some(FetchedObject::RemoteMcpServer(server)) => Some(server),
            _ => None,
        }
    }

    /// The MCPServer of this name.
    pub fn find_mcp_server(&self, namespace: &str, name: &str) -> Option<&MCPServer> {
        match self.find(&ObjectKey::new(ObjectKind::McpServer, namespace, name)) {
            Some(FetchedObject::McpServer(server)) => Some(server),
            _ => None,
        }
    }

    /// Whether MCPServers cannot exist, as looking for this one told.
    pub fn lacks_mcp_servers(&self, namespace: &str, name: &str) -> bool {
        let key = ObjectKey::new(ObjectKind::McpServer, namespace, name);
        matches!(self.find(&key), Some(FetchedObject::NoSuchKind))
    }

    /// The Service of this name.
    pub fn find_service(&self, namespace: &str, name: &str) -> Option<&Service> {
        match self.find(&ObjectKey::new(ObjectKind::Service, namespace, name)) {
            Some(FetchedObject::Service(service)) => Some(service),
            _ => None,
        }
    }

    /// The Secret of this name.
    pub fn find_secret(&self, namespace: &str, name: &str) -> Option<&Secret> {
        match self.find(&ObjectKey::new(ObjectKind::Secret, namespace, name)) {
            Some(FetchedObject::Secret(secret)) => Some(secret),
            _ => None,
        }
    }

    /// The ConfigMap of this name.
    pub fn find_config_map(&self, namespace: &str, name: &str) -> Option<&ConfigMap> {
        match self.find(&ObjectKey::new(ObjectKind::ConfigMap, namespace, name)) {
            Some(FetchedObject::ConfigMap(config_map)) => Some(config_map),
            _ => None,
        }
    }

    /// The Namespace of this name.
    pub fn find_namespace(&self, name: &str) -> Option<&Namespace> {
        match self.find(&ObjectKey::of_namespace(name)) {
            Some(FetchedObject::Namespace(namespace)) => Some(namespace),
            _ => None,
        }
    }

    /// Whether the server was refused to read this Namespace.
    pub fn is_forbidden_namespace(&self, name: &str) -> bool {
        matches!(
            self.find(&ObjectKey::of_namespace(name)),
            Some(FetchedObject::ForbiddenNamespace)
        )
    }
}

fn key_of(kind: ObjectKind, metadata: &ObjectMeta) -> ObjectKey {
    ObjectKey::new(
        kind,
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}
