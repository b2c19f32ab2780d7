//! Tables: the form in which `kubectl get` asks for objects, with the columns of their kind.

mod age;
mod cells;

use jsonpath_rust::{
    parser::{model::JpQuery, parse_json_path},
    query::js_path_process,
};
use serde_json::{Value, json};

pub(crate) use self::cells::builtin_columns;
use crate::{
    clock::Clock,
    resource::{Resource, Version},
};

/// What each row has beside its cells (`includeObject`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum RowObject {
    None,
    /// `PartialObjectMetadata`.
    #[default]
    Metadata,
    Whole,
}

/// A column of a table.
#[derive(Debug)]
pub(crate) struct Column {
    name: String,
    kind: String,
    format: String,
    description: String,
    priority: i64,
    /// Where the cell of a custom kind stands in the object; built-in kinds make theirs.
    path: Option<JpQuery>,
}

impl Column {
    fn builtin(name: &str, kind: &str, priority: i64) -> Self {
        Self {
            name: name.to_owned(),
            kind: kind.to_owned(),
            format: if name == "Name" { "name" } else { "" }.to_owned(),
            description: String::new(),
            priority,
            path: None,
        }
    }

    /// Reads one of `additionalPrinterColumns`.
    ///
    /// # Errors
    /// What is wrong with its path.
    pub(crate) fn parse(source: &Value) -> Result<Self, String> {
        let text = |field: &str| source[field].as_str().unwrap_or_default().to_owned();
        let path = text("jsonPath");
        let description = match text("description") {
            given if given.is_empty() => {
                format!("Custom resource definition column (in JSONPath format): {path}")
            }
            given => given,
        };
        Ok(Self {
            name: text("name"),
            kind: text("type"),
            format: text("format"),
            description,
            priority: source["priority"].as_i64().unwrap_or_default(),
            path: Some(parse_path(&path)?),
        })
    }

    /// The column of a definition that has none.
    pub(crate) fn age() -> Option<Self> {
        let source = json!({ "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp" });
        Self::parse(&source).ok()
    }

    fn definition(&self) -> Value {
        json!({
            "name": self.name,
            "type": self.kind,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        })
    }
}

/// Kubernetes' form of a path (`.spec.x`, dots inside of names as `\.`) as RFC 9535 has it.
fn parse_path(path: &str) -> Result<JpQuery, String> {
    let mut standard = String::from("$");
    let mut rest = path;
    while let Some(escape) = rest.find("\\.") {
        let start = rest[..escape].rfind(['.', ']']).map_or(0, |at| at + 1);
        let mut end = escape;
        while let Some(next) = rest[end..].find(['.', '[']) {
            end += next;
            if rest[..end].ends_with('\\') {
                end += 1;
            } else {
                break;
            }
        }
        if rest[end..].find(['.', '[']) != Some(0) {
            end = rest.len();
        }
        standard.push_str(rest[..start].trim_end_matches('.'));
        standard.push_str(&format!("['{}']", rest[start..end].replace("\\.", ".")));
        rest = &rest[end..];
    }
    standard.push_str(rest);
    parse_json_path(&standard).map_err(|error| error.to_string())
}

/// A table of objects; `with_columns` is false for all events of a watch but the first.
pub(crate) fn build_table<'a>(
    clock: &Clock,
    resource: &Resource,
    version: &Version,
    metadata: &Value,
    objects: impl IntoIterator<Item = &'a Value>,
    row_object: RowObject,
    with_columns: bool,
) -> Value {
    let now = clock.now();
    let rows: Vec<Value> = objects
        .into_iter()
        .map(|object| {
            let mut row = json!({ "cells": row_cells(resource, version, object, now) });
            row["object"] = match row_object {
                RowObject::None => Value::Null,
                RowObject::Metadata => crate::list::partial(object),
                RowObject::Whole => object.clone(),
            };
            row
        })
        .collect();
    let columns = with_columns.then(|| {
        let name = resource.custom.then(|| Column::builtin("Name", "string", 0));
        let columns: Vec<Value> = name.iter().chain(&version.columns).map(Column::definition).collect();
        columns
    });
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns, "rows": rows,
    })
}

fn row_cells(resource: &Resource, version: &Version, object: &Value, now: jiff::Timestamp) -> Vec<Value> {
    if !resource.custom {
        return cells::builtin_cells(&resource.kind, object, now);
    }
    let mut cells = vec![object["metadata"]["name"].clone()];
    cells.extend(version.columns.iter().map(|column| custom_cell(column, object, now)));
    cells
}

fn custom_cell(column: &Column, object: &Value, now: jiff::Timestamp) -> Value {
    let Some(path) = &column.path else {
        return Value::Null;
    };
    let found = js_path_process(path, object).ok();
    let Some(value) = found
        .and_then(|found| found.into_iter().next())
        .map(|found| found.val())
    else {
        return Value::Null;
    };
    match column.kind.as_str() {
        "integer" => value
            .as_i64()
            .map(Value::from)
            .or_else(|| value.as_f64().map(truncate))
            .unwrap_or_default(),
        "number" if value.is_number() => value.clone(),
        "boolean" if value.is_boolean() => value.clone(),
        "date" => value.as_str().map_or(Value::Null, |text| json!(age::since(text, now))),
        "string" => match value {
            Value::String(text) => json!(text),
            // As Go's JSONPath prints a missing value.
            Value::Null => json!("<nil>"),
            other => json!(other.to_string()),
        },
        _ => Value::Null,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a cell of an integer column shows the whole part"
)]
fn truncate(value: f64) -> Value {
    json!(value as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_find_their_values() {
        let now = "2026-01-02T00:00:00Z".parse().expect("a time");
        let object = json!({
            "metadata": { "creationTimestamp": "2026-01-01T23:59:00Z", "annotations": { "a.b/c": "x" } },
            "status": { "conditions": [{ "type": "A", "status": "True" }, { "type": "B", "status": "False" }], "n": 3.7 },
        });
        for (path, kind, cell) in [
            (".status.conditions[?(@.type=='B')].status", "string", json!("False")),
            (".status.conditions[?(@.type==\"C\")].status", "string", Value::Null),
            (".metadata.annotations.a\\.b/c", "string", json!("x")),
            (".metadata.creationTimestamp", "date", json!("60s")),
            (".status.n", "integer", json!(3)),
            (".status.n", "boolean", Value::Null),
            (
                ".status.conditions[0]",
                "string",
                json!("{\"type\":\"A\",\"status\":\"True\"}"),
            ),
            (".status.conditions[*].type", "string", json!("A")),
        ] {
            let column = Column::parse(&json!({ "name": "X", "type": kind, "jsonPath": path })).expect(path);
            assert_eq!(custom_cell(&column, &object, now), cell, "{path}");
        }
    }

    #[test]
    fn a_path_that_cannot_be_read_is_refused() {
        assert!(Column::parse(&json!({ "name": "X", "type": "string", "jsonPath": ".a[" })).is_err());
    }
}
