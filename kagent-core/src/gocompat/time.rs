//! Parses RFC 3339 times as Go's `time.Parse` does, with its error texts.

use jiff::{Timestamp, civil::Date, tz::Offset};

/// Which of Go's layouts; they differ in the error text only, since Go reads a fraction in either case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TimeLayout {
    /// `time.RFC3339`.
    Rfc3339,
    /// `time.RFC3339Nano`.
    Rfc3339Nano,
}

impl TimeLayout {
    fn text(self) -> &'static str {
        match self {
            Self::Rfc3339 => "2006-01-02T15:04:05Z07:00",
            Self::Rfc3339Nano => "2006-01-02T15:04:05.999999999Z07:00",
        }
    }
}

/// The instant that `text` names.
///
/// # Errors
/// Go's text: `parsing time "…" as "…": cannot parse "…" as "…"`, or `parsing time "…": day out of range`.
pub fn parse_time(text: &str, layout: TimeLayout) -> Result<Timestamp, String> {
    let mut parser = Parser {
        text,
        rest: text,
        layout,
    };
    let year = parser.number(4, "2006")?;
    parser.literal("-")?;
    let month = parser.number(2, "01")?;
    parser.literal("-")?;
    let day = parser.number(2, "02")?;
    parser.literal("T")?;
    let hour = parser.number(2, "15")?;
    parser.literal(":")?;
    let minute = parser.number(2, "04")?;
    parser.literal(":")?;
    let second = parser.number(2, "05")?;
    let nanosecond = parser.fraction();
    let offset = parser.offset()?;
    if !parser.rest.is_empty() {
        return Err(format!(
            "parsing time {}: extra text: {}",
            quote(text),
            quote(parser.rest)
        ));
    }
    for (name, value, limit) in [
        ("month", month, 12),
        ("hour", hour, 23),
        ("minute", minute, 59),
        ("second", second, 59),
    ] {
        if value > limit || (name == "month" && value == 0) {
            return Err(format!("parsing time {}: {name} out of range", quote(text)));
        }
    }
    // Four and two digits fit.
    #[expect(clippy::cast_possible_truncation, reason = "four and two digits fit")]
    let date = Date::new(year as i16, month as i8, day as i8)
        .map_err(|_| format!("parsing time {}: day out of range", quote(text)))?;
    #[expect(clippy::cast_possible_truncation, reason = "checked above")]
    let time = date.at(hour as i8, minute as i8, second as i8, nanosecond);
    offset
        .to_timestamp(time)
        .map_err(|_| format!("parsing time {}: day out of range", quote(text)))
}

struct Parser<'a> {
    text: &'a str,
    rest: &'a str,
    layout: TimeLayout,
}

impl Parser<'_> {
    fn fail<T>(&self, element: &str) -> Result<T, String> {
        Err(format!(
            "parsing time {} as {}: cannot parse {} as {}",
            quote(self.text),
            quote(self.layout.text()),
            quote(self.rest),
            quote(element)
        ))
    }

    fn number(&mut self, width: usize, element: &str) -> Result<i32, String> {
        match self.rest.get(..width) {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                self.rest = &self.rest[width..];
                Ok(digits.parse().unwrap_or_default())
            }
            _ => self.fail(element),
        }
    }

    fn literal(&mut self, literal: &str) -> Result<(), String> {
        match self.rest.strip_prefix(literal) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => self.fail(literal),
        }
    }

    /// Nanoseconds of a fraction, which may be absent.
    fn fraction(&mut self) -> i32 {
        let Some(rest) = self.rest.strip_prefix(['.', ',']) else {
            return 0;
        };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return 0;
        }
        let kept: String = rest[..digits].chars().chain("000000000".chars()).take(9).collect();
        self.rest = &rest[digits..];
        kept.parse().unwrap_or_default()
    }

    fn offset(&mut self) -> Result<Offset, String> {
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(Offset::UTC);
        }
        let zone = self.rest.get(..6).map(str::as_bytes);
        let Some([sign @ (b'+' | b'-'), h1, h2, b':', m1, m2]) = zone else {
            return self.fail("Z07:00");
        };
        if ![h1, h2, m1, m2].iter().all(|byte| byte.is_ascii_digit()) {
            return self.fail("Z07:00");
        }
        let digit = |byte: &u8| i32::from(byte - b'0');
        let seconds = (digit(h1) * 10 + digit(h2)) * 3600 + (digit(m1) * 10 + digit(m2)) * 60;
        let seconds = if *sign == b'-' { -seconds } else { seconds };
        self.rest = &self.rest[6..];
        Offset::from_seconds(seconds)
            .map_err(|_| format!("parsing time {}: time zone offset hour out of range", quote(self.text)))
    }
}

/// As Go quotes: the escapes that differ from Rust's do not occur in what clients send as times.
fn quote(text: &str) -> String {
    format!("{text:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_in_go() {
        let layout = r#"as "2006-01-02T15:04:05Z07:00": cannot parse"#;
        for (text, error) in [
            (
                "yesterday",
                format!(r#"parsing time "yesterday" {layout} "yesterday" as "2006""#),
            ),
            ("2020-01-01", format!(r#"parsing time "2020-01-01" {layout} "" as "T""#)),
            (
                "1577836800",
                format!(r#"parsing time "1577836800" {layout} "836800" as "-""#),
            ),
            (
                "2020-01-01T00:00:00 02:00",
                format!(r#"parsing time "2020-01-01T00:00:00 02:00" {layout} " 02:00" as "Z07:00""#),
            ),
            (
                "2020-02-30T00:00:00Z",
                r#"parsing time "2020-02-30T00:00:00Z": day out of range"#.to_owned(),
            ),
        ] {
            assert_eq!(parse_time(text, TimeLayout::Rfc3339), Err(error));
        }
    }

    #[test]
    fn offsets_and_fractions_are_read() {
        let time = parse_time("2026-03-07T12:00:00.5+02:00", TimeLayout::Rfc3339Nano).expect("time");
        assert_eq!(time.to_string(), "2026-03-07T10:00:00.5Z");
    }
}
