//! Objects that another program wrote by `Update` become ours in `managedFields`: what it owned is owned by our apply, so
//! that a field that we stop rendering really goes. Fields that it left behind and nobody renders stay as they are, since
//! removing them could restart pods. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::Resource;
use serde::Serialize;
use serde_json::Value;

use crate::error::{Error, Result};

/// Whether somebody wrote this object whole, owner references included, by `Update`. Who only touched it (a person's
/// `kubectl`, the Deployment controller) did not write those.
pub(super) fn has_other_writer(object: &impl Resource) -> bool {
    object.meta().managed_fields.iter().flatten().any(is_other_writer)
}

/// `managedFields` without those writers.
pub(super) fn without_other_writers(object: &impl Resource) -> Vec<ManagedFieldsEntry> {
    let entries = object.meta().managed_fields.iter().flatten();
    entries.filter(|entry| !is_other_writer(entry)).cloned().collect()
}

/// The name of a writer that came back: the object was ours alone already, and somebody wrote it whole again.
pub(super) fn find_returned_writer(object: &impl Resource, ours: &str) -> Option<String> {
    let mut entries = object.meta().managed_fields.iter().flatten();
    let was_ours = entries
        .clone()
        .any(|entry| entry.manager.as_deref() == Some(ours) && entry.operation.as_deref() == Some("Apply"));
    let other = entries.find(|entry| is_other_writer(entry))?;
    was_ours.then(|| other.manager.clone().unwrap_or_default())
}

fn is_other_writer(entry: &ManagedFieldsEntry) -> bool {
    let is_update = entry.operation.as_deref() == Some("Update");
    let is_whole = entry.subresource.as_deref().unwrap_or_default().is_empty();
    let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
    is_update && is_whole && fields.is_some_and(|fields| fields.pointer("/f:metadata/f:ownerReferences").is_some())
}

/// Whether two states of an object differ in nothing but who owns what.
///
/// # Errors
/// `Internal` when an object cannot be written as JSON.
pub(super) fn is_same_content<K: Resource + Serialize>(a: &K, b: &K) -> Result<bool> {
    Ok(content_of(a)? == content_of(b)?)
}

fn content_of<K: Resource + Serialize>(object: &K) -> Result<Value> {
    let mut value = serde_json::to_value(object)
        .map_err(|error| Error::internal("an object cannot be written as JSON").with_source(error))?;
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["managedFields", "resourceVersion", "generation"] {
            metadata.remove(field);
        }
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Secret;
    use serde_json::json;

    use super::*;

    fn mk_secret() -> Secret {
        let entry = |manager: &str, operation: &str, fields: Value| json!({"manager": manager, "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields});
        let owner = json!({"f:metadata": {"f:ownerReferences": {".": {}}}, "f:data": {}});
        serde_json::from_value(json!({"metadata": {"name": "web", "managedFields": [
            entry("go", "Update", owner.clone()),
            entry("kubectl-edit", "Update", json!({"f:metadata": {"f:labels": {"f:mine": {}}}})),
            entry("kagent-controller", "Apply", owner),
        ]}}))
        .expect("Secret")
    }

    #[test]
    fn who_wrote_the_whole_object_goes_and_who_touched_it_stays() {
        let secret = mk_secret();
        assert!(has_other_writer(&secret));
        assert_eq!(
            find_returned_writer(&secret, "kagent-controller").as_deref(),
            Some("go")
        );
        assert_eq!(find_returned_writer(&secret, "never applied it"), None);
        let left = without_other_writers(&secret);
        let managers: Vec<_> = left.iter().filter_map(|entry| entry.manager.as_deref()).collect();
        assert_eq!(managers, ["kubectl-edit", "kagent-controller"]);
    }

    #[test]
    fn ownership_is_no_content() {
        let mut other = mk_secret();
        other.metadata.managed_fields = None;
        other.metadata.resource_version = Some("9".to_owned());
        assert!(is_same_content(&mk_secret(), &other).expect("JSON"));
        other.metadata.name = Some("other".to_owned());
        assert!(!is_same_content(&mk_secret(), &other).expect("JSON"));
    }
}
