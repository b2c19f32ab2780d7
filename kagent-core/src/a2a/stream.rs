//! The exchange with many answers: an agent's event stream, event by event, under the caller's id.
//!
//! The stream towards the caller is open before the agent answers, carries comments while the agent is silent, and turns
//! every fault of the agent into one last event. Nothing is read from the agent before the caller takes it.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, header};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use tokio::time::{Instant, Sleep};

use super::{
    error::RpcError,
    headers,
    jsonrpc::{self, Method},
    metrics::{OpenStream, Outcome},
    peer::Peer,
    relay::{Outgoing, Shared},
    sse::{self, Parser},
    unary,
    upstream::AgentBody,
};

/// A caller that asks for extensions waits this long for the agent's head, which names those that were activated.
const HEAD_GRACE: Duration = Duration::from_millis(250);

/// Events are numbered within one upstream exchange; a later exchange of the same turn would be the next epoch.
const EPOCH: u32 = 1;

type Opening = Pin<Box<dyn Future<Output = Opened> + Send>>;

/// What an agent made of a stream call.
struct Opened {
    /// Headers for the caller.
    headers: HeaderMap,
    answer: OpenedAnswer,
}

enum OpenedAnswer {
    /// A stream, and the bytes of it that were read already.
    Stream { body: AgentBody, begin: Bytes },
    /// One JSON document instead of a stream: it is the only event.
    Document(Bytes),
    /// No usable answer.
    Failed(RpcError),
}

enum State {
    Opening(Opening),
    Open(AgentBody),
    Ended,
}

/// Events for one caller. Dropping it closes the agent's side.
pub struct EventStream {
    state: State,
    parser: Parser,
    events: Events,
    peer: Arc<Peer>,
    last_in: Instant,
    last_out: Instant,
    timer: Pin<Box<Sleep>>,
    _open: OpenStream,
}

/// Writes events for the caller.
struct Events {
    shared: Arc<Shared>,
    method: Method,
    id: String,
    sequence: u64,
    out: BytesMut,
    outcome: Outcome,
    /// The agent sent something that is no event: nothing more is read.
    broken: bool,
}

impl Events {
    /// Passes on what the agent sent; marks that are no JSON-RPC are left out, and documents whose agent forgot the blank
    /// line between them are told apart.
    fn pass(&mut self, mut data: &[u8]) {
        while !self.broken {
            let text = data.trim_ascii();
            if text.is_empty() || text == b"[DONE]" {
                return;
            }
            match jsonrpc::peek_answer(data, self.method) {
                Ok(answer) => {
                    self.outcome = if answer.is_error {
                        Outcome::AgentError
                    } else {
                        Outcome::Ok
                    };
                    let document = jsonrpc::with_id(data, &answer, &self.id);
                    self.sequence += 1;
                    sse::put_event(&mut self.out, format_args!("{EPOCH}.{}", self.sequence), &document);
                    data = &data[answer.length..];
                }
                Err(error) => {
                    self.broken = true;
                    let message = error
                        .message
                        .replace("failed to decode response", "failed to parse SSE data");
                    self.fail(&RpcError { message, ..error });
                }
            }
        }
    }

    /// The last event: what went wrong.
    fn fail(&mut self, error: &RpcError) {
        self.outcome = Outcome::Failed;
        self.sequence += 1;
        let document = error.to_json(&self.id, self.shared.config.clock.now());
        sse::put_event(&mut self.out, format_args!("{EPOCH}.{}", self.sequence), &document);
    }
}

/// The bytes of a stream with one event that is made here.
pub(super) fn single_event(document: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    sse::put_event(&mut out, format_args!("{EPOCH}.1"), document);
    out.freeze()
}

/// Starts the exchange; returns at once, or with the agent's head when the caller waits for it.
pub(super) async fn open(outgoing: Outgoing, wants_head: bool) -> (HeaderMap, EventStream) {
    let now = Instant::now();
    let shared = Arc::clone(&outgoing.shared);
    let config = &shared.config;
    let mut stream = EventStream {
        state: State::Ended,
        parser: Parser::new(config.max_answer),
        peer: Arc::clone(&outgoing.peer),
        last_in: now,
        last_out: now,
        timer: Box::pin(tokio::time::sleep(config.keep_alive.min(config.idle_timeout))),
        _open: config.metrics.open_stream(),
        events: Events {
            method: outgoing.method,
            id: outgoing.id.clone(),
            sequence: 0,
            out: BytesMut::new(),
            outcome: Outcome::Canceled,
            broken: false,
            shared: Arc::clone(&shared),
        },
    };
    let mut opening: Opening = Box::pin(ask(outgoing));
    let mut headers = HeaderMap::new();
    if wants_head && let Ok(mut opened) = tokio::time::timeout(HEAD_GRACE, &mut opening).await {
        headers = std::mem::take(&mut opened.headers);
        stream.take(opened);
    } else {
        stream.state = State::Opening(opening);
    }
    (headers, stream)
}

