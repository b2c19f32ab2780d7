//! Sets of fields, as `managedFields` keeps them: a tree whose keys are path elements in their `FieldsV1` form.
//!
//! `f:name` is a field, `k:{…}` an element of a list map, `v:…` an element of a set.

pub(crate) mod merge;
pub(crate) mod walk;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A set of paths.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct FieldSet {
    /// Whether this path itself is in the set.
    pub(crate) member: bool,
    pub(crate) children: BTreeMap<String, Self>,
}

impl FieldSet {
    /// Just the path itself.
    pub(crate) fn leaf() -> Self {
        Self {
            member: true,
            children: BTreeMap::new(),
        }
    }

    /// Reads `fieldsV1`. What is no object is read as an empty set.
    pub(crate) fn from_json(json: &Value) -> Self {
        let mut set = Self::default();
        for (element, child) in json.as_object().into_iter().flatten() {
            if element == "." {
                set.member = true;
                continue;
            }
            let mut child_set = Self::from_json(child);
            if child_set.children.is_empty() {
                child_set.member = true;
            }
            set.children.insert(element.clone(), child_set);
        }
        set
    }

    /// The `fieldsV1` form.
    pub(crate) fn to_json(&self) -> Value {
        let mut json = Map::new();
        if self.member && !self.children.is_empty() {
            json.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (element, child) in &self.children {
            json.insert(element.clone(), child.to_json());
        }
        Value::Object(json)
    }

    /// Nobody owns `metadata` itself, only what is in it.
    pub(crate) fn forget_metadata(&mut self) {
        if let Some(metadata) = self.children.get_mut("f:metadata") {
            metadata.member = false;
            if metadata.is_empty() {
                self.children.remove("f:metadata");
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }

    /// Adds a child set unless it is empty.
    pub(crate) fn insert(&mut self, element: String, child: Self) {
        if !child.is_empty() {
            self.children.insert(element, child);
        }
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut set = self.clone();
        set.member |= other.member;
        for (element, child) in &other.children {
            let merged = match set.children.get(element) {
                Some(own) => own.union(child),
                None => child.clone(),
            };
            set.children.insert(element.clone(), merged);
        }
        set
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let mut set = Self {
            member: self.member && other.member,
            children: BTreeMap::new(),
        };
        for (element, child) in &self.children {
            if let Some(others) = other.children.get(element) {
                set.insert(element.clone(), child.intersection(others));
            }
        }
        set
    }

    pub(crate) fn difference(&self, other: &Self) -> Self {
        let mut set = Self {
            member: self.member && !other.member,
            children: BTreeMap::new(),
        };
        for (element, child) in &self.children {
            let rest = match other.children.get(element) {
                Some(others) => child.difference(others),
                None => child.clone(),
            };
            set.insert(element.clone(), rest);
        }
        set
    }

    /// All paths in the form of conflict messages: `.spec.containers[name="a"].image`.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect_paths(String::new(), &mut paths);
        paths
    }

    fn collect_paths(&self, path: String, paths: &mut Vec<String>) {
        // As in the API's messages: what is owned itself before what is owned in parts.
        let at = |element: &str| format!("{path}{}", show_element(element));
        let own = self.children.iter().filter(|(_, child)| child.member);
        paths.extend(own.map(|(element, _)| at(element)));
        for (element, child) in &self.children {
            child.collect_paths(at(element), paths);
        }
    }
}

fn show_element(element: &str) -> String {
    match element.split_at_checked(2) {
        Some(("f:", name)) => format!(".{name}"),
        Some(("k:", keys)) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
        Some(("v:", value)) => format!("[={value}]"),
        _ => format!("[{element}]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_v1_survives_reading_and_writing() {
        let json = json!({ "f:metadata": { "f:labels": { ".": {}, "f:app": {} } },
            "f:spec": { "f:containers": { "k:{\"name\":\"a\"}": { ".": {}, "f:image": {} } } } });
        let set = FieldSet::from_json(&json);
        assert_eq!(set.to_json(), json);
        assert_eq!(
            set.paths(),
            [
                ".metadata.labels",
                ".metadata.labels.app",
                ".spec.containers[name=\"a\"]",
                ".spec.containers[name=\"a\"].image"
            ]
        );
    }

    #[test]
    fn set_operations_keep_only_what_is_left() {
        let a = FieldSet::from_json(&json!({ "f:a": {}, "f:b": { "f:c": {}, "f:d": {} } }));
        let b = FieldSet::from_json(&json!({ "f:b": { "f:c": {} } }));
        assert_eq!(a.difference(&b).to_json(), json!({ "f:a": {}, "f:b": { "f:d": {} } }));
        assert_eq!(a.intersection(&b), b);
        assert_eq!(b.union(&a), a);
        assert!(b.difference(&a).is_empty());
    }
}
