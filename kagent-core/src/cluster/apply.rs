//! Writes an agent's objects: server-side apply with one field manager, never over objects of others, and never when
//! nothing would change. Only leaders call this.

mod compare;
mod takeover;

use std::{collections::HashSet, fmt::Debug};

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Secret, Service, ServiceAccount},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kagent_api::v1alpha2::Agent;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::fetch::within_deadline;
use crate::{
    error::{Error, Result},
    translate::{
        AgentOutputs, Manifest,
        keep::{Existing, keep_existing},
        skills::config_map_name,
    },
};

/// The name under which our fields stand in `managedFields`.
pub const FIELD_MANAGER: &str = "kagent-controller";

/// Owns `replicas` that nobody asks for any more, so that they are not reset.
const REPLICAS_MANAGER: &str = "kagent-controller-replicas";

/// An agent's objects as the API server has them after they were applied. Status is computed from nothing else.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The Deployment, with its status.
    pub deployment: Deployment,
    /// Names of the objects that were written, as `kind/name`; empty when nothing had changed.
    pub written: Vec<String>,
}

/// Applies the objects and deletes what the Agent owned and does not need any more. What an existing object says already
/// stays as it is, byte for byte.
///
/// All objects are tried; objects are deleted only when all could be applied.
///
/// # Errors
/// The failures of all objects in one message. `Conflict` when an object of that name belongs to somebody else.
pub async fn apply_agent(client: &Client, agent: &Agent, outputs: &AgentOutputs) -> Result<Applied> {
    let writer = Writer::new(client, agent)?;
    let live = Box::pin(writer.read_all()).await?;
    let mut outputs = outputs.clone();
    let existing = Existing {
        secret: live.secret.as_ref().filter(|it| writer.owns(it.meta())),
        config_map: live.config_map.as_ref().filter(|it| writer.owns(it.meta())),
        deployment: live.deployment.as_ref().filter(|it| writer.owns(it.meta())),
        is_adopted_now: !live.deployment.as_ref().is_some_and(compare::was_applied),
    };
    keep_existing(&mut outputs, &existing);
    // No `..`: a new kind of object must be applied, too.
    let Manifest {
        secret,
        service_account,
        config_map,
        deployment,
        service,
    } = &outputs.manifest;
    let mut written = Vec::new();
    let mut failures = Vec::new();
    let mut note = |outcome: Result<bool>, kind: &str, name: &str| match outcome {
        Ok(true) => written.push(format!("{kind}/{name}")),
        Ok(false) => {}
        Err(error) => failures.push(error),
    };
    let name = &writer.owner.name;
    let map_name = config_map_name(name);
    // What pods need is there before the pods.
    let (secret, account, map) = tokio::join!(
        writer.apply(secret, live.secret),
        writer.apply_some(service_account.as_ref(), live.service_account.clone()),
        writer.apply_some(config_map.as_ref(), live.config_map.clone()),
    );
    note(secret.map(|(_, it)| it), "Secret", name);
    note(account, "ServiceAccount", name);
    note(map, "ConfigMap", &map_name);
    let (deployment, service) = tokio::join!(
        writer.apply_deployment(deployment, live.deployment),
        writer.apply(service, live.service),
    );
    let deployment = match deployment {
        Ok((live, changed)) => {
            note(Ok(changed), "Deployment", name);
            Some(live)
        }
        Err(error) => {
            note(Err(error), "Deployment", name);
            None
        }
    };
    note(service.map(|(_, it)| it), "Service", name);
    let (Some(deployment), true) = (deployment, failures.is_empty()) else {
        return Err(join_failures(failures));
    };
    if let (None, Some(orphan)) = (service_account, &live.service_account)
        && writer.delete_owned(orphan).await?
    {
        written.push(format!("ServiceAccount/{name} (deleted)"));
    }
    if let (None, Some(orphan)) = (config_map, &live.config_map)
        && writer.delete_owned(orphan).await?
    {
        written.push(format!("ConfigMap/{map_name} (deleted)"));
    }
    Ok(Applied { deployment, written })
}

