//! The controllers against an in-memory Kubernetes API and a real SQLite store: what a leader makes of Agents, what it
//! leaves alone, and that a follower writes nothing.
#![cfg(all(feature = "standalone", feature = "sqlite", feature = "test-util"))]

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
    ident::AgentRef,
    leader::{Leadership, manual::ManualLeader},
    registry::{RouteRegistry, informer, table::RouteTable},
    store::{AgentStore, sqlite::SqliteStore},
    tasks::Tasks,
    translate::TranslateOptions,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const NAMESPACE: &str = "team";

/// Everything that a test needs; the tasks end with it.
struct World {
    // Kept: it is the API server.
    _kube: EmbeddedKube,
    client: Client,
    store: Arc<SqliteStore>,
    leader: Arc<ManualLeader>,
    routes: Arc<RouteTable>,
    tasks: Tasks,
}

impl World {
    async fn start(leadership: Leadership) -> Self {
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

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    async fn create<K>(&self, object: Value) -> K
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

    async fn create_model(&self) {
        self.create::<Secret>(json!({"metadata": {"name": "key"}, "stringData": {"token": "fake-key"}}))
            .await;
        self.create::<ModelConfig>(json!({
            "metadata": {"name": "main"},
            "spec": {"provider": "OpenAI", "model": "gpt-4o-mini", "apiKeySecret": "key", "apiKeySecretKey": "token"},
        }))
        .await;
    }

    async fn create_agent(&self, name: &str) -> Agent {
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
    async fn wait_for<K>(&self, name: &str, what: &str, holds: impl Fn(Option<&K>) -> bool) -> Option<K>
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

    async fn wait_for_condition(&self, agent: &str, condition: &str, reason: &str) -> String {
        let found = self
            .wait_for::<Agent>(agent, &format!("{condition}/{reason}"), |agent| {
                agent.is_some_and(|agent| find_condition(agent, condition).is_some_and(|it| it.0 == reason))
            })
            .await
            .expect("agent");
        find_condition(&found, condition).expect("condition").1
    }

    /// The resource versions of everything that an agent owns, and of the agent itself.
    async fn versions(&self, agent: &str) -> BTreeMap<&'static str, Option<String>> {
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

    async fn stop(self) {
        assert!(self.tasks.shutdown(Duration::from_secs(10)).await, "tasks do not end");
    }
}

/// Reason and message.
fn find_condition(agent: &Agent, condition: &str) -> Option<(String, String)> {
    let conditions = agent.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|it| it.type_ == condition)?;
    Some((found.reason.clone(), found.message.clone()))
}

/// Long enough for a reconcile that should not write to have written.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(700)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_becomes_objects_a_row_a_route_and_conditions() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world.create_agent("web").await;
    world.wait_for_condition("web", "Accepted", "Reconciled").await;
    let message = world.wait_for_condition("web", "Ready", "DeploymentNotReady").await;
    assert_eq!(message, "Deployment is not ready, 0/1 pods are ready");