/// Sends the request and finds out what kind of answer comes.
async fn ask(mut outgoing: Outgoing) -> Opened {
    let failed = |error| Opened {
        headers: HeaderMap::new(),
        answer: OpenedAnswer::Failed(error),
    };
    let response = match outgoing.send().await {
        Ok(response) => response,
        Err(error) => return failed(outgoing.failed(&error)),
    };
    if let Err(error) = unary::check_status(response.status()) {
        return failed(error);
    }
    let mut headers = HeaderMap::new();
    headers::copy_extensions(response.headers(), &mut headers);
    if is_event_stream(&response) {
        let answer = OpenedAnswer::Stream {
            body: response.into_body(),
            begin: Bytes::new(),
        };
        return Opened { headers, answer };
    }
    match read_unlabelled(&outgoing, response).await {
        Ok(answer) => Opened { headers, answer },
        Err(error) => failed(error),
    }
}

fn is_event_stream(response: &Response<AgentBody>) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// An answer that is not labelled as an event stream: some agents label theirs wrongly, others answer with one document.
async fn read_unlabelled(outgoing: &Outgoing, mut response: Response<AgentBody>) -> Result<OpenedAnswer, RpcError> {
    let idle = outgoing.shared.config.idle_timeout;
    let cut = || RpcError::internal("failed to decode response: unexpected EOF");
    let encoded = response.headers().contains_key(header::CONTENT_ENCODING);
    let mut begin = BytesMut::new();
    while !encoded && begin.trim_ascii_start().is_empty() {
        match tokio::time::timeout(idle, response.body_mut().frame()).await {
            Ok(Some(Ok(frame))) => begin.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Ok(Some(Err(_))) | Err(_) => return Err(cut()),
            Ok(None) => break,
        }
    }
    if encoded || matches!(begin.trim_ascii_start().first(), Some(b'{' | b'[' | b'<') | None) {
        let (parts, body) = response.into_parts();
        let rest = unary::read_document(outgoing, Response::from_parts(parts, body)).await?;
        let document = if begin.is_empty() {
            rest
        } else {
            begin.extend_from_slice(&rest);
            begin.freeze()
        };
        let answer = jsonrpc::peek_answer(&document, outgoing.method)?;
        if let Some(error) = outgoing.check_refusal(answer.error_code).await {
            return Err(error);
        }
        return Ok(OpenedAnswer::Document(document));
    }
    Ok(OpenedAnswer::Stream {
        body: response.into_body(),
        begin: begin.freeze(),
    })
}

impl EventStream {
    fn take(&mut self, opened: Opened) {
        self.last_in = Instant::now();
        match opened.answer {
            OpenedAnswer::Stream { body, begin } => {
                self.state = State::Open(body);
                self.read(&begin);
            }
            OpenedAnswer::Document(document) => {
                self.events.pass(&document);
                self.end();
            }
            OpenedAnswer::Failed(error) => {
                self.events.fail(&error);
                self.end();
            }
        }
    }

    fn read(&mut self, chunk: &[u8]) {
        let Self { parser, events, .. } = self;
        if parser.push(chunk, |data| events.pass(data)).is_err() {
            events.fail(&RpcError::internal("SSE stream error: an event is too large"));
            events.broken = true;
        }
        if self.events.broken {
            self.end();
        }
    }

    fn finish(&mut self) {
        let Self { parser, events, .. } = self;
        if parser.finish(|data| events.pass(data)).is_err() {
            events.fail(&RpcError::internal("SSE stream error: an event is too large"));
        }
        if self.events.outcome == Outcome::Canceled {
            self.events.outcome = Outcome::Ok;
        }
        self.end();
    }

    fn fail(&mut self, reason: &'static str, message: &str) {
        self.events.shared.config.metrics.count_upstream_error(reason);
        self.events
            .fail(&RpcError::internal(format!("SSE stream error: {message}")));
        self.end();
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.peer.count(Some(self.events.method), self.events.outcome);
    }

    /// Bytes for the caller, once there are any.
    fn poll_events(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if !self.events.out.is_empty() {
                self.last_out = Instant::now();
                return Poll::Ready(Some(std::mem::take(&mut self.events.out).freeze()));
            }
            match &mut self.state {
                State::Ended => return Poll::Ready(None),
                State::Opening(opening) => {
                    if let Poll::Ready(opened) = opening.as_mut().poll(context) {
                        self.take(opened);
                        continue;
                    }
                }
                State::Open(body) => {
                    if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
                        self.last_in = Instant::now();
                        match frame {
                            Some(Ok(frame)) => self.read(&frame.into_data().unwrap_or_default()),
                            Some(Err(_)) => self.fail("broken", "unexpected EOF"),
                            None => self.finish(),
                        }
                        continue;
                    }
                }
            }
            ready!(self.timer.as_mut().poll(context));
            if self.on_timer() {
                return Poll::Ready(Some(Bytes::from_static(sse::KEEP_ALIVE)));
            }
        }
    }

    /// The timer rang: ends a silent exchange, or says that a comment is due. Sets the timer anew.
    fn on_timer(&mut self) -> bool {
        let config = &self.events.shared.config;
        let now = Instant::now();
        let idle_at = self.last_in + config.idle_timeout;
        let comment_due = now >= self.last_out + config.keep_alive;
        if comment_due {
            self.last_out = now;
        }
        let next = idle_at.min(self.last_out + config.keep_alive);
        if now >= idle_at {
            self.fail("idle", "the agent was silent for too long");
            return false;
        }
        self.timer.as_mut().reset(next);
        comment_due
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        if !matches!(self.state, State::Ended) {
            self.peer.count(Some(self.events.method), Outcome::Canceled);
        }
    }
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.poll_events(context).map(|bytes| bytes.map(Frame::data).map(Ok))
    }
}