/// Whether a container of the pod has two variables of one name.
fn has_repeated_env(deployment: &Deployment) -> bool {
    let Some(pod) = &deployment.spec.template.spec else {
        return false;
    };
    let containers = pod.containers.iter().chain(pod.init_containers.iter().flatten());
    containers.into_iter().any(|container| {
        let mut names = HashSet::new();
        container
            .env
            .iter()
            .flatten()
            .any(|variable| !names.insert(&variable.name))
    })
}

/// The kind of the first failure decides whether it is worth trying again.
fn join_failures(failures: Vec<Error>) -> Error {
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else {
        return Error::internal("no Deployment was applied");
    };
    let rest: Vec<_> = failures.map(|error| error.message().to_owned()).collect();
    if rest.is_empty() {
        return first;
    }
    let message = format!("{}; {}", first.message(), rest.join("; "));
    Error::new(first.kind(), message).with_source(first)
}

struct Owner {
    namespace: String,
    name: String,
    uid: String,
}

/// A kind of object that agents own.
trait Owned:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Serialize
{
}

impl<K> Owned for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Serialize
{
}

/// An agent's objects before they are applied.
struct Live {
    secret: Option<Secret>,
    service_account: Option<ServiceAccount>,
    config_map: Option<ConfigMap>,
    deployment: Option<Deployment>,
    service: Option<Service>,
}

struct Writer<'a> {
    client: &'a Client,
    owner: Owner,
}

impl<'a> Writer<'a> {
    fn new(client: &'a Client, agent: &Agent) -> Result<Self> {
        let metadata = &agent.metadata;
        match (&metadata.namespace, &metadata.name, &metadata.uid) {
            (Some(namespace), Some(name), Some(uid)) => Ok(Self {
                client,
                owner: Owner {
                    namespace: namespace.clone(),
                    name: name.clone(),
                    uid: uid.clone(),
                },
            }),
            _ => Err(Error::internal(
                "an Agent from the API server has no namespace, name or uid",
            )),
        }
    }

    /// The objects as they are, read at the same time.
    async fn read_all(&self) -> Result<Live> {
        let map_name = config_map_name(&self.owner.name);
        let name = self.owner.name.as_str();
        let (secret, service_account, config_map, deployment, service) = tokio::try_join!(
            self.read(name),
            self.read(name),
            self.read(&map_name),
            self.read(name),
            self.read(name),
        )?;
        Ok(Live {
            secret,
            service_account,
            config_map,
            deployment,
            service,
        })
    }

    async fn read<K: Owned>(&self, name: &str) -> Result<Option<K>> {
        let what = format!("failed to get {} {name}", K::kind(&()));
        let api = self.api::<K>();
        within_deadline(&what, api.get_opt(name)).await
    }

    async fn apply_some<K: Owned>(&self, desired: Option<&K>, live: Option<K>) -> Result<bool> {
        match desired {
            Some(desired) => self.apply(desired, live).await.map(|(_, written)| written),
            None => Ok(false),
        }
    }

