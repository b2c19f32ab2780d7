//! Agents: five steps in a row, each in a file of its own.
//!
//! 1. dereference – *client required* – read what the Agent refers to
//! 2. validate, build – *pure* – `translate`
//! 3. apply – *client required* – write the objects, delete orphans
//! 4. row – *store required* – what the REST API shows
//! 5. status – *client required* – say what became of it

mod apply;
mod dereference;
mod status;

use std::{collections::HashMap, sync::Arc};

use futures::StreamExt;
use kagent_api::v1alpha2::{Agent, AgentStatus, AgentType, find_condition};
use kube::{
    ResourceExt,
    runtime::controller::{self, Action},
};
use parking_lot::Mutex;
use tokio::sync::broadcast;

use super::{
    backoff::Backoffs,
    context::Context,
    dependencies::{Dependencies, OwnerName},
    events::Events,
    queue::{Happened, queue},
    related::RelatedChange,
    report::Outcome,
    rows::RowsSender,
};
use crate::{
    cluster::apply::Applied,
    error::{Error, Result},
    ident::AgentRef,
    store::agents::NewAgent,
    translate::{self, AgentOutputs, ObjectKind},
};
use status::Accepted;

/// Agents that are worked on at the same time.
const CONCURRENCY: u16 = 16;

struct Reconciler {
    context: Context,
    dependencies: Arc<Dependencies>,
    backoffs: Backoffs,
    rows: RowsSender,
    events: Events,
    /// What each agent's row was last written with, and the object's uid: an idle agent costs the database nothing. An
    /// agent that is made again is another object, and its row went with the one before it.
    written_rows: Mutex<HashMap<String, (Option<String>, NewAgent)>>,
    /// The status that was written last, with the version of the agent that it was computed for. The cache may show that
    /// version once more before it shows the write.
    written_statuses: Mutex<HashMap<OwnerName, (Option<String>, AgentStatus)>>,
}

/// Reconciles Agents until it is dropped.
pub(super) async fn run(
    context: &Context,
    related: broadcast::Receiver<RelatedChange>,
    rows: RowsSender,
    events: Events,
) {
    let cluster = &context.cluster;
    let dependencies = Arc::new(Dependencies::default());
    let reconciler = Arc::new(Reconciler {
        context: context.clone(),
        dependencies: Arc::clone(&dependencies),
        backoffs: Backoffs::default(),
        rows,
        events,
        written_rows: Mutex::default(),
        written_statuses: Mutex::default(),
    });
    let requests = {
        let reconciler = Arc::clone(&reconciler);
        queue::<Agent>(cluster.changes(), related, move |happened| {
            reconciler.find_affected(happened)
        })
    };
    let results = controller::applier(
        |agent, reconciler: Arc<Reconciler>| Box::pin(async move { reconciler.reconcile(&agent).await }),
        |agent, _error, reconciler| {
            let (namespace, name) = name_of(&agent);
            Action::requeue(reconciler.backoffs.next(&namespace, &name))
        },
        reconciler,
        cluster.agents.clone(),
        requests,
        controller::Config::default().concurrency(CONCURRENCY),
    );
    // Failures were reported where they happened; an agent that went meanwhile is no failure.
    results.for_each(|_| std::future::ready(())).await;
}

impl Reconciler {
    fn find_affected(&self, happened: Happened<'_>) -> Vec<OwnerName> {
        let agents = &self.context.cluster.agents;
        match happened {
            Happened::Missed => {
                self.rows.notify();
                agents.state().iter().map(|agent| name_of(agent)).collect()
            }
            Happened::Cached(key) => {
                let mut affected = self.dependencies.owners_of(key);
                let own = (key.namespace.clone(), key.name.clone());
                match key.kind {
                    ObjectKind::Agent if find_agent(agents, &own) => affected.push(own),
                    ObjectKind::Agent => self.forget(&own),
                    // A Deployment is named like its agent.
                    ObjectKind::Deployment if find_agent(agents, &own) => affected.push(own),
                    _ => {}
                }
                affected
            }
            Happened::Related(change) => {
                let mut affected: Vec<_> = change
                    .key
                    .iter()
                    .flat_map(|key| self.dependencies.owners_of(key))
                    .collect();
                affected.extend(change.owner.clone().filter(|owner| find_agent(agents, owner)));
                affected
            }
        }
    }

    fn forget(&self, agent: &OwnerName) {
        self.dependencies.retain(agent, &std::collections::HashSet::new());
        self.backoffs.reset(&agent.0, &agent.1);
        self.written_rows
            .lock()
            .remove(&AgentRef::new(&agent.0, &agent.1).python_id());
        self.written_statuses.lock().remove(agent);
        self.rows.notify();
    }

