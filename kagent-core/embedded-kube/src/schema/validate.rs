//! Validation against a schema, with the API server's own messages. CEL rules run apart, in `cel`.

use serde_json::Value;

use super::{Additional, ListType, Schema};
use crate::status::Cause;

impl Schema {
    /// All violations of `value` at `path`, in the order of the schema.
    ///
    /// What is as it was in `old` is not held against the writer, so that objects outlive a stricter schema.
    pub(crate) fn validate(&self, value: &Value, old: Option<&Value>, path: &str, causes: &mut Vec<Cause>) {
        if old == Some(value) {
            return;
        }
        if value.is_null() && (self.nullable || (self.types.is_none() && !self.int_or_string)) {
            return;
        }
        if !self.check_type(value, path, causes) {
            return;
        }
        self.check_limits(value, path, causes);
        self.check_combinations(value, path, causes);
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    let at = join(path, name);
                    if let Some(schema) = self.properties.get(name) {
                        schema.validate(field, old.and_then(|old| old.get(name)), &at, causes);
                    } else if let Some(Additional::Schema(schema)) = &self.additional {
                        schema.validate(field, old.and_then(|old| old.get(name)), &at, causes);
                    }
                }
                for name in &self.limits.required {
                    if !fields.contains_key(name) {
                        causes.push(Cause::required(&join(path, name), ""));
                    }
                }
                if self.embedded_resource {
                    for name in ["apiVersion", "kind"] {
                        if fields.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
                            causes.push(Cause::required(&join(path, name), "must not be empty"));
                        }
                    }
                }
            }
            Value::Array(items) => {
                self.check_list_keys(items, path, causes);
                if let Some(schema) = &self.items {
                    for (index, item) in items.iter().enumerate() {
                        let old = old.and_then(|old| self.find_correlated(old, item));
                        schema.validate(item, old, &format!("{path}[{index}]"), causes);
                    }
                }
            }
            _ => {}
        }
    }

    fn check_type(&self, value: &Value, path: &str, causes: &mut Vec<Cause>) -> bool {
        if self.int_or_string {
            if is_type(value, "integer") || value.is_string() {
                return true;
            }
            let why = format!("{path} in body must be of type integer,string: {:?}", type_name(value));
            causes.push(Cause::type_invalid(path, &type_name(value).into(), &why));
            return false;
        }
        let Some(wanted) = &self.types else { return true };
        if is_type(value, wanted) {
            return true;
        }
        let why = format!("{path} in body must be of type {wanted}: {:?}", type_name(value));
        causes.push(Cause::type_invalid(path, &type_name(value).into(), &why));
        false
    }

    fn check_limits(&self, value: &Value, path: &str, causes: &mut Vec<Cause>) {
        let limits = &self.limits;
        if let Some(allowed) = &limits.enumeration
            && !allowed.contains(value)
        {
            let supported: Vec<String> = allowed
                .iter()
                .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                .collect();
            causes.push(Cause::not_supported(path, value, &supported));
        }
        let mut invalid = |why: String| causes.push(Cause::invalid(path, value, &why));
        match value {
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or_default();
                if let Some(least) = limits.minimum {
                    if limits.exclusive_minimum && number <= least {
                        invalid(format!("{path} in body should be greater than {least}"));
                    } else if number < least {
                        invalid(format!("{path} in body should be greater than or equal to {least}"));
                    }
                }
                if let Some(most) = limits.maximum {
                    if limits.exclusive_maximum && number >= most {
                        invalid(format!("{path} in body should be less than {most}"));
                    } else if number > most {
                        invalid(format!("{path} in body should be less than or equal to {most}"));
                    }
                }
                if let Some(factor) = limits.multiple_of
                    && factor > 0.0
                    && (number / factor).fract() != 0.0
                {
                    invalid(format!("{path} in body should be a multiple of {factor}"));
                }
                let range = match self.format.as_deref() {
                    Some("int32") => Some((f64::from(i32::MIN), f64::from(i32::MAX))),
                    _ => None,
                };
                if let Some((least, most)) = range
                    && !(least..=most).contains(&number)
                {
                    invalid(format!("{path} in body should be a valid int32"));
                }
            }
            Value::String(text) => {
                let length = text.chars().count() as u64;
                if let Some(least) = limits.min_length
                    && length < least
                {
                    invalid(format!("{path} in body should be at least {least} chars long"));
                }
                match limits.pattern.as_ref().map(|pattern| (pattern, pattern.regex())) {
                    Some((pattern, Ok(regex))) if !regex.is_match(text) => {
                        invalid(format!("{path} in body should match '{}'", pattern.source));
                    }
                    Some((_, Err(why))) => invalid(format!("the pattern of {path} is broken: {why}")),
                    _ => {}
                }
                if let Some(format) = self.format.as_deref()
                    && !is_format(text, format)
                {
                    invalid(format!("{path} in body must be of type {format}: {text:?}"));
                }
                if let Some(most) = limits.max_length
                    && length > most
                {
                    causes.push(Cause::too_long(path, &format!("may not be more than {most} bytes")));
                }
            }
            Value::Array(items) => {
                let count = items.len() as u64;
                if let Some(least) = limits.min_items
                    && count < least
                {
                    causes.push(Cause::invalid(
                        path,
                        &count.into(),
                        &format!("{path} in body should have at least {least} items"),
                    ));
                }
                if let Some(most) = limits.max_items
                    && count > most
                {
                    causes.push(Cause::too_many(path, items.len(), most));
                }
                if limits.unique_items {
                    duplicates(items).for_each(|(index, item)| {
                        causes.push(Cause::duplicate(&format!("{path}[{index}]"), item));
                    });
                }
            }
            Value::Object(fields) => {
                let count = fields.len() as u64;
                if let Some(least) = limits.min_properties
                    && count < least
                {
                    causes.push(Cause::invalid(
                        path,
                        &count.into(),
                        &format!("{path} in body should have at least {least} properties"),
                    ));
                }
                if let Some(most) = limits.max_properties
                    && count > most
                {
                    causes.push(Cause::too_many(path, fields.len(), most));
                }
            }
            _ => {}
        }
    }

    fn check_combinations(&self, value: &Value, path: &str, causes: &mut Vec<Cause>) {
        for schema in &self.all_of {
            schema.validate(value, None, path, causes);
        }
        let holds = |schema: &Self| {
            let mut found = Vec::new();
            schema.validate(value, None, path, &mut found);
            found.is_empty()
        };
        if !self.any_of.is_empty() && !self.any_of.iter().any(holds) {
            let why = format!("{path} in body must validate at least one schema (anyOf)");
            causes.push(shown(path, value, &why));
        }
        if !self.one_of.is_empty() && self.one_of.iter().filter(|schema| holds(schema)).count() != 1 {
            let why = format!("{path} in body must validate one and only one schema (oneOf)");
            causes.push(shown(path, value, &why));
        }
        if self.not.as_deref().is_some_and(holds) {
            let why = format!("{path} in body must not validate the schema (not)");
            causes.push(shown(path, value, &why));
        }
    }

    /// Elements of list maps and sets must differ.
    fn check_list_keys(&self, items: &[Value], path: &str, causes: &mut Vec<Cause>) {
        match &self.list_type {
            ListType::Atomic => {}
            ListType::Set => duplicates(items).for_each(|(index, item)| {
                causes.push(Cause::duplicate(&format!("{path}[{index}]"), item));
            }),
            ListType::Map(keys) => {
                let identities: Vec<Value> = items
                    .iter()
                    .map(|item| {
                        keys.iter()
                            .filter_map(|key| Some((key.clone(), item.get(key)?.clone())))
                            .collect::<serde_json::Map<_, _>>()
                            .into()
                    })
                    .collect();
                duplicates(&identities).for_each(|(index, identity)| {
                    causes.push(Cause::duplicate(&format!("{path}[{index}]"), identity));
                });
            }
        }
    }
}

