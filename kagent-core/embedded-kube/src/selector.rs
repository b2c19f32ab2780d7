//! Label and field selectors, as query parameters carry them.

use serde_json::Value;

use crate::{
    resource::{Resource, text},
    status::{ApiError, ApiResult},
};

/// What a list or watch is restricted to. The default accepts everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: Vec<LabelRequirement>,
    fields: Vec<FieldRequirement>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum LabelOperator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    NotExists,
    Greater(i64),
    Less(i64),
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct LabelRequirement {
    key: String,
    operator: LabelOperator,
}

#[derive(Clone, Debug)]
struct FieldRequirement {
    path: Vec<String>,
    value: String,
    equal: bool,
}

impl Selector {
    /// Parses `labelSelector` and `fieldSelector`.
    ///
    /// # Errors
    /// 400 if one of them cannot be read, or the field is not one that the kind can be selected by.
    pub(crate) fn parse(resource: &Resource, labels: &str, fields: &str) -> ApiResult<Self> {
        let parsed =
            parse_labels(labels).map_err(|why| ApiError::bad_request(format!("unable to parse requirement: {why}")))?;
        let fields = parse_fields(resource, fields).map_err(ApiError::bad_request)?;
        Ok(Self { labels: parsed, fields })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        self.labels.iter().all(|requirement| requirement.matches(labels))
            && self.fields.iter().all(|field| {
                let path: Vec<&str> = field.path.iter().map(String::as_str).collect();
                (text(object, &path) == field.value) == field.equal
            })
    }
}

impl LabelRequirement {
    fn matches(&self, labels: &Value) -> bool {
        let value = labels.get(&self.key).and_then(Value::as_str);
        match &self.operator {
            LabelOperator::In(values) => value.is_some_and(|value| values.iter().any(|one| one == value)),
            LabelOperator::NotIn(values) => value.is_none_or(|value| values.iter().all(|one| one != value)),
            LabelOperator::Exists => value.is_some(),
            LabelOperator::NotExists => value.is_none(),
            LabelOperator::Greater(limit) => value
                .and_then(|value| value.parse().ok())
                .is_some_and(|value: i64| value > *limit),
            LabelOperator::Less(limit) => value
                .and_then(|value| value.parse().ok())
                .is_some_and(|value: i64| value < *limit),
        }
    }
}

/// Splits at commas outside of parentheses.
fn split_requirements(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0_usize;
    let mut start = 0;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn parse_labels(text: &str) -> Result<Vec<LabelRequirement>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    split_requirements(text).into_iter().map(parse_label).collect()
}

fn parse_label(part: &str) -> Result<LabelRequirement, String> {
    let part = part.trim();
    let requirement = |key: &str, operator| {
        let key = key.trim();
        if key.is_empty() || key.contains(|c: char| c.is_whitespace() || "()=!<>,".contains(c)) {
            return Err(format!("found {part:?}, expected: identifier"));
        }
        Ok(LabelRequirement {
            key: key.to_owned(),
            operator,
        })
    };
    if let Some(key) = part.strip_prefix('!') {
        return requirement(key, LabelOperator::NotExists);
    }
    for (sign, equal) in [("!=", false), ("==", true), ("=", true)] {
        if let Some((key, value)) = part.split_once(sign) {
            let value = value.trim();
            if value.contains(|c: char| c.is_whitespace() || "()=!<>".contains(c)) {
                return Err(format!("found {value:?}, expected: identifier"));
            }
            let values = vec![value.to_owned()];
            let operator = if equal {
                LabelOperator::In(values)
            } else {
                LabelOperator::NotIn(values)
            };
            return requirement(key, operator);
        }
    }
    for (sign, greater) in [('>', true), ('<', false)] {
        if let Some((key, value)) = part.split_once(sign) {
            let limit = value
                .trim()
                .parse()
                .map_err(|_| format!("for {sign:?} operators, the value must be an integer"))?;
            let operator = if greater {
                LabelOperator::Greater(limit)
            } else {
                LabelOperator::Less(limit)
            };
            return requirement(key, operator);
        }
    }
    if let Some(open) = part.find('(') {
        let list = part[open + 1..]
            .strip_suffix(')')
            .ok_or_else(|| format!("found {part:?}, expected: ')'"))?;
        let values = list.split(',').map(|value| value.trim().to_owned()).collect();
        let mut words = part[..open].split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(key), Some("in"), None) => requirement(key, LabelOperator::In(values)),
            (Some(key), Some("notin"), None) => requirement(key, LabelOperator::NotIn(values)),
            _ => Err(format!("found {part:?}, expected: in, notin, =, ==, !=, gt, lt")),
        };
    }
    requirement(part, LabelOperator::Exists)
}

fn parse_fields(resource: &Resource, text: &str) -> Result<Vec<FieldRequirement>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (path, value, equal) = [("!=", false), ("==", true), ("=", true)]
                .iter()
                .find_map(|(sign, equal)| part.split_once(sign).map(|(path, value)| (path, value, *equal)))
                .ok_or_else(|| format!("invalid selector: '{text}'; can't understand '{part}'"))?;
            if !is_selectable(resource, path) {
                return Err(not_selectable(resource, path));
            }
            Ok(FieldRequirement {
                path: path.split('.').map(str::to_owned).collect(),
                value: value.to_owned(),
                equal,
            })
        })
        .collect()
}

/// Kinds that say themselves what they can be selected by have words of their own.
fn not_selectable(resource: &Resource, path: &str) -> String {
    let own = ["events", "namespaces", "pods", "secrets", "services"];
    if resource.custom || (resource.group.is_empty() && own.contains(&resource.plural.as_str())) {
        format!("field label not supported: {path}")
    } else if resource.namespaced {
        format!("{path:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
    } else {
        format!("{path:?} is not a known field selector: only \"metadata.name\"")
    }
}

fn is_selectable(resource: &Resource, path: &str) -> bool {
    let more: &[&str] = match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.phase",
            "status.podIP",
        ],
        ("", "secrets") => &["type"],
        ("", "namespaces") => &["status.phase"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        _ => &[],
    };
    path == "metadata.name" || (path == "metadata.namespace" && resource.namespaced) || more.contains(&path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn selects(selector: &str, labels: Value) -> bool {
        let labels_object = json!({ "metadata": { "labels": labels } });
        let selector = Selector {
            labels: parse_labels(selector).expect("a selector"),
            fields: Vec::new(),
        };
        selector.matches(&labels_object)
    }

    #[test]
    fn every_operator_selects() {
        let labels = json!({ "a": "1", "b": "x" });
        for yes in [
            "a=1",
            "a==1",
            "a!=2",
            "c!=1",
            "a",
            "!c",
            "b in (x, y)",
            "b notin (z)",
            "c notin (z)",
            "a>0",
            "a<2",
            "a=1,b=x",
            "",
            "b in (x),a",
        ] {
            assert!(selects(yes, labels.clone()), "{yes:?} did not select");
        }
        for no in ["a=2", "c", "!a", "b in (y)", "b notin (x)", "a>1", "a=1,b=y"] {
            assert!(!selects(no, labels.clone()), "{no:?} selected");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in ["a b", "=", "a in x", "a in (x", "a=b=c", "a>x", ",", "a,,b", "a is (x)"] {
            assert!(parse_labels(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
