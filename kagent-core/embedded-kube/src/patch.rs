//! The patch forms but server-side apply: RFC 6902, RFC 7386, and strategic merge as far as Secret and ConfigMap need it.

use serde_json::{Value, json};

use crate::status::{ApiError, ApiResult};

/// Nesting and size that a JSON patch may make, as the parser and the body limit allow for sent objects.
const MAX_DEPTH: usize = 128;
const MAX_NODES: usize = 1 << 18;
/// The API server's own limit.
const MAX_OPERATIONS: usize = 10_000;

/// RFC 6902.
///
/// # Errors
/// 400 if it is no JSON patch, 413 if it makes too much, 422 if it cannot be applied, as a failed `test`.
pub(crate) fn json_patch(live: &Value, patch: &Value) -> ApiResult<Value> {
    let patch: json_patch::Patch = serde_json::from_value(patch.clone())
        .map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))?;
    let too_large = |why: &str| ApiError::new(413, "RequestEntityTooLarge", format!("the patch is too large: {why}"));
    if patch.0.len() > MAX_OPERATIONS {
        return Err(too_large("it has more than 10000 operations"));
    }
    let mut object = live.clone();
    for operation in &patch.0 {
        json_patch::patch(&mut object, std::slice::from_ref(operation)).map_err(|error| {
            let mut refused = ApiError::new(
                422,
                "Invalid",
                "the server rejected our request due to an error in our request",
            );
            refused.details =
                Some(json!({ "causes": [{ "reason": "UnexpectedServerResponse", "message": error.to_string() }] }));
            refused
        })?;
        // Copies can double the object each time, and each addition can go one level deeper.
        let copies = matches!(operation, json_patch::PatchOperation::Copy(_));
        let deep = operation.path().count() >= MAX_DEPTH;
        if (copies || deep) && count_nodes(&object, MAX_DEPTH).is_none_or(|nodes| nodes > MAX_NODES) {
            return Err(too_large("the object it makes is too large or too deep"));
        }
    }
    Ok(object)
}

/// Number of values in a value; `None` if it is nested deeper than `depth`.
fn count_nodes(value: &Value, depth: usize) -> Option<usize> {
    let depth = depth.checked_sub(1)?;
    let below = |count: usize, value: &Value| Some(count + count_nodes(value, depth)?);
    match value {
        Value::Object(fields) => fields.values().try_fold(1, below),
        Value::Array(items) => items.iter().try_fold(1, below),
        _ => Some(1),
    }
}

/// RFC 7386.
pub(crate) fn merge_patch(live: &Value, patch: &Value) -> Value {
    let mut object = live.clone();
    json_patch::merge(&mut object, patch);
    object
}

/// Strategic merge for kinds whose only merging lists are in the metadata.
///
/// # Errors
/// 400 if the patch has directives (`$patch`, `$retainKeys`, …), which are not supported.
pub(crate) fn strategic_patch(live: &Value, patch: &Value) -> ApiResult<Value> {
    if let Some(directive) = find_directive(patch) {
        return Err(ApiError::bad_request(format!(
            "the strategic merge directive {directive:?} is not supported"
        )));
    }
    let mut patch = patch.clone();
    for (list, key) in [("ownerReferences", Some("uid")), ("finalizers", None)] {
        let Some(new) = patch["metadata"].get(list).and_then(Value::as_array).cloned() else {
            continue;
        };
        let mut merged = live["metadata"][list].as_array().cloned().unwrap_or_default();
        for item in new {
            let same = |other: &&mut Value| match key {
                Some(key) => other[key] == item[key],
                None => **other == item,
            };
            match merged.iter_mut().find(same) {
                Some(known) => json_patch::merge(known, &item),
                None => merged.push(item),
            }
        }
        patch["metadata"][list] = Value::Array(merged);
    }
    Ok(merge_patch(live, &patch))
}

fn find_directive(patch: &Value) -> Option<&str> {
    match patch {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            if name.starts_with('$') {
                Some(name.as_str())
            } else {
                find_directive(value)
            }
        }),
        Value::Array(items) => items.iter().find_map(find_directive),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_test_is_422() {
        let error =
            json_patch(&json!({ "a": 1 }), &json!([{ "op": "test", "path": "/a", "value": 2 }])).expect_err("fails");
        assert_eq!((error.code, error.reason), (422, "Invalid"));
    }

    #[test]
    fn a_patch_that_grows_without_end_is_refused() {
        let copies: Vec<Value> = (0..64)
            .map(|index| json!({ "op": "copy", "from": "", "path": format!("/c{index}") }))
            .collect();
        assert_eq!(
            json_patch(&json!({ "a": 1 }), &json!(copies))
                .expect_err("too large")
                .code,
            413
        );
        let deeper: Vec<Value> = (1..200)
            .map(|depth| json!({ "op": "add", "path": "/a".repeat(depth), "value": {} }))
            .collect();
        assert_eq!(json_patch(&json!({}), &json!(deeper)).expect_err("too deep").code, 413);
    }

    #[test]
    fn strategic_merge_keeps_other_owners() {
        let live = json!({ "metadata": { "ownerReferences": [{ "uid": "1", "name": "a" }], "finalizers": ["f"] }, "data": { "a": "1", "b": "2" } });
        let patch = json!({ "metadata": { "ownerReferences": [{ "uid": "2" }], "finalizers": ["f", "g"] }, "data": { "a": null } });
        assert_eq!(
            strategic_patch(&live, &patch).expect("patched"),
            json!({ "metadata": { "ownerReferences": [{ "uid": "1", "name": "a" }, { "uid": "2" }], "finalizers": ["f", "g"] }, "data": { "b": "2" } })
        );
        assert!(strategic_patch(&live, &json!({ "data": { "$patch": "replace" } })).is_err());
    }
}
