//! A JSON value that keeps key order, duplicate keys and the digits of numbers.

use std::borrow::Cow;

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::value::RawValue;

/// A JSON value as it was sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Json {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// A string, unescaped.
    String(String),
    /// An array.
    Array(Vec<Self>),
    /// An object; keys in the order of the text, duplicates included.
    Object(Vec<(String, Self)>),
}

impl Json {
    /// A string value.
    pub fn string(text: impl Into<String>) -> Self {
        Self::String(text.into())
    }

    /// Go's word for the kind of value, as in `cannot unmarshal number into …`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// The text of a string value.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a key as Go finds it: the exact name first, else without regard to case; the last one counts.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members
            .iter()
            .rev()
            .find(|(key, _)| key == name || key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Sorts the keys of all objects and drops all but the last of duplicates, as a Go map is written.
    #[must_use]
    pub fn sorted(self) -> Self {
        match self {
            Self::Array(items) => Self::Array(items.into_iter().map(Self::sorted).collect()),
            Self::Object(members) => {
                let sorted: std::collections::BTreeMap<String, Self> =
                    members.into_iter().map(|(key, value)| (key, value.sorted())).collect();
                Self::Object(sorted.into_iter().collect())
            }
            other => other,
        }
    }

    /// The value for serde; of duplicate keys the last counts.
    pub fn to_value(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Number(digits) => serde_json::from_str(digits).unwrap_or_default(),
            Self::String(text) => text.as_str().into(),
            Self::Array(items) => items.iter().map(Self::to_value).collect(),
            Self::Object(members) => members
                .iter()
                .map(|(key, value)| (key.clone(), value.to_value()))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(digits) => RawValue::from_string(digits.clone())
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => {
                let mut sequence = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    sequence.serialize_element(item)?;
                }
                sequence.end()
            }
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

/// Escapes in JSON text what Go's encoder escapes; outside of strings JSON has none of these characters.
pub fn escape_html(json: &str) -> Cow<'_, str> {
    let special = |character: char| matches!(character, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
    if !json.contains(special) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 32);
    for character in json.chars() {
        match character {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        let json = crate::gocompat::parse_first(br#"{"n":1.0,"big":12345678901234567890123}"#).expect("json");
        assert_eq!(
            serde_json::to_string(&json.sorted()).expect("text"),
            r#"{"big":12345678901234567890123,"n":1.0}"#
        );
    }

    #[test]
    fn html_is_escaped_as_go_does() {
        assert_eq!(escape_html("\"<a>&\u{2028}\""), r#""\u003ca\u003e\u0026\u2028""#);
        assert!(matches!(escape_html("\"plain\""), Cow::Borrowed(_)));
    }
}
