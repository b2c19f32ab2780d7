//! Writes an agent's objects: server-side apply with one field manager, never over objects of others, and never when
//! nothing would change. Only leaders call this.

mod compare;

use std::fmt::Debug;

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, ServiceAccount},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kagent_api::v1alpha2::Agent;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
    core::NamespaceResourceScope,
};
use serde::{Serialize, de::DeserializeOwned};

use super::fetch::within_deadline;
use crate::{
    error::{Error, Result},
    translate::{Manifest, skills::config_map_name},
};

/// The name under which our fields stand in `managedFields`.
pub const FIELD_MANAGER: &str = "kagent-controller";

/// An agent's objects as the API server has them after they were applied. Status is computed from nothing else.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The Deployment, with its status.
    pub deployment: Deployment,
    /// Names of the objects that were written, as `kind/name`; empty when nothing had changed.
    pub written: Vec<String>,
}

/// Applies the objects in order and deletes what the Agent owned and does not need any more.
///
/// All objects are tried; objects are deleted only when all could be applied.
///
/// # Errors
/// The failures of all objects in one message. `Conflict` when an object of that name belongs to somebody else.
pub async fn apply_manifest(client: &Client, agent: &Agent, prepared: &Manifest) -> Result<Applied> {
    // No `..`: a new kind of object must be applied, too.
    let Manifest {
        secret,
        service_account,
        config_map,
        deployment,
        service,
    } = prepared;
    let writer = Writer::new(client, agent)?;
    let mut written = Vec::new();
    let mut failures = Vec::new();
    let mut note = |outcome: Result<bool>, kind: &str, name: &str| match outcome {
        Ok(true) => written.push(format!("{kind}/{name}")),
        Ok(false) => {}
        Err(error) => failures.push(error),
    };
    let name = &writer.owner.name;
    note(writer.apply(secret).await.map(|(_, it)| it), "Secret", name);
    if let Some(account) = service_account {
        note(writer.apply(account).await.map(|(_, it)| it), "ServiceAccount", name);
    }
    if let Some(map) = config_map {
        note(writer.apply(map).await.map(|(_, it)| it), "ConfigMap", &map.name_any());
    }
    let live = writer.apply(deployment).await;
    let deployment = match live {
        Ok((live, changed)) => {
            note(Ok(changed), "Deployment", name);
            Some(live)
        }
        Err(error) => {
            note(Err(error), "Deployment", name);
            None
        }
    };
    note(writer.apply(service).await.map(|(_, it)| it), "Service", name);
    let (Some(deployment), true) = (deployment, failures.is_empty()) else {
        return Err(join_failures(failures));
    };
    if service_account.is_none() && writer.delete_owned::<ServiceAccount>(name).await? {
        written.push(format!("ServiceAccount/{name} (deleted)"));
    }
    let map_name = config_map_name(name);
    if config_map.is_none() && writer.delete_owned::<ConfigMap>(&map_name).await? {
        written.push(format!("ConfigMap/{map_name} (deleted)"));
    }
    Ok(Applied { deployment, written })
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

    /// The live object, and whether it was written.
    async fn apply<K>(&self, desired: &K) -> Result<(K, bool)>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
        K: Clone + Debug + DeserializeOwned + Serialize,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.owner.namespace);
        let name = desired.name_any();
        let kind = K::kind(&());
        let what = format!("failed to apply {kind} {name}");
        let live = within_deadline(&what, api.get_opt(&name)).await?;
        if let Some(live) = live {
            self.check_owner(live.meta(), &kind)?;
            if compare::is_applied(desired, &live, FIELD_MANAGER)? {
                return Ok((live, false));
            }
        }
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let applied = within_deadline(&what, api.patch(&name, &parameters, &Patch::Apply(desired))).await?;
        Ok((applied, true))
    }

    /// Whether there was an object of ours to delete.
    async fn delete_owned<K>(&self, name: &str) -> Result<bool>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.owner.namespace);
        let what = format!("failed to delete {} {name}", K::kind(&()));
        let Some(live) = within_deadline(&what, api.get_opt(name)).await? else {
            return Ok(false);
        };
        if !self.owns(live.meta()) || live.meta().deletion_timestamp.is_some() {
            return Ok(false);
        }
        let parameters = DeleteParams::default().preconditions(Preconditions {
            uid: live.uid(),
            resource_version: None,
        });
        match within_deadline(&what, api.delete(name, &parameters)).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == crate::error::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
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
