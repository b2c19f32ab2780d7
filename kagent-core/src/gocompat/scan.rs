//! Reads the first JSON value of a body, with the error texts of Go's `encoding/json`. Trailing bytes are ignored, bytes
//! that are not UTF-8 and lone surrogates become U+FFFD.

use super::Json;

/// Values nested deeper than this are refused: reading is recursive.
const MAX_DEPTH: usize = 500;

/// The first value in `body`; what follows it is not looked at.
///
/// # Errors
/// Go's text: `EOF` for a body without a value, `unexpected EOF`, or `invalid character …`.
pub fn parse_first(body: &[u8]) -> Result<Json, String> {
    let mut scanner = Scanner { body, at: 0 };
    scanner.skip_blanks();
    if scanner.at == body.len() {
        return Err("EOF".to_owned());
    }
    scanner.value(0)
}

struct Scanner<'a> {
    body: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn skip_blanks(&mut self) {
        while matches!(self.body.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    /// The next byte that is not blank, not consumed.
    fn peek(&mut self) -> Result<u8, String> {
        self.skip_blanks();
        self.byte()
    }

    fn byte(&self) -> Result<u8, String> {
        self.body
            .get(self.at)
            .copied()
            .ok_or_else(|| "unexpected EOF".to_owned())
    }

    fn invalid<T>(&self, context: &str) -> Result<T, String> {
        let byte = self.byte()?;
        let shown = match byte {
            b'\'' => r"'\''".to_owned(),
            b'"' => "'\"'".to_owned(),
            b'\\' => r"'\\'".to_owned(),
            b'\n' => r"'\n'".to_owned(),
            b'\r' => r"'\r'".to_owned(),
            b'\t' => r"'\t'".to_owned(),
            // Go quotes the byte as the character of that number.
            0x20..=0x7e | 0xa1..=0xac | 0xae.. => format!("'{}'", char::from(byte)),
            0x80..=0xa0 | 0xad => format!("'\\u{byte:04x}'"),
            control => format!("'\\x{control:02x}'"),
        };
        Err(format!("invalid character {shown} {context}"))
    }

    fn value(&mut self, depth: usize) -> Result<Json, String> {
        if depth > MAX_DEPTH {
            return Err("exceeded max depth".to_owned());
        }
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Json::String),
            b't' => self.literal("true", Json::Bool(true)),
            b'f' => self.literal("false", Json::Bool(false)),
            b'n' => self.literal("null", Json::Null),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.invalid("looking for beginning of value"),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, String> {
        self.at += 1;
        let mut members = Vec::new();
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(Json::Object(members));
        }
        loop {
            if self.peek()? != b'"' {
                return self.invalid("looking for beginning of object key string");
            }
            let key = self.string()?;
            if self.peek()? != b':' {
                return self.invalid("after object key");
            }
            self.at += 1;
            members.push((key, self.value(depth + 1)?));
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return Ok(Json::Object(members));
                }
                _ => return self.invalid("after object key:value pair"),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, String> {
        self.at += 1;
        let mut items = Vec::new();
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(Json::Array(items));
                }
                _ => return self.invalid("after array element"),
            }
        }
    }

    fn literal(&mut self, word: &str, value: Json) -> Result<Json, String> {
        for (index, expected) in word.bytes().enumerate() {
            if self.byte()? != expected {
                return self.invalid(&format!(
                    "in literal {word} (expecting {:?})",
                    char::from(word.as_bytes()[index])
                ));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn digits(&mut self, context: &str) -> Result<(), String> {
        if !self.byte()?.is_ascii_digit() {
            return self.invalid(context);
        }
        while self.body.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Json, String> {
        let start = self.at;
        if self.byte()? == b'-' {
            self.at += 1;
        }
        if self.byte()? == b'0' {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.body.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.body.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.body.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(Json::Number(
            String::from_utf8_lossy(&self.body[start..self.at]).into_owned(),
        ))
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            match self.byte()? {
                b'"' => {
                    self.at += 1;
                    return Ok(String::from_utf8_lossy(&bytes).into_owned());
                }
                b'\\' => {
                    self.at += 1;
                    let character = self.escape()?;
                    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
                0..0x20 => return self.invalid("in string literal"),
                byte => {
                    bytes.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let character = match self.byte()? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return self.invalid("in string escape code"),
        };
        self.at += 1;
        Ok(character)
    }

    /// What follows `\u`: one code unit, or two that make a pair.
    fn unicode_escape(&mut self) -> Result<char, String> {
        let first = self.code_unit()?;
        if (0xd800..0xdc00).contains(&first) && self.body[self.at..].starts_with(b"\\u") {
            let before = self.at;
            self.at += 2;
            let second = self.code_unit()?;
            if let Some(Ok(character)) = char::decode_utf16([first, second]).next() {
                return Ok(character);
            }
            // Not a pair: the second one stands for itself.
            self.at = before;
        }
        Ok(char::from_u32(u32::from(first)).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn code_unit(&mut self) -> Result<u16, String> {
        let mut unit = 0;
        for _ in 0..4 {
            let Some(digit) = char::from(self.byte()?).to_digit(16) else {
                return self.invalid("in \\u hexadecimal character escape");
            };
            unit = unit << 4 | digit;
            self.at += 1;
        }
        Ok(u16::try_from(unit).unwrap_or(u16::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_read_as_in_go() {
        for (body, error) in [
            ("", "EOF"),
            ("  \n", "EOF"),
            ("{", "unexpected EOF"),
            ("hello", "invalid character 'h' looking for beginning of value"),
            (
                "{\"a\":1,}",
                "invalid character '}' looking for beginning of object key string",
            ),
            (
                "{'a':1}",
                "invalid character '\\'' looking for beginning of object key string",
            ),
            ("[1 2]", "invalid character '2' after array element"),
            ("nul!", "invalid character '!' in literal null (expecting 'l')"),
        ] {
            assert_eq!(parse_first(body.as_bytes()), Err(error.to_owned()), "{body}");
        }
    }

    #[test]
    fn trailing_bytes_are_ignored_and_the_last_of_duplicates_counts() {
        let json = parse_first(br#"{"a":1,"A":"x"} }}}garbage"#).expect("first value");
        assert_eq!(json.get("a"), Some(&Json::string("x")));
    }

    #[test]
    fn what_is_no_text_becomes_a_replacement_character() {
        assert_eq!(parse_first(b"\"a\xff\""), Ok(Json::string("a\u{fffd}")));
        assert_eq!(parse_first(br#""\ud800x""#), Ok(Json::string("\u{fffd}x")));
        assert_eq!(parse_first(br#""\ud83d\ude00""#), Ok(Json::string("😀")));
    }

    #[test]
    fn depth_is_bounded() {
        assert_eq!(
            parse_first("[".repeat(100_000).as_bytes()),
            Err("exceeded max depth".to_owned())
        );
    }
}