    /// # Errors
    /// What is worth trying again. What only the author can change is not.
    async fn reconcile(&self, agent: &Agent) -> Result<Action> {
        let (namespace, name) = name_of(agent);
        if agent.metadata.deletion_timestamp.is_some() {
            return Ok(Action::await_change());
        }
        let mut written = Vec::new();
        let made = Box::pin(self.make(agent)).await;
        if let Ok(Made::Applied(applied)) = &made {
            written.extend(applied.written.iter().cloned());
        }
        let (accepted, applied) = match &made {
            Ok(Made::Applied(applied)) => (Accepted::Yes, Some(&**applied)),
            Ok(Made::Refused(message)) => (Accepted::No(message.clone()), None),
            Err(error) => (Accepted::No(error.message().to_owned()), None),
        };
        let told = self.tell(agent, &accepted, applied).await;
        if matches!(told, Ok(true)) {
            written.push("status".to_owned());
        }
        let outcome = Outcome {
            kind: "Agent",
            namespace: &namespace,
            name: &name,
            written: &written,
        };
        let result = made.and_then(|made| told.map(|_| made));
        match &result {
            Ok(Made::Applied(_)) => outcome.reconciled(),
            Ok(Made::Refused(message)) => outcome.refused(message),
            Err(error) => outcome.failed(error),
        }
        result.map(|_| {
            self.backoffs.reset(&namespace, &name);
            Action::await_change()
        })
    }

    /// Step 5. Whether the status was written.
    async fn tell(&self, agent: &Agent, accepted: &Accepted, applied: Option<&Applied>) -> Result<bool> {
        let name = name_of(agent);
        let version = agent.resource_version();
        let remembered = self.written_statuses.lock().get(&name).cloned();
        let current = match remembered {
            Some((seen, status)) if seen == version => Some(status),
            _ => agent.status.clone(),
        };
        let told = status::update_status(&self.context, agent, current.as_ref(), accepted, applied).await?;
        let written = told.is_some();
        if let Some(status) = told {
            self.tell_change(agent, current.as_ref(), accepted);
            self.written_statuses.lock().insert(name, (version, status));
        }
        Ok(written)
    }

    /// Events say what goes wrong and what is well again; that a new agent works is no news.
    fn tell_change(&self, agent: &Agent, before: Option<&AgentStatus>, accepted: &Accepted) {
        let conditions = before.and_then(|status| status.conditions.as_deref());
        let before = find_condition(conditions.unwrap_or_default(), "Accepted");
        match accepted {
            Accepted::No(message) if before.is_none_or(|it| it.message != *message) => {
                self.events.warn(agent, "ReconcileFailed", message);
            }
            Accepted::Yes if before.is_some_and(|it| it.status == "False") => {
                self.events.note(agent, "Reconciled", "Agent configuration accepted");
            }
            _ => {}
        }
    }

    /// Steps 1 to 4.
    async fn make(&self, agent: &Agent) -> Result<Made> {
        let options = &self.context.options;
        // 1. client required
        let fetched = dereference::dereference(&self.context, &self.dependencies, agent).await?;
        // 2. no client required
        let resolved = match translate::validate(agent, &fetched, options) {
            Ok(resolved) => resolved,
            Err(problems) => return Ok(Made::Refused(problems.to_string())),
        };
        let outputs = translate::build(&resolved, options)?;
        // 3. client required
        let applied = apply::apply(&self.context, agent, &outputs).await?;
        // 4. store required
        self.write_row(agent, &outputs).await?;
        Ok(Made::Applied(Box::new(applied)))
    }

    async fn write_row(&self, agent: &Agent, outputs: &AgentOutputs) -> Result<()> {
        let (namespace, name) = name_of(agent);
        let reference = AgentRef::new(namespace, name);
        let row = NewAgent {
            id: reference.python_id(),
            agent_type: match agent.spec.agent_type() {
                AgentType::Declarative => "Declarative".to_owned(),
                AgentType::Byo => "BYO".to_owned(),
                AgentType::Other(other) => other,
            },
            workload_type: "deployment".to_owned(),
            config: outputs.config.is_some().then(|| outputs.files.config.clone()),
        };
        let uid = agent.uid();
        let known = self.written_rows.lock().get(&row.id).cloned();
        if known.is_some_and(|(written_for, written)| written_for == uid && written == row) {
            return Ok(());
        }
        let permit = self.context.begin_write()?;
        let written = self.context.store.upsert_agent(&row).await;
        drop(permit);
        written.map_err(|error: Error| error.context(&format!("failed to store agent {reference}")))?;
        let id = row.id.clone();
        self.written_rows.lock().insert(id, (uid, row));
        if !find_agent(&self.context.cluster.agents, &(reference.namespace, reference.name)) {
            // It went while its row was written.
            self.rows.notify();
        }
        Ok(())
    }
}

/// What became of an Agent that could be looked at.
enum Made {
    Applied(Box<Applied>),
    /// Its author has to change something, here or in what it refers to.
    Refused(String),
}

fn name_of(agent: &Agent) -> OwnerName {
    (agent.namespace().unwrap_or_default(), agent.name_any())
}

fn find_agent(agents: &kube::runtime::reflector::Store<Agent>, name: &OwnerName) -> bool {
    let reference = kube::runtime::reflector::ObjectRef::new(&name.1).within(&name.0);
    agents.get(&reference).is_some()
}
