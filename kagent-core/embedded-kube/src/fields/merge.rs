//! Server-side apply on values: lays a configuration over an object, and takes out what is no longer declared.

use serde_json::{Map, Value};

use super::{
    FieldSet,
    walk::{Shape, below, shape},
};
use crate::schema::Schema;

/// `live` with `config` laid over it: fields and keyed elements merge, everything else is replaced.
pub(crate) fn merge(schema: Option<&Schema>, live: &Value, config: &Value) -> Value {
    match (shape(schema, live), shape(schema, config)) {
        (Shape::Fields(live), Shape::Fields(config)) => {
            let mut merged: Map<String, Value> = live.clone();
            for (name, value) in config {
                let field_schema = schema.and_then(|schema| schema.field(name));
                let value = match live.get(name) {
                    Some(live) => merge(field_schema, live, value),
                    None => value.clone(),
                };
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Shape::Elements(live), Shape::Elements(config)) => merge_elements(schema, &live, &config),
        _ => config.clone(),
    }
}

/// Keeps the order of the configuration; elements only the object has stay between their old neighbours.
fn merge_elements(schema: Option<&Schema>, live: &[(String, &Value)], config: &[(String, &Value)]) -> Value {
    let find = |items: &[(String, &Value)], element: &str| items.iter().position(|(known, _)| known == element);
    let mut merged = Vec::with_capacity(live.len() + config.len());
    let mut live_next = 0;
    for (element, value) in config {
        let known = find(live, element);
        if let Some(index) = known {
            while live_next < index {
                let (other, value) = &live[live_next];
                if find(config, other).is_none() {
                    merged.push((*value).clone());
                }
                live_next += 1;
            }
            live_next = live_next.max(index + 1);
        }
        merged.push(match known {
            Some(index) => merge(below(schema, element), live[index].1, value),
            None => (*value).clone(),
        });
    }
    for (element, value) in &live[live_next.min(live.len())..] {
        if find(config, element).is_none() {
            merged.push((*value).clone());
        }
    }
    Value::Array(merged)
}

/// Removes from `value` what is in `last` (the manager's former set) and owned by nobody now.
pub(crate) fn remove_unowned(schema: Option<&Schema>, value: &mut Value, last: &FieldSet, owned: Option<&FieldSet>) {
    let mut gone = Vec::new();
    for (element, last_child) in &last.children {
        let owned_child = owned.and_then(|owned| owned.children.get(element));
        if owned_child.is_none() && last_child.member {
            gone.push(element.clone());
            continue;
        }
        let below_schema = below(schema, element);
        let Some(child) = find_mut(schema, value, element) else {
            continue;
        };
        let had_content = !is_empty(child);
        remove_unowned(below_schema, child, last_child, owned_child);
        if owned_child.is_none() && had_content && is_empty(child) {
            gone.push(element.clone());
        }
    }
    for element in gone {
        remove_element(schema, value, &element);
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn position(schema: Option<&Schema>, value: &Value, element: &str) -> Option<usize> {
    match shape(schema, value) {
        Shape::Elements(items) => items.iter().position(|(known, _)| known == element),
        _ => None,
    }
}

fn find_mut<'a>(schema: Option<&Schema>, value: &'a mut Value, element: &str) -> Option<&'a mut Value> {
    match element.strip_prefix("f:") {
        Some(name) => value.as_object_mut()?.get_mut(name),
        None => {
            let index = position(schema, value, element)?;
            value.as_array_mut()?.get_mut(index)
        }
    }
}

fn remove_element(schema: Option<&Schema>, value: &mut Value, element: &str) {
    match element.strip_prefix("f:") {
        Some(name) => {
            if let Some(fields) = value.as_object_mut() {
                fields.shift_remove(name);
            }
        }
        None => {
            if let Some(index) = position(schema, value, element)
                && let Some(items) = value.as_array_mut()
            {
                items.remove(index);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        Schema::open(&json!({ "properties": {
            "list": { "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"] },
            "whole": { "x-kubernetes-map-type": "atomic" },
        } }))
    }

    #[test]
    fn keyed_elements_merge_and_atomic_maps_are_replaced() {
        let merged = merge(
            Some(&schema()),
            &json!({ "list": [{ "n": "a", "x": 1 }, { "n": "b", "x": 2 }, { "n": "c" }], "whole": { "a": 1 } }),
            &json!({ "list": [{ "n": "new" }, { "n": "b", "y": 3 }], "whole": { "b": 2 } }),
        );
        assert_eq!(
            merged,
            json!({
                "list": [{ "n": "new" }, { "n": "a", "x": 1 }, { "n": "b", "x": 2, "y": 3 }, { "n": "c" }],
                "whole": { "b": 2 },
            })
        );
    }

    #[test]
    fn what_nobody_owns_any_more_goes_with_its_empty_parents() {
        let last = FieldSet::from_json(&json!({
            "f:a": { "f:b": { "f:c": {} } },
            "f:list": { "k:{\"n\":\"x\"}": { ".": {}, "f:n": {} }, "k:{\"n\":\"y\"}": { ".": {}, "f:n": {}, "f:v": {} } },
        }));
        let owned = FieldSet::from_json(&json!({ "f:list": { "k:{\"n\":\"y\"}": { ".": {}, "f:n": {} } } }));
        let mut value = json!({ "a": { "b": { "c": 1 } }, "list": [{ "n": "x" }, { "n": "y", "v": 1, "foreign": 2 }] });
        remove_unowned(Some(&schema()), &mut value, &last, Some(&owned));
        assert_eq!(value, json!({ "list": [{ "n": "y", "foreign": 2 }] }));
    }
}
