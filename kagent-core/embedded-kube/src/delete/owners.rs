//! Owners and dependents: what goes when its owners are gone, and what an owner waits for.

use std::sync::Arc;

use serde_json::Value;

use super::{FOREGROUND, Propagation};
use crate::{
    core::Core,
    resource::{Resource, ResourceId, text},
    storage::{Expect, Object, ObjectKey, Refused},
};

impl Core {
    pub(super) fn dependents(&self, uid: &str) -> Vec<(ResourceId, Arc<Object>)> {
        if uid.is_empty() {
            return Vec::new();
        }
        self.storage.select(|_, object| {
            object.value["metadata"]["ownerReferences"]
                .as_array()
                .is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == uid))
        })
    }

    /// Deletes what was owned by `uid`, unless another owner of it is still there.
    pub(super) fn collect_dependents(&self, uid: &str) {
        for (id, dependent) in self.dependents(uid) {
            if self.has_live_owner(&dependent.value) {
                self.drop_owner(&id, &dependent, uid);
            } else {
                self.delete_dependent(&id, &dependent, Propagation::Background);
            }
        }
    }

    pub(super) fn delete_dependent(&self, id: &ResourceId, dependent: &Object, policy: Propagation) {
        let Some(resource) = self.registry().find(id).cloned() else {
            return;
        };
        let key = ObjectKey::of(&dependent.value);
        while let Some(object) = self.storage.find(id, &key) {
            if object.uid() != dependent.uid() {
                return;
            }
            match self.begin_deletion(&resource, &object, Some(policy)) {
                Err(Refused::Unexpected) => {}
                Err(Refused::Failed(error)) => {
                    tracing::error!(error = %error, resource = %resource.qualified(), object.name = %key.name, "a dependent could not be deleted");
                    return;
                }
                _ => return,
            }
        }
    }

    pub(super) fn release_dependents(&self, owner: &Object) {
        for (id, dependent) in self.dependents(owner.uid()) {
            self.drop_owner(&id, &dependent, owner.uid());
        }
    }

    /// Takes one owner off an object.
    pub(super) fn drop_owner(&self, id: &ResourceId, dependent: &Object, uid: &str) {
        let Some(resource) = self.registry().find(id).cloned() else {
            return;
        };
        let key = ObjectKey::of(&dependent.value);
        while let Some(object) = self.storage.find(id, &key) {
            let mut value = object.value.clone();
            let Some(owners) = value["metadata"]["ownerReferences"].as_array_mut() else {
                return;
            };
            owners.retain(|owner| owner["uid"] != uid);
            if owners.is_empty()
                && let Some(fields) = value["metadata"].as_object_mut()
            {
                fields.shift_remove("ownerReferences");
            }
            match self.storage.put(&resource, value, Expect::Revision(object.revision)) {
                Err(Refused::Unexpected) => {}
                _ => return,
            }
        }
    }

    /// Whether an owner of the object exists. One whose kind is not served counts as existing: nobody can know.
    pub(super) fn has_live_owner(&self, object: &Value) -> bool {
        let registry = self.registry();
        let namespace = text(object, &["metadata", "namespace"]);
        owner_references(object).iter().any(|owner| {
            let Some(resource) = registry.find_kind(text(owner, &["apiVersion"]), text(owner, &["kind"])) else {
                return true;
            };
            let namespace = if resource.namespaced { namespace } else { "" };
            let key = ObjectKey::new(namespace, text(owner, &["name"]));
            self.storage
                .find(&resource.id(), &key)
                .is_some_and(|found| found.uid() == text(owner, &["uid"]))
        })
    }

    /// Deletes an object that was just written if all owners it names are gone.
    pub(crate) fn collect_if_orphan(&self, resource: &Resource, object: &Object) {
        if self.collects_garbage && !owner_references(&object.value).is_empty() && !self.has_live_owner(&object.value) {
            self.delete_dependent(&resource.id(), object, Propagation::Background);
        }
    }

    /// Deletes all objects whose owners are gone, which a crash may have left behind.
    pub(crate) fn collect_orphans(&self) {
        if !self.collects_garbage {
            return;
        }
        let owned = self
            .storage
            .select(|_, object| !owner_references(&object.value).is_empty());
        for (id, object) in owned {
            if !self.has_live_owner(&object.value) {
                self.delete_dependent(&id, &object, Propagation::Background);
            }
        }
    }

    /// An owner in foreground deletion may have waited for this object.
    pub(super) fn resume_owners(&self, object: &Value) {
        let registry = self.registry();
        let namespace = text(object, &["metadata", "namespace"]);
        for owner in owner_references(object) {
            let Some(resource) = registry.find_kind(text(owner, &["apiVersion"]), text(owner, &["kind"])) else {
                continue;
            };
            let namespace = if resource.namespaced { namespace } else { "" };
            let key = ObjectKey::new(namespace, text(owner, &["name"]));
            if let Some(found) = self.storage.find(&resource.id(), &key)
                && found.uid() == text(owner, &["uid"])
                && found.value["metadata"]["deletionTimestamp"].is_string()
                && has_finalizer(&found.value, FOREGROUND)
                && self.dependents(found.uid()).is_empty()
            {
                self.drop_finalizer(resource, &key, FOREGROUND);
            }
        }
    }
}

/// The owners an object names.
pub(super) fn owner_references(object: &Value) -> &[Value] {
    object["metadata"]["ownerReferences"]
        .as_array()
        .map_or(&[], Vec::as_slice)
}

pub(super) fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    object["metadata"]["finalizers"]
        .as_array()
        .is_some_and(|finalizers| finalizers.iter().any(|one| one == finalizer))
}
