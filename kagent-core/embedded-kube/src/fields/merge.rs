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

/// Walks both lists side by side. Elements of the configuration keep its order; an element that only the object has
/// comes as early as its old place allows.
fn merge_elements(schema: Option<&Schema>, live: &[(String, &Value)], config: &[(String, &Value)]) -> Value {
    let find = |items: &[(String, &Value)], element: &str| items.iter().position(|(known, _)| known == element);
    let mut shared = config
        .iter()
        .map(|(element, _)| element)
        .filter(|element| find(live, element).is_some())
        .peekable();
    let mut merged = Vec::with_capacity(live.len() + config.len());
    let (mut live_next, mut config_next) = (0, 0);
    while live_next < live.len() || config_next < config.len() {
        if let Some((element, value)) = live.get(live_next) {
            let Some(place) = find(config, element) else {
                merged.push((*value).clone());
                live_next += 1;
                continue;
            };
            let is_next = config_next < config.len() && shared.peek() == Some(&element);
            if place < config_next || !is_next {
                // It has its place in the configuration, here or further on.
                live_next += 1;
                if config_next < config.len() && shared.peek().is_some() {
                    continue;
                }
            } else if place == config_next {
                live_next += 1;
            }
        }
        if let Some((element, value)) = config.get(config_next) {
            merged.push(match find(live, element) {
                Some(index) => merge(below(schema, element), live[index].1, value),
                None => (*value).clone(),
            });
            config_next += 1;
            shared.next_if(|next| *next == element);
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
    fn elements_only_the_object_has_come_early() {
        let names = |names: &[&str]| -> Value { names.iter().map(|name| json!({ "n": name })).collect() };
        for (live, config, merged) in [
            (&["b", "d"][..], &["a", "b", "c"][..], &["a", "b", "d", "c"][..]),
            (&["v"], &["w"], &["v", "w"]),
            (&["a", "b", "d", "c"], &["d", "b"], &["a", "d", "c", "b"]),
            (&["a", "b"], &["b", "a"], &["b", "a"]),
        ] {
            let value = |list: &[&str]| json!({ "list": names(list) });
            assert_eq!(merge(Some(&schema()), &value(live), &value(config)), value(merged));
        }
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
                "list": [{ "n": "a", "x": 1 }, { "n": "new" }, { "n": "b", "x": 2, "y": 3 }, { "n": "c" }],
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