    /// `replicas` that we gave and do not give any more stay what they are: whoever scales the Deployment now had no say
    /// in that.
    async fn apply_deployment(&self, desired: &Deployment, live: Option<Deployment>) -> Result<(Deployment, bool)> {
        if let Some(live) = &live
            && desired.spec.replicas.is_none()
            && compare::owns(live, FIELD_MANAGER, "/f:spec/f:replicas")
            && self.owns(live.meta())
        {
            let replicas = json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": self.owner.name},
                "spec": {"replicas": live.spec.replicas},
            });
            let what = format!("failed to leave the replicas of Deployment {} alone", self.owner.name);
            let parameters = PatchParams::apply(REPLICAS_MANAGER).force();
            let api = self.api::<Deployment>();
            let patch = Patch::Apply(&replicas);
            let request = api.patch(&self.owner.name, &parameters, &patch);
            within_deadline(&what, request).await?;
        }
        if has_repeated_env(desired) {
            return self.write_plainly(desired, live).await;
        }
        self.apply(desired, live).await
    }

    /// Server-side apply refuses two variables of one name, which agents may have: the last one counts. Such a Deployment
    /// is created and patched as the Go controller does it.
    async fn write_plainly(&self, desired: &Deployment, live: Option<Deployment>) -> Result<(Deployment, bool)> {
        let name = desired.name_any();
        let what = format!("failed to apply Deployment {name}");
        let api = self.api::<Deployment>();
        let Some(live) = live else {
            let parameters = PostParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..PostParams::default()
            };
            let created = within_deadline(&what, api.create(&parameters, desired)).await?;
            return Ok((created, true));
        };
        self.check_owner(live.meta(), "Deployment")?;
        if compare::says_all(desired, &live)? {
            return Ok((live, false));
        }
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(desired);
        let patched = within_deadline(&what, api.patch(&name, &parameters, &patch)).await?;
        Ok((patched, true))
    }

    /// The live object, and whether it was written.
    async fn apply<K: Owned>(&self, desired: &K, live: Option<K>) -> Result<(K, bool)> {
        let name = desired.name_any();
        let kind = K::kind(&());
        let what = format!("failed to apply {kind} {name}");
        let api = self.api::<K>();
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let Some(live) = live else {
            let applied = within_deadline(&what, api.patch(&name, &parameters, &Patch::Apply(desired))).await?;
            return Ok((applied, true));
        };
        self.check_owner(live.meta(), &kind)?;
        let has_other_writer = takeover::has_other_writer(&live);
        if !has_other_writer && compare::is_applied(desired, &live, FIELD_MANAGER)? {
            return Ok((live, false));
        }
        if !has_other_writer {
            let applied = within_deadline(&what, api.patch(&name, &parameters, &Patch::Apply(desired))).await?;
            return Ok((applied, true));
        }
        if let Some(writer) = takeover::find_returned_writer(&live, FIELD_MANAGER) {
            let namespace = &self.owner.namespace;
            tracing::warn!(
                %kind, namespace, name, writer,
                "another controller writes this object too: is a kagent controller without leader election still running?"
            );
        }
        // What applying would give says who would own what. If nothing else changes, that is all that is written.
        let dry = PatchParams {
            dry_run: true,
            ..parameters.clone()
        };
        let would = within_deadline(&what, api.patch(&name, &dry, &Patch::Apply(desired))).await?;
        let applied = match takeover::is_same_content(&would, &live)? {
            true => would,
            false => within_deadline(&what, api.patch(&name, &parameters, &Patch::Apply(desired))).await?,
        };
        let version = match takeover::is_same_content(&applied, &live)? {
            true => live.resource_version(),
            false => applied.resource_version(),
        };
        let patch = Patch::Merge(json!({"metadata": {
            "resourceVersion": version,
            "managedFields": takeover::without_other_writers(&applied),
        }}));
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let taken = within_deadline(&what, api.patch(&name, &parameters, &patch)).await?;
        Ok((taken, true))
    }

    /// Whether it was ours to delete.
    async fn delete_owned<K: Owned>(&self, live: &K) -> Result<bool> {
        let name = live.name_any();
        if !self.owns(live.meta()) || live.meta().deletion_timestamp.is_some() {
            return Ok(false);
        }
        let what = format!("failed to delete {} {name}", K::kind(&()));
        let parameters = DeleteParams::default().preconditions(Preconditions {
            uid: live.uid(),
            resource_version: None,
        });
        let api = self.api::<K>();
        match within_deadline(&what, api.delete(&name, &parameters)).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == crate::error::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn api<K: Owned>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.owner.namespace)
    }

    fn owns(&self, metadata: &ObjectMeta) -> bool {
        let owners = metadata.owner_references.iter().flatten();
        owners.into_iter().any(|owner| owner.uid == self.owner.uid)
    }

    /// A user's object of the same name is not ours to overwrite.
    fn check_owner(&self, metadata: &ObjectMeta, kind: &str) -> Result<()> {
        if self.owns(metadata) {
            return Ok(());
        }
        let Owner { namespace, name, .. } = &self.owner;
        Err(Error::conflict(format!(
            "{kind} {namespace}/{} exists and does not belong to Agent {namespace}/{name}: delete or rename one of them",
            metadata.name.as_deref().unwrap_or_default()
        )))
    }
}
