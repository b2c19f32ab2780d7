//! Asks every tool server for its tools again and again, each by a worker of its own, off the way of every reconcile. A
//! server that hangs costs others nothing: it waits its turn among those that hung before.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{backoff, context::Context, rows::RowsSender};
use crate::{
    clock,
    error::Result,
    mcp,
    store::tools::{NewTool, NewToolServer},
    tasks::Tasks,
    translate::{ObjectKey, ObjectKind, discovery::McpEndpoint},
};

/// Time between two looks at a server that answers. Up to a tenth more, so that servers do not come in step.
const INTERVAL: Duration = Duration::from_secs(60);
/// Servers that are asked at the same time.
const CONVERSATIONS: usize = 32;
/// Of those that hung the last time.
const SLOW_CONVERSATIONS: usize = 8;

/// A tool server as its object describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Target {
    /// For people.
    pub(super) description: String,
    /// Where it is, or what its author has to mend first.
    pub(super) endpoint: Result<McpEndpoint, String>,
}

/// What became of asking.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// Its tools, by name.
    Found(Vec<NewTool>),
    /// Why there are none, for the object's author.
    Failed(String),
}

struct Followed {
    target: Target,
    outcome: Option<Outcome>,
    /// Ends the worker when it goes.
    _worker: DropGuard,
}

/// All tool servers that are followed. One per time of leadership.
pub(super) struct Discovery {
    context: Context,
    tasks: Tasks,
    stop: CancellationToken,
    conversations: Semaphore,
    slow_conversations: Semaphore,
    followed: Mutex<HashMap<ObjectKey, Followed>>,
    /// Kinds whose servers are all followed, so that other rows are stale.
    complete: Mutex<HashSet<ObjectKind>>,
    changed: mpsc::UnboundedSender<ObjectKey>,
    rows: RowsSender,
}

impl Discovery {
    /// Follows nobody yet. Workers end with `stop`; `changed` learns of new outcomes, `rows` of servers that went.
    pub(super) fn new(
        context: Context,
        tasks: &Tasks,
        stop: CancellationToken,
        changed: mpsc::UnboundedSender<ObjectKey>,
        rows: RowsSender,
    ) -> Arc<Self> {
        Arc::new(Self {
            context,
            tasks: tasks.clone(),
            stop,
            conversations: Semaphore::new(CONVERSATIONS),
            slow_conversations: Semaphore::new(SLOW_CONVERSATIONS),
            followed: Mutex::default(),
            complete: Mutex::default(),
            changed,
            rows,
        })
    }

    /// Asks this server from now on; at once when the target is new or another.
    /// Whether it was.
    pub(super) fn follow(self: &Arc<Self>, key: &ObjectKey, target: Target) -> bool {
        let mut followed = self.followed.lock();
        if followed.get(key).is_some_and(|known| known.target == target) {
            return false;
        }
        let token = self.stop.child_token();
        let worker = Worker {
            discovery: Arc::clone(self),
            key: key.clone(),
            target: target.clone(),
        };
        let ends = token.clone();
        self.tasks.spawn("discovery", async move {
            tokio::select! {
                () = ends.cancelled() => {}
                () = worker.run() => {}
            }
        });
        followed.insert(
            key.clone(),
            Followed {
                target,
                outcome: None,
                _worker: token.drop_guard(),
            },
        );
        true
    }

    /// The server is gone. Its rows go with the next sweep, which this asks for.
    pub(super) fn forget(&self, key: &ObjectKey) {
        self.followed.lock().remove(key);
        self.rows.notify();
    }

    /// From now on rows of this kind without a followed server are stale.
    pub(super) fn mark_complete(&self, kind: ObjectKind) {
        self.complete.lock().insert(kind);
        self.rows.notify();
    }

    /// Whether a row of this kind and name belongs to nobody.
    pub(super) fn is_stale(&self, key: &ObjectKey) -> bool {
        self.complete.lock().contains(&key.kind) && !self.followed.lock().contains_key(key)
    }

    /// The servers of a kind that are followed.
    pub(super) fn list_followed(&self, kind: ObjectKind) -> Vec<ObjectKey> {
        let followed = self.followed.lock();
        followed.keys().filter(|key| key.kind == kind).cloned().collect()
    }

    /// What asking this target gave the last time; `None` before it ended for the first time.
    pub(super) fn find_outcome(&self, key: &ObjectKey) -> Option<Outcome> {
        self.followed.lock().get(key).and_then(|known| known.outcome.clone())
    }

