//! The functions of templates: Go's own, and `include`.

use std::cmp::Ordering;

use super::{TemplateData, printf::sprintf, value::Value};

type Result<T> = std::result::Result<T, String>;

const NAMES: [&str; 20] = [
    "and", "call", "eq", "ge", "gt", "html", "include", "index", "js", "le", "len", "lt", "ne", "not", "or", "print",
    "printf", "println", "slice", "urlquery",
];

/// Whether a word names a function.
pub(super) fn is_function(word: &str) -> bool {
    NAMES.contains(&word)
}

/// The value of a function; `and` and `or` are not called like this.
pub(super) fn call<'a>(name: &str, arguments: Vec<Value<'a>>, data: &TemplateData) -> Result<Value<'a>> {
    let wants = |count: usize| match arguments.len() == count {
        true => Ok(()),
        false => Err(format!(
            "wrong number of args for {name}: want {count} got {}",
            arguments.len()
        )),
    };
    let wants_some = |count: usize| match arguments.len() >= count {
        true => Ok(()),
        false => Err(format!(
            "wrong number of args for {name}: want at least {count} got {}",
            arguments.len()
        )),
    };
    match name {
        "not" => {
            wants(1)?;
            Ok(Value::Bool(!arguments[0].is_true()))
        }
        "len" => {
            wants(1)?;
            match &arguments[0] {
                Value::Text(text) => Ok(Value::Int(text.len() as i64)),
                Value::List(list) => Ok(Value::Int(list.len() as i64)),
                other => Err(format!("error calling len: len of type {}", other.type_name())),
            }
        }
        "index" => {
            wants_some(1)?;
            index(&arguments).map_err(|message| format!("error calling index: {message}"))
        }
        "slice" => {
            wants_some(1)?;
            slice(&arguments).map_err(|message| format!("error calling slice: {message}"))
        }
        "print" => Ok(Value::text(sprint(&arguments))),
        "println" => {
            let shown: Vec<String> = arguments.iter().map(Value::show).collect();
            Ok(Value::text(shown.join(" ") + "\n"))
        }
        "printf" => {
            wants_some(1)?;
            let Value::Text(format) = &arguments[0] else {
                return Err(format!(
                    "wrong type for value; expected string; got {}",
                    arguments[0].type_name()
                ));
            };
            sprintf(format, &arguments[1..]).map(Value::text)
        }
        "html" => Ok(Value::text(escape_html(&sprint(&arguments)))),
        "js" => Ok(Value::text(escape_js(&sprint(&arguments)))),
        "urlquery" => Ok(Value::text(escape_query(&sprint(&arguments)))),
        "include" => {
            wants(1)?;
            include(&arguments[0], data)
        }
        "eq" => {
            wants_some(2)?;
            for other in &arguments[1..] {
                if equal(&arguments[0], other).map_err(|message| format!("error calling eq: {message}"))? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        "ne" => {
            wants(2)?;
            let equal = equal(&arguments[0], &arguments[1]);
            equal
                .map(|equal| Value::Bool(!equal))
                .map_err(|message| format!("error calling ne: {message}"))
        }
        "lt" | "le" | "gt" | "ge" => {
            wants(2)?;
            let order = compare(&arguments[0], &arguments[1]);
            let order = order.map_err(|message| format!("error calling {name}: {message}"))?;
            Ok(Value::Bool(match name {
                "lt" => order == Some(Ordering::Less),
                "le" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                "gt" => order == Some(Ordering::Greater),
                _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            }))
        }
        _ => Err(format!("error calling {name}: there is nothing to call")),
    }
}

fn include<'a>(path: &Value<'a>, data: &TemplateData) -> Result<Value<'a>> {
    let Value::Text(path) = path else {
        return Err(format!(
            "wrong type for value; expected string; got {}",
            path.type_name()
        ));
    };
    match data.includes.get(path.as_ref()) {
        Some(text) => Ok(Value::text(text.as_str())),
        None => {
            let available: Vec<_> = data.includes.keys().map(String::as_str).collect();
            Err(format!(
                "error calling include: prompt template {path:?} not found, available: {}",
                available.join(", ")
            ))
        }
    }
}

