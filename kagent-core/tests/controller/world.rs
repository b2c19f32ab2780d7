//! An in-memory Kubernetes API with a real SQLite store and the controllers on both.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use embedded_kube::EmbeddedKube;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Secret, Service, ServiceAccount},
};
use kagent_core::{
    api::v1alpha2::{Agent, ModelConfig},
    clock::SystemClock,
    cluster::{Cluster, WatchScope},
    controller,
    leader::{Leadership, manual::ManualLeader},
    registry::{informer, table::RouteTable},
    store::sqlite::SqliteStore,
    tasks::Tasks,
    translate::TranslateOptions,
};
use kube::{Api, Client, Resource, ResourceExt, api::PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub(crate) const NAMESPACE: &str = "team";

/// Everything that a test needs; the tasks end with it.
pub(crate) struct World {
    // Kept: it is the API server.
    _kube: EmbeddedKube,
    pub(crate) client: Client,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) leader: Arc<ManualLeader>,
    pub(crate) routes: Arc<RouteTable>,
    pub(crate) tasks: Tasks,
}

impl World {
    pub(crate) async fn start(leadership: Leadership) -> Self {
        let kube = EmbeddedKube::builder()
            .namespace(NAMESPACE)
            .build()
            .expect("embedded API");
        let mut crds = kagent_core::api::crds::all_crds();
        crds.push(kagent_core::api::crds::mcp_server_crd());
        kube.install_crds(crds).expect("CRDs");
        let client = kube.client();
        let store = SqliteStore::open_in_memory(Arc::new(SystemClock)).await.expect("store");
        let (tasks, _ends) = Tasks::new();
        let cluster = Cluster::start(client.clone(), WatchScope::All, &tasks);
        let routes = Arc::new(RouteTable::default());
        informer::start(&cluster, routes.clone(), &tasks);
        let leader = Arc::new(ManualLeader::new());
        leader.set(leadership);
        let world = Self {
            _kube: kube,
            client,
            store: Arc::new(store),
            leader,
            routes,
            tasks,
        };
        let context = controller::Context {
            cluster: cluster.clone(),
            store: world.store.clone(),
            leader: world.leader.clone(),
            options: Arc::new(TranslateOptions::default()),
            clock: Arc::new(SystemClock),
        };
        controller::run(context, &world.tasks);
        tokio::time::timeout(Duration::from_secs(20), cluster.sync().wait())
            .await
            .unwrap_or_else(|_| panic!("caches do not fill: {:?}", cluster.sync().pending()));
        world
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    pub(crate) async fn create<K>(&self, object: Value) -> K
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
        K: serde::Serialize + DeserializeOwned + Clone + std::fmt::Debug,
    {
        let object: K = serde_json::from_value(object).expect("object");
        self.api::<K>()
            .create(&PostParams::default(), &object)
            .await
            .expect("created")
    }

    pub(crate) async fn create_model(&self) {
        self.create::<Secret>(json!({"metadata": {"name": "key"}, "stringData": {"token": "fake-key"}}))
            .await;
        self.create::<ModelConfig>(json!({
            "metadata": {"name": "main"},
            "spec": {"provider": "OpenAI", "model": "gpt-4o-mini", "apiKeySecret": "key", "apiKeySecretKey": "token"},
        }))
        .await;
    }

    pub(crate) async fn create_agent(&self, name: &str) -> Agent {
        self.create(json!({
            "metadata": {"name": name},
            "spec": {
                "type": "Declarative",
                "description": "Helps.",
                "declarative": {"modelConfig": "main", "systemMessage": "You help."},
            },
        }))
        .await
    }

    /// The object once `holds`; fails the test after 20 seconds.
    pub(crate) async fn wait_for<K>(&self, name: &str, what: &str, holds: impl Fn(Option<&K>) -> bool) -> Option<K>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
        K: DeserializeOwned + Clone + std::fmt::Debug,
    {
        let mut last = None;
        for _ in 0..400 {
            last = self.api::<K>().get_opt(name).await.expect("API");
            if holds(last.as_ref()) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{what} did not happen: {last:?}");
    }

    pub(crate) async fn wait_for_condition(&self, agent: &str, condition: &str, reason: &str) -> String {
        let found = self
            .wait_for::<Agent>(agent, &format!("{condition}/{reason}"), |agent| {
                agent.is_some_and(|agent| find_condition(agent, condition).is_some_and(|it| it.0 == reason))
            })
            .await
            .expect("agent");
        find_condition(&found, condition).expect("condition").1
    }

    /// The resource versions of everything that an agent owns, and of the agent itself.
    pub(crate) async fn versions(&self, agent: &str) -> BTreeMap<&'static str, Option<String>> {
        async fn version<K>(api: Api<K>, name: &str) -> Option<String>
        where
            K: Resource<DynamicType = ()> + DeserializeOwned + Clone + std::fmt::Debug,
        {
            api.get_opt(name)
                .await
                .expect("API")
                .and_then(|it| it.resource_version())
        }
        BTreeMap::from([
            ("Agent", version(self.api::<Agent>(), agent).await),
            ("Deployment", version(self.api::<Deployment>(), agent).await),
            ("Secret", version(self.api::<Secret>(), agent).await),
            ("Service", version(self.api::<Service>(), agent).await),
            ("ServiceAccount", version(self.api::<ServiceAccount>(), agent).await),
        ])
    }

    pub(crate) async fn stop(self) {
        assert!(self.tasks.shutdown(Duration::from_secs(10)).await, "tasks do not end");
    }
}

/// Reason and message.
pub(crate) fn find_condition(agent: &Agent, condition: &str) -> Option<(String, String)> {
    let conditions = agent.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|it| it.type_ == condition)?;
    Some((found.reason.clone(), found.message.clone()))
}

/// Long enough for a reconcile that should not write to have written.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(700)).await;
}
