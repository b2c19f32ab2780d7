//! One HTTP/1.1 connection to an agent, driven by the task that waits for its answer: no task of its own, so that no
//! request wakes another task and an open stream holds no more than the connection.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::http1::{Builder, Connection, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    task::unconstrained,
    time::{Instant, Sleep, sleep},
};

use super::{RequestBody, SendError};

/// Largest head of an answer, and most that is read at once.
const READ_BUFFER: usize = 64 * 1024;

/// An open connection. Dropping it closes it.
pub(super) struct Link {
    connection: Connection<TokioIo<TcpStream>, RequestBody>,
    sender: SendRequest<RequestBody>,
    /// Ends a wait for an answer. It is kept from one request to the next, as moving a timer on costs less than a new one.
    timer: Pin<Box<Sleep>>,
}

/// Why a request has no answer.
pub(super) enum Failure {
    /// Nothing of the request was sent; it may be sent again.
    NotSent(Box<Request<RequestBody>>, hyper::Error),
    /// It may have been read, so it must not be sent again.
    Failed(SendError),
}

impl Link {
    /// Makes a connection out of a stream.
    pub(super) async fn new(stream: TcpStream) -> io::Result<Box<Self>> {
        let (sender, connection) = Builder::new()
            .max_buf_size(READ_BUFFER)
            .ignore_invalid_headers_in_responses(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let timer = Box::pin(sleep(Duration::ZERO));
        Ok(Box::new(Self {
            connection,
            sender,
            timer,
        }))
    }

    /// Whether another request may be sent.
    pub(super) fn is_free(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether nobody needs it and the agent has not closed it; for a connection that waits for its next request.
    pub(super) fn is_alive(&mut self) -> bool {
        // Nobody waits, so nobody is woken: what happened meanwhile is found by the next look.
        let mut nobody = Context::from_waker(Waker::noop());
        Pin::new(&mut self.connection).poll(&mut nobody).is_pending() && self.is_free()
    }
}

/// Moves bytes both ways; the task is woken when there are more. A connection that has ended is dropped, which tells
/// whoever waits for its answer or its body why.
pub(super) fn drive(link: &mut Option<Box<Link>>, context: &mut Context<'_>) {
    if let Some(open) = link
        && let Poll::Ready(end) = Pin::new(&mut open.connection).poll(context)
    {
        if let Err(error) = end {
            tracing::trace!(%error, "connection to an agent ended");
        }
        *link = None;
    }
}

/// Sends a request and waits for the head of its answer. The connection is gone when it has ended.
pub(super) async fn ask(
    link: &mut Option<Box<Link>>,
    request: Request<RequestBody>,
    idle: Duration,
) -> Result<Response<Incoming>, Failure> {
    let Some(open) = link else {
        return Err(Failure::Failed(SendError::Connect(io::ErrorKind::NotConnected.into())));
    };
    open.timer.as_mut().reset(Instant::now() + idle);
    let mut answer = pin!(unconstrained(open.sender.try_send_request(request)));
    std::future::poll_fn(|context| {
        drive(link, context);
        // Only driving the connection makes the answer ready, so that it has nobody to wake.
        if let Poll::Ready(answer) = answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Poll::Ready(answer.map_err(|mut error| match error.take_message() {
                Some(request) => Failure::NotSent(Box::new(request), error.into_error()),
                None => Failure::Failed(SendError::Broken(error.into_error())),
            }));
        }
        match link {
            Some(open) => open
                .timer
                .as_mut()
                .poll(context)
                .map(|()| Err(Failure::Failed(SendError::Idle))),
            None => Poll::Ready(Err(Failure::Failed(SendError::Connect(
                io::ErrorKind::UnexpectedEof.into(),
            )))),
        }
    })
    .await
}
