//! `x-kubernetes-validations`: CEL rules, compiled once and run on `self` (and `oldSelf`) of their place in the schema.
//!
//! The language is the `cel` crate's; this file only translates values, walks the schema and words the failures.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use cel::{
    Context, Program,
    objects::{Key, Map},
};
use serde_json::Value;

use super::{Additional, ListType, Schema};
use crate::status::Cause;

/// One rule. It is compiled when it is first used, or by [`Rule::compile`].
pub(crate) struct Rule {
    source: String,
    message: Option<String>,
    message_expression: Option<String>,
    reason: &'static str,
    field_path: String,
    optional_old_self: bool,
    compiled: OnceLock<Result<Compiled, String>>,
}

struct Compiled {
    program: Program,
    message_expression: Option<Program>,
    /// Whether it speaks about `oldSelf` and so runs on updates only.
    transition: bool,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rule")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Rule {
    /// Reads an entry of `x-kubernetes-validations`.
    pub(crate) fn parse(entry: &Value) -> Result<Self, String> {
        let source = entry["rule"].as_str().unwrap_or_default().to_owned();
        if source.trim().is_empty() {
            return Err("rule: Required value".to_owned());
        }
        let reason = match entry["reason"].as_str() {
            None | Some("FieldValueInvalid") => "FieldValueInvalid",
            Some("FieldValueForbidden") => "FieldValueForbidden",
            Some("FieldValueRequired") => "FieldValueRequired",
            Some("FieldValueDuplicate") => "FieldValueDuplicate",
            Some(other) => return Err(format!("reason: Unsupported value: {other:?}")),
        };
        Ok(Self {
            source,
            message: entry["message"].as_str().map(|text| text.trim().to_owned()),
            message_expression: entry["messageExpression"].as_str().map(str::to_owned),
            reason,
            field_path: entry["fieldPath"].as_str().unwrap_or_default().to_owned(),
            optional_old_self: entry["optionalOldSelf"] == true,
            compiled: OnceLock::new(),
        })
    }

    /// Compiles the rule, once.
    ///
    /// # Errors
    /// What is wrong with its source.
    pub(super) fn compile(&self) -> Result<(), String> {
        self.compiled().map(|_| ()).map_err(str::to_owned)
    }

    fn compiled(&self) -> Result<&Compiled, &str> {
        let compiled = self.compiled.get_or_init(|| {
            let program = compile(&self.source)?;
            Ok(Compiled {
                transition: program.references().has_variable("oldSelf"),
                message_expression: self.message_expression.as_deref().map(compile).transpose()?,
                program,
            })
        });
        compiled.as_ref().map_err(String::as_str)
    }

    fn is_about_change(&self) -> bool {
        self.compiled().is_ok_and(|compiled| compiled.transition)
    }

    /// Runs the rule on a value at `path`; the violation if it does not hold or cannot be evaluated.
    pub(super) fn check(&self, schema: &Schema, value: &Value, old: Option<&Value>, path: &str) -> Option<Cause> {
        let field = format!("{path}{}", self.field_path);
        let compiled = match self.compiled() {
            Ok(compiled) => compiled,
            Err(why) => return Some(shown(&field, value, why)),
        };
        if compiled.transition && old.is_none() && !self.optional_old_self {
            return None;
        }
        let mut context = Context::default();
        context.add_variable_from_value("self", to_cel(schema, value));
        if let Some(old) = old {
            context.add_variable_from_value("oldSelf", to_cel(schema, old));
        }
        match compiled.program.execute(&context) {
            Ok(cel::Value::Bool(true)) => None,
            Ok(cel::Value::Bool(false)) => Some(self.failure(compiled, &context, &field, value)),
            Ok(other) => {
                let why = format!(
                    "rule evaluated to {:?} instead of a bool: {}",
                    other.type_of(),
                    self.source
                );
                Some(shown(&field, value, &why))
            }
            Err(error) => Some(shown(
                &field,
                value,
                &format!("{error} evaluating rule: {}", self.source),
            )),
        }
    }

    fn failure(&self, compiled: &Compiled, context: &Context<'_>, field: &str, value: &Value) -> Cause {
        let expressed = compiled
            .message_expression
            .as_ref()
            .and_then(|program| match program.execute(context) {
                Ok(cel::Value::String(text)) if !text.trim().is_empty() => Some(text.trim().to_owned()),
                _ => None,
            });
        let message = expressed
            .or_else(|| self.message.clone())
            .unwrap_or_else(|| format!("failed rule: {}", self.source.trim()));
        match self.reason {
            "FieldValueForbidden" => Cause::forbidden(field, &message),
            "FieldValueRequired" => Cause::required(field, &message),
            "FieldValueDuplicate" => Cause::duplicate(field, value),
            _ => shown(field, value, &message),
        }
    }
}

