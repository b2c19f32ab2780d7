//! Building blocks for the schemas of the custom resources.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

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
