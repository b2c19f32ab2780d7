//! Walks values along their schema: which paths a value has, and in which paths two values differ.

use serde_json::{Map, Value};

use super::FieldSet;
use crate::schema::{Additional, ListType, Schema};

/// How a value is taken apart.
pub(super) enum Shape<'a> {
    /// As a whole.
    Leaf,
    /// By field.
    Fields(&'a Map<String, Value>),
    /// By element; path element and value of each.
    Elements(Vec<(String, &'a Value)>),
}

/// How `value` is taken apart under `schema`.
pub(super) fn shape<'a>(schema: Option<&Schema>, value: &'a Value) -> Shape<'a> {
    match value {
        Value::Object(fields) if schema.is_none_or(|schema| !schema.atomic_map) => Shape::Fields(fields),
        Value::Array(items) => match schema.map(|schema| &schema.list_type) {
            Some(ListType::Set) => elements(items, |item| Some(format!("v:{item}"))),
            Some(ListType::Map(keys)) => {
                let item_schema = schema.and_then(|schema| schema.items.as_deref());
                elements(items, |item| key_element(keys, item_schema, item))
            }
            _ => Shape::Leaf,
        },
        _ => Shape::Leaf,
    }
}

/// Elements by identity; a list in which they do not all have a different one is taken as a whole.
fn elements<'a>(items: &'a [Value], element: impl Fn(&Value) -> Option<String>) -> Shape<'a> {
    let mut found: Vec<(String, &Value)> = Vec::with_capacity(items.len());
    for item in items {
        match element(item) {
            Some(element) if found.iter().all(|(known, _)| *known != element) => found.push((element, item)),
            _ => return Shape::Leaf,
        }
    }
    Shape::Elements(found)
}

fn key_element(keys: &[String], schema: Option<&Schema>, item: &Value) -> Option<String> {
    let mut identity = std::collections::BTreeMap::new();
    for key in keys {
        let value = item.get(key).or_else(|| schema?.properties.get(key)?.default.as_ref());
        // A key that is left out counts as not there, as long as another one is.
        if let Some(value) = value {
            identity.insert(key, value);
        }
    }
    if identity.is_empty() {
        return None;
    }
    Some(format!("k:{}", serde_json::to_string(&identity).ok()?))
}

/// The schema below a field or, for elements, of the items.
pub(super) fn below<'a>(schema: Option<&'a Schema>, element: &str) -> Option<&'a Schema> {
    match element.strip_prefix("f:") {
        Some(name) => schema?.field(name),
        None => schema?.items.as_deref(),
    }
}

/// The list maps and sets of a value that have an entry twice, as the API server words them.
pub(crate) fn duplicate_entries(schema: Option<&Schema>, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    find_duplicates(schema, value, "", &mut found);
    found
}

fn find_duplicates(schema: Option<&Schema>, value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let below = schema.and_then(|schema| schema.field(name));
                find_duplicates(below, field, &format!("{path}.{name}"), found);
            }
        }
        Value::Array(items) => {
            let item_schema = schema.and_then(|schema| schema.items.as_deref());
            let mut known = std::collections::BTreeSet::new();
            for item in items {
                let (element, shown) = match schema.map(|schema| &schema.list_type) {
                    Some(ListType::Set) => (Some(format!("v:{item}")), item.to_string()),
                    Some(ListType::Map(keys)) => {
                        (key_element(keys, item_schema, item), show_keys(keys, item_schema, item))
                    }
                    _ => return,
                };
                match element {
                    Some(element) if known.insert(element.clone()) => {
                        find_duplicates(item_schema, item, &format!("{path}[{shown}]"), found);
                    }
                    Some(_) => found.push(format!("{path}: duplicate entries for key [{shown}]")),
                    None => {}
                }
            }
        }
        _ => {}
    }
}

fn show_keys(keys: &[String], schema: Option<&Schema>, item: &Value) -> String {
    let mut keys: Vec<&String> = keys.iter().collect();
    keys.sort();
    let shown: Vec<String> = keys
        .into_iter()
        .filter_map(|key| {
            let value = item
                .get(key)
                .or_else(|| schema?.properties.get(key)?.default.as_ref())?;
            Some(format!("{key}={value}"))
        })
        .collect();
    shown.join(",")
}

