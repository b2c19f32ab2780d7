//! Server-side apply of manifests, and deletion of what went away.

use std::collections::{HashMap, HashSet};

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
    discovery::{ApiResource, Scope, pinned_kind},
};

use super::{applied::ObjectKey, parse::Manifest};
use crate::error::{Error, Result};

/// Owner of the fields that manifests set.
const FIELD_MANAGER: &str = "kagent-standalone";

/// Writes manifests to the API.
pub(super) struct Applier {
    client: Client,
    /// Of manifests that name none.
    default_namespace: String,
    kinds: HashMap<GroupVersionKind, (ApiResource, Scope)>,
    /// Namespaces that exist for certain.
    namespaces: HashSet<String>,
}

impl Applier {
    pub(super) fn new(client: Client, default_namespace: String) -> Self {
        Self {
            client,
            default_namespace,
            kinds: HashMap::new(),
            namespaces: HashSet::new(),
        }
    }

    /// Which object a manifest is.
    ///
    /// # Errors
    /// The reason, for one line in the log.
    pub(super) async fn key(&mut self, manifest: &Manifest) -> std::result::Result<ObjectKey, String> {
        let types = manifest
            .object
            .types
            .as_ref()
            .ok_or("apiVersion and kind are missing")?;
        let gvk = GroupVersionKind::try_from(types)
            .map_err(|_| format!("apiVersion {:?} is not valid", types.api_version))?;
        let (_, scope) = self.find_kind(&gvk).await?;
        let metadata = &manifest.object.metadata;
        let namespace = match scope {
            Scope::Cluster => String::new(),
            Scope::Namespaced => metadata
                .namespace
                .clone()
                .unwrap_or_else(|| self.default_namespace.clone()),
        };
        Ok(ObjectKey {
            group: gvk.group,
            version: gvk.version,
            kind: gvk.kind,
            namespace,
            name: metadata.name.clone().unwrap_or_default(),
        })
    }

    /// Applies a manifest as the object `key`. Fields that the kind does not have are refused.
    ///
    /// # Errors
    /// The reason, for one line in the log.
    pub(super) async fn apply(&mut self, manifest: &Manifest, key: &ObjectKey) -> std::result::Result<(), String> {
        let api = self.api(key).await?;
        if !key.namespace.is_empty() {
            self.ensure_namespace(&key.namespace)
                .await
                .map_err(|error| error.chain())?;
        }
        let mut object = manifest.object.clone();
        object.metadata.namespace = (!key.namespace.is_empty()).then(|| key.namespace.clone());
        // Left over when somebody saved what kubectl printed; apply refuses them.
        object.metadata.managed_fields = None;
        object.metadata.resource_version = None;
        object.metadata.uid = None;
        if let Some(fields) = object.data.as_object_mut() {
            fields.remove("status");
        }
        let params = PatchParams::apply(FIELD_MANAGER).force().validation_strict();
        api.patch(&key.name, &params, &Patch::Apply(&object))
            .await
            .map(|_| ())
            .map_err(|error| reason(&error))
    }

    /// Deletes the object; fine when it does not exist.
    ///
    /// # Errors
    /// When the API refuses.
    pub(super) async fn delete(&mut self, key: &ObjectKey) -> Result<()> {
        let api = self.api(key).await.map_err(Error::unavailable)?;
        match api.delete(&key.name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(Error::unavailable(reason(&error)).with_source(error)),
            Ok(_) => Ok(()),
        }
    }

    async fn api(&mut self, key: &ObjectKey) -> std::result::Result<Api<DynamicObject>, String> {
        let gvk = GroupVersionKind::gvk(&key.group, &key.version, &key.kind);
        let (resource, _) = self.find_kind(&gvk).await?;
        Ok(if key.namespace.is_empty() {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), &key.namespace, &resource)
        })
    }

    async fn find_kind(&mut self, gvk: &GroupVersionKind) -> std::result::Result<(ApiResource, Scope), String> {
        if let Some(known) = self.kinds.get(gvk) {
            return Ok(known.clone());
        }
        let unknown = || format!("there is no kind {} in {}", gvk.kind, gvk.api_version());
        let (resource, capabilities) = match pinned_kind(&self.client, gvk).await {
            Ok(found) => found,
            Err(kube::Error::Discovery(_)) => return Err(unknown()),
            Err(kube::Error::Api(status)) if status.code == 404 => return Err(unknown()),
            Err(error) => return Err(reason(&error)),
        };
        let known = (resource, capabilities.scope);
        self.kinds.insert(gvk.clone(), known.clone());
        Ok(known)
    }

    async fn ensure_namespace(&mut self, name: &str) -> Result<()> {
        if self.namespaces.contains(name) {
            return Ok(());
        }
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.to_owned());
        let api = Api::<Namespace>::all(self.client.clone());
        match api.create(&PostParams::default(), &namespace).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => {
                let what = format!("cannot make namespace {name}: {}", reason(&error));
                return Err(Error::unavailable(what));
            }
        }
        self.namespaces.insert(name.to_owned());
        Ok(())
    }
}

/// What the API says, or why it was not reached.
fn reason(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.replace('\n', " "),
        other => crate::error::chain(other),
    }
}
