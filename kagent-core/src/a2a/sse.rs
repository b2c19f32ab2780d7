//! Server-sent events (WHATWG HTML, section 9.2): a parser of an agent's stream, and the frames sent to callers.
//!
//! Own code because the available parser refuses lines without a colon, which are valid, and bounds nothing.

use bytes::{BufMut, BytesMut};

/// A comment that keeps proxies between us and the caller from closing a silent stream.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// An event is larger than is allowed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooLarge;

/// Takes bytes as they come and gives the `data` of whole events. Ids, names and comments are dropped.
#[derive(Debug)]
pub struct Parser {
    /// The line that has begun and not ended.
    line: Vec<u8>,
    /// Data lines of the event that has begun and not ended, joined by line feeds.
    data: Option<Vec<u8>>,
    /// The last byte was a carriage return that ended a line: a line feed that follows belongs to it.
    after_cr: bool,
    /// Nothing has been read yet, so that a byte order mark may come.
    at_start: bool,
    /// Most bytes that line and data may hold.
    limit: usize,
}

impl Parser {
    /// A parser that holds at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            line: Vec::new(),
            data: None,
            after_cr: false,
            at_start: true,
            limit,
        }
    }

    /// Reads `chunk` and calls `event` with the data of each event that it ends.
    ///
    /// # Errors
    /// When an event grows beyond the limit; the parser is then of no further use.
    pub fn push(&mut self, mut chunk: &[u8], mut event: impl FnMut(&[u8])) -> Result<(), TooLarge> {
        if self.after_cr && !chunk.is_empty() {
            self.after_cr = false;
            chunk = chunk.strip_prefix(b"\n").unwrap_or(chunk);
        }
        while let Some(end) = chunk.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let rest = &chunk[end + 1..];
            if self.line.is_empty() {
                self.end_line(&chunk[..end], &mut event)?;
            } else {
                self.grow_line(&chunk[..end])?;
                let line = std::mem::take(&mut self.line);
                self.end_line(&line, &mut event)?;
            }
            chunk = if chunk[end] == b'\r' {
                self.after_cr = rest.is_empty();
                rest.strip_prefix(b"\n").unwrap_or(rest)
            } else {
                rest
            };
        }
        self.grow_line(chunk)
    }

    /// The stream has ended: an event without its blank line still counts.
    ///
    /// # Errors
    /// As [`Parser::push`].
    pub fn finish(&mut self, mut event: impl FnMut(&[u8])) -> Result<(), TooLarge> {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.end_line(&line, &mut event)?;
        }
        self.end_line(b"", &mut event)
    }

    fn grow_line(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        self.check_size(bytes.len())?;
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn check_size(&self, more: usize) -> Result<(), TooLarge> {
        let held = self.line.len() + self.data.as_ref().map_or(0, Vec::len);
        if held + more > self.limit {
            Err(TooLarge)
        } else {
            Ok(())
        }
    }

    fn end_line(&mut self, mut line: &[u8], event: &mut impl FnMut(&[u8])) -> Result<(), TooLarge> {
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            if let Some(data) = self.data.take() {
                event(&data);
            }
            return Ok(());
        }
        let (name, value) = match line.iter().position(|&byte| byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        if name == b"data" {
            let value = value.strip_prefix(b" ").unwrap_or(value);
            self.check_size(value.len() + 1)?;
            match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            }
        }
        Ok(())
    }
}

/// Appends an event with this id and data to `out`.
pub fn put_event(out: &mut BytesMut, id: std::fmt::Arguments<'_>, data: &[u8]) {
    out.reserve(data.len() + 64);
    out.put_slice(format!("id: {id}\n").as_bytes());
    for line in data.split(|&byte| byte == b'\n') {
        out.put_slice(b"data: ");
        out.put_slice(line.strip_suffix(b"\r").unwrap_or(line));
        out.put_u8(b'\n');
    }
    out.put_u8(b'\n');
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::any, prop_assert_eq, proptest};

    use super::*;

    fn parse(chunks: &[&[u8]]) -> Vec<String> {
        let mut parser = Parser::new(1 << 20);
        let mut events = Vec::new();
        let mut keep = |data: &[u8]| events.push(String::from_utf8_lossy(data).into_owned());
        for chunk in chunks {
            parser.push(chunk, &mut keep).expect("small");
        }
        parser.finish(&mut keep).expect("small");
        events
    }

    #[test]
    fn all_line_ends_and_a_byte_order_mark_are_understood() {
        for text in [
            "data: a\n\ndata: b\n\n",
            "data: a\r\n\r\ndata: b\r\n\r\n",
            "data: a\r\rdata: b\r\r",
            "\u{feff}data:a\n\ndata: b",
        ] {
            assert_eq!(parse(&[text.as_bytes()]), ["a", "b"], "{text:?}");
        }
    }

    #[test]
    fn other_fields_and_comments_are_dropped_and_data_lines_are_joined() {
        let text = b": hi\nevent: x\nid: 7\ndata: {\ndata:  }\nretry: 5\n\n data: no\n\n: only\n\n";
        assert_eq!(parse(&[text]), ["{\n }"]);
    }

    #[test]
    fn a_line_without_colon_is_a_field_without_value() {
        assert_eq!(parse(&[b"data\n\nfoo\n\ndata: x\n\n"]), ["", "x"]);
    }

    #[test]
    fn an_event_has_a_limit() {
        let mut parser = Parser::new(10);
        assert_eq!(parser.push(b"data: 12345", |_| {}), Err(TooLarge));
        let mut parser = Parser::new(10);
        assert_eq!(parser.push(b"data: 123\ndata: 4567\ndata: 89\n", |_| {}), Err(TooLarge));
    }

    #[test]
    fn frames_have_one_space_and_line_feeds() {
        let mut out = BytesMut::new();
        put_event(&mut out, format_args!("1.2"), b"{\r\n}");
        assert_eq!(&out[..], b"id: 1.2\ndata: {\ndata: }\n\n");
    }

    proptest! {
        #[test]
        fn how_bytes_are_cut_does_not_matter(text in "(data: ?[a-c]{0,3}|:x|id: 1|[ab])?(\r\n|\n|\r){1,2}(data: [a-c]{0,3}(\r\n|\n|\r){0,2}){0,4}", cut in 0usize..40) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(parse(&[bytes]), parse(&[&bytes[..cut], &bytes[cut..]]));
            prop_assert_eq!(parse(&[bytes]), parse(&single));
        }

        #[test]
        fn any_bytes_are_survived(bytes in collection::vec(any::<u8>(), 0..200)) {
            parse(&[&bytes]);
        }
    }
}