    async fn upsert(&self, row: &NewToolServer) -> Result<()> {
        let _permit = self.context.begin_write()?;
        self.context.store.upsert_tool_server(row).await
    }

    async fn replace(&self, name: &str, kind: &str, tools: &[NewTool]) -> Result<()> {
        let _permit = self.context.begin_write()?;
        self.context.store.replace_tools(name, kind, tools).await
    }

    /// Keeps an outcome, unless the target has changed meanwhile.
    fn keep(&self, key: &ObjectKey, target: &Target, outcome: Outcome) {
        let mut followed = self.followed.lock();
        let Some(known) = followed.get_mut(key).filter(|known| known.target == *target) else {
            return;
        };
        if known.outcome.as_ref() != Some(&outcome) {
            known.outcome = Some(outcome);
            // Nobody listens only while leadership ends.
            let _ = self.changed.send(key.clone());
        }
    }
}

/// Rows name servers so.
pub(super) fn name_of_row(key: &ObjectKey) -> String {
    format!("{}/{}", key.namespace, key.name)
}

struct Worker {
    discovery: Arc<Discovery>,
    key: ObjectKey,
    target: Target,
}

impl Worker {
    async fn run(self) {
        self.write_row().await;
        let endpoint = match &self.target.endpoint {
            Ok(endpoint) => endpoint,
            Err(message) => {
                let outcome = Outcome::Failed(message.clone());
                return self.discovery.keep(&self.key, &self.target, outcome);
            }
        };
        let mut failures = backoff::build();
        let mut hung = false;
        let mut stored = None;
        loop {
            let outcome = self.ask(endpoint, &mut hung, &mut stored).await;
            let wait = match &outcome {
                Outcome::Found(_) => {
                    failures = backoff::build();
                    jittered(INTERVAL)
                }
                // A server that just starts is asked again soon.
                Outcome::Failed(_) => failures.next().unwrap_or(INTERVAL),
            };
            self.discovery.keep(&self.key, &self.target, outcome);
            tokio::time::sleep(wait).await;
        }
    }

    /// The row is there before the server is asked, and also when it never answers.
    async fn write_row(&self) {
        let row = NewToolServer {
            name: name_of_row(&self.key),
            group_kind: self.key.kind.to_string(),
            description: self.target.description.clone(),
        };
        let mut waits = backoff::build();
        while let Err(error) = self.discovery.upsert(&row).await {
            tracing::warn!(server = row.name, error = %error.chain(), "cannot store a tool server, trying again");
            tokio::time::sleep(waits.next().unwrap_or_default()).await;
        }
    }

    async fn ask(&self, endpoint: &McpEndpoint, hung: &mut bool, stored: &mut Option<Vec<NewTool>>) -> Outcome {
        let listed = {
            let lane = match *hung {
                true => &self.discovery.slow_conversations,
                false => &self.discovery.conversations,
            };
            // Never closed.
            let _turn = lane.acquire().await;
            mcp::list_tools(endpoint).await
        };
        *hung = listed.as_ref().is_err_and(mcp::is_timeout);
        let name = name_of_row(&self.key);
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => {
                tracing::debug!(server = name, error = %error.chain(), "a tool server does not list its tools");
                return Outcome::Failed(format!(
                    "failed to fetch tools for toolServer {name}: {}",
                    error.message()
                ));
            }
        };
        let mut tools: Vec<_> = listed
            .into_iter()
            .map(|tool| NewTool {
                id: tool.name,
                description: tool.description,
            })
            .collect();
        // Servers that list in another order each time have not changed.
        tools.sort_by(|a, b| a.id.cmp(&b.id));
        if stored.as_ref() != Some(&tools) {
            let kind = self.key.kind.to_string();
            if let Err(error) = self.discovery.replace(&name, &kind, &tools).await {
                tracing::warn!(server = name, error = %error.chain(), "cannot store tools, trying again");
                return Outcome::Failed(format!(
                    "failed to store tools for toolServer {name}: {}",
                    error.message()
                ));
            }
            *stored = Some(tools.clone());
        }
        Outcome::Found(tools)
    }
}

/// Up to a tenth more.
fn jittered(wait: Duration) -> Duration {
    let random = (clock::new_id().as_u128() % 100) as u32;
    wait + wait * random / 1000
}
