//! **`ProcessRuntime`**: what a kubelet is in a cluster. Watches Deployments and gives each a supervisor.

use std::{collections::HashMap, sync::Arc};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, ResourceExt,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tokio::sync::watch;

use super::{context::Context, supervisor::supervise};

type Key = (String, String);

/// Runs until the server stops.
pub(super) async fn run(context: Arc<Context>) {
    let mut runtime = ProcessRuntime {
        context,
        agents: HashMap::new(),
    };
    let api = Api::<Deployment>::all(runtime.context.client.clone());
    let mut events = watcher::watcher(api, watcher::Config::default())
        .default_backoff()
        .boxed();
    let stop = runtime.context.tasks.shutdown_token().clone();
    let mut listed = Vec::new();
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.try_next() => event,
        };
        match event {
            Ok(Some(Event::Apply(deployment))) => runtime.follow(deployment),
            Ok(Some(Event::Delete(deployment))) => runtime.forget(&key(&deployment)),
            Ok(Some(Event::Init)) => listed.clear(),
            Ok(Some(Event::InitApply(deployment))) => {
                listed.push(key(&deployment));
                runtime.follow(deployment);
            }
            Ok(Some(Event::InitDone)) => runtime.retain(&listed),
            Ok(None) => return,
            Err(error) => tracing::warn!(%error, "cannot watch Deployments, trying again"),
        }
    }
}

struct ProcessRuntime {
    context: Arc<Context>,
    agents: HashMap<Key, watch::Sender<Option<Arc<Deployment>>>>,
}

fn key(deployment: &Deployment) -> Key {
    (deployment.namespace().unwrap_or_default(), deployment.name_any())
}

impl ProcessRuntime {
    fn follow(&mut self, deployment: Deployment) {
        let key = key(&deployment);
        if deployment.metadata.deletion_timestamp.is_some() {
            return self.forget(&key);
        }
        let deployment = Some(Arc::new(deployment));
        if let Some(agent) = self.agents.get(&key) {
            // Supervisors end with the server only.
            agent.send_replace(deployment);
            return;
        }
        let (agent, desired) = watch::channel(deployment);
        let (namespace, name) = key.clone();
        let supervisor = supervise(self.context.clone(), namespace, name, desired);
        self.context.tasks.spawn("agent", supervisor);
        self.agents.insert(key, agent);
    }

    /// Stops the agent. Its supervisor stays, so that a Deployment that comes back never meets what is still stopping.
    fn forget(&mut self, key: &Key) {
        if let Some(agent) = self.agents.get(key) {
            agent.send_replace(None);
        }
    }

    fn retain(&mut self, listed: &[Key]) {
        for (key, agent) in &self.agents {
            if !listed.contains(key) {
                agent.send_replace(None);
            }
        }
    }
}
