//! ModelConfigs: whether their Secrets are there, and the hash of them. Agents do not wait for this status: they hash the
//! Secrets themselves.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures::StreamExt;
use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kagent_api::v1alpha2::{ModelConfig, ModelConfigStatus, set_condition};
use kube::{
    Api, ResourceExt,
    runtime::{
        controller::{self, Action},
        reflector::ObjectRef,
    },
};
use tokio::sync::broadcast;

use super::{
    backoff::Backoffs,
    context::Context,
    dependencies::{Dependencies, OwnerName},
    events::Events,
    queue::{Happened, queue},
    related::RelatedChange,
    report::Outcome,
    write_status::write_status,
};
use crate::{
    cluster::fetch::within_deadline,
    error::Result,
    translate::{ObjectKind, hash::secret_hash, references::list_model_secrets},
};

/// ModelConfigs that are worked on at the same time.
const CONCURRENCY: u16 = 4;

struct Reconciler {
    context: Context,
    dependencies: Arc<Dependencies>,
    backoffs: Backoffs,
    events: Events,
}

/// Reconciles ModelConfigs until it is dropped.
pub(super) async fn run(context: &Context, related: broadcast::Receiver<RelatedChange>, events: Events) {
    let configs = context.cluster.model_configs.clone();
    let dependencies = Arc::new(Dependencies::default());
    let reconciler = Arc::new(Reconciler {
        context: context.clone(),
        dependencies: Arc::clone(&dependencies),
        backoffs: Backoffs::default(),
        events,
    });
    let known = configs.clone();
    let requests = queue::<ModelConfig>(context.cluster.changes(), related, move |happened| match happened {
        Happened::Missed => known.state().iter().map(|config| name_of(config)).collect(),
        Happened::Cached(key) if key.kind == ObjectKind::ModelConfig => {
            let own = (key.namespace.clone(), key.name.clone());
            match known.get(&ObjectRef::new(&own.1).within(&own.0)) {
                Some(_) => vec![own],
                None => {
                    dependencies.retain(&own, &HashSet::new());
                    Vec::new()
                }
            }
        }
        Happened::Cached(_) => Vec::new(),
        Happened::Related(change) => change.key.iter().flat_map(|key| dependencies.owners_of(key)).collect(),
    });
    let results = controller::applier(
        |config, reconciler: Arc<Reconciler>| Box::pin(async move { reconciler.reconcile(&config).await }),
        |config, _error, reconciler| {
            let (namespace, name) = name_of(&config);
            Action::requeue(reconciler.backoffs.next(&namespace, &name))
        },
        reconciler,
        configs,
        requests,
        controller::Config::default().concurrency(CONCURRENCY),
    );
    results.for_each(|_| std::future::ready(())).await;
}

impl Reconciler {
    async fn reconcile(&self, config: &ModelConfig) -> Result<Action> {
        let (namespace, name) = name_of(config);
        let outcome = self.update(config, &namespace).await;
        let written: Vec<_> = matches!(outcome, Ok(true))
            .then(|| "status".to_owned())
            .into_iter()
            .collect();
        let report = Outcome {
            kind: "ModelConfig",
            namespace: &namespace,
            name: &name,
            written: &written,
        };
        match outcome {
            Ok(_) => {
                report.reconciled();
                self.backoffs.reset(&namespace, &name);
                Ok(Action::await_change())
            }
            Err(error) => {
                report.failed(&error);
                Err(error)
            }
        }
    }

    /// Whether the status was written.
    async fn update(&self, config: &ModelConfig, namespace: &str) -> Result<bool> {
        let secrets = self.fetch_secrets(config, namespace).await?;
        let status = build_status(config, &secrets, Time(self.context.clock.now()));
        let current = config.status.as_ref();
        if current == Some(&status) {
            return Ok(false);
        }
        let owner = name_of(config);
        let client = &self.context.cluster.client;
        let written = write_status::<ModelConfig, _>(client, &owner, current, &status).await?;
        if written {
            let before = current.and_then(|it| it.conditions.as_deref());
            self.events
                .tell_change(config, "Accepted", before, status.conditions.as_deref());
        }
        Ok(written)
    }

