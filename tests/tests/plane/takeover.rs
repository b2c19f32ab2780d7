//! A live install of the Go controller is adopted: recorded objects, written as that controller wrote them, with the
//! controller-manager running. No Pod and no ReplicaSet comes of it, and a second start writes nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::{Duration, Instant},
};

use kagent_tests::{
    plane::ControlPlane,
    replay::rendered::{
        api::{Api, OWNED, order_of},
        case::{Case, read_yaml},
        install_kmcp,
        server::{Program, Server},
    },
    requirements,
};
use serde_json::{Value, json};

/// One model, a summarizer, everything at once, skills, the user's own image, and labels that the Go controller left behind.
const CASES: [&str; 6] = [
    "openai-minimal",
    "compaction-summarizer-same-model",
    "everything-python",
    "skills-oci-refs",
    "byo-minimal",
    "update-labels-and-annotations-removed",
];
const KAGENT: [&str; 3] = ["Agent", "ModelConfig", "RemoteMCPServer"];
const WITHIN: Duration = Duration::from_secs(120);
const QUIET: Duration = Duration::from_secs(4);

struct World {
    plane: ControlPlane,
    api: Api,
    cases: Vec<Case>,
}

impl World {
    async fn start() -> Self {
        let plane = ControlPlane::start().await;
        plane.install_crds().await;
        let api = Api(plane.admin_client().await);
        install_kmcp(&api).await.expect("kmcp's kind");
        let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings/rendered");
        let cases = Case::read_all(&recordings).expect("recordings");
        let cases: Vec<_> = cases
            .into_iter()
            .filter(|case| CASES.contains(&case.name.as_str()))
            .collect();
        assert_eq!(cases.len(), CASES.len());
        Self { plane, api, cases }
    }

    /// The state that the Go controller left: input, objects, statuses.
    async fn install(&self) {
        for case in &self.cases {
            for namespace in case.namespaces() {
                self.api.make_namespace(&namespace).await.expect("namespace");
            }
            let mut step = "";
            for known in case.steps() {
                step = known;
                let mut input = case.find(step, "input.yaml").map(read_yaml).unwrap_or_default();
                input.sort_by_key(|object| order_of(object["kind"].as_str().unwrap_or_default()));
                for object in input {
                    self.api.put(&object).await.expect("input");
                }
            }
            for (path, text) in case.list(&format!("{step}expected/")) {
                if path.ends_with(".yaml") && path.contains('/') {
                    self.adopt(read_yaml(text).remove(0)).await;
                }
            }
            self.write_statuses(case.find(step, "expected/status.yaml").expect("statuses"))
                .await;
        }
    }

    async fn adopt(&self, mut object: Value) {
        let namespace = object["metadata"]["namespace"].as_str().expect("namespace").to_owned();
        let owners = object["metadata"]["ownerReferences"].as_array_mut().expect("owners");
        for owner in owners {
            let name = owner["name"].as_str().expect("owner").to_owned();
            let agent = self
                .api
                .find("Agent", &namespace, &name)
                .await
                .expect("API")
                .expect("agent");
            owner["uid"] = agent["metadata"]["uid"].clone();
        }
        self.api.put(&object).await.expect("recorded object");
    }

    async fn write_statuses(&self, text: &str) {
        for status in read_yaml(text).remove(0).as_array().expect("list") {
            let mut status = status.clone();
            let conditions = status["status"]["conditions"].as_array_mut();
            for condition in conditions.into_iter().flatten() {
                condition["lastTransitionTime"] = json!("2026-01-01T00:00:00Z");
            }
            let object = json!({
                "kind": status["kind"],
                "metadata": {"namespace": status["namespace"], "name": status["name"]},
                "status": status["status"],
            });
            self.api.patch_status(&object).await.expect("recorded status");
        }
    }

    async fn list(&self, kinds: &[&str]) -> Vec<Value> {
        let mut objects = Vec::new();
        for case in &self.cases {
            for namespace in case.namespaces() {
                for kind in kinds {
                    for mut object in self.api.list(kind, &namespace).await.expect("list") {
                        object["kind"] = (*kind).into();
                        objects.push(object);
                    }
                }
            }
        }
        objects
    }

    /// Resource versions of everything that a controller of kagent writes.
    async fn versions(&self) -> BTreeMap<String, String> {
        let kinds: Vec<&str> = OWNED.iter().chain(&KAGENT).copied().collect();
        let objects = self.list(&kinds).await;
        objects
            .iter()
            .map(|object| (name_of(object), text(&object["metadata"]["resourceVersion"])))
            .collect()
    }

