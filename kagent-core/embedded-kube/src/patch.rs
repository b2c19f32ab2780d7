//! The patch forms but server-side apply: RFC 6902, RFC 7386, and strategic merge as far as Secret and ConfigMap need it.

use serde_json::{Map, Value, json};

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
        json_patch::patch(&mut object, std::slice::from_ref(operation)).map_err(|_| {
            let mut refused = ApiError::new(
                422,
                "Invalid",
                "the server rejected our request due to an error in our request",
            );
            refused.details = Some(json!({}));
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

/// Strategic merge for kinds whose only merging lists are in the metadata: owners by their uid, and finalizers.
///
/// # Errors
/// 400 if the patch has a directive that these kinds have no use for.
pub(crate) fn strategic_patch(live: &Value, patch: &Value) -> ApiResult<Value> {
    merge_fields(live, patch, "")
}

fn merge_fields(live: &Value, patch: &Value, path: &str) -> ApiResult<Value> {
    let Some(patch) = patch.as_object() else {
        return Ok(patch.clone());
    };
    let mut merged = match patch.get("$patch").map(|directive| directive.as_str()) {
        None => live.as_object().cloned().unwrap_or_default(),
        Some(Some("replace" | "delete")) => Map::new(),
        Some(other) => return Err(bad_directive(other.unwrap_or("$patch"))),
    };
    for (name, value) in patch {
        let at = format!("{path}.{name}");
        if name == "$patch" {
            continue;
        }
        if let Some(list) = name.strip_prefix("$setElementOrder/") {
            order_elements(&mut merged, list, value);
        } else if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
            if let Some(items) = merged.get_mut(list).and_then(Value::as_array_mut) {
                items.retain(|item| value.as_array().is_none_or(|gone| !gone.contains(item)));
            }
        } else if name.starts_with('$') {
            return Err(bad_directive(name));
        } else if value.is_null() {
            merged.shift_remove(name);
        } else if let Some(key) = merge_key(&at)
            && let Some(items) = value.as_array()
        {
            let live = merged.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
            merged.insert(name.clone(), Value::Array(merge_items(&live, items, key)?));
        } else {
            let value = match merged.get(name) {
                Some(live) if value.is_object() => merge_fields(live, value, &at)?,
                _ => merge_fields(&Value::Null, value, &at)?,
            };
            merged.insert(name.clone(), value);
        }
    }
    Ok(Value::Object(merged))
}

/// The lists that merge: by a field of their items, or (empty) by the items themselves.
fn merge_key(path: &str) -> Option<&'static str> {
    match path {
        ".metadata.ownerReferences" => Some("uid"),
        ".metadata.finalizers" => Some(""),
        _ => None,
    }
}

/// The patch's items come first, in their order.
fn merge_items(live: &[Value], patch: &[Value], key: &str) -> ApiResult<Vec<Value>> {
    let same = |a: &Value, b: &Value| if key.is_empty() { a == b } else { a[key] == b[key] };
    let replaces = patch.iter().any(|item| item["$patch"] == "replace");
    let live = if replaces { &[] } else { live };
    let mut merged = Vec::new();
    for item in patch {
        match item["$patch"].as_str() {
            Some("replace" | "delete") => continue,
            Some(other) => return Err(bad_directive(other)),
            None => {}
        }
        merged.push(match live.iter().find(|known| same(known, item)) {
            Some(known) => merge_fields(known, item, "")?,
            None => item.clone(),
        });
    }
    let rest = live.iter().filter(|known| patch.iter().all(|item| !same(known, item)));
    merged.extend(rest.cloned());
    Ok(merged)
}

/// Brings the items of a list that `order` names into its order, before the others.
fn order_elements(fields: &mut Map<String, Value>, list: &str, order: &Value) {
    let place = |item: &Value| {
        let known = order.as_array().into_iter().flatten();
        let mut known = known.map(|one| {
            if one.is_object() {
                one["uid"] == item["uid"]
            } else {
                one == item
            }
        });
        known.position(|same| same).unwrap_or(usize::MAX)
    };
    if let Some(items) = fields.get_mut(list).and_then(Value::as_array_mut) {
        items.sort_by_key(place);
    }
}

fn bad_directive(directive: &str) -> ApiError {
    ApiError::bad_request(format!("the strategic merge directive {directive:?} is not supported"))
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
    fn strategic_directives_take_out_and_replace() {
        let live = json!({ "metadata": { "ownerReferences": [{ "uid": "1" }, { "uid": "2" }], "finalizers": ["f", "g"] }, "data": { "a": "1" } });
        let patch = json!({
            "metadata": {
                "$deleteFromPrimitiveList/finalizers": ["f"],
                "$setElementOrder/ownerReferences": [{ "uid": "3" }, { "uid": "2" }],
                "ownerReferences": [{ "uid": "1", "$patch": "delete" }, { "uid": "3" }],
            },
            "data": { "$patch": "replace", "b": "2" },
        });
        assert_eq!(
            strategic_patch(&live, &patch).expect("patched"),
            json!({ "metadata": { "ownerReferences": [{ "uid": "3" }, { "uid": "2" }], "finalizers": ["g"] }, "data": { "b": "2" } })
        );
    }

    #[test]
    fn strategic_merge_keeps_other_owners() {
        let live = json!({ "metadata": { "ownerReferences": [{ "uid": "1", "name": "a" }], "finalizers": ["f"] }, "data": { "a": "1", "b": "2" } });
        let patch = json!({ "metadata": { "ownerReferences": [{ "uid": "2" }], "finalizers": ["f", "g"] }, "data": { "a": null } });
        assert_eq!(
            strategic_patch(&live, &patch).expect("patched"),
            json!({ "metadata": { "ownerReferences": [{ "uid": "2" }, { "uid": "1", "name": "a" }], "finalizers": ["f", "g"] }, "data": { "b": "2" } })
        );
        assert!(strategic_patch(&live, &json!({ "data": { "$retainKeys": ["a"] } })).is_err());
    }
}
