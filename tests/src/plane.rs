//! A real Kubernetes control plane for tests: etcd, kube-apiserver and kube-controller-manager on free loopback ports,
//! in a temporary directory, gone with the test process however that ends. What a node does is `kubelet`'s part.

mod component;
mod credentials;
mod isolated;
mod kubelet;
mod programs;
mod rbac;
mod server;
mod services;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use k8s_openapi::{
    api::{
        authentication::v1::{TokenRequest, TokenRequestSpec},
        core::v1::{Namespace, ServiceAccount},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kagent_core::api::crds::all_crds;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::{sync::OnceCell, time::timeout};

use self::{
    component::SweptDir,
    credentials::{ADMIN_TOKEN, read_client, write_admin_files, write_kubeconfig},
    programs::Programs,
};

pub use isolated::{isolated, outside_address};
pub use kubelet::Kubelet;
pub use rbac::{ServerRules, ServiceAccountName};
pub use server::ClusterServer;
pub use services::publish_service;

/// The machine may be busy with other tests.
const CRDS_WITHIN: Duration = Duration::from_secs(60);
const CRDS_PAUSE: Duration = Duration::from_millis(50);
/// Life of a token; the API server does not give shorter ones than ten minutes.
const TOKEN_LIFE_S: i64 = 3600;
const MANAGER: &str = "kagent-tests";

static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();

/// A running control plane; it ends when this is dropped, or with the process.
///
/// Its methods panic where a test cannot go on: with what was expected and the end of the log that tells why.
pub struct ControlPlane {
    // Before the directory, so that nothing writes there any more when it goes.
    programs: Programs,
    dir: SweptDir,
    url: String,
    kubeconfig: PathBuf,
}

impl ControlPlane {
    /// Starts one, in about five seconds.
    ///
    /// # Panics
    /// When its programs are not there (the message says how to get them), or one of them does not start.
    pub async fn start() -> Self {
        Self::start_parts(true).await
    }

    /// Starts one without the controller-manager: nothing acts on objects, and nothing is collected.
    ///
    /// # Panics
    /// As [`ControlPlane::start`].
    pub async fn start_without_controllers() -> Self {
        Self::start_parts(false).await
    }

    async fn start_parts(with_controllers: bool) -> Self {
        let dir = SweptDir::new("kagent-plane-").expect("a temporary directory");
        write_admin_files(dir.path()).expect("files of a control plane");
        let programs = Programs::start(dir.path(), with_controllers)
            .await
            .unwrap_or_else(|error| panic!("no control plane: {error:#}"));
        let kubeconfig = programs.admin_kubeconfig().to_owned();
        let url = programs.url();
        Self {
            programs,
            dir,
            url,
            kubeconfig,
        }
    }

    /// The one that all tests of this process share; for tests that keep to a namespace of their own.
    ///
    /// # Panics
    /// As [`ControlPlane::start`].
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start).await
    }

    /// A client that may do everything. It belongs to the runtime that asks for it.
    ///
    /// # Panics
    /// When its own files cannot be read.
    pub async fn admin_client(&self) -> Client {
        self.client(&self.kubeconfig).await
    }

    /// A client with the rights of `kubeconfig`, which this control plane has written.
    ///
    /// # Panics
    /// When the file cannot be read.
    pub async fn client(&self, kubeconfig: &Path) -> Client {
        let client = read_client(kubeconfig).await;
        client.unwrap_or_else(|error| panic!("{} cannot be used: {error:#}", kubeconfig.display()))
    }

