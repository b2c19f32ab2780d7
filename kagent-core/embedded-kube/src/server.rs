//! The embedded server: built from a state directory or in memory, handed out as a client or served on loopback.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{Router, response::IntoResponse};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::json;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use crate::{
    clock::{Clock, new_uid},
    core::{Core, Target, WriteOptions},
    http::{ApiService, refusal},
    persist::{Durability, Journal, OpenError},
    resource::{CRDS, ResourceId},
    status::{ApiError, ApiResult},
    storage::Storage,
    write::PatchBody,
};

/// Namespaces that every cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
/// Changes of each kind that a watch can go back to.
const HISTORY: usize = 1024;

/// A Kubernetes API in this process. Cheap to clone; all clones share the objects.
///
/// With a state directory the objects survive a restart; the directory is locked while any clone lives.
#[derive(Clone, Debug)]
pub struct EmbeddedKube {
    core: Arc<Core>,
    stopped: CancellationToken,
    connections: TaskTracker,
}

/// Settings of an [`EmbeddedKube`].
#[derive(Debug)]
pub struct Builder {
    dir: Option<PathBuf>,
    durability: Durability,
    clock: Clock,
    namespaces: Vec<String>,
    history: usize,
    collects_garbage: bool,
}

impl Builder {
    /// Keeps the objects in files in `dir`, which is made if needed. Without it they are in memory only.
    #[must_use]
    pub fn state_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.dir = Some(dir.as_ref().to_owned());
        self
    }

    /// What a write has survived once it is answered.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// The clock for timestamps of objects.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// One more namespace that exists from the start.
    #[must_use]
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespaces.push(name.into());
        self
    }

    /// How many changes of each kind are kept for watches (1024). A watch that falls further behind gets 410.
    #[must_use]
    pub fn history(mut self, changes: usize) -> Self {
        self.history = changes.max(1);
        self
    }

    /// Whether objects go when all their owners are gone (yes). Off, it is like a cluster without controller manager.
    #[must_use]
    pub fn garbage_collection(mut self, on: bool) -> Self {
        self.collects_garbage = on;
        self
    }

    /// Opens the state and makes the namespaces.
    ///
    /// # Errors
    /// The state directory is in use, damaged, or cannot be read or written.
    pub fn build(self) -> Result<EmbeddedKube, OpenError> {
        let storage = Storage::new(self.history);
        if let Some(dir) = &self.dir {
            let loaded = Journal::open(dir, self.durability)?;
            storage.restore(loaded.journal, loaded.revision, loaded.objects);
        }
        let server = EmbeddedKube {
            core: Arc::new(Core {
                storage,
                clock: self.clock,
                collects_garbage: self.collects_garbage,
            }),
            stopped: CancellationToken::new(),
            connections: TaskTracker::new(),
        };
        server
            .core
            .load_definitions()
            .map_err(|(name, why)| OpenError::Object(name, why))?;
        server.core.resume_deletions();
        server.core.collect_orphans();
        for name in NAMESPACES.iter().map(|&name| name.to_owned()).chain(self.namespaces) {
            server
                .ensure_namespace(&name)
                .map_err(|error| OpenError::Object(format!("namespaces/{name}"), error.message))?;
        }
        Ok(server)
    }
}

impl EmbeddedKube {
    /// Settings to start from: in memory, the system's clock, garbage collection on.
    pub fn builder() -> Builder {
        Builder {
            dir: None,
            durability: Durability::default(),
            clock: Clock::system(),
            namespaces: Vec::new(),
            history: HISTORY,
            collects_garbage: true,
        }
    }

    /// A client in this process, with the default namespace `default`. Must be called inside a tokio runtime.
    pub fn client(&self) -> kube::Client {
        kube::Client::new(self.service(), "default")
    }

    /// The API as a tower service.
    pub fn service(&self) -> ApiService {
        ApiService::new(self.core.clone(), self.stopped.child_token())
    }

    /// Makes a namespace unless it exists.
    ///
    /// # Errors
    /// The name is not a DNS label, or the state cannot be written.
    pub fn ensure_namespace(&self, name: &str) -> ApiResult<()> {
        self.ensure("", "v1", "namespaces", name, json!({ "metadata": { "name": name } }))
    }

    /// Makes or replaces definitions of custom kinds; each is served when this returns.
    ///
    /// Their patterns and rules are compiled when they are first used, to start quickly: test that they compile, as a
    /// broken one refuses the objects that come to it.
    ///
    /// # Errors
    /// A definition is invalid; the message says where. Those before it are installed.
    pub fn install_crds(&self, crds: Vec<CustomResourceDefinition>) -> ApiResult<()> {
        for crd in crds {
            let name = crd.metadata.name.clone().unwrap_or_default();
            let value = serde_json::to_value(&crd).map_err(ApiError::internal)?;
            let target = self.target("apiextensions.k8s.io", "v1", CRDS, &name)?;
            let options = WriteOptions {
                trusts_definition: true,
                ..self.own_options()
            };
            let known = self.core.get(&target).ok();
            if known.as_ref().is_some_and(|known| known.value["spec"] == value["spec"]) {
                continue;
            }
            if known.is_none() {
                self.core.create(&target, value, &options)?;
            } else {
                let patch = PatchBody::Json(json!([{ "op": "replace", "path": "/spec", "value": value["spec"] }]));
                self.core.patch(&target, &patch, &options)?;
            }
        }
        Ok(())
    }

