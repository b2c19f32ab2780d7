//! Finds fields that a JSON text has twice, which a parser passes over in silence.

use std::{collections::BTreeSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The paths of fields that stand in one object more than once, such as `data.a`; none if it is not JSON.
pub(super) fn find_duplicates(json: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut parser = serde_json::Deserializer::from_slice(json);
    let place = Place {
        path: "",
        found: &mut found,
    };
    match place.deserialize(&mut parser) {
        Ok(()) => found,
        Err(_) => Vec::new(),
    }
}

/// A value at a path.
struct Place<'a> {
    path: &'a str,
    found: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let path = if self.path.is_empty() {
                name.clone()
            } else {
                format!("{}.{name}", self.path)
            };
            if !names.insert(name) {
                self.found.push(path.clone());
            }
            map.next_value_seed(Place {
                path: &path,
                found: self.found,
            })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        loop {
            let path = format!("{}[{index}]", self.path);
            let place = Place {
                path: &path,
                found: self.found,
            };
            if items.next_element_seed(place)?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        serde::Deserialize::deserialize(deserializer).map(|IgnoredAny| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_fields_of_one_object_are_duplicates() {
        let json = br#"{"a": {"x": 1, "x": 2}, "b": [{"x": 1}, {"x": null, "y": "", "x": 1.5}], "c": true, "a": {}}"#;
        assert_eq!(find_duplicates(json), ["a.x", "b[1].x", "a"]);
        assert!(find_duplicates(b"{").is_empty());
    }
}
