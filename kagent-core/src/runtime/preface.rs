//! Reads the first bytes of a connection under a deadline, before hyper decides between HTTP/1 and HTTP/2.
//!
//! hyper waits without limit for the bytes that decide it, so a client that never speaks would hold its connection.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// What a client with prior knowledge of HTTP/2 sends first (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pin_project! {
    /// A connection whose first bytes have been read already; they are read again from here.
    #[derive(Debug)]
    pub(super) struct Prefixed<S> {
        prefix: [u8; HTTP2_PREFACE.len()],
        start: usize,
        end: usize,
        #[pin]
        inner: S,
    }
}

impl<S> Prefixed<S> {
    /// Whether the client speaks HTTP/2 with prior knowledge.
    pub(super) fn is_http2(&self) -> bool {
        self.prefix[..self.end] == *HTTP2_PREFACE
    }
}

/// Reads until it is clear which protocol the client speaks.
///
/// # Errors
/// `TimedOut` after `limit`, `UnexpectedEof` when the client leaves without a word, and what reading says.
pub(super) async fn read_preface<S: AsyncRead + Unpin>(mut stream: S, limit: Duration) -> io::Result<Prefixed<S>> {
    let mut prefix = [0; HTTP2_PREFACE.len()];
    let read = async {
        let mut end = 0;
        loop {
            match stream.read(&mut prefix[end..]).await? {
                0 if end == 0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                0 => return Ok(end),
                count => end += count,
            }
            if end == prefix.len() || prefix[..end] != HTTP2_PREFACE[..end] {
                return Ok(end);
            }
        }
    };
    let end = tokio::time::timeout(limit, read)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(Prefixed {
        prefix,
        start: 0,
        end,
        inner: stream,
    })
}

impl<S: AsyncRead> AsyncRead for Prefixed<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        if *this.start < *this.end {
            let count = (*this.end - *this.start).min(buffer.remaining());
            buffer.put_slice(&this.prefix[*this.start..*this.start + count]);
            *this.start += count;
            return Poll::Ready(Ok(()));
        }
        this.inner.poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite> AsyncWrite for Prefixed<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().inner.poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn every_byte_is_read_again() {
        for sent in [&b"GET / HTTP/1.1\r\n\r\n"[..], &HTTP2_PREFACE[..], b"POST /x", b"P"] {
            let (mut client, server) = tokio::io::duplex(64);
            client.write_all(sent).await.expect("write");
            client.shutdown().await.expect("shutdown");
            let mut stream = read_preface(server, LIMIT).await.expect("preface");
            let mut received = Vec::new();
            stream.read_to_end(&mut received).await.expect("read");
            assert_eq!(received, sent);
        }
    }

    #[tokio::test]
    async fn a_client_that_stops_within_the_preface_times_out() {
        for sent in [&b""[..], b"PRI * HT"] {
            let (mut client, server) = tokio::io::duplex(64);
            client.write_all(sent).await.expect("write");
            let error = read_preface(server, Duration::from_millis(50))
                .await
                .expect_err("no answer");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
    }
}
