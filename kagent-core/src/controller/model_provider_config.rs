//! ModelProviderConfigs: whether their Secret is there, and which models the provider has. The provider is asked when the
//! object or its Secret changed, and again after a failure; models that were found before stay until then.

use std::{collections::HashSet, sync::Arc};

use futures::StreamExt;
use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kagent_api::v1alpha2::{
    ModelProvider, ModelProviderConfig, ModelProviderConfigStatus, find_condition, set_condition,
};
use kube::{
    ResourceExt,
    runtime::{
        controller::{self, Action},
        reflector::ObjectRef,
    },
};
use secrecy::SecretString;
use sha2::{Digest, Sha256};
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
    cluster::fetch::fetch_keys,
    error::{Error, Result},
    providers,
    translate::{ObjectKey, ObjectKind, hash::to_hex},
};

/// ModelProviderConfigs that are worked on at the same time; one may wait for its provider for half a minute.
const CONCURRENCY: u16 = 16;

struct Reconciler {
    context: Context,
    dependencies: Arc<Dependencies>,
    backoffs: Backoffs,
    events: Events,
}

/// What the Secret gave.
enum Key {
    NotRequired,
    Found { key: SecretString, hash: String },
    Missing(String),
}

/// Reconciles ModelProviderConfigs until it is dropped.
pub(super) async fn run(context: &Context, related: broadcast::Receiver<RelatedChange>, events: Events) {
    let configs = context.cluster.model_provider_configs.clone();
    let dependencies = Arc::new(Dependencies::default());
    let reconciler = Arc::new(Reconciler {
        context: context.clone(),
        dependencies: Arc::clone(&dependencies),
        backoffs: Backoffs::default(),
        events,
    });
    let known = configs.clone();
    let requests = queue::<ModelProviderConfig>(context.cluster.changes(), related, move |happened| match happened {
        Happened::Missed => known.state().iter().map(|config| name_of(config)).collect(),
        Happened::Cached(key) if key.kind == ObjectKind::ModelProviderConfig => {
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
    async fn reconcile(&self, config: &ModelProviderConfig) -> Result<Action> {
        let (namespace, name) = name_of(config);
        let outcome = self.update(config).await;
        let written: Vec<_> = matches!(outcome, Ok((true, _)))
            .then(|| "status".to_owned())
            .into_iter()
            .collect();
        let report = Outcome {
            kind: "ModelProviderConfig",
            namespace: &namespace,
            name: &name,
            written: &written,
        };
        match outcome {
            Ok((_, None)) => {
                report.reconciled();
                self.backoffs.reset(&namespace, &name);
                Ok(Action::await_change())
            }
            Ok((_, Some(error))) | Err(error) => {
                report.failed(&error);
                Err(error)
            }
        }
    }

    /// Whether the status was written, and a failure of the provider, which is worth trying again.
    async fn update(&self, config: &ModelProviderConfig) -> Result<(bool, Option<Error>)> {
        let key = self.read_key(config).await?;
        let found = match &key {
            Key::Missing(_) => None,
            Key::NotRequired => self.discover(config, None, None).await,
            Key::Found { key, hash } => self.discover(config, Some(key), Some(hash)).await,
        };
        let status = build_status(config, &key, found.as_ref(), Time(self.context.clock.now()));
        let failure = found.and_then(Result::err);
        let current = config.status.as_ref();
        if current == Some(&status) {
            return Ok((false, failure));
        }
        let client = &self.context.cluster.client;
        let written = write_status::<ModelProviderConfig, _>(client, &name_of(config), current, &status).await?;
        if written {
            let before = current.and_then(|it| it.conditions.as_deref());
            self.events
                .tell_change(config, "Ready", before, status.conditions.as_deref());
        }
        Ok((written, failure))
    }

    /// `None` when what is known is still true.
    async fn discover(
        &self,
        config: &ModelProviderConfig,
        key: Option<&SecretString>,
        hash: Option<&String>,
    ) -> Option<Result<Vec<String>>> {
        let status = config.status.clone().unwrap_or_default();
        let conditions = status.conditions.as_deref().unwrap_or_default();
        let discovered =
            find_condition(conditions, "ModelsDiscovered").is_some_and(|it| it.reason == "ModelsDiscovered");
        let is_known = discovered
            && status.last_discovery_time.is_some()
            && status.observed_generation == config.metadata.generation
            && status.secret_hash.as_ref() == hash;
        if is_known {
            return None;
        }
        let endpoint = config.spec.endpoint.as_deref().unwrap_or_default();
        Some(providers::list_models(&config.spec.type_, endpoint, key).await)
    }

    async fn read_key(&self, config: &ModelProviderConfig) -> Result<Key> {
        let owner = name_of(config);
        let name = config.spec.secret_ref.as_ref().map(|secret| secret.name.clone());
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            self.dependencies.retain(&owner, &HashSet::new());
            return Ok(match config.spec.type_ {
                ModelProvider::Ollama => Key::NotRequired,
                _ => Key::Missing("spec.secretRef names no Secret".to_owned()),
            });
        };
        let reference = ObjectKey::new(ObjectKind::Secret, &owner.0, &name);
        let keys = HashSet::from([reference.clone()]);
        self.dependencies.add(&owner, &reference);
        self.dependencies.retain(&owner, &keys);
        let fetched = fetch_keys(&self.context.cluster, keys).await?;
        Ok(match fetched.find_secret(&owner.0, &name) {
            None => Key::Missing(format!("failed to get secret {name}: Secret {name:?} not found")),
            Some(secret) => find_key(secret, &owner.0, &name),
        })
    }
}

/// The Secret must have exactly one entry, and that a value.
fn find_key(secret: &Secret, namespace: &str, name: &str) -> Key {
    let data = secret.data.as_ref();
    let mut entries = data.into_iter().flatten();
    let (Some((entry, value)), None) = (entries.next(), entries.next()) else {
        let count = data.map_or(0, |data| data.len());
        return Key::Missing(format!("secret {name} must have exactly one key, it has {count}"));
    };
    let text = String::from_utf8_lossy(&value.0).trim().to_owned();
    if text.is_empty() {
        return Key::Missing(format!("key {entry:?} of secret {name} is empty"));
    }
    let mut hasher = Sha256::new();
    for part in [namespace.as_bytes(), name.as_bytes(), entry.as_bytes(), &value.0] {
        hasher.update(part);
    }
    Key::Found {
        key: text.into(),
        hash: to_hex(&hasher.finalize()),
    }
}

/// The status that says what was found. Pure.
fn build_status(
    config: &ModelProviderConfig,
    key: &Key,
    found: Option<&Result<Vec<String>>>,
    now: Time,
) -> ModelProviderConfigStatus {
    let mut status = config.status.clone().unwrap_or_default();
    let mut conditions = status.conditions.take().unwrap_or_default();
    let mut set = |type_: &str, holds: bool, reason: &str, message: String| {
        let condition = Condition {
            type_: type_.to_owned(),
            status: if holds { "True" } else { "False" }.to_owned(),
            reason: reason.to_owned(),
            message,
            observed_generation: config.metadata.generation,
            last_transition_time: now.clone(),
        };
        set_condition(&mut conditions, condition);
    };
    let missing = match key {
        Key::NotRequired => {
            let message = "This provider needs no Secret".to_owned();
            set("SecretResolved", true, "SecretNotRequired", message);
            None
        }
        Key::Found { hash, .. } => {
            set("SecretResolved", true, "SecretResolved", "Secret resolved".to_owned());
            status.secret_hash = Some(hash.clone());
            None
        }
        Key::Missing(message) => {
            set("SecretResolved", false, "SecretNotFound", message.clone());
            Some(message.clone())
        }
    };
    if matches!(key, Key::NotRequired) {
        status.secret_hash = None;
    }
    if let Some(Ok(models)) = found {
        status.model_count = Some(models.len() as i64);
        status.discovered_models = (!models.is_empty()).then(|| models.clone());
        status.last_discovery_time = Some(now.clone());
    }
    let count = status.model_count.unwrap_or_default();
    let told = format!("Discovered {count} models");
    let failure = match found {
        Some(Err(error)) => Some(error.message().to_owned()),
        _ => None,
    };
    match (&missing, &failure) {
        (Some(message), _) => set("ModelsDiscovered", false, "DiscoveryFailed", message.clone()),
        (_, Some(message)) => set("ModelsDiscovered", false, "DiscoveryFailed", message.clone()),
        _ if count == 0 => set("ModelsDiscovered", false, "NoModels", told),
        _ => set("ModelsDiscovered", true, "ModelsDiscovered", told),
    }
    match (missing, failure) {
        (Some(message), _) => set("Ready", false, "SecretNotFound", message),
        (_, Some(message)) => set("Ready", false, "DiscoveryFailed", message),
        _ if count == 0 => set("Ready", false, "NoModels", "The provider lists no models".to_owned()),
        _ => set("Ready", true, "Ready", "Model provider is ready".to_owned()),
    }
    status.conditions = Some(conditions);
    status.observed_generation = config.metadata.generation;
    status
}

fn name_of(config: &ModelProviderConfig) -> OwnerName {
    (config.namespace().unwrap_or_default(), config.name_any())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{ByteString, jiff::Timestamp};

    use super::*;

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).expect("time"))
    }

    fn reasons(status: &ModelProviderConfigStatus) -> Vec<(&str, &str)> {
        let conditions = status.conditions.iter().flatten();
        conditions.map(|it| (it.status.as_str(), it.reason.as_str())).collect()
    }

    #[test]
    fn a_failure_keeps_the_models_and_says_why() {
        let mut config = ModelProviderConfig::default();
        config.metadata.generation = Some(1);
        let models = Ok(vec!["a".to_owned(), "b".to_owned()]);
        let good = build_status(&config, &Key::NotRequired, Some(&models), at(1));
        assert_eq!(
            reasons(&good),
            [
                ("True", "SecretNotRequired"),
                ("True", "ModelsDiscovered"),
                ("True", "Ready")
            ]
        );
        config.status = Some(good);
        let failed = Err(Error::unavailable("it is away"));
        let bad = build_status(&config, &Key::NotRequired, Some(&failed), at(2));
        assert_eq!(bad.model_count, Some(2));
        assert_eq!(bad.last_discovery_time, Some(at(1)));
        assert_eq!(reasons(&bad)[2], ("False", "DiscoveryFailed"));
        let ready = find_condition(bad.conditions.as_deref().unwrap_or_default(), "Ready").cloned();
        assert_eq!(ready.expect("Ready").message, "it is away");
        config.status = Some(bad.clone());
        assert_eq!(build_status(&config, &Key::NotRequired, Some(&failed), at(3)), bad);
    }

    #[test]
    fn a_secret_has_one_entry_with_a_value() {
        let secret = |entries: &[(&str, &str)]| Secret {
            data: Some(
                entries
                    .iter()
                    .map(|(key, value)| ((*key).to_owned(), ByteString(value.as_bytes().to_vec())))
                    .collect(),
            ),
            ..Secret::default()
        };
        for bad in [&[][..], &[("a", "x"), ("b", "y")], &[("a", " \n")]] {
            assert!(matches!(find_key(&secret(bad), "ns", "s"), Key::Missing(_)), "{bad:?}");
        }
        assert!(matches!(
            find_key(&secret(&[("a", "x\n")]), "ns", "s"),
            Key::Found { .. }
        ));
    }
}
