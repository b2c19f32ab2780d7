//! Schemas of the custom resources: from Rust types to what a Kubernetes API server takes as structural.
//!
//! `schemars` describes our own types. The core/v1 types that they embed are described by `core_types.json`, exactly
//! as the CRDs in use have them: `k8s-openapi`'s schemas lack list types, defaults and the quantity pattern, and follow
//! a newer Kubernetes. They carry no descriptions, which keeps the CRDs small enough for `kubectl apply`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value, json};

/// Prefix of the names that `k8s-openapi` gives its schemas.
const KUBERNETES: &str = "io.k8s.";

/// An integer without a `format`, as Go's `int` is in the CRDs. For `#[schemars(with = …)]`.
pub(crate) struct PlainInteger;

impl JsonSchema for PlainInteger {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PlainInteger".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer" })
    }
}

/// CEL rules as `x-kubernetes-validations` has them, from pairs of a rule and the message for when it does not hold.
pub(crate) fn rules(rules: &[(&str, &str)]) -> Value {
    rules
        .iter()
        .map(|(rule, message)| json!({ "message": message, "rule": rule }))
        .collect()
}

/// Named schemas that `$ref`s point to: those of our types, and those of Kubernetes.
pub(crate) struct Definitions {
    own: SchemaGenerator,
    kubernetes: Map<String, Value>,
}

impl Definitions {
    /// The schemas of Kubernetes; ours are added as they are asked for.
    ///
    /// # Panics
    ///
    /// If `core_types.json` is no JSON object, which a test rules out.
    pub(crate) fn new() -> Self {
        Self {
            own: SchemaSettings::draft2020_12().into_generator(),
            kubernetes: serde_json::from_str(include_str!("schema/core_types.json")).expect("core_types.json is valid"),
        }
    }

    /// The structural schema of a type.
    pub(crate) fn structural_schema<T: JsonSchema>(&mut self) -> Value {
        let schema = self.own.subschema_for::<T>();
        self.resolve(schema.as_value())
    }

    /// Replaces every `$ref` by what it points to, and what JSON Schema has for optional and enum by what CRDs have.
    ///
    /// # Panics
    ///
    /// If a `$ref` points nowhere: then a type embeds a Kubernetes type that `core_types.json` lacks. A test builds all.
    pub(crate) fn resolve(&self, schema: &Value) -> Value {
        let Value::Object(schema) = schema else {
            // `true`, the schema of anything.
            return json!({});
        };
        // First what is referred to, then the keywords beside it, which win.
        let alternatives = schema.get("anyOf").or_else(|| schema.get("oneOf"));
        let some = alternatives.and_then(find_optional);
        let constants = alternatives.and_then(find_constants);
        let mut resolved = match (schema.get("$ref"), some, &constants) {
            (Some(reference), ..) => self.resolve_name(reference.as_str().unwrap_or_default()),
            (_, Some(some), _) => into_object(self.resolve(some)),
            (.., Some(values)) => into_object(json!({ "type": "string", "enum": values })),
            _ => Map::new(),
        };
        for (keyword, value) in schema {
            let value = match keyword.as_str() {
                "$defs" | "$ref" | "$schema" | "title" => continue,
                "anyOf" | "oneOf" if some.is_some() || constants.is_some() => continue,
                // What serde fills in is no business of the API server.
                "default" if value.is_null() => continue,
                "items" | "additionalProperties" => self.resolve(value),
                "properties" => {
                    let properties = value.as_object().into_iter().flatten();
                    let properties = properties.map(|(name, value)| (name.clone(), self.resolve(value)));
                    Value::Object(properties.collect())
                }
                "type" => without_null(value),
                _ => value.clone(),
            };
            resolved.insert(keyword.clone(), value);
        }
        Value::Object(resolved)
    }