fn position(value: &Value<'_>, limit: usize) -> Result<usize> {
    match value {
        Value::Int(number) => match usize::try_from(*number) {
            Ok(at) if at <= limit => Ok(at),
            _ => Err(format!("index out of range: {number}")),
        },
        other => Err(format!("cannot index slice/array with type {}", other.type_name())),
    }
}

fn index<'a>(arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let mut value = arguments[0].clone();
    for at in &arguments[1..] {
        value = match &value {
            Value::List(list) => {
                let found = list.get(position(at, list.len())?);
                Value::text(
                    found
                        .ok_or_else(|| format!("index out of range: {}", at.show()))?
                        .as_str(),
                )
            }
            Value::Text(text) => {
                let found = text.as_bytes().get(position(at, text.len())?);
                Value::Int((*found.ok_or_else(|| format!("index out of range: {}", at.show()))?).into())
            }
            other => return Err(format!("can't index item of type {}", other.type_name())),
        };
    }
    Ok(value)
}

fn slice<'a>(arguments: &[Value<'a>]) -> Result<Value<'a>> {
    let length = match &arguments[0] {
        Value::Text(text) => text.len(),
        Value::List(list) => list.len(),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    if arguments.len() > 3 {
        return Err("too many slice indexes".to_owned());
    }
    let start = arguments.get(1).map_or(Ok(0), |at| position(at, length))?;
    let end = arguments.get(2).map_or(Ok(length), |at| position(at, length))?;
    if start > end {
        return Err(format!("invalid slice index: {start} > {end}"));
    }
    Ok(match &arguments[0] {
        Value::Text(text) => Value::text(String::from_utf8_lossy(&text.as_bytes()[start..end]).into_owned()),
        Value::List(list) => Value::List(list[start..end].into()),
        other => other.clone(),
    })
}

fn equal(a: &Value<'_>, b: &Value<'_>) -> Result<bool> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Ok(a == b),
        (Value::Int(a), Value::Int(b)) => Ok(a == b),
        (Value::Float(a), Value::Float(b)) => Ok(a == b),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::List(_) | Value::Data(_), _) | (_, Value::List(_) | Value::Data(_)) => {
            Err("non-comparable type".to_owned())
        }
        _ => Err("incompatible types for comparison".to_owned()),
    }
}

fn compare(a: &Value<'_>, b: &Value<'_>) -> Result<Option<Ordering>> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Ok(Some(a.cmp(b))),
        (Value::Int(a), Value::Int(b)) => Ok(Some(a.cmp(b))),
        (Value::Float(a), Value::Float(b)) => Ok(a.partial_cmp(b)),
        (Value::Text(_) | Value::Int(_) | Value::Float(_), Value::Text(_) | Value::Int(_) | Value::Float(_)) => {
            Err("incompatible types for comparison".to_owned())
        }
        _ => Err("invalid type for comparison".to_owned()),
    }
}

/// A space between two operands of which neither is a text.
fn sprint(arguments: &[Value<'_>]) -> String {
    let mut shown = String::new();
    let mut before_was_text = true;
    for value in arguments {
        let is_text = matches!(value, Value::Text(_));
        if !before_was_text && !is_text {
            shown.push(' ');
        }
        shown.push_str(&value.show());
        before_was_text = is_text;
    }
    shown
}

fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\0' => escaped.push('\u{fffd}'),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            _ => escaped.push(character),
        }
    }
    escaped
}

fn escape_js(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | '\'' | '"' => {
                escaped.push('\\');
                escaped.push(character);
            }
            '<' | '>' | '&' | '=' => escaped.push_str(&format!("\\u{:04X}", u32::from(character))),
            _ if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                escaped.push_str(&format!("\\u{:04X}", u32::from(character)));
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

fn escape_query(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => escaped.push('+'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}
