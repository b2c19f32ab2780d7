//! JSON schemas of the custom resources for OpenAPI documents: written once, by schemars.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

use crate::v1alpha2::{AgentSpec, Tool};

/// The schemas that the bodies of `wire` refer to, by name, with everything these refer to in turn.
pub fn list_schemas() -> Map<String, Value> {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.definitions_path = "/components/schemas".into();
            settings.meta_schema = None;
        })
        .into_generator();
    let mut schemas = Map::new();
    for (name, schema) in [
        ("AgentSpec", AgentSpec::json_schema(&mut generator)),
        ("Tool", Tool::json_schema(&mut generator)),
    ] {
        schemas.insert(name.to_owned(), schema.to_value());
    }
    for (name, schema) in generator.take_definitions(true) {
        schemas.entry(name).or_insert(schema);
    }
    schemas.sort_keys();
    schemas
}