    /// Names of ReplicaSets and Pods.
    async fn pods(&self) -> BTreeSet<String> {
        let client = &self.api.0;
        let mut names = BTreeSet::new();
        for path in ["/apis/apps/v1/replicasets", "/api/v1/pods"] {
            let request = http::Request::get(path).body(Vec::new()).expect("request");
            let answer: Value = client.request(request).await.expect("answer");
            let items = answer["items"].as_array().cloned().unwrap_or_default();
            names.extend(items.iter().map(name_of));
        }
        names
    }

    /// Pod templates and generations of Deployments.
    async fn templates(&self) -> BTreeMap<String, (Value, Value)> {
        let deployments = self.list(&["Deployment"]).await;
        deployments
            .iter()
            .map(|it| {
                (
                    name_of(it),
                    (it["spec"]["template"].clone(), it["metadata"]["generation"].clone()),
                )
            })
            .collect()
    }

    /// Waits until nothing has changed for a while.
    async fn settle(&self) -> BTreeMap<String, String> {
        let started = Instant::now();
        let mut last = self.versions().await;
        loop {
            tokio::time::sleep(QUIET).await;
            let next = self.versions().await;
            if next == last {
                return last;
            }
            last = next;
            assert!(started.elapsed() < WITHIN, "something is written again and again");
        }
    }

    /// MODIFIED events of an object since a version of the whole cluster.
    async fn count_writes(&self, path: &str, since: &str) -> BTreeMap<String, usize> {
        let url = format!("{path}?watch=1&resourceVersion={since}&timeoutSeconds=2");
        let request = http::Request::get(url).body(Vec::new()).expect("request");
        let events = self.api.0.request_text(request).await.expect("events");
        let mut counts = BTreeMap::new();
        for line in events.lines() {
            let event: Value = serde_json::from_str(line).expect("event");
            if event["type"] == "MODIFIED" {
                *counts.entry(name_of(&event["object"])).or_default() += 1;
            }
        }
        counts
    }

    async fn start_server(&self) -> Server {
        let program = Program {
            path: requirements::find_server().expect("the server program"),
            on_postgres: false,
        };
        Server::start(&program, self.plane.admin_kubeconfig(), &[])
            .await
            .expect("the server starts")
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn name_of(object: &Value) -> String {
    let metadata = &object["metadata"];
    format!(
        "{} {}/{}",
        text(&object["kind"]),
        text(&metadata["namespace"]),
        text(&metadata["name"])
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_install_is_adopted_without_a_pod_restarted_and_written_once() {
    let world = World::start().await;
    world.install().await;
    world.settle().await;
    let (pods, templates) = (world.pods().await, world.templates().await);
    assert!(!pods.is_empty(), "the controller-manager does not run");
    let secrets = http::Request::get("/api/v1/secrets").body(Vec::new()).expect("request");
    let list: Value = world.api.0.request(secrets).await.expect("list");
    let since = text(&list["metadata"]["resourceVersion"]);

    let server = world.start_server().await;
    let adopted = world.settle().await;
    assert_eq!(world.pods().await, pods, "Pods or ReplicaSets came or went");
    assert_eq!(world.templates().await, templates, "a pod template was written");
    for path in [
        "/api/v1/secrets",
        "/api/v1/configmaps",
        "/api/v1/serviceaccounts",
        "/api/v1/services",
        "/apis/kagent.dev/v1alpha2/agents",
        "/apis/kagent.dev/v1alpha2/modelconfigs",
        "/apis/kagent.dev/v1alpha2/remotemcpservers",
    ] {
        let writes = world.count_writes(path, &since).await;
        let more: Vec<_> = writes.iter().filter(|(_, count)| **count > 1).collect();
        assert!(more.is_empty(), "{path}: written more than once: {more:?}");
    }
    for object in world.list(&OWNED).await {
        let entries = object["metadata"]["managedFields"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let owners = entries
            .iter()
            .filter(|entry| entry["fieldsV1"]["f:metadata"]["f:ownerReferences"].is_object());
        let operations: BTreeSet<String> = owners.map(|entry| text(&entry["operation"])).collect();
        assert!(
            operations.is_empty() || operations == BTreeSet::from(["Apply".to_owned()]),
            "{}: {operations:?}",
            name_of(&object)
        );
    }

    server.stop().await.expect("stopped");
    let server = world.start_server().await;
    assert_eq!(world.settle().await, adopted, "a second start wrote something");
    server.stop().await.expect("stopped");
}