    fn resolve_name(&self, reference: &str) -> Map<String, Value> {
        let name = reference.trim_start_matches("#/$defs/");
        let target = if name.starts_with(KUBERNETES) {
            self.kubernetes.get(name)
        } else {
            self.own.definitions().get(name)
        };
        match target {
            Some(target) => into_object(self.resolve(target)),
            None => panic!("no schema is named {name:?}: add it to kagent-core/api/src/schema/core_types.json"),
        }
    }
}

fn into_object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// The `T` of `Option<T>`, which is described as "`T` or null".
fn find_optional(alternatives: &Value) -> Option<&Value> {
    let is_null = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "null");
    match alternatives.as_array()?.as_slice() {
        [some, null] if is_null(null) => Some(some),
        _ => None,
    }
}

/// The values of an enum whose variants are documented: each is an alternative of its own.
fn find_constants(alternatives: &Value) -> Option<Vec<&Value>> {
    let alternatives = alternatives.as_array()?.iter();
    alternatives.map(|alternative| alternative.get("const")).collect()
}

/// The type of a value that may be null: CRDs have absent instead.
fn without_null(kind: &Value) -> Value {
    match kind
        .as_array()
        .map(|kinds| kinds.iter().filter(|kind| *kind != "null").collect::<Vec<_>>())
    {
        Some(kinds) if kinds.len() == 1 => kinds[0].clone(),
        _ => kind.clone(),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Container, PodSpec};

    use super::*;

    #[test]
    fn optional_fields_are_absent_rather_than_null() {
        let mut definitions = Definitions::new();
        assert_eq!(
            definitions.structural_schema::<Option<bool>>(),
            json!({ "type": "boolean" })
        );
        assert_eq!(
            definitions.structural_schema::<Option<PlainInteger>>(),
            json!({ "type": "integer" })
        );
        let container = definitions.structural_schema::<Option<Container>>();
        assert_eq!(container, definitions.structural_schema::<Container>());
        assert_eq!(
            container["properties"]["ports"]["x-kubernetes-list-map-keys"],
            json!(["containerPort", "protocol"])
        );
    }

    #[test]
    fn keywords_beside_a_reference_win() {
        let definitions = Definitions::new();
        let schema = json!({ "default": "x", "$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.Time" });
        let expected = json!({ "format": "date-time", "type": "string", "default": "x" });
        assert_eq!(definitions.resolve(&schema), expected);
    }

    #[test]
    #[should_panic(expected = "core_types.json")]
    fn a_reference_to_an_unknown_type_is_an_error() {
        Definitions::new().resolve(&json!({ "$ref": "#/$defs/io.k8s.api.core.v1.Pod" }));
    }

    /// A field that the CRD keeps but the Rust type does not know would be lost on its way into a Deployment.
    #[test]
    fn rust_types_know_every_field_of_the_core_types() {
        let mut definitions = Definitions::new();
        definitions.own.subschema_for::<PodSpec>();
        let rust = definitions.own.definitions();
        let mut compared = 0;
        for (name, schema) in &definitions.kubernetes {
            let Some(known) = rust.get(name) else { continue };
            compared += 1;
            assert_fields_are_known(name, schema, known, rust);
        }
        assert!(compared > 20, "{compared} types compared");
    }

    #[track_caller]
    fn assert_fields_are_known(path: &str, ours: &Value, known: &Value, definitions: &Map<String, Value>) {
        let known = match known.get("$ref").and_then(Value::as_str) {
            Some(reference) => &definitions[reference.trim_start_matches("#/$defs/")],
            None => known,
        };
        for (field, schema) in ours["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{field}");
            let known = known["properties"]
                .get(field)
                .unwrap_or_else(|| panic!("k8s-openapi lacks {path}"));
            assert_fields_are_known(&path, schema, known, definitions);
        }
        if let (Some(ours), Some(known)) = (ours.get("items"), known.get("items")) {
            assert_fields_are_known(&format!("{path}[]"), ours, known, definitions);
        }
    }
}
