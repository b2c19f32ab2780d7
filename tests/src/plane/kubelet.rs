//! A stand-in for what a cluster has besides its control plane: a scheduler that puts every Pod on the one node, a
//! kubelet that runs a Pod's container as a local process with an address of its own, and what Services need.
//!
//! What it cannot do it says in the Pod's status, as a kubelet would: init containers, more than one container, images
//! that it does not know and that have no command.

mod pod;
mod status;

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::{
    api::core::v1::{Binding, Node, ObjectReference, Pod},
    apimachinery::pkg::apis::meta::v1::Status,
};
use kagent_core::{
    clock::{Clock, SystemClock},
    standalone::{ContainerHost, Machine, Prober, inherited},
    tasks::Tasks,
};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::watch;

use self::pod::{Orders, PodRunner};
use super::{
    ControlPlane,
    isolated::{is_isolated, outside_address},
    services,
};
use crate::requirements::{find_adk, find_quickstart_agent, find_server};

/// Name of the node.
pub(super) const NODE: &str = "stand-in";
/// The image of the example agent in its manifest.
const QUICKSTART_IMAGE: &str = "localhost/quickstart-agent";
/// Time for processes to end when the kubelet does.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// The node's address.
pub(super) fn node_address() -> Ipv4Addr {
    outside_address(255)
}

/// The running stand-in. When it is dropped, its processes are killed; the Pods stay as they are, as with a node that
/// fails.
pub struct Kubelet {
    shared: Arc<Shared>,
}

/// What all Pods share.
pub(super) struct Shared {
    client: Client,
    host: ContainerHost,
    prober: Prober,
    clock: Arc<dyn Clock>,
    /// What an image runs.
    images: BTreeMap<String, Vec<String>>,
    dir: PathBuf,
    tasks: Tasks,
    pods: Mutex<HashMap<String, Handle>>,
    next_address: Mutex<u16>,
}

struct Handle {
    key: (String, String),
    orders: watch::Sender<Orders>,
}

impl Kubelet {
    /// Starts it; it runs kagent's own runtime with `KAGENT_TEST_ADK` and knows the image of the example agent.
    ///
    /// # Panics
    /// Outside of [`super::isolated`], and where the programs are missing that it needs.
    pub async fn start(plane: &ControlPlane) -> Self {
        Self::start_with(plane, BTreeMap::new()).await
    }

    /// As [`Kubelet::start`], with more images: what to run for a container that has none of its own command. Its
    /// arguments follow.
    ///
    /// # Panics
    /// As [`Kubelet::start`].
    pub async fn start_with(plane: &ControlPlane, mut images: BTreeMap<String, Vec<String>>) -> Self {
        assert!(
            is_isolated(),
            "Pods need a network of their own: run the test in plane::isolated"
        );
        let (tasks, _ends) = Tasks::new();
        let client = plane.admin_client().await;
        if let Ok(agent) = find_quickstart_agent() {
            let command = vec![agent.display().to_string()];
            images.entry(QUICKSTART_IMAGE.to_owned()).or_insert(command);
        }
        let dir = plane.dir().join("pods");
        std::fs::create_dir_all(&dir).expect("a directory for Pods");
        let environment =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let shared = Arc::new(Shared {
            host: ContainerHost {
                client: client.clone(),
                machine: Machine {
                    directory: dir.clone(),
                    adk: find_adk().ok(),
                    inherited: inherited(environment),
                },
                guard: find_server().expect("the program that guards processes"),
                tasks: tasks.clone(),
            },
            client: client.clone(),
            prober: Prober::new(),
            clock: Arc::new(SystemClock),
            images,
            dir,
            tasks: tasks.clone(),
            pods: Mutex::default(),
            next_address: Mutex::new(0),
        });
        make_node(&client).await;
        services::start(&client, &tasks);
        tasks.spawn("kubelet", follow_pods(shared.clone()));
        Self { shared }
    }

    /// Kills the process of a Pod as if it had crashed; it is started again. False when there is no such Pod.
    pub fn crash(&self, namespace: &str, pod: &str) -> bool {
        let pods = self.shared.pods.lock();
        let found = pods
            .values()
            .find(|handle| handle.key.0 == namespace && handle.key.1 == pod);
        if let Some(handle) = found {
            handle.orders.send_modify(|orders| orders.crashes += 1);
        }
        found.is_some()
    }

    /// What the container of a Pod has printed.
    pub fn read_log(&self, namespace: &str, pod: &str) -> String {
        std::fs::read_to_string(self.shared.log_file(namespace, pod)).unwrap_or_default()
    }

    /// Ends all processes in good order; the Pods stay as they are.
    pub async fn stop(self) {
        self.shared.tasks.shutdown(STOP_WITHIN).await;
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.shared.tasks.shutdown_token().cancel();
    }
}

