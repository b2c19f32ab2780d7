//! A JSON document taken apart one level deep: the members that anything looks at, borrowed and unparsed.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// What kind of JSON value a text is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

impl Shape {
    /// The kind of a valid JSON text, by its first character.
    pub(super) fn of(json: &str) -> Self {
        match json.trim_ascii_start().as_bytes().first() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'"') => Self::String,
            Some(b't' | b'f') => Self::Bool,
            Some(b'n') | None => Self::Null,
            Some(_) => Self::Number,
        }
    }
}

/// The text of a member: empty when it is missing or null, as Go reads it; an error when it is something else.
pub(super) fn text(value: Option<&RawValue>) -> Result<Cow<'_, str>, ()> {
    match value.map(RawValue::get) {
        None | Some("null") => Ok(Cow::Borrowed("")),
        Some(json) if !json.contains('\\') => match json.strip_prefix('"').and_then(|json| json.strip_suffix('"')) {
            Some(text) => Ok(Cow::Borrowed(text)),
            None => Err(()),
        },
        Some(json) => serde_json::from_str(json).map(Cow::Owned).map_err(|_| ()),
    }
}

/// The first document of a body.
pub(super) enum Document<'a> {
    Null,
    Other,
    Object(Members<'a>),
}

/// Reads the first JSON document of `body`; also its length. The error says what is wrong with it.
pub(super) fn read_document(body: &[u8]) -> Result<(Document<'_>, usize), String> {
    fn first<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<(T, usize), String> {
        let mut documents = serde_json::Deserializer::from_slice(body).into_iter::<T>();
        match documents.next() {
            None => Err("unexpected end of input".to_owned()),
            Some(Err(error)) => Err(error.to_string()),
            Some(Ok(document)) => Ok((document, documents.byte_offset())),
        }
    }
    match body.trim_ascii_start().first() {
        Some(b'{') => first(body).map(|(members, length)| (Document::Object(members), length)),
        Some(b'n') => first::<IgnoredAny>(body).map(|(_, length)| (Document::Null, length)),
        _ => first::<IgnoredAny>(body).map(|(_, length)| (Document::Other, length)),
    }
}

/// The members of an object.
pub(super) fn read_members(json: &str) -> Result<Members<'_>, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// The members of an object that anything here looks at, unparsed.
#[derive(Default)]
pub(super) struct Members<'a> {
    pub(super) jsonrpc: Option<&'a RawValue>,
    pub(super) id: Option<&'a RawValue>,
    pub(super) method: Option<&'a RawValue>,
    pub(super) params: Option<Params>,
    pub(super) result: Option<&'a RawValue>,
    pub(super) error: Option<&'a RawValue>,
    pub(super) message: Option<&'a RawValue>,
    pub(super) kind: Option<&'a RawValue>,
    pub(super) code: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        while let Some(Key(name)) = map.next_key::<Key<'de>>()? {
            let member = match &*name {
                "jsonrpc" => &mut members.jsonrpc,
                "id" => &mut members.id,
                "method" => &mut members.method,
                "params" => {
                    members.params = Some(map.next_value()?);
                    continue;
                }
                "result" => &mut members.result,
                "error" => &mut members.error,
                "message" => &mut members.message,
                "kind" => &mut members.kind,
                "code" => &mut members.code,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *member = Some(map.next_value()?);
        }
        Ok(members)
    }
}

/// The kind of a request's `params`, and of their `message`, found on the way past them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Params {
    pub(super) shape: Shape,
    pub(super) message: Option<Shape>,
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ParamsVisitor)
    }
}

struct ParamsVisitor;

impl ParamsVisitor {
    fn found<E>(shape: Shape) -> Result<Params, E> {
        Ok(Params { shape, message: None })
    }
}

impl<'de> Visitor<'de> for ParamsVisitor {
    type Value = Params;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params, A::Error> {
        let mut message = None;
        while let Some(Key(name)) = map.next_key::<Key<'de>>()? {
            if name == "message" {
                message = Some(Shape::of(map.next_value::<&RawValue>()?.get()));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Params {
            shape: Shape::Object,
            message,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Params, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Self::found(Shape::Array)
    }

    fn visit_unit<E>(self) -> Result<Params, E> {
        Self::found(Shape::Null)
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Params, E> {
        Self::found(Shape::Bool)
    }

    fn visit_str<E>(self, _value: &str) -> Result<Params, E> {
        Self::found(Shape::String)
    }

    fn visit_u64<E>(self, _value: u64) -> Result<Params, E> {
        Self::found(Shape::Number)
    }

    fn visit_i64<E>(self, _value: i64) -> Result<Params, E> {
        Self::found(Shape::Number)
    }

    fn visit_f64<E>(self, _value: f64) -> Result<Params, E> {
        Self::found(Shape::Number)
    }
}

/// A member's name, borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;

        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(name.to_owned())))
            }
        }

        deserializer.deserialize_str(KeyVisitor)
    }
}