    /// The Secrets that exist, by name.
    async fn fetch_secrets(&self, config: &ModelConfig, namespace: &str) -> Result<HashMap<String, Secret>> {
        let owner = name_of(config);
        let keys: HashSet<_> = list_model_secrets(config).into_iter().collect();
        for key in &keys {
            self.dependencies.add(&owner, key);
        }
        self.dependencies.retain(&owner, &keys);
        let api: Api<Secret> = Api::namespaced(self.context.cluster.client.clone(), namespace);
        let mut secrets = HashMap::new();
        for key in keys {
            let what = format!("failed to get secret {}", key.name);
            if let Some(secret) = within_deadline(&what, api.get_opt(&key.name)).await? {
                secrets.insert(key.name, secret);
            }
        }
        Ok(secrets)
    }
}

/// The status that says what was found. Pure.
fn build_status(config: &ModelConfig, secrets: &HashMap<String, Secret>, now: Time) -> ModelConfigStatus {
    let mut status = config.status.clone().unwrap_or_default();
    let problems = list_problems(config, secrets);
    let (accepted, reason, message) = if problems.is_empty() {
        (
            "True",
            "ModelConfigReconciled",
            "Model configuration accepted".to_owned(),
        )
    } else {
        ("False", "ModelConfigReconcileFailed", join_problems(&problems))
    };
    let mut conditions = status.conditions.take().unwrap_or_default();
    set_condition(
        &mut conditions,
        Condition {
            type_: "Accepted".to_owned(),
            status: accepted.to_owned(),
            reason: reason.to_owned(),
            message,
            // The Go controller leaves it out on this kind.
            observed_generation: None,
            last_transition_time: now,
        },
    );
    status.conditions = Some(conditions);
    status.observed_generation = config.metadata.generation;
    status.secret_hash = Some(secret_hash(secrets.values()));
    status
}

fn list_problems(config: &ModelConfig, secrets: &HashMap<String, Secret>) -> Vec<String> {
    let mut problems = Vec::new();
    let missing = |name: &str| format!("failed to get secret {name}: Secret \"{name}\" not found");
    let named = |name: &Option<String>| name.clone().filter(|name| !name.is_empty());
    if let Some(name) = named(&config.spec.api_key_secret)
        && !secrets.contains_key(&name)
    {
        problems.push(missing(&name));
    }
    let Some(tls) = &config.spec.tls else {
        return problems;
    };
    if let Some(name) = named(&tls.ca_cert_secret_ref) {
        match secrets.get(&name) {
            None => problems.push(missing(&name)),
            Some(secret) => {
                let key = tls.ca_cert_secret_key.clone().unwrap_or_default();
                if !secret.data.as_ref().is_some_and(|data| data.contains_key(&key)) {
                    problems.push(format!("tls secret {name} does not contain key {key:?}"));
                }
            }
        }
    }
    problems
}

/// The list form that clients know.
fn join_problems(problems: &[String]) -> String {
    let noun = if problems.len() == 1 { "error" } else { "errors" };
    let list: Vec<_> = problems.iter().map(|problem| format!("* {problem}")).collect();
    format!("{} {noun} occurred:\n\t{}\n\n", problems.len(), list.join("\n\t"))
}

fn name_of(config: &ModelConfig) -> OwnerName {
    (config.namespace().unwrap_or_default(), config.name_any())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_listed_the_way_clients_know() {
        assert_eq!(
            join_problems(&["tls secret corp-ca does not contain key \"root.pem\"".to_owned()]),
            "1 error occurred:\n\t* tls secret corp-ca does not contain key \"root.pem\"\n\n"
        );
    }

    #[test]
    fn a_config_without_secrets_is_accepted_with_the_hash_of_nothing() {
        let status = build_status(
            &ModelConfig::default(),
            &HashMap::new(),
            Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
        );
        assert_eq!(
            status.secret_hash.as_deref(),
            Some("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        );
        assert_eq!(status.conditions.expect("conditions")[0].status, "True");
    }
}
