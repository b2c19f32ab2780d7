//! What the tests of agents in a cluster share: objects, and waiting for what is to become of them.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Namespace;
use kagent_api::v1alpha2::Agent;
use kagent_tests::plane::{ControlPlane, ServerRules, ServiceAccountName};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// The machine may be busy with other tests.
const WITHIN: Duration = Duration::from_secs(120);

/// The server's own namespace and service account.
pub(crate) const INSTALLATION: &str = "kagent";
pub(crate) const SERVER: ServiceAccountName<'_> = ServiceAccountName {
    namespace: INSTALLATION,
    name: "kagent-controller",
};

/// Makes an object.
pub(crate) async fn create<K>(client: &Client, namespace: &str, object: Value)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + Debug + DeserializeOwned + Serialize,
{
    let object: K = serde_json::from_value(object).expect("an object");
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let created = api.create(&PostParams::default(), &object).await;
    created.unwrap_or_else(|error| panic!("{} is refused: {error}", object.name_any()));
}

/// Makes a namespace of this name.
pub(crate) async fn create_namespace(client: &Client, name: &str) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let api = Api::<Namespace>::all(client.clone());
    let params = PatchParams::apply("kagent-tests");
    api.patch(name, &params, &Patch::Apply(&namespace))
        .await
        .expect("a namespace");
}

/// The rules of the chart.
pub(crate) fn read_rules() -> ServerRules {
    ServerRules::read().expect("the rules of the chart")
}

/// A control plane with kagent's kinds and the namespace of the installation.
pub(crate) async fn start_plane() -> ControlPlane {
    let plane = ControlPlane::start().await;
    plane.install_crds().await;
    create_namespace(&plane.admin_client().await, INSTALLATION).await;
    plane
}

/// The example agent, which needs no model.
pub(crate) fn mk_scout(root: &str) -> Value {
    json!({
        "apiVersion": "kagent.dev/v1alpha2", "kind": "Agent",
        "metadata": {"name": "scout"},
        "spec": {"type": "BYO", "description": "Looks around.", "byo": {"deployment": {
            "image": "localhost/quickstart-agent",
            "env": [{"name": "SCOUT_ROOT", "value": root}],
        }}},
    })
}

/// Waits until `look` finds something.
pub(crate) async fn wait_for<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < WITHIN, "{what} does not come");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Status and message of a condition of an Agent.
pub(crate) async fn find_condition(agents: &Api<Agent>, agent: &str, type_: &str) -> Option<(String, String)> {
    let agent = serde_json::to_value(agents.get(agent).await.expect("an agent")).expect("JSON");
    let conditions = agent["status"]["conditions"].as_array()?;
    let condition = conditions.iter().find(|condition| condition["type"] == type_)?;
    let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    Some((text("status"), text("message")))
}

/// Waits until an Agent is ready; `explain` is asked when it is not in time.
pub(crate) async fn wait_until_ready(agents: &Api<Agent>, agent: &str, explain: impl Fn() -> String) {
    let started = Instant::now();
    loop {
        let ready = find_condition(agents, agent, "Ready").await;
        if ready.as_ref().is_some_and(|(status, _)| status == "True") {
            return;
        }
        assert!(
            started.elapsed() < WITHIN,
            "{agent} is not ready: {ready:?}\n{}",
            explain()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
