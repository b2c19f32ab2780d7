//! Takes a caller's request to an agent: checks the frame, chooses the version, and hands over to the unary or the
//! streaming exchange. An exchange is an object of its own, so that it can outlive its caller once it is durable.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method as HttpMethod, Request, Response, StatusCode, Uri, header};
use http_body::Body;
use http_body_util::{Either, Full};
use kagent_api::a2a::AgentCard;

use super::{
    error::RpcError,
    extended_card, headers,
    jsonrpc::{self, Method},
    metrics::{Metrics, Outcome},
    peer::{Peer, Peers},
    stream::{self, EventStream},
    unary::{self, ReadError},
    upstream::{AgentBody, RequestBody, SendError, Upstream},
    version::Version,
};
use crate::{
    clock::{Clock, SystemClock},
    error::Result,
    registry::AgentRoute,
    resolve::HostResolver,
};

/// The body of an answer: bytes at hand or an event stream.
pub type AnswerBody = Either<Full<Bytes>, EventStream>;

/// How the relay behaves.
#[derive(Clone)]
pub struct RelayConfig {
    /// Finds agents' addresses.
    pub resolver: Arc<dyn HostResolver>,
    /// An agent's connection must be open within this time.
    pub connect_timeout: Duration,
    /// An agent may be silent for this long before its answer is given up; there is no limit on the whole exchange.
    pub idle_timeout: Duration,
    /// A stream towards a caller carries at least a comment this often.
    pub keep_alive: Duration,
    /// Largest request body, in bytes.
    pub max_body: usize,
    /// Largest unary answer and largest single event, in bytes.
    pub max_answer: usize,
    /// Stamps errors.
    pub clock: Arc<dyn Clock>,
    /// Counts requests.
    pub metrics: Metrics,
}

impl RelayConfig {
    /// The defaults: connect in 10 s, idle for 30 min, keep-alive every 15 s, bodies up to 32 MiB, answers up to 64 MiB.
    pub fn new(resolver: Arc<dyn HostResolver>) -> Self {
        Self {
            resolver,
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30 * 60),
            keep_alive: Duration::from_secs(15),
            max_body: 32 << 20,
            max_answer: 64 << 20,
            clock: Arc::new(SystemClock),
            metrics: Metrics::default(),
        }
    }
}

/// A caller's authenticated request to an agent.
pub struct Exchange<B> {
    /// Which agent.
    pub route: Arc<AgentRoute>,
    /// The user on whose behalf it is, as authentication found.
    pub user_id: String,
    /// The request as it came; the log calls it by its `x-request-id`.
    pub request: Request<B>,
    /// Headers that the agent gets besides those of every call.
    pub extra_headers: HeaderMap,
}

/// Forwards requests to agents. Cheap to clone; clones share connections and what is known of agents.
#[derive(Clone)]
pub struct Relay {
    shared: Arc<Shared>,
}

/// What all exchanges of a relay share.
pub(super) struct Shared {
    pub(super) upstream: Upstream,
    pub(super) config: RelayConfig,
    peers: Peers,
}

/// One request on its way to an agent.
pub(super) struct Outgoing {
    pub(super) shared: Arc<Shared>,
    pub(super) peer: Arc<Peer>,
    pub(super) endpoint: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) method: Method,
    /// The caller's id, as raw JSON.
    pub(super) id: String,
    pub(super) version: Version,
    request_id: Option<HeaderValue>,
}

impl Outgoing {
    /// What names the request in logs.
    pub(super) fn request_id(&self) -> &str {
        self.request_id
            .as_ref()
            .and_then(|id| id.to_str().ok())
            .unwrap_or_default()
    }

    /// Sends it; the head of the answer.
    pub(super) async fn send(&mut self) -> Result<Response<AgentBody>, SendError> {
        let mut request: Request<RequestBody> = Request::new(Either::Left(Full::new(self.body.clone())));
        *request.method_mut() = HttpMethod::POST;
        *request.uri_mut() = self.endpoint.clone();
        *request.headers_mut() = std::mem::take(&mut self.headers);
        self.shared.upstream.send(request).await
    }

