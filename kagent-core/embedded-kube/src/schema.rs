//! Structural schemas (OpenAPI v3 with Kubernetes extensions): parsed once per CRD version, then used for
//! defaulting, pruning, validation, CEL rules and for how server-side apply merges lists and maps.

pub(crate) mod cel;
mod default;
mod prune;
#[cfg(test)]
mod recorded;
mod validate;

use std::{collections::BTreeMap, sync::OnceLock};

use regex::Regex;
use serde_json::Value;

use self::cel::Rule;

/// How server-side apply treats a list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum ListType {
    /// Replaced as a whole.
    #[default]
    Atomic,
    /// Elements are scalars, each owned by itself.
    Set,
    /// Elements are objects that are told apart by these fields.
    Map(Vec<String>),
}

/// What `additionalProperties` says.
#[derive(Debug)]
pub(crate) enum Additional {
    /// `true`: anything.
    Any,
    /// Values of this form.
    Schema(Box<Schema>),
}

/// One node of a schema. Absent keywords are `None` or empty.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    pub(crate) types: Option<String>,
    pub(crate) format: Option<String>,
    pub(crate) properties: BTreeMap<String, Self>,
    pub(crate) additional: Option<Additional>,
    pub(crate) items: Option<Box<Self>>,
    pub(crate) default: Option<Value>,
    pub(crate) nullable: bool,
    pub(crate) int_or_string: bool,
    pub(crate) preserve_unknown: bool,
    pub(crate) embedded_resource: bool,
    pub(crate) list_type: ListType,
    pub(crate) atomic_map: bool,
    pub(crate) limits: Limits,
    pub(crate) all_of: Vec<Self>,
    pub(crate) any_of: Vec<Self>,
    pub(crate) one_of: Vec<Self>,
    pub(crate) not: Option<Box<Self>>,
    pub(crate) rules: Vec<Rule>,
}

/// The keywords that restrict a value.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) required: Vec<String>,
    pub(crate) enumeration: Option<Vec<Value>>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) exclusive_maximum: bool,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) min_properties: Option<u64>,
    pub(crate) max_properties: Option<u64>,
    pub(crate) unique_items: bool,
}

/// A regular expression. It is compiled when it is first used, or by [`Schema::compile`].
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) source: String,
    compiled: OnceLock<Result<Regex, String>>,
}

impl Pattern {
    /// The compiled form, or what is wrong with the source.
    pub(crate) fn regex(&self) -> Result<&Regex, &str> {
        let compiled = self
            .compiled
            .get_or_init(|| Regex::new(&self.source).map_err(|error| error.to_string()));
        compiled.as_ref().map_err(String::as_str)
    }
}

impl Schema {
    /// Compiles every pattern and rule, so that a definition with a broken one is refused at once.
    ///
    /// # Errors
    /// The path inside the schema and what is wrong there.
    pub(crate) fn compile(&self, path: &str) -> Result<(), String> {
        if let Some(pattern) = &self.limits.pattern {
            pattern.regex().map_err(|why| format!("{path}.pattern: {why}"))?;
        }
        for rule in &self.rules {
            rule.compile()
                .map_err(|why| format!("{path}.x-kubernetes-validations: {why}"))?;
        }
        for (name, property) in &self.properties {
            property.compile(&format!("{path}.properties[{name}]"))?;
        }
        if let Some(Additional::Schema(schema)) = &self.additional {
            schema.compile(&format!("{path}.additionalProperties"))?;
        }
        for (keyword, schema) in [("items", &self.items), ("not", &self.not)] {
            if let Some(schema) = schema {
                schema.compile(&format!("{path}.{keyword}"))?;
            }
        }
        for (keyword, schemas) in [
            ("allOf", &self.all_of),
            ("anyOf", &self.any_of),
            ("oneOf", &self.one_of),
        ] {
            for (index, schema) in schemas.iter().enumerate() {
                schema.compile(&format!("{path}.{keyword}[{index}]"))?;
            }
        }
        Ok(())
    }

    /// Parses an `openAPIV3Schema`. The error names the path inside the schema and what is wrong there.
    pub(crate) fn parse(source: &Value) -> Result<Self, String> {
        parse(source, "openAPIV3Schema")
    }

    /// A schema that only guides merging: unknown fields stay and nothing is checked.
    pub(crate) fn open(source: &Value) -> Self {
        let mut schema = parse(source, "").unwrap_or_default();
        schema.preserve_unknown = true;
        schema
    }

    /// Whether a CEL rule stands anywhere in the schema.
    pub(crate) fn has_rules(&self) -> bool {
        !self.rules.is_empty()
            || self.properties.values().any(Self::has_rules)
            || self.items.as_deref().is_some_and(Self::has_rules)
            || matches!(&self.additional, Some(Additional::Schema(schema)) if schema.has_rules())
    }

    /// The schema of a field of an object; `None` where nothing is known about it.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or(match &self.additional {
            Some(Additional::Schema(schema)) => Some(schema),
            _ => None,
        })
    }
}

