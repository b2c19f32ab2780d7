//! Namespaces that go away: their contents first, then themselves.

use std::sync::Arc;

use crate::{
    core::Core,
    metadata,
    resource::{ResourceId, text},
    storage::{Object, ObjectKey},
};

use super::Propagation;

impl Core {
    fn contents(&self, namespace: &str) -> Vec<(ResourceId, Arc<Object>)> {
        self.storage
            .select(|_, object| text(&object.value, &["metadata", "namespace"]) == namespace)
    }

    pub(super) fn is_namespace_empty(&self, namespace: &str) -> bool {
        self.contents(namespace).is_empty()
    }

    pub(super) fn empty_namespace(&self, namespace: &str) {
        for (id, object) in self.contents(namespace) {
            self.delete_dependent(&id, &object, Propagation::Background);
        }
    }

    /// A terminating namespace may have waited for its last object.
    pub(super) fn resume_namespace(&self, namespace: &str) {
        let id = ResourceId {
            group: String::new(),
            plural: "namespaces".to_owned(),
        };
        let key = ObjectKey::new("", namespace);
        let Some(resource) = self.registry().find(&id).cloned() else {
            return;
        };
        if let Some(object) = self.storage.find(&id, &key)
            && object.value["metadata"]["deletionTimestamp"].is_string()
            && !metadata::has_finalizers(&object.value)
            && self.is_namespace_empty(namespace)
        {
            self.remove_quietly(&resource, &key);
        }
    }
}
