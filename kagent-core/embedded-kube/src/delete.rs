//! Deletion: finalizers, preconditions, propagation, whole collections.

mod namespaces;
mod owners;

use std::sync::Arc;

use serde_json::{Value, json};

use self::owners::{has_finalizer, owner_references};

use crate::{
    core::{Core, Target},
    metadata,
    resource::{CRDS, Resource, ResourceId, text},
    status::{ApiError, ApiResult, Cause, details},
    storage::{Expect, Object, ObjectKey, Refused},
};

/// Finalizer that keeps an owner until its dependents are gone.
const FOREGROUND: &str = "foregroundDeletion";
/// Finalizer that asks for dependents to be left alone.
const ORPHAN: &str = "orphan";

/// What happens to the dependents of a deleted object.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Propagation {
    #[default]
    Background,
    Foreground,
    Orphan,
}

/// `DeleteOptions`, from the body or the query.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) dry_run: bool,
    pub(crate) propagation: Option<Propagation>,
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
}

impl DeleteOptions {
    /// Reads the body of a DELETE.
    pub(crate) fn parse(body: &Value) -> ApiResult<Self> {
        let propagation = match body["propagationPolicy"].as_str() {
            None if body["orphanDependents"] == true => Some(Propagation::Orphan),
            None => None,
            Some(policy) => Some(Propagation::parse(policy)?),
        };
        let condition = |field: &str| body["preconditions"][field].as_str().map(str::to_owned);
        Ok(Self {
            dry_run: body["dryRun"]
                .as_array()
                .is_some_and(|modes| modes.contains(&json!("All"))),
            propagation,
            uid: condition("uid"),
            resource_version: condition("resourceVersion"),
        })
    }

    fn check(&self, resource: &Resource, object: &Object) -> ApiResult<()> {
        let name = text(&object.value, &["metadata", "name"]);
        if let Some(uid) = &self.uid
            && uid != object.uid()
        {
            let why = format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
                object.uid()
            );
            return Err(ApiError::precondition_failed(resource, name, &why));
        }
        if let Some(version) = &self.resource_version
            && *version != object.revision.to_string()
        {
            let why = format!(
                "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). The object might have been modified",
                object.revision
            );
            return Err(ApiError::precondition_failed(resource, name, &why));
        }
        Ok(())
    }
}

impl Propagation {
    /// Reads `propagationPolicy`.
    pub(crate) fn parse(policy: &str) -> ApiResult<Self> {
        match policy {
            "Background" => Ok(Self::Background),
            "Foreground" => Ok(Self::Foreground),
            "Orphan" => Ok(Self::Orphan),
            other => {
                let supported = ["Foreground", "Background", "Orphan", "nil"].map(str::to_owned);
                let cause = Cause::not_supported("propagationPolicy", &json!(other), &supported);
                Err(ApiError::invalid_options("DeleteOptions", &[cause]))
            }
        }
    }
}

/// What a deletion came to.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// The object is gone; the answer is a Status of success.
    Gone(Value),
    /// Finalizers keep the object for now.
    Waiting(Value),
}

impl Core {
    /// Deletes one object that a client named.
    pub(crate) fn delete(&self, target: &Target, options: &DeleteOptions) -> ApiResult<Deleted> {
        if target.resource.is("", "namespaces")
            && matches!(target.name.as_str(), "default" | "kube-system" | "kube-public")
        {
            return Err(ApiError::forbidden(
                &target.resource,
                &target.name,
                "this namespace may not be deleted",
            ));
        }
        loop {
            let object = self.get(target)?;
            options.check(&target.resource, &object)?;
            let gone = || {
                let mut about = details(&target.resource, &target.name);
                about["uid"] = json!(object.uid());
                Deleted::Gone(json!({
                    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": about,
                }))
            };
            if options.dry_run {
                return Ok(gone());
            }
            match self.begin_deletion(&target.resource, &object, options.propagation) {
                Ok(None) => return Ok(gone()),
                Ok(Some(kept)) => return Ok(Deleted::Waiting(target.present(&kept))),
                Err(Refused::Unexpected) => {}
                Err(refused) => return Err(self.refusal(target, &target.name, refused)),
            }
        }
    }

