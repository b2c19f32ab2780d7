//! The body of an agent's answer, which drives its connection while it is read.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::uri::Authority;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{
    link::{Link, drive},
    pool::Pool,
};

/// Bytes of an agent's answer. Dropped before its end, it closes the connection; at its end the connection is kept for
/// the next request.
pub struct AgentBody {
    incoming: Incoming,
    link: Option<Box<Link>>,
    home: Arc<Pool>,
    agent: Authority,
    ended: bool,
}

impl AgentBody {
    pub(super) fn new(incoming: Incoming, link: Option<Box<Link>>, home: Arc<Pool>, agent: Authority) -> Self {
        Self {
            incoming,
            link,
            home,
            agent,
            ended: false,
        }
    }
}

impl fmt::Debug for AgentBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentBody")
            .field("agent", &self.agent)
            .finish_non_exhaustive()
    }
}

impl Body for AgentBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        drive(&mut self.link, context);
        // Only driving the connection makes bytes ready, so that they have nobody to wake.
        let frame = Pin::new(&mut self.incoming).poll_frame(&mut Context::from_waker(Waker::noop()));
        self.ended |= matches!(frame, Poll::Ready(None));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for AgentBody {
    fn drop(&mut self) {
        if let Some(link) = self.link.take()
            && (self.ended || self.incoming.is_end_stream())
        {
            self.home.put(&self.agent, link);
        }
    }
}
