//! JSON text as Go's `encoding/json` writes it. Hashes and adopted Secrets depend on every byte: HTML characters and
//! U+2028/U+2029 are escaped, and numbers are printed the Go way (`30`, not `30.0`; `1e-7`).

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use crate::error::{Error, Result};

/// One line without spaces.
///
/// # Errors
/// `Internal` when `value` cannot be written as JSON (a map with keys that are no text).
pub fn to_compact(value: &impl Serialize) -> Result<String> {
    write_with(value, GoFormatter(CompactFormatter))
}

/// Indented by two spaces, without a line end at the end.
///
/// # Errors
/// As [`to_compact`].
pub fn to_indented(value: &impl Serialize) -> Result<String> {
    write_with(value, GoFormatter(PrettyFormatter::with_indent(b"  ")))
}

fn write_with<F: Formatter>(value: &impl Serialize, formatter: F) -> Result<String> {
    let mut bytes = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut bytes, formatter))
        .map_err(|error| Error::internal("a rendered file cannot be written as JSON").with_source(error))?;
    String::from_utf8(bytes).map_err(|error| Error::internal("rendered JSON is not UTF-8").with_source(error))
}

/// Changes how text and numbers look and leaves the layout to the inner formatter.
struct GoFormatter<F>(F);

impl<F: Formatter> Formatter for GoFormatter<F> {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(format_float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (before, tail) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut characters = tail.chars();
            if let Some(character) = characters.next() {
                write!(writer, "\\u{:04x}", u32::from(character))?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

/// The shortest text that reads back as the same number; with an exponent below 1e-6 and from 1e21 on.
fn format_float(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
            _ => text,
        };
    }
    format!("{value}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_look_like_gos() {
        for (value, text) in [
            (30.0, "30"),
            (0.1, "0.1"),
            (-0.0, "-0"),
            (1e-7, "1e-7"),
            (1e-6, "0.000001"),
            (1.234_567_890_123_456_9e23, "1.2345678901234569e+23"),
            (1e21, "1e+21"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (-2.5, "-2.5"),
        ] {
            assert_eq!(format_float(value), text);
        }
    }

    #[test]
    fn html_characters_and_line_separators_are_escaped_in_keys_and_values() {
        let value = json!({"a<b": "x & y > z\u{2028}\u{2029}\u{8}\u{c}\n\u{1}\u{7f}é😀\"\\/"});
        assert_eq!(
            to_compact(&value).expect("JSON"),
            "{\"a\\u003cb\":\"x \\u0026 y \\u003e z\\u2028\\u2029\\b\\f\\n\\u0001\u{7f}é😀\\\"\\\\/\"}"
        );
    }

    #[test]
    fn indented_text_has_two_spaces_and_no_line_end() {
        let value = json!({"list": ["text"], "none": [], "empty": {}});
        assert_eq!(
            to_indented(&value).expect("JSON"),
            "{\n  \"list\": [\n    \"text\"\n  ],\n  \"none\": [],\n  \"empty\": {}\n}"
        );
    }
}