    /// Deletes every object of `objects`; those that are gone meanwhile are passed over.
    pub(crate) fn delete_all(
        &self,
        resource: &Resource,
        objects: &[Arc<Object>],
        options: &DeleteOptions,
    ) -> ApiResult<()> {
        for object in objects {
            let key = ObjectKey::of(&object.value);
            while let Some(object) = self.storage.find(&resource.id(), &key) {
                options.check(resource, &object)?;
                if options.dry_run {
                    break;
                }
                match self.begin_deletion(resource, &object, options.propagation) {
                    Ok(_) => break,
                    Err(Refused::Unexpected) => {}
                    Err(Refused::Failed(error)) => return Err(error),
                    Err(_) => break,
                }
            }
        }
        Ok(())
    }

    /// Removes an object or marks it for deletion; the object if it stays for now.
    pub(super) fn begin_deletion(
        &self,
        resource: &Resource,
        object: &Object,
        propagation: Option<Propagation>,
    ) -> Result<Option<Arc<Object>>, Refused> {
        let propagation = propagation.unwrap_or_else(|| finalizer_policy(&object.value));
        let mut value = object.value.clone();
        if self.collects_garbage && propagation == Propagation::Orphan {
            self.release_dependents(object);
        }
        let is_namespace = resource.is("", "namespaces");
        let blocked_by_dependents = self.collects_garbage
            && propagation == Propagation::Foreground
            && !self.dependents(object.uid()).is_empty();
        let set_finalizer = blocked_by_dependents && !has_finalizer(&value, FOREGROUND);
        if set_finalizer {
            let mut finalizers = value["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
            finalizers.push(json!(FOREGROUND));
            value["metadata"]["finalizers"] = Value::Array(finalizers);
        }
        if !metadata::has_finalizers(&value) && !is_namespace {
            self.remove_and_collect(resource, object)?;
            return Ok(None);
        }
        if value["metadata"]["deletionTimestamp"].is_string() && !set_finalizer {
            // Marked before: look once more whether what it waits for is gone.
            let key = ObjectKey::of(&value);
            let Some(current) = self.storage.find(&resource.id(), &key) else {
                return Ok(None);
            };
            self.finish_deletion(resource, &current);
            return Ok(self.storage.find(&resource.id(), &key));
        }
        value["metadata"]["deletionTimestamp"] = json!(self.clock.stamp());
        value["metadata"]["deletionGracePeriodSeconds"] = json!(0);
        if let Some(generation) = value["metadata"]["generation"].as_i64() {
            value["metadata"]["generation"] = json!(generation + 1);
        }
        if is_namespace {
            value["status"]["phase"] = json!("Terminating");
        }
        let key = ObjectKey::of(&value);
        let marked = self.storage.put(resource, value, Expect::Revision(object.revision))?;
        self.finish_deletion(resource, &marked);
        // What is left of it may have changed or gone in the meantime.
        Ok(self.storage.find(&resource.id(), &key))
    }

    /// Goes on with the deletion of a marked object: its contents or dependents first, then itself if nothing holds it.
    pub(crate) fn finish_deletion(&self, resource: &Resource, object: &Object) {
        let value = &object.value;
        let key = ObjectKey::of(value);
        if resource.is("", "namespaces") {
            self.empty_namespace(&key.name);
            if self.is_namespace_empty(&key.name) && !metadata::has_finalizers(value) {
                self.remove_quietly(resource, &key);
            }
            return;
        }
        if has_finalizer(value, FOREGROUND) {
            for (id, dependent) in self.dependents(object.uid()) {
                let blocking = owner_references(&dependent.value)
                    .iter()
                    .any(|owner| owner["uid"] == object.uid() && owner["blockOwnerDeletion"] == true);
                let policy = if blocking {
                    Propagation::Foreground
                } else {
                    Propagation::Background
                };
                self.delete_dependent(&id, &dependent, policy);
            }
            let held = self.dependents(object.uid()).iter().any(|(_, dependent)| {
                owner_references(&dependent.value)
                    .iter()
                    .any(|owner| owner["uid"] == object.uid() && owner["blockOwnerDeletion"] == true)
            });
            if !held {
                self.drop_finalizer(resource, &key, FOREGROUND);
            }
            return;
        }
        if !metadata::has_finalizers(value) {
            self.remove_quietly(resource, &key);
        }
    }

    /// Takes a finalizer off and removes the object if it was the last one.
    pub(super) fn drop_finalizer(&self, resource: &Resource, key: &ObjectKey, finalizer: &str) {
        while let Some(object) = self.storage.find(&resource.id(), key) {
            let mut value = object.value.clone();
            if let Some(finalizers) = value["metadata"]["finalizers"].as_array_mut() {
                finalizers.retain(|one| one != finalizer);
            }
            if !metadata::has_finalizers(&value) {
                self.remove_quietly(resource, key);
                return;
            }
            match self.storage.put(resource, value, Expect::Revision(object.revision)) {
                Err(Refused::Unexpected) => {}
                _ => return,
            }
        }
    }

    pub(super) fn remove_quietly(&self, resource: &Resource, key: &ObjectKey) {
        while let Some(object) = self.storage.find(&resource.id(), key) {
            match self.remove_and_collect(resource, &object) {
                Err(Refused::Unexpected) => {}
                Err(Refused::Failed(error)) => {
                    tracing::error!(error = %error, resource = %resource.qualified(), object.name = %key.name, "an object could not be removed");
                    return;
                }
                _ => return,
            }
        }
    }

    /// Ends a marked object whose last finalizer a writer has just removed.
    pub(crate) fn end(&self, resource: &Resource, object: &Object) -> Result<(), Refused> {
        if resource.is("", "namespaces") {
            self.finish_deletion(resource, object);
            return Ok(());
        }
        self.remove_and_collect(resource, object)
    }

    /// Removes an object and everything that depends on it being there.
    fn remove_and_collect(&self, resource: &Resource, object: &Object) -> Result<(), Refused> {
        let key = ObjectKey::of(&object.value);
        self.storage.remove(&resource.id(), &key, object.revision)?;
        if resource.is("apiextensions.k8s.io", CRDS) {
            self.remove_kind(&object.value);
        }
        if self.collects_garbage {
            self.collect_dependents(object.uid());
        }
        self.resume_owners(&object.value);
        if !key.namespace.is_empty() {
            self.resume_namespace(&key.namespace);
        }
        Ok(())
    }

    /// Removes the objects of a kind whose definition is gone, and stops serving it.
    fn remove_kind(&self, crd: &Value) {
        let id = ResourceId {
            group: text(crd, &["spec", "group"]).to_owned(),
            plural: text(crd, &["spec", "names", "plural"]).to_owned(),
        };
        let Some(resource) = self.registry().find(&id).cloned() else {
            return;
        };
        for (_, object) in self.storage.select(|other, _| *other == id) {
            self.remove_quietly(&resource, &ObjectKey::of(&object.value));
        }
        self.storage.update_registry(|registry| registry.remove(&id));
        self.storage.end_watches(&id);
    }
}

/// The policy that the object's own finalizers ask for.
fn finalizer_policy(object: &Value) -> Propagation {
    if has_finalizer(object, FOREGROUND) {
        Propagation::Foreground
    } else if has_finalizer(object, ORPHAN) {
        Propagation::Orphan
    } else {
        Propagation::Background
    }
}