fn compile(source: &str) -> Result<Program, String> {
    let failed = |why: String| format!("rule: Invalid value: {source:?}: compilation failed: {why}");
    let program = Program::compile(source).map_err(|errors| failed(errors.to_string()))?;
    // The crate finds out about unknown names when it meets them; a definition must be refused for them at once.
    let references = program.references();
    let named = |name: &&str| name.starts_with(|first: char| first.is_ascii_alphabetic());
    let mut names = references.functions().into_iter().filter(named);
    if let Some(unknown) = names.find(|name| !FUNCTIONS.contains(name)) {
        return Err(failed(format!("undeclared reference to '{unknown}' (in container '')")));
    }
    drop(names);
    drop(references);
    Ok(program)
}

/// The functions that rules may call: those of the `cel` crate. Kubernetes' own libraries are not supported.
const FUNCTIONS: [&str; 37] = [
    "contains",
    "size",
    "max",
    "min",
    "startsWith",
    "endsWith",
    "string",
    "bytes",
    "double",
    "int",
    "uint",
    "none",
    "of",
    "ofNonZeroValue",
    "optional.none",
    "optional.of",
    "optional.ofNonZeroValue",
    "value",
    "hasValue",
    "or",
    "orValue",
    "matches",
    "duration",
    "timestamp",
    "getFullYear",
    "getMonth",
    "getDayOfYear",
    "getDayOfMonth",
    "getDate",
    "getDayOfWeek",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "has",
    "all",
    "exists",
];

/// The API server repeats scalars in the message, but not objects and lists.
fn shown(field: &str, value: &Value, why: &str) -> Cause {
    if value.is_object() || value.is_array() {
        Cause::invalid_omitted(field, why)
    } else {
        Cause::invalid(field, value, why)
    }
}

impl Schema {
    /// Runs every rule on `value`; rules about `oldSelf` where `old` has a value at the same place.
    pub(crate) fn check_rules(&self, value: &Value, old: Option<&Value>, path: &str, causes: &mut Vec<Cause>) {
        let at = if path.is_empty() { "<nil>" } else { path };
        // As in validation: what did not change is not held against the writer, but for rules about the change.
        let unchanged = old == Some(value);
        let rules = self.rules.iter().filter(|rule| !unchanged || rule.is_about_change());
        causes.extend(rules.filter_map(|rule| rule.check(self, value, old, at)));
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    let schema = match (self.properties.get(name), &self.additional) {
                        (Some(schema), _) => schema,
                        (None, Some(Additional::Schema(schema))) => schema,
                        _ => continue,
                    };
                    let at = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    schema.check_rules(field, old.and_then(|old| old.get(name)), &at, causes);
                }
            }
            Value::Array(items) => {
                let Some(schema) = &self.items else { return };
                for (index, item) in items.iter().enumerate() {
                    let old = old.and_then(|old| self.find_correlated(old, item));
                    schema.check_rules(item, old, &format!("{path}[{index}]"), causes);
                }
            }
            _ => {}
        }
    }

    /// The element of the old list that is the same one, which only list maps can tell.
    pub(super) fn find_correlated<'a>(&self, old: &'a Value, item: &Value) -> Option<&'a Value> {
        let ListType::Map(keys) = &self.list_type else {
            return None;
        };
        old.as_array()?
            .iter()
            .find(|old| keys.iter().all(|key| old.get(key) == item.get(key)))
    }
}

/// Translates a value by its schema: numbers by their declared type, declared field names escaped as CEL wants them.
fn to_cel(schema: &Schema, value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(value) => cel::Value::Bool(*value),
        Value::String(text) => cel::Value::String(Arc::new(text.clone())),
        Value::Number(number) => match number.as_i64() {
            Some(whole) if schema.types.as_deref() != Some("number") => cel::Value::Int(whole),
            _ => cel::Value::Float(number.as_f64().unwrap_or_default()),
        },
        Value::Array(items) => {
            let any = Schema::default();
            let schema = schema.items.as_deref().unwrap_or(&any);
            cel::Value::List(Arc::new(items.iter().map(|item| to_cel(schema, item)).collect()))
        }
        Value::Object(fields) => {
            let any = Schema::default();
            let map: HashMap<Key, cel::Value> = fields
                .iter()
                .map(|(name, field)| {
                    let declared = schema.properties.contains_key(name);
                    let key = if declared { escape(name) } else { name.clone() };
                    (Key::from(key), to_cel(schema.field(name).unwrap_or(&any), field))
                })
                .collect();
            cel::Value::Map(Map { map: Arc::new(map) })
        }
    }
}