/// The paths that a configuration declares, as server-side apply owns them.
pub(crate) fn declared_fields(schema: Option<&Schema>, value: &Value) -> FieldSet {
    match shape(schema, value) {
        Shape::Leaf => FieldSet::leaf(),
        Shape::Fields(fields) if fields.is_empty() => FieldSet::leaf(),
        Shape::Elements(items) if items.is_empty() => FieldSet::leaf(),
        Shape::Fields(fields) => {
            // Entries of a free map are members themselves, fields of a structure only by what is in them.
            let free =
                schema.is_some_and(|schema| matches!(schema.additional, Some(Additional::Any | Additional::Schema(_))));
            let mut set = FieldSet::default();
            for (name, field) in fields {
                let mut child = declared_fields(schema.and_then(|schema| schema.field(name)), field);
                child.member |= free;
                set.insert(format!("f:{name}"), child);
            }
            set
        }
        Shape::Elements(items) => {
            let mut set = FieldSet::default();
            for (element, item) in items {
                let mut child = declared_fields(below(schema, &element), item);
                child.member = true;
                set.insert(element, child);
            }
            set
        }
    }
}

/// What differs between two values.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// Paths that only the new value has, and paths whose value changed.
    pub(crate) changed: FieldSet,
    /// Paths that only the old value has.
    pub(crate) removed: FieldSet,
}

/// Compares two values under one schema.
pub(crate) fn compare(schema: Option<&Schema>, old: &Value, new: &Value) -> Comparison {
    let mut comparison = Comparison::default();
    if old == new {
        return comparison;
    }
    let pairs: Vec<(String, Option<&Value>, Option<&Value>)> = match (shape(schema, old), shape(schema, new)) {
        (Shape::Fields(old), Shape::Fields(new)) => {
            let old_names = old
                .iter()
                .map(|(name, value)| (format!("f:{name}"), Some(value), new.get(name)));
            let added = new.iter().filter(|(name, _)| !old.contains_key(*name));
            old_names
                .chain(added.map(|(name, value)| (format!("f:{name}"), None, Some(value))))
                .collect()
        }
        (Shape::Elements(old), Shape::Elements(new)) => {
            let find = |items: &[(String, &'_ Value)], element: &str| -> Option<usize> {
                items.iter().position(|(known, _)| known == element)
            };
            let mut pairs = Vec::new();
            for (element, value) in &old {
                let other = find(&new, element).map(|index| new[index].1);
                pairs.push((element.clone(), Some(*value), other));
            }
            for (element, value) in &new {
                if find(&old, element).is_none() {
                    pairs.push((element.clone(), None, Some(*value)));
                }
            }
            pairs
        }
        _ => {
            comparison.changed.member = true;
            return comparison;
        }
    };
    for (element, old, new) in pairs {
        let schema = below(schema, &element);
        match (old, new) {
            (Some(old), Some(new)) => {
                let inner = compare(schema, old, new);
                comparison.changed.insert(element.clone(), inner.changed);
                comparison.removed.insert(element, inner.removed);
            }
            (Some(old), None) => comparison.removed.insert(element, every_path(schema, old)),
            (None, Some(new)) => comparison.changed.insert(element, every_path(schema, new)),
            (None, None) => {}
        }
    }
    comparison
}

/// The path itself and everything below it.
pub(crate) fn every_path(schema: Option<&Schema>, value: &Value) -> FieldSet {
    let mut set = FieldSet::leaf();
    match shape(schema, value) {
        Shape::Leaf => {}
        Shape::Fields(fields) => {
            for (name, field) in fields {
                let element = format!("f:{name}");
                let child = every_path(below(schema, &element), field);
                set.insert(element, child);
            }
        }
        Shape::Elements(items) => {
            for (element, item) in items {
                let child = every_path(below(schema, &element), item);
                set.insert(element, child);
            }
        }
    }
    set
}
