//! Whether applying an object would change nothing: every desired field has its value, and our field manager owns no
//! field that is not desired any more. Pure.

use kube::Resource;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Whether server-side apply of `desired` by `manager` would leave `live` as it is.
///
/// # Errors
/// `Internal` when an object cannot be written as JSON.
pub(super) fn is_applied<K>(desired: &K, live: &K, manager: &str) -> Result<bool>
where
    K: Resource + Serialize,
{
    let to_value = |object: &K| {
        serde_json::to_value(object)
            .map_err(|error| Error::internal("an object cannot be written as JSON").with_source(error))
    };
    let desired = to_value(desired)?;
    if !is_subset(&desired, &to_value(live)?) {
        return Ok(false);
    }
    let fields = live.meta().managed_fields.iter().flatten().find(|entry| {
        entry.manager.as_deref() == Some(manager)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.as_deref().unwrap_or_default().is_empty()
    });
    Ok(match fields.and_then(|entry| entry.fields_v1.as_ref()) {
        Some(fields) => owns_only_desired(&fields.0, &desired),
        // Never applied by us: the first time takes the fields over.
        None => false,
    })
}

/// Whether `live` says everything that `desired` says.
///
/// # Errors
/// `Internal` when an object cannot be written as JSON.
pub(super) fn says_all<K: Serialize>(desired: &K, live: &K) -> Result<bool> {
    let to_value = |object: &K| {
        serde_json::to_value(object)
            .map_err(|error| Error::internal("an object cannot be written as JSON").with_source(error))
    };
    Ok(is_subset(&to_value(desired)?, &to_value(live)?))
}

/// Whether our field manager ever applied this object.
pub(super) fn was_applied<K: Resource>(live: &K) -> bool {
    let entries = live.meta().managed_fields.iter().flatten();
    entries.into_iter().any(|entry| {
        entry.manager.as_deref() == Some(super::FIELD_MANAGER) && entry.operation.as_deref() == Some("Apply")
    })
}

/// Whether `manager` applied the field at `path`, a JSON pointer into `fieldsV1`.
pub(super) fn owns<K: Resource>(live: &K, manager: &str, path: &str) -> bool {
    let entries = live.meta().managed_fields.iter().flatten();
    entries
        .into_iter()
        .filter(|entry| entry.manager.as_deref() == Some(manager) && entry.operation.as_deref() == Some("Apply"))
        .filter_map(|entry| entry.fields_v1.as_ref())
        .any(|fields| fields.0.pointer(path).is_some())
}

/// Whether `live` has everything that `desired` has. Lists must have the same elements in the same order, each of which
/// may have more (defaults).
fn is_subset(desired: &Value, live: &Value) -> bool {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => desired.iter().all(|(key, value)| match live.get(key) {
            Some(live) => is_subset(value, live),
            // The API server drops what is empty.
            None => is_empty(value),
        }),
        (Value::Array(desired), Value::Array(live)) => {
            desired.len() == live.len() && desired.iter().zip(live).all(|(desired, live)| is_subset(desired, live))
        }
        (desired, live) => desired == live,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// Walks the `fieldsV1` of a manager along `desired`: `f:` names a field, `k:` an element by its keys, `v:` an element by
/// its value, `i:` one by its position.
fn owns_only_desired(fields: &Value, desired: &Value) -> bool {
    let Value::Object(fields) = fields else {
        return true;
    };
    fields.iter().all(|(path, inner)| {
        if path == "." {
            return true;
        }
        let Some((form, name)) = path.split_once(':') else {
            return false;
        };
        let found = match (form, desired) {
            ("f", Value::Object(map)) => map.get(name),
            ("k", Value::Array(list)) => serde_json::from_str::<Map<String, Value>>(name)
                .ok()
                .and_then(|keys| list.iter().find(|element| has_keys(element, &keys))),
            ("v", Value::Array(list)) => serde_json::from_str::<Value>(name)
                .ok()
                .and_then(|value| list.iter().find(|element| **element == value)),
            ("i", Value::Array(list)) => name.parse::<usize>().ok().and_then(|at| list.get(at)),
            _ => None,
        };
        found.is_some_and(|found| owns_only_desired(inner, found))
    })
}

/// Whether an element is the one with these keys. A key that the API server fills in (a port's protocol) may be absent.
fn has_keys(element: &Value, keys: &Map<String, Value>) -> bool {
    keys.iter()
        .all(|(key, value)| element.get(key).is_none_or(|found| found == value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_of_the_server_are_no_difference() {
        let desired = json!({"spec": {"ports": [{"port": 8080}], "selector": {}}});
        let live = json!({"spec": {"ports": [{"port": 8080, "protocol": "TCP"}], "clusterIP": "10.0.0.1"}});
        assert!(is_subset(&desired, &live));
    }

    #[test]
    fn changed_missing_and_additional_elements_are_differences() {
        let live = json!({"a": [1, 2], "b": "x"});
        for desired in [
            json!({"b": "y"}),
            json!({"c": 1}),
            json!({"a": [1]}),
            json!({"a": [2, 1]}),
        ] {
            assert!(!is_subset(&desired, &live), "{desired} was taken for applied");
        }
    }

    #[test]
    fn a_field_that_is_not_desired_any_more_is_found() {
        let fields = json!({"f:spec": {"f:ports": {"k:{\"port\":8080,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}, "f:appProtocol": {}}}}});
        let with = json!({"spec": {"ports": [{"port": 8080, "appProtocol": "a2a"}]}});
        let without = json!({"spec": {"ports": [{"port": 8080}]}});
        assert!(owns_only_desired(&fields, &with));
        assert!(!owns_only_desired(&fields, &without));
    }
}