fn parse(source: &Value, path: &str) -> Result<Schema, String> {
    let Some(keywords) = source.as_object() else {
        return Err(format!("{path}: must be an object"));
    };
    let mut schema = Schema::default();
    for (keyword, value) in keywords {
        let at = || format!("{path}.{keyword}");
        match keyword.as_str() {
            "type" => schema.types = value.as_str().map(str::to_owned),
            "format" => schema.format = value.as_str().map(str::to_owned),
            "properties" => {
                for (name, property) in value.as_object().into_iter().flatten() {
                    let property = parse(property, &format!("{path}.properties[{name}]"))?;
                    schema.properties.insert(name.clone(), property);
                }
            }
            "additionalProperties" => {
                schema.additional = match value {
                    Value::Bool(true) => Some(Additional::Any),
                    Value::Bool(false) => None,
                    value => Some(Additional::Schema(Box::new(parse(value, &at())?))),
                }
            }
            "items" => schema.items = Some(Box::new(parse(value, &at())?)),
            "default" => schema.default = Some(value.clone()),
            "nullable" => schema.nullable = value == true,
            "x-kubernetes-int-or-string" => schema.int_or_string = value == true,
            "x-kubernetes-preserve-unknown-fields" => schema.preserve_unknown = value == true,
            "x-kubernetes-embedded-resource" => schema.embedded_resource = value == true,
            "x-kubernetes-list-type" => match value.as_str() {
                Some("set") => schema.list_type = ListType::Set,
                Some("map") => schema.list_type = ListType::Map(map_keys(keywords)),
                Some("atomic") => schema.list_type = ListType::Atomic,
                _ => return Err(format!("{}: must be one of atomic, map, set", at())),
            },
            "x-kubernetes-map-type" => schema.atomic_map = value == "atomic",
            "x-kubernetes-validations" => {
                for rule in value.as_array().into_iter().flatten() {
                    schema
                        .rules
                        .push(Rule::parse(rule).map_err(|why| format!("{}: {why}", at()))?);
                }
            }
            "allOf" => schema.all_of = parse_all(value, &at())?,
            "anyOf" => schema.any_of = parse_all(value, &at())?,
            "oneOf" => schema.one_of = parse_all(value, &at())?,
            "not" => schema.not = Some(Box::new(parse(value, &at())?)),
            _ => schema.limits.set(keyword, value, &at)?,
        }
    }
    Ok(schema)
}

fn parse_all(sources: &Value, path: &str) -> Result<Vec<Schema>, String> {
    let sources = sources
        .as_array()
        .ok_or_else(|| format!("{path}: must be a list of schemas"))?;
    sources
        .iter()
        .enumerate()
        .map(|(index, source)| parse(source, &format!("{path}[{index}]")))
        .collect()
}

fn map_keys(keywords: &serde_json::Map<String, Value>) -> Vec<String> {
    let keys = keywords.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
    keys.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

impl Limits {
    fn set(&mut self, keyword: &str, value: &Value, at: &dyn Fn() -> String) -> Result<(), String> {
        match keyword {
            "required" => {
                let names = value.as_array().into_iter().flatten();
                self.required = names.filter_map(Value::as_str).map(str::to_owned).collect();
            }
            "enum" => self.enumeration = value.as_array().cloned(),
            "pattern" => {
                self.pattern = value.as_str().map(|source| Pattern {
                    source: source.to_owned(),
                    compiled: OnceLock::new(),
                });
            }
            "minimum" => self.minimum = value.as_f64(),
            "maximum" => self.maximum = value.as_f64(),
            "exclusiveMinimum" => self.exclusive_minimum = value == true,
            "exclusiveMaximum" => self.exclusive_maximum = value == true,
            "multipleOf" => self.multiple_of = value.as_f64(),
            "minLength" => self.min_length = value.as_u64(),
            "maxLength" => self.max_length = value.as_u64(),
            "minItems" => self.min_items = value.as_u64(),
            "maxItems" => self.max_items = value.as_u64(),
            "minProperties" => self.min_properties = value.as_u64(),
            "maxProperties" => self.max_properties = value.as_u64(),
            "uniqueItems" => self.unique_items = value == true,
            // Texts, and the keys of a list map, which were read with its type.
            "description" | "title" | "example" | "externalDocs" | "x-kubernetes-list-map-keys" => {}
            _ => return Err(format!("{}: this keyword is not supported", at())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unknown_keyword_is_named_with_its_path() {
        let error = Schema::parse(&json!({ "properties": { "a": { "dependencies": {} } } })).expect_err("unknown");
        assert_eq!(
            error,
            "openAPIV3Schema.properties[a].dependencies: this keyword is not supported"
        );
    }

    #[test]
    fn a_pattern_that_does_not_compile_is_refused() {
        let schema = Schema::parse(&json!({ "items": { "pattern": "(" } })).expect("a schema");
        let error = schema.compile("openAPIV3Schema").expect_err("bad pattern");
        assert!(error.starts_with("openAPIV3Schema.items.pattern: "), "{error}");
    }
}