    let secret = world.api::<Secret>().get("web").await.expect("Secret");
    let config = &secret.data.expect("data")["config.json"];
    assert_eq!(
        String::from_utf8_lossy(&config.0),
        r#"{"model":{"type":"openai","model":"gpt-4o-mini","base_url":""},"description":"Helps.","instruction":"You help.","stream":false}"#
    );
    let versions = world.versions("web").await;
    assert!(versions.values().all(Option::is_some), "{versions:?}");
    let row = world
        .store
        .find_agent("team__NS__web")
        .await
        .expect("store")
        .expect("row");
    assert_eq!(
        (row.agent_type.as_str(), row.workload_type.as_str()),
        ("Declarative", "deployment")
    );
    assert!(world.routes.find_route(&AgentRef::new(NAMESPACE, "web")).is_some());
    world
        .wait_for::<ModelConfig>("main", "model status", |it| {
            let status = it.and_then(|it| it.status.as_ref());
            status.is_some_and(|status| status.secret_hash.as_ref().is_some_and(|hash| hash.len() == 64))
        })
        .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_follows_the_deployment() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world.create_agent("web").await;
    world.wait_for_condition("web", "Ready", "DeploymentNotReady").await;
    let status = json!({"status": {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1}});
    let api = world.api::<Deployment>();
    api.patch_status("web", &PatchParams::default(), &Patch::Merge(status))
        .await
        .expect("status");
    world.wait_for_condition("web", "Ready", "DeploymentReady").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_agent_is_not_written_again() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world.create_agent("web").await;
    world.wait_for_condition("web", "Ready", "DeploymentNotReady").await;
    settle().await;
    let before = world.versions("web").await;
    // A new leader looks at everything.
    world.leader.set(Leadership::Follower);
    settle().await;
    world.leader.set(Leadership::Leader);
    // An annotation that renders nothing is one more pass.
    settle().await;
    assert_eq!(world.versions("web").await, before);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_has_routes_and_writes_nothing() {
    let world = World::start(Leadership::Follower).await;
    world.create_model().await;
    let agent = world.create_agent("web").await;
    settle().await;
    assert!(world.routes.find_route(&AgentRef::new(NAMESPACE, "web")).is_some());
    let versions = world.versions("web").await;
    assert_eq!(versions["Agent"], agent.resource_version());
    assert_eq!(
        versions.values().filter(|version| version.is_some()).count(),
        1,
        "{versions:?}"
    );
    assert!(world.store.list_agents().await.expect("store").is_empty());

    world.leader.set(Leadership::Leader);
    world.wait_for_condition("web", "Accepted", "Reconciled").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_others_are_not_overwritten() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world
        .create::<Secret>(json!({"metadata": {"name": "web"}, "stringData": {"precious": "data"}}))
        .await;
    world.create_agent("web").await;
    let message = world.wait_for_condition("web", "Accepted", "ReconcileFailed").await;
    assert!(
        message.contains("Secret team/web exists and does not belong to Agent team/web"),
        "{message}"
    );
    let secret = world.api::<Secret>().get("web").await.expect("Secret");
    assert_eq!(secret.data.expect("data").keys().collect::<Vec<_>>(), ["precious"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_named_and_found_when_it_comes() {
    let world = World::start(Leadership::Leader).await;
    world.create_agent("web").await;
    let message = world.wait_for_condition("web", "Accepted", "ReconcileFailed").await;
    assert_eq!(
        message,
        r#"failed to compile agent team/web: ModelConfig.kagent.dev "main" not found"#
    );
    world.create_model().await;
    world.wait_for_condition("web", "Accepted", "Reconciled").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_rolls_the_pods() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world.create_agent("web").await;
    world.wait_for_condition("web", "Accepted", "Reconciled").await;
    let hash = |deployment: &Deployment| {
        let metadata = deployment.spec.template.metadata.clone().unwrap_or_default();
        metadata
            .annotations
            .unwrap_or_default()
            .remove("kagent.dev/config-hash")
    };
    let before = hash(&world.api::<Deployment>().get("web").await.expect("Deployment"));
    let patch = json!({"stringData": {"token": "another-key"}});
    let api = world.api::<Secret>();
    api.patch("key", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .expect("patched");
    world
        .wait_for::<Deployment>("web", "another hash", |it| it.is_some_and(|it| hash(it) != before))
        .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_objects_come_back_and_a_deleted_agent_takes_all_along() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world.create_agent("web").await;
    world.wait_for_condition("web", "Ready", "DeploymentNotReady").await;
    world
        .api::<Service>()
        .delete("web", &DeleteParams::default())
        .await
        .expect("deleted");
    world
        .wait_for::<Service>("web", "the Service's return", |it| it.is_some())
        .await;

    world
        .api::<Agent>()
        .delete("web", &DeleteParams::default())
        .await
        .expect("deleted");
    world
        .wait_for::<Deployment>("web", "garbage collection", |it| it.is_none())
        .await;
    for _ in 0..400 {
        let row = world.store.find_agent("team__NS__web").await.expect("store");
        if row.is_none() && world.routes.find_route(&AgentRef::new(NAMESPACE, "web")).is_none() {
            world.stop().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("row or route stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_not_needed_any_more_is_deleted() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world.create_agent("web").await;
    world.wait_for_condition("web", "Accepted", "Reconciled").await;
    world
        .wait_for::<ServiceAccount>("web", "ServiceAccount", |it| it.is_some())
        .await;
    let patch = json!({"spec": {"declarative": {"deployment": {"serviceAccountName": "other"}}}});
    let api = world.api::<Agent>();
    api.patch("web", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .expect("patched");
    world
        .wait_for::<ServiceAccount>("web", "deletion", |it| it.is_none())
        .await;
    let deployment = world.api::<Deployment>().get("web").await.expect("Deployment");
    let pod = deployment.spec.template.spec.expect("pod");
    assert_eq!(pod.service_account_name.as_deref(), Some("other"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_made_again_at_once_has_its_row_again() {
    let world = World::start(Leadership::Leader).await;
    world.create_model().await;
    world.create_agent("web").await;
    for round in 0..20 {
        wait_for_row(&world, round).await;
        // As the REST API deletes: the object, and its row without waiting for the leader. The cache may never show that
        // the agent was away.
        let api = world.api::<Agent>();
        api.delete("web", &DeleteParams::default()).await.expect("deleted");
        world.store.delete_agent("team__NS__web").await.expect("store");
        world.create_agent("web").await;
    }
    wait_for_row(&world, 20).await;
    world.stop().await;
}

async fn wait_for_row(world: &World, round: usize) {
    for _ in 0..200 {
        if world.store.find_agent("team__NS__web").await.expect("store").is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no row in round {round}");
}
