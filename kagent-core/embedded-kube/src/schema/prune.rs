//! Pruning: removes fields that the schema does not know. Never touches `apiVersion`, `kind` and `metadata` of objects.

use serde_json::Value;

use super::{Additional, Schema};

impl Schema {
    /// Prunes a whole object; the paths of what was removed, such as `spec.tools[0].tpye`.
    pub(crate) fn prune_object(&self, object: &mut Value) -> Vec<String> {
        let mut removed = Vec::new();
        self.prune(object, true, "", &mut removed);
        removed.sort();
        removed
    }

    fn prune(&self, value: &mut Value, is_resource: bool, path: &str, removed: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, field| {
                    let at = join(path, name);
                    if is_resource && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
                        return true;
                    }
                    if let Some(schema) = self.properties.get(name) {
                        schema.prune(field, schema.embedded_resource, &at, removed);
                        return true;
                    }
                    match &self.additional {
                        Some(Additional::Schema(schema)) => {
                            schema.prune(field, schema.embedded_resource, &at, removed);
                            true
                        }
                        Some(Additional::Any) => true,
                        None if self.preserve_unknown => true,
                        None => {
                            removed.push(at);
                            false
                        }
                    }
                });
            }
            Value::Array(items) => {
                if let Some(schema) = &self.items {
                    for (index, item) in items.iter_mut().enumerate() {
                        schema.prune(item, schema.embedded_resource, &format!("{path}[{index}]"), removed);
                    }
                }
            }
            _ => {}
        }
    }

    /// Drops nulls of fields that may not be null, as the API server does before it defaults and validates.
    pub(crate) fn drop_nulls(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, field| {
                    let Some(schema) = self.field(name) else { return true };
                    // A field with a default is defaulted instead.
                    !field.is_null() || schema.nullable || schema.default.is_some() || schema.int_or_string
                });
                for (name, field) in fields.iter_mut() {
                    if let Some(schema) = self.field(name) {
                        schema.drop_nulls(field);
                    }
                }
            }
            Value::Array(items) => {
                if let Some(schema) = &self.items {
                    items.iter_mut().for_each(|item| schema.drop_nulls(item));
                }
            }
            _ => {}
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_fields_go_and_are_named() {
        let schema = Schema::parse(&json!({ "properties": {
            "spec": { "properties": {
                "known": {},
                "free": { "x-kubernetes-preserve-unknown-fields": true },
                "labels": { "additionalProperties": { "type": "string" } },
                "list": { "items": { "properties": { "a": {} } } },
            } },
        } }))
        .expect("a schema");
        let mut object = json!({
            "apiVersion": "x/v1", "kind": "X", "metadata": { "name": "x" },
            "spec": { "known": 1, "typo": 2, "free": { "any": 1 }, "labels": { "l": "1" }, "list": [{ "a": 1, "b": 2 }] },
            "extra": true,
        });
        let removed = schema.prune_object(&mut object);
        assert_eq!(removed, ["extra", "spec.list[0].b", "spec.typo"]);
        assert_eq!(
            object["spec"],
            json!({ "known": 1, "free": { "any": 1 }, "labels": { "l": "1" }, "list": [{ "a": 1 }] })
        );
        assert_eq!(object["metadata"], json!({ "name": "x" }));
    }

    #[test]
    fn an_embedded_resource_keeps_its_identity() {
        let schema = Schema::parse(&json!({ "properties": { "template": {
            "x-kubernetes-embedded-resource": true, "properties": { "spec": {} },
        } } }))
        .expect("a schema");
        let mut object = json!({ "template": { "kind": "Pod", "apiVersion": "v1", "metadata": { "name": "p" }, "spec": 1, "other": 1 } });
        assert_eq!(schema.prune_object(&mut object), ["template.other"]);
    }
}