    /// A kubeconfig that may do everything.
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The bearer token that may do everything.
    pub fn admin_token(&self) -> &'static str {
        ADMIN_TOKEN
    }

    /// `https://127.0.0.1:<port>`; the port stays when the API server is started again.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its etcd listens, for what only that can do, such as a compaction.
    pub fn etcd_url(&self) -> String {
        self.programs.etcd_url()
    }

    /// The certificate that the API server is known by.
    pub fn ca_file(&self) -> PathBuf {
        self.programs.ca_file()
    }

    /// Where the programs keep their files and logs (`<program>.log`); tests may add theirs.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A new namespace whose name begins with `prefix`.
    ///
    /// # Panics
    /// When the API server refuses it.
    pub async fn namespace(&self, prefix: &str) -> String {
        let namespace = Namespace {
            metadata: kube::api::ObjectMeta {
                generate_name: Some(format!("{prefix}-")),
                ..Default::default()
            },
            ..Default::default()
        };
        let api = Api::<Namespace>::all(self.admin_client().await);
        let made = api.create(&PostParams::default(), &namespace).await;
        made.expect("a namespace").name_any()
    }

    /// Installs the kinds of kagent and waits until they are served. A second call changes nothing.
    ///
    /// # Panics
    /// When the API server refuses one, or does not serve it in time.
    pub async fn install_crds(&self) {
        let api = Api::<CustomResourceDefinition>::all(self.admin_client().await);
        for crd in all_crds() {
            let (name, params) = (crd.name_any(), PatchParams::apply(MANAGER).force());
            let applied = api.patch(&name, &params, &Patch::Apply(&crd)).await;
            applied.unwrap_or_else(|error| panic!("{name} is refused: {error}"));
        }
        let served = async {
            for crd in all_crds() {
                while !is_served(&api.get(&crd.name_any()).await.expect("a CRD that was just made")) {
                    tokio::time::sleep(CRDS_PAUSE).await;
                }
            }
        };
        timeout(CRDS_WITHIN, served).await.expect("all CRDs are served");
    }

    /// A kubeconfig with the rights of a ServiceAccount, which is made if it is not there. The token stands in a file of
    /// its own beside it, `<namespace>.<service account>.token`, and is real: the API server has issued it.
    ///
    /// # Panics
    /// When the API server issues no token.
    pub async fn kubeconfig_for(&self, namespace: &str, service_account: &str) -> PathBuf {
        let token = self.issue_token(namespace, service_account).await;
        let name = format!("{namespace}.{service_account}");
        let written = write_kubeconfig(self.dir.path(), &name, &self.url, &self.ca_file(), namespace, &token);
        written.unwrap_or_else(|error| panic!("no kubeconfig for {name}: {error:#}"))
    }

    /// A new token of a ServiceAccount, which is made if it is not there.
    ///
    /// # Panics
    /// When the API server issues none.
    pub async fn issue_token(&self, namespace: &str, service_account: &str) -> String {
        let api = Api::<ServiceAccount>::namespaced(self.admin_client().await, namespace);
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": service_account, "namespace": namespace},
        });
        let params = PatchParams::apply(MANAGER);
        let made = api.patch(service_account, &params, &Patch::Apply(&account)).await;
        made.unwrap_or_else(|error| panic!("no ServiceAccount {service_account}: {error}"));
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                expiration_seconds: Some(TOKEN_LIFE_S),
                ..Default::default()
            }),
            ..Default::default()
        };
        let params = PostParams::default();
        let issued = api.create_token_request(service_account, &params, &request).await;
        let issued = issued.unwrap_or_else(|error| panic!("no token for {service_account}: {error}"));
        let token = issued.status.and_then(|status| status.token);
        token.expect("a token request is answered with a token")
    }

    /// Kills the API server, as a machine that fails would; watches and requests break. Not for the shared one.
    pub fn stop_apiserver(&self) {
        self.programs.stop_apiserver();
    }

    /// Starts the API server again on its port, and waits until it answers.
    ///
    /// # Panics
    /// When it does not, or was not stopped.
    pub async fn start_apiserver(&self) {
        let started = self.programs.start_apiserver().await;
        started.unwrap_or_else(|error| panic!("the API server does not start again: {error:#}"));
    }
}

fn is_served(crd: &CustomResourceDefinition) -> bool {
    let conditions = crd.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|condition| condition.type_ == "Established" && condition.status == "True")
}