/// An invalid value whose text is left out for objects and lists.
fn shown(path: &str, value: &Value, why: &str) -> Cause {
    if value.is_object() || value.is_array() {
        Cause::invalid_omitted(path, why)
    } else {
        Cause::invalid(path, value, why)
    }
}

/// Elements that occurred before, with their index.
fn duplicates(items: &[Value]) -> impl Iterator<Item = (usize, &Value)> {
    items
        .iter()
        .enumerate()
        .filter(|(index, item)| items[..*index].contains(item))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn is_type(value: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        // `1.0` is an integer, as for the API server.
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The formats that are checked; others are accepted, as the API server does with formats it does not know.
fn is_format(text: &str, format: &str) -> bool {
    match format {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "uuid" => uuid::Uuid::parse_str(text).is_ok(),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "uri" => text
            .parse::<http::Uri>()
            .is_ok_and(|uri| !text.is_empty() && uri.path() != "*"),
        "byte" => {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.decode(text).is_ok()
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn messages(schema: Value, value: Value) -> Vec<String> {
        let schema = Schema::parse(&schema).expect("a schema");
        let mut causes = Vec::new();
        schema.validate(&value, None, "spec.f", &mut causes);
        causes.into_iter().map(|cause| cause.body).collect()
    }

    #[test]
    fn each_keyword_has_the_api_servers_message() {
        let cases = [
            (
                json!({"type": "integer"}),
                json!("a"),
                r#"Invalid value: "string": spec.f in body must be of type integer: "string""#,
            ),
            (
                json!({"type": "string", "enum": ["a", "b"]}),
                json!("c"),
                r#"Unsupported value: "c": supported values: "a", "b""#,
            ),
            (
                json!({"type": "integer", "minimum": 1}),
                json!(0),
                "Invalid value: 0: spec.f in body should be greater than or equal to 1",
            ),
            (
                json!({"type": "integer", "maximum": 65535}),
                json!(66666),
                "Invalid value: 66666: spec.f in body should be less than or equal to 65535",
            ),
            (
                json!({"type": "string", "minLength": 1}),
                json!(""),
                r#"Invalid value: "": spec.f in body should be at least 1 chars long"#,
            ),
            (
                json!({"type": "string", "maxLength": 2}),
                json!("abc"),
                "Too long: may not be more than 2 bytes",
            ),
            (
                json!({"type": "string", "pattern": "^https?://.*"}),
                json!("ftp://x"),
                r#"Invalid value: "ftp://x": spec.f in body should match '^https?://.*'"#,
            ),
            (
                json!({"type": "array", "maxItems": 1}),
                json!([1, 2]),
                "Too many: 2: must have at most 1 items",
            ),
            (
                json!({"type": "array", "minItems": 1}),
                json!([]),
                "Invalid value: 0: spec.f in body should have at least 1 items",
            ),
            (
                json!({"type": "object", "required": ["a"]}),
                json!({}),
                "Required value",
            ),
            (
                json!({"x-kubernetes-int-or-string": true}),
                json!(true),
                r#"Invalid value: "boolean": spec.f in body must be of type integer,string: "boolean""#,
            ),
            (
                json!({"type": "array", "x-kubernetes-list-type": "set"}),
                json!(["a", "a"]),
                r#"Duplicate value: "a""#,
            ),
            (
                json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"]}),
                json!([{"n": 1}, {"n": 1}]),
                r#"Duplicate value: {"n":1}"#,
            ),
        ];
        for (schema, value, expected) in cases {
            assert_eq!(messages(schema.clone(), value), [expected], "{schema}");
        }
    }

    #[test]
    fn any_of_and_formats_hold() {
        let quantity =
            json!({ "x-kubernetes-int-or-string": true, "anyOf": [{ "type": "integer" }, { "type": "string" }] });
        assert!(messages(quantity.clone(), json!("1Gi")).is_empty());
        assert!(messages(quantity, json!(5)).is_empty());
        assert!(
            messages(
                json!({ "type": "string", "format": "date-time" }),
                json!("2026-01-01T00:00:00Z")
            )
            .is_empty()
        );
        assert_eq!(
            messages(json!({ "type": "string", "format": "date-time" }), json!("yesterday")).len(),
            1
        );
    }
}