    fn ensure(&self, group: &str, version: &str, plural: &str, name: &str, object: serde_json::Value) -> ApiResult<()> {
        let target = self.target(group, version, plural, name)?;
        match self.core.create(&target, object, &self.own_options()) {
            Err(error) if error.reason == "AlreadyExists" => Ok(()),
            other => other.map(|_| ()),
        }
    }

    fn target(&self, group: &str, version: &str, plural: &str, name: &str) -> ApiResult<Target> {
        Ok(Target {
            resource: self.core.registry().resolve(group, version, plural)?,
            version: version.to_owned(),
            namespace: String::new(),
            name: name.to_owned(),
            subresource: String::new(),
        })
    }

    fn own_options(&self) -> WriteOptions {
        WriteOptions {
            manager: "embedded-kube".to_owned(),
            ..WriteOptions::default()
        }
    }

    /// Serves the API on a loopback address until the handle or [`EmbeddedKube::shutdown`] stops it.
    ///
    /// The URL has a secret path, so that other users of the machine and web pages cannot use it: whoever knows the
    /// URL may do everything.
    ///
    /// # Errors
    /// The address is not on loopback, or cannot be bound.
    pub async fn serve(&self, address: SocketAddr) -> io::Result<Serving> {
        if !address.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{address} is not a loopback address; the embedded Kubernetes API is served on loopback only"),
            ));
        }
        let listener = tokio::net::TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let secret = format!("{}{}", new_uid().simple(), new_uid().simple());
        let stopped = self.stopped.child_token();
        let service = ApiService::new(self.core.clone(), stopped.clone());
        let inner = Router::new().fallback_service(service);
        let prefix = format!("/{secret}");
        let guarded = tower::service_fn(move |request: axum::extract::Request| {
            let inner = inner.clone();
            let request = strip_prefix(request, &prefix);
            async move {
                match request {
                    Some(request) => inner.oneshot(request).await.map(IntoResponse::into_response),
                    None => Ok(refusal(&ApiError::new(401, "Unauthorized", "Unauthorized")).map(axum::body::Body::new)),
                }
            }
        });
        let app = Router::new().fallback_service(guarded);
        let until = stopped.clone();
        self.connections.spawn(async move {
            let served = axum::serve(listener, app).with_graceful_shutdown(async move { until.cancelled().await });
            if let Err(error) = served.await {
                tracing::error!(error = %error, "the embedded Kubernetes API stopped serving");
            }
        });
        Ok(Serving {
            address,
            secret,
            stopped,
        })
    }

    /// Ends watches and listeners, waits for open requests, and writes the state to the disk.
    ///
    /// # Errors
    /// The state could not be written.
    pub async fn shutdown(&self) -> ApiResult<()> {
        self.stopped.cancel();
        self.connections.close();
        // A client that keeps a request open does not keep the server from ending.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(5), self.connections.wait()).await;
        self.core.storage.sync()
    }
}

/// A listener of an [`EmbeddedKube`]. It goes on after this is dropped.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    secret: String,
    stopped: CancellationToken,
}

impl Serving {
    /// The address that is listened on, with the port the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for clients. It is a secret.
    pub fn url(&self) -> String {
        format!("http://{}/{}", self.address, self.secret)
    }

    /// A kubeconfig for `kube` and `kubectl`. It is a secret: write it to a file only its owner may read.
    pub fn kubeconfig(&self) -> String {
        self.kubeconfig_in("default")
    }

    fn kubeconfig_in(&self, namespace: &str) -> String {
        let url = self.url();
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: embedded\n  cluster:\n    server: {url}\nusers:\n- name: embedded\n  user: {{}}\ncontexts:\n- name: embedded\n  context:\n    cluster: embedded\n    user: embedded\n    namespace: {namespace}\ncurrent-context: embedded\n"
        )
    }

    /// Writes a kubeconfig whose commands are about `namespace` to a file that only its owner may read. A file that is
    /// there is replaced.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_kubeconfig(&self, path: &Path, namespace: &str) -> io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        // A new file, as the mode of an old one would stay, and whoever had it open would read on.
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&name)?;
        io::Write::write_all(&mut file, self.kubeconfig_in(namespace).as_bytes())?;
        std::fs::rename(&name, path)
    }

    /// Stops listening and ends the watches of this listener.
    pub fn stop(&self) {
        self.stopped.cancel();
    }
}

/// Takes the secret path off a request; `None` if it does not have it.
fn strip_prefix(mut request: axum::extract::Request, prefix: &str) -> Option<axum::extract::Request> {
    let all = request.uri().path_and_query()?.as_str();
    let rest = all.strip_prefix(prefix)?;
    let rest = if rest.starts_with('/') {
        rest.to_owned()
    } else if rest.is_empty() || rest.starts_with('?') {
        format!("/{rest}")
    } else {
        return None;
    };
    *request.uri_mut() = rest.parse().ok()?;
    Some(request)
}

impl Core {
    /// Goes on with deletions that a restart interrupted.
    fn resume_deletions(&self) {
        let marked = self.storage.select(|_, object| {
            object.value["metadata"]["deletionTimestamp"].is_string() && !crate::metadata::has_finalizers(&object.value)
        });
        for (id, object) in marked {
            let id: ResourceId = id;
            if let Some(resource) = self.registry().find(&id) {
                self.finish_deletion(resource, &object);
            }
        }
    }
}
