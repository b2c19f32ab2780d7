//! JSON as lines of text: sorted, short values on one line, only what a step wants to see.

use serde_json::{Map, Value};

/// Longest value that stays on one line.
const WIDTH: usize = 110;

/// The lines of a value.
pub(super) fn render(value: &Value) -> Vec<String> {
    let mut text = String::new();
    write(value, 0, &mut text);
    text.lines().map(str::to_owned).collect()
}

fn write(value: &Value, depth: usize, out: &mut String) {
    let short = one_line(value);
    if short.len() + 2 * depth <= WIDTH || !(value.is_object() || value.is_array()) {
        out.push_str(&short);
        return;
    }
    let indent = "  ".repeat(depth + 1);
    match value {
        Value::Object(fields) => {
            out.push('{');
            for (index, (name, field)) in sorted(fields).into_iter().enumerate() {
                out.push_str(if index == 0 { "\n" } else { ",\n" });
                out.push_str(&format!("{indent}{}: ", Value::from(name.as_str())));
                write(field, depth + 1, out);
            }
            out.push_str(&format!("\n{}}}", "  ".repeat(depth)));
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "\n" } else { ",\n" });
                out.push_str(&indent);
                write(item, depth + 1, out);
            }
            out.push_str(&format!("\n{}]", "  ".repeat(depth)));
        }
        _ => {}
    }
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = sorted(fields)
                .into_iter()
                .map(|(name, field)| format!("{}: {}", Value::from(name.as_str()), one_line(field)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(one_line).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

fn sorted(fields: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|(name, _)| *name);
    fields
}

/// The parts of `value` at `paths` (`metadata.labels`, `items.*.spec`); without paths everything but `managedFields`.
pub(super) fn select(value: &Value, paths: &[String]) -> Value {
    if paths.is_empty() {
        let mut value = value.clone();
        drop_managed_fields(&mut value);
        return value;
    }
    let mut selected = Map::new();
    let mut value = value.clone();
    sort_managed_fields(&mut value);
    let value = &value;
    for path in paths {
        let keys: Vec<&str> = path.split('.').collect();
        selected.insert(path.clone(), find(value, &keys));
    }
    Value::Object(selected)
}

/// The value at a path; of `*` all items.
pub(super) fn find(value: &Value, keys: &[&str]) -> Value {
    match keys {
        [] => value.clone(),
        ["*", rest @ ..] => value
            .as_array()
            .map(|items| items.iter().map(|item| find(item, rest)).collect())
            .unwrap_or_default(),
        [key, rest @ ..] => {
            // `\` stands for a dot inside of a key.
            let key = key.replace('\\', ".");
            let below = match key.parse::<usize>() {
                Ok(index) if value.is_array() => &value[index],
                _ => &value[key.as_str()],
            };
            find(below, rest)
        }
    }
}

/// By manager: the API's own order depends on which second a write fell into.
fn sort_managed_fields(object: &mut Value) {
    if let Some(entries) = object["metadata"]["managedFields"].as_array_mut() {
        entries.sort_by_key(|entry| format!("{} {} {}", entry["operation"], entry["manager"], entry["subresource"]));
    }
}

fn drop_managed_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.shift_remove("managedFields");
            fields.values_mut().for_each(drop_managed_fields);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_managed_fields),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn short_values_stay_on_a_line_and_fields_are_sorted() {
        assert_eq!(
            render(&json!({ "b": [1, 2], "a": null })),
            [r#"{"a": null, "b": [1, 2]}"#]
        );
        let long = "x".repeat(WIDTH);
        assert_eq!(
            render(&json!({ "a": long })),
            ["{".to_owned(), format!("  \"a\": \"{long}\""), "}".to_owned()]
        );
    }

    #[test]
    fn paths_reach_into_lists() {
        let value = json!({ "items": [{ "n": 1 }, { "n": 2 }], "managedFields": [] });
        assert_eq!(
            select(&value, &["items.*.n".to_owned()]),
            json!({ "items.*.n": [1, 2] })
        );
        assert_eq!(select(&value, &[]), json!({ "items": [{ "n": 1 }, { "n": 2 }] }));
        assert_eq!(find(&value, &["items", "1", "n"]), json!(2));
    }
}
