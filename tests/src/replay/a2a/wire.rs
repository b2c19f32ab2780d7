//! HTTP/1.1 as bytes: heads and bodies of both sides, read without a library so that nothing is smoothed over.

use anyhow::{Context, Result, bail};
use tokio::{io::AsyncReadExt, net::TcpStream};

/// A start line and headers in the order of the wire.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    /// The first line.
    pub start: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// Reads a head; bytes that are no UTF-8 are taken as Latin-1.
    pub fn parse(bytes: &[u8]) -> Self {
        let text: String =
            String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| bytes.iter().map(|&byte| char::from(byte)).collect());
        let mut lines = text.split("\r\n").filter(|line| !line.is_empty());
        Self {
            start: lines.next().unwrap_or_default().to_owned(),
            headers: lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect(),
        }
    }

    /// The first value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(header, _)| header == name)
            .map(|(_, value)| value.as_str())
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        self.start.split(' ').nth(1)?.parse().ok()
    }
}

/// The next head; none when the connection ends before one begins. `buffer` keeps what was read beyond it.
///
/// # Errors
/// When the connection breaks or ends inside a head.
pub async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Option<Head>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = Head::parse(&buffer[..end]);
            buffer.drain(..end + 4);
            return Ok(Some(head));
        }
        if stream.read_buf(buffer).await? == 0 {
            if buffer.is_empty() {
                return Ok(None);
            }
            bail!("the connection ended inside a head");
        }
    }
}

/// The body after `head`, and whether it is complete. `seen` gets the bytes as they come.
///
/// # Errors
/// When chunk framing is broken.
pub async fn read_body(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    head: &Head,
    until_close: bool,
    mut seen: impl FnMut(&[u8]),
) -> Result<(Vec<u8>, bool)> {
    let mut body = Vec::new();
    if head
        .get("transfer-encoding")
        .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
    {
        loop {
            let Some(line) = read_line(stream, buffer).await? else {
                return Ok((body, false));
            };
            let size = usize::from_str_radix(line.trim(), 16).with_context(|| format!("chunk size {line:?}"))?;
            let (chunk, whole) = read_exact(stream, buffer, size).await?;
            seen(&chunk);
            body.extend_from_slice(&chunk);
            if !whole || read_line(stream, buffer).await?.is_none() {
                return Ok((body, false));
            }
            if size == 0 {
                return Ok((body, true));
            }
        }
    }
    if let Some(length) = head.get("content-length") {
        let (bytes, whole) = read_exact(stream, buffer, length.parse()?).await?;
        seen(&bytes);
        return Ok((bytes, whole));
    }
    if until_close {
        body.append(buffer);
        seen(&body);
        loop {
            let mut more = Vec::new();
            match stream.read_buf(&mut more).await {
                Ok(0) => break,
                Ok(_) => {
                    seen(&more);
                    body.append(&mut more);
                }
                Err(_) => return Ok((body, false)),
            }
        }
    }
    Ok((body, true))
}

async fn read_line(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Option<String>> {
    loop {
        if let Some(end) = buffer.windows(2).position(|window| window == b"\r\n") {
            let line = String::from_utf8_lossy(&buffer[..end]).into_owned();
            buffer.drain(..end + 2);
            return Ok(Some(line));
        }
        match stream.read_buf(buffer).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => {}
        }
    }
}

async fn read_exact(stream: &mut TcpStream, buffer: &mut Vec<u8>, size: usize) -> Result<(Vec<u8>, bool)> {
    while buffer.len() < size {
        match stream.read_buf(buffer).await {
            Ok(0) | Err(_) => return Ok((std::mem::take(buffer), false)),
            Ok(_) => {}
        }
    }
    let rest = buffer.split_off(size);
    Ok((std::mem::replace(buffer, rest), true))
}