impl Shared {
    fn log_file(&self, namespace: &str, pod: &str) -> PathBuf {
        self.dir.join(format!("{namespace}.{pod}.log"))
    }

    fn pod_dir(&self, uid: &str) -> PathBuf {
        self.dir.join(uid)
    }

    fn claims(&self, namespace: &str) -> PathBuf {
        Path::new(&self.dir).join("claims").join(namespace)
    }

    /// An address that no other Pod of this control plane has.
    fn take_address(&self) -> Ipv4Addr {
        let mut next = self.next_address.lock();
        *next += 1;
        // 250 per third byte, and from 10.244.255.0 on they are not for Pods.
        let [high, low] = [*next / 250, *next % 250].map(|part| u8::try_from(part).unwrap_or_default());
        Ipv4Addr::new(10, 244, high, low + 1)
    }
}

/// The node has to exist: endpoints of Pods on a node that does not are left out.
async fn make_node(client: &Client) {
    let nodes = Api::<Node>::all(client.clone());
    let params = PatchParams::apply("kagent-tests").force();
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}});
    let made = nodes.patch(NODE, &params, &Patch::Apply(&node)).await;
    made.unwrap_or_else(|error| panic!("no Node: {error}"));
    let status = json!({"status": {
        "addresses": [{"type": "InternalIP", "address": node_address()}],
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "stand-in"}],
    }});
    let made = nodes
        .patch_status(NODE, &PatchParams::default(), &Patch::Merge(&status))
        .await;
    made.unwrap_or_else(|error| panic!("the Node has no status: {error}"));
}

async fn follow_pods(shared: Arc<Shared>) {
    let api = Api::<Pod>::all(shared.client.clone());
    let mut events = watcher::watcher(api, watcher::Config::default())
        .default_backoff()
        .boxed();
    let stop = shared.tasks.shutdown_token().clone();
    let mut listed = Vec::new();
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.try_next() => event,
        };
        match event {
            Ok(Some(Event::Apply(pod))) => follow(&shared, pod),
            Ok(Some(Event::Delete(pod))) => forget(&shared, &pod.uid().unwrap_or_default()),
            Ok(Some(Event::Init)) => listed.clear(),
            Ok(Some(Event::InitApply(pod))) => {
                listed.push(pod.uid().unwrap_or_default());
                follow(&shared, pod);
            }
            Ok(Some(Event::InitDone)) => {
                let known: Vec<_> = shared.pods.lock().keys().cloned().collect();
                known
                    .iter()
                    .filter(|uid| !listed.contains(uid))
                    .for_each(|uid| forget(&shared, uid));
            }
            Ok(None) => return,
            // The API server is away; a node goes on as it is.
            Err(_) => {}
        }
    }
}

fn follow(shared: &Arc<Shared>, pod: Pod) {
    let (namespace, name, uid) = (
        pod.namespace().unwrap_or_default(),
        pod.name_any(),
        pod.uid().unwrap_or_default(),
    );
    let spec = pod.spec.clone().unwrap_or_default();
    let deleted = pod.metadata.deletion_timestamp.is_some();
    match spec.node_name.as_deref() {
        None if !deleted => {
            let client = shared.client.clone();
            shared.tasks.spawn("scheduler", bind(client, namespace, name));
        }
        Some(NODE) => {
            let mut pods = shared.pods.lock();
            if !pods.contains_key(&uid) {
                let (orders, received) = watch::channel(Orders::default());
                let runner = PodRunner::new(shared.clone(), pod.clone(), received);
                shared.tasks.spawn("pod", runner.run());
                let key = (namespace, name);
                pods.insert(uid.clone(), Handle { key, orders });
            }
            if deleted && let Some(handle) = pods.get(&uid) {
                let seconds = pod.metadata.deletion_grace_period_seconds.unwrap_or_default();
                let grace = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
                handle.orders.send_modify(|orders| orders.end_within = Some(grace));
            }
        }
        // On no node yet and deleted already, or on somebody else's.
        _ => {}
    }
}

/// The object is gone: so is its process, at once.
fn forget(shared: &Arc<Shared>, uid: &str) {
    if let Some(handle) = shared.pods.lock().remove(uid) {
        handle.orders.send_modify(|orders| orders.gone = true);
    }
}

async fn bind(client: Client, namespace: String, name: String) {
    let binding = Binding {
        metadata: kube::api::ObjectMeta {
            name: Some(name.clone()),
            ..Default::default()
        },
        target: ObjectReference {
            kind: Some("Node".to_owned()),
            name: Some(NODE.to_owned()),
            ..Default::default()
        },
    };
    let pods = Api::<Pod>::namespaced(client, &namespace);
    // A conflict: it is bound already. Gone: nothing to bind. Otherwise the next event of the Pod tries again.
    let _: Result<Status, _> = pods
        .create_subresource("binding", &name, &PostParams::default(), &binding)
        .await;
}