const KEYWORDS: [&str; 18] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
];

/// Field names that are no CEL identifiers are escaped by Kubernetes' rules.
fn escape(name: &str) -> String {
    if KEYWORDS.contains(&name) {
        return format!("__{name}__");
    }
    if !name.contains(['-', '.', '/']) && !name.contains("__") {
        return name.to_owned();
    }
    name.replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(schema: Value, value: Value, old: Option<Value>) -> Vec<String> {
        let schema = Schema::parse(&schema).expect("a schema");
        let mut causes = Vec::new();
        schema.check_rules(&value, old.as_ref(), "spec", &mut causes);
        causes
            .into_iter()
            .map(|cause| format!("{}: {}", cause.field, cause.body))
            .collect()
    }

    #[test]
    fn objects_are_not_repeated_and_scalars_are() {
        let schema = json!({ "type": "object",
            "properties": { "name": { "type": "string", "x-kubernetes-validations": [{ "rule": "self.matches('^[a-z]+$')", "message": "lower case" }] } },
            "x-kubernetes-validations": [{ "rule": "has(self.name)", "message": "name it" }] });
        assert_eq!(check(schema.clone(), json!({}), None), ["spec: Invalid value: name it"]);
        assert_eq!(
            check(schema, json!({ "name": "UP" }), None),
            [r#"spec.name: Invalid value: "UP": lower case"#]
        );
    }

    #[test]
    fn transition_rules_run_on_updates_only() {
        let schema = json!({ "type": "integer", "x-kubernetes-validations": [{ "rule": "self >= oldSelf" }] });
        assert!(check(schema.clone(), json!(1), None).is_empty());
        assert!(check(schema.clone(), json!(2), Some(json!(1))).is_empty());
        assert_eq!(
            check(schema, json!(1), Some(json!(2))),
            ["spec: Invalid value: 1: failed rule: self >= oldSelf"]
        );
    }

    #[test]
    fn macros_sizes_and_escaped_names_work() {
        let schema = json!({ "type": "object", "properties": {
                "x-list": { "type": "array", "items": { "type": "string" } }, "namespace": { "type": "string" } },
            "x-kubernetes-validations": [
                { "rule": "self.x__dash__list.all(x, size(x) < 3) && self.x__dash__list.exists_one(x, x == 'a')" },
                { "rule": "self.__namespace__ != ''" },
            ] });
        assert!(check(schema.clone(), json!({ "x-list": ["a", "bc"], "namespace": "n" }), None).is_empty());
        assert_eq!(
            check(schema, json!({ "x-list": ["abc"], "namespace": "" }), None).len(),
            2
        );
    }

    #[test]
    fn a_function_that_is_not_supported_is_refused_at_compile_time() {
        let error = Schema::parse(&json!({ "x-kubernetes-validations": [{ "rule": "self.split(',')[0] == 'a'" }] }))
            .expect("a schema")
            .compile("openAPIV3Schema")
            .expect_err("not supported");
        assert!(error.contains("undeclared reference to 'split'"), "{error}");
    }

    #[test]
    fn what_did_not_change_is_not_held_against_the_writer() {
        let schema = json!({ "type": "object", "properties": {
            "a": { "type": "integer", "x-kubernetes-validations": [{ "rule": "self < 5", "message": "small" }] },
            "b": { "type": "integer" } } });
        let old = json!({ "a": 9, "b": 1 });
        assert!(check(schema.clone(), json!({ "a": 9, "b": 2 }), Some(old.clone())).is_empty());
        assert_eq!(check(schema, json!({ "a": 8, "b": 1 }), Some(old)).len(), 1);
    }

    #[test]
    fn a_rule_that_does_not_parse_is_refused_at_compile_time() {
        let schema =
            Schema::parse(&json!({ "x-kubernetes-validations": [{ "rule": "self.a ==" }] })).expect("a schema");
        let error = schema.compile("openAPIV3Schema").expect_err("bad");
        let mut causes = Vec::new();
        schema.check_rules(&json!({}), None, "spec", &mut causes);
        assert!(
            causes[0].body.contains("compilation failed"),
            "used all the same, it refuses: {causes:?}"
        );
        assert!(error.contains("compilation failed"), "{error}");
    }
}