    /// The caller's error for a failed [`Outgoing::send`], counted and logged.
    pub(super) fn failed(&self, error: &SendError) -> RpcError {
        self.shared.config.metrics.count_upstream_error(error.label());
        tracing::info!(
            agent.endpoint = %self.endpoint,
            request.id = self.request_id(),
            error = error.detail(),
            "agent gave no answer"
        );
        error.to_rpc(&self.endpoint)
    }

    /// A refusal of the agent that may only mean that it speaks another version: its card tells.
    pub(super) async fn check_refusal(&self, code: Option<i64>) -> Option<RpcError> {
        if code != Some(-32601) || self.peer.known().is_some() {
            return None;
        }
        let speaks = self.peer.learn(&self.shared.upstream, &self.endpoint).await.ok()?;
        (!speaks.speaks(self.version)).then(|| unsupported(self.version))
    }
}

fn unsupported(asked: Version) -> RpcError {
    let spoken = match asked {
        Version::V03 => Version::V10,
        Version::V10 => Version::V03,
    };
    RpcError::version_not_supported(format!(
        "A2A version {asked} is not supported by this agent, which speaks {spoken}"
    ))
}

impl Relay {
    /// A relay with connections of its own.
    pub fn new(config: RelayConfig) -> Self {
        let upstream = Upstream::new(
            Arc::clone(&config.resolver),
            config.connect_timeout,
            config.idle_timeout,
        );
        Self {
            shared: Arc::new(Shared {
                upstream,
                config,
                peers: Peers::default(),
            }),
        }
    }

    /// The client towards agents, for what is proxied without being A2A.
    pub fn upstream(&self) -> &Upstream {
        &self.shared.upstream
    }

