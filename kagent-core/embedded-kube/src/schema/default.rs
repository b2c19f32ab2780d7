//! Defaulting: fields that are absent get the schema's `default`. Never overwrites a value.

use serde_json::Value;

use super::{Additional, Schema};

impl Schema {
    /// Fills in defaults, outermost first, so that defaults inside a defaulted object apply too.
    pub(crate) fn apply_defaults(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, schema) in &self.properties {
                    let Some(default) = &schema.default else { continue };
                    // An explicit null stays if it is allowed; elsewhere it means the same as nothing.
                    let wanted = match fields.get(name) {
                        None => true,
                        Some(Value::Null) => !schema.nullable,
                        Some(_) => false,
                    };
                    if wanted {
                        fields.insert(name.clone(), default.clone());
                    }
                }
                for (name, field) in fields.iter_mut() {
                    if let Some(schema) = self.properties.get(name) {
                        schema.apply_defaults(field);
                    } else if let Some(Additional::Schema(schema)) = &self.additional {
                        schema.default_null(field);
                        schema.apply_defaults(field);
                    }
                }
            }
            Value::Array(items) => {
                if let Some(schema) = &self.items {
                    for item in items {
                        schema.default_null(item);
                        schema.apply_defaults(item);
                    }
                }
            }
            _ => {}
        }
    }

    fn default_null(&self, value: &mut Value) {
        if value.is_null()
            && !self.nullable
            && let Some(default) = &self.default
        {
            *value = default.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_reach_into_defaulted_objects_and_lists() {
        let schema = Schema::parse(&json!({ "properties": {
            "a": { "default": {}, "properties": { "b": { "default": 1 } } },
            "list": { "items": { "properties": { "c": { "default": "x" } } } },
        } }))
        .expect("a schema");
        let mut value = json!({ "list": [{}, { "c": "y" }] });
        schema.apply_defaults(&mut value);
        assert_eq!(value, json!({ "a": { "b": 1 }, "list": [{ "c": "x" }, { "c": "y" }] }));
    }

    #[test]
    fn null_is_defaulted_only_where_it_is_not_allowed() {
        let schema = Schema::parse(&json!({ "properties": {
            "a": { "default": 1 }, "b": { "default": 1, "nullable": true },
        } }))
        .expect("a schema");
        let mut value = json!({ "a": null, "b": null });
        schema.apply_defaults(&mut value);
        assert_eq!(value, json!({ "a": 1, "b": null }));
    }
}