    /// Answers a caller's JSON-RPC request. `extended_card` makes the card that the extended-card methods return.
    ///
    /// Faults are part of the answer: JSON-RPC errors with HTTP 200, 400 for an unknown version, 413 for a body that is
    /// too large.
    pub async fn serve<B>(
        &self,
        exchange: Exchange<B>,
        extended_card: impl FnOnce() -> Result<AgentCard>,
    ) -> Response<AnswerBody>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let peer = self.shared.peers.of(&exchange.route, &self.shared.config.metrics);
        let (parts, body) = exchange.request.into_parts();
        let refuse = |id: &str, streams, error: &RpcError| {
            peer.count(None, Outcome::Rejected);
            self.error_answer(id, streams, error)
        };
        let version = match Version::of_request(&parts.headers, &parts.uri) {
            Ok(version) => version,
            Err(message) => {
                peer.count(None, Outcome::Rejected);
                return text_answer(StatusCode::BAD_REQUEST, message);
            }
        };
        if parts.method != HttpMethod::POST {
            return refuse("null", false, &RpcError::invalid_request());
        }
        let config = &self.shared.config;
        let body = match unary::read_body(body, config.max_body, config.idle_timeout).await {
            Ok(body) => body,
            Err(ReadError::TooLarge) => {
                let mut answer = refuse("null", false, &RpcError::too_large(config.max_body));
                *answer.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
                return answer;
            }
            Err(error) => return refuse("null", false, &RpcError::parse(error)),
        };
        let frame = match jsonrpc::peek_request(&body, version) {
            Ok(frame) => frame,
            Err(bad) => return refuse(&bad.id, bad.streams, &bad.error),
        };
        if frame.method == Method::ExtendedCard {
            peer.count(Some(frame.method), Outcome::Ok);
            return self.card_answer(&frame.id, version, extended_card());
        }
        let streams = frame.method.streams();
        if let Err(error) = self.check_version(&peer, &exchange.route.endpoint, version).await {
            peer.count(Some(frame.method), Outcome::Rejected);
            return self.error_answer(&frame.id, streams, &error);
        }
        let mut headers = headers::build_request_headers(&parts.headers, &exchange.user_id, version, streams);
        headers.extend(exchange.extra_headers);
        let outgoing = Outgoing {
            shared: Arc::clone(&self.shared),
            peer: Arc::clone(&peer),
            endpoint: exchange.route.endpoint.clone(),
            headers,
            body: body.slice(..frame.length),
            method: frame.method,
            id: frame.id,
            version,
            request_id: parts.headers.get(headers::X_REQUEST_ID).cloned(),
        };
        if streams {
            let wants_head = headers::asks_for_extensions(&parts.headers);
            let (headers, events) = stream::open(outgoing, wants_head).await;
            stream_answer(headers, Either::Right(events))
        } else {
            self.unary_answer(outgoing).await
        }
    }

    async fn check_version(&self, peer: &Peer, endpoint: &Uri, asked: Version) -> Result<(), RpcError> {
        let speaks = match (peer.known(), asked) {
            (Some(speaks), _) => speaks,
            (None, Version::V03) => return Ok(()),
            (None, Version::V10) => peer.learn(&self.shared.upstream, endpoint).await.map_err(|error| {
                self.shared.config.metrics.count_upstream_error(error.label());
                tracing::info!(agent.endpoint = %endpoint, error = error.detail(), "agent's card cannot be fetched");
                error.to_rpc(endpoint)
            })?,
        };
        if speaks.speaks(asked) {
            Ok(())
        } else {
            Err(unsupported(asked))
        }
    }

    async fn unary_answer(&self, outgoing: Outgoing) -> Response<AnswerBody> {
        let (peer, method, id) = (Arc::clone(&outgoing.peer), outgoing.method, outgoing.id.clone());
        let mut counted = CountOnDrop::new(&peer, method);
        match unary::call(outgoing).await {
            Ok(answer) => {
                counted.outcome = if answer.is_error {
                    Outcome::AgentError
                } else {
                    Outcome::Ok
                };
                json_answer(answer.headers, answer.body)
            }
            Err(error) => {
                counted.outcome = Outcome::Failed;
                self.error_answer(&id, false, &error)
            }
        }
    }

    fn error_answer(&self, id: &str, streams: bool, error: &RpcError) -> Response<AnswerBody> {
        let now = self.shared.config.clock.now();
        if streams {
            let event = stream::single_event(&error.to_json(id, now));
            stream_answer(HeaderMap::new(), Either::Left(Full::new(event)))
        } else {
            json_answer(HeaderMap::new(), error.to_body(id, now))
        }
    }

    fn card_answer(&self, id: &str, version: Version, card: Result<AgentCard>) -> Response<AnswerBody> {
        let body = card.and_then(|card| extended_card::encode(card, version, id));
        match body {
            Ok(body) => json_answer(HeaderMap::new(), body.into()),
            Err(error) => {
                tracing::error!(error = error.chain(), "agent card cannot be made");
                self.error_answer(id, false, &RpcError::internal(error.message()))
            }
        }
    }
}

/// Counts a unary call when it ends, also when its caller leaves and the future is dropped.
struct CountOnDrop<'a> {
    peer: &'a Peer,
    method: Method,
    outcome: Outcome,
}

impl<'a> CountOnDrop<'a> {
    fn new(peer: &'a Peer, method: Method) -> Self {
        Self {
            peer,
            method,
            outcome: Outcome::Canceled,
        }
    }
}

impl Drop for CountOnDrop<'_> {
    fn drop(&mut self) {
        self.peer.count(Some(self.method), self.outcome);
    }
}

fn json_answer(mut headers: HeaderMap, body: Bytes) -> Response<AnswerBody> {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer(StatusCode::OK, headers, Either::Left(Full::new(body)))
}

fn stream_answer(mut headers: HeaderMap, body: AnswerBody) -> Response<AnswerBody> {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer(StatusCode::OK, headers, body)
}

/// A plain text answer, as Go's `http.Error` writes it.
pub fn text_answer(status: StatusCode, message: impl Into<String>) -> Response<AnswerBody> {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let mut message = message.into();
    message.push('\n');
    answer(status, headers, Either::Left(Full::new(message.into())))
}

fn answer(status: StatusCode, headers: HeaderMap, body: AnswerBody) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
