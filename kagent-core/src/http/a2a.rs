//! `/api/a2a/{namespace}/{name}/…`: agents' JSON-RPC endpoint and cards, on every replica.
//!
//! Any method and any sub-path lead to the JSON-RPC endpoint, but for the card's. Who asks is settled before anything is
//! said about an agent.

use std::{fmt::Display, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use kagent_api::a2a::AgentCard;
use sha2::{Digest, Sha256};

use super::AppState;
use crate::{
    a2a::{
        Exchange,
        relay::{AnswerBody, text_answer},
    },
    auth::{Principal, Resource, Verb},
    card::encode_card,
    error::Result,
    ident::AgentRef,
    registry::AgentRoute,
    web::error::error_response,
};

/// How long a card may be taken from a cache.
const CARD_MAX_AGE: &str = "max-age=60";
const CARD_PATHS: [&str; 2] = ["/.well-known/agent-card.json", "/.well-known/agent.json"];

/// The routes of agents, and those of sandbox agents, which are not enabled.
pub(crate) fn router() -> Router<AppState> {
    Router::new()
        .route("/api/a2a/{namespace}/{name}", any(call_agent))
        .route("/api/a2a/{namespace}/{name}/", any(call_agent))
        .route("/api/a2a/{namespace}/{name}/{*rest}", any(call_agent))
        .route("/api/a2a-sandboxes/{namespace}/{name}", any(call_sandbox))
        .route("/api/a2a-sandboxes/{namespace}/{name}/", any(call_sandbox))
        .route("/api/a2a-sandboxes/{namespace}/{name}/{*rest}", any(call_sandbox))
}

/// What the route's pattern found; `rest` is the decoded sub-path.
#[derive(serde::Deserialize)]
pub(super) struct AgentPath {
    namespace: String,
    name: String,
    #[serde(default)]
    rest: String,
}

impl AgentPath {
    /// The agent and sub-path of a path that needs neither decoding nor cleaning.
    pub(super) fn parse_plain(path: &str) -> Option<Self> {
        let inner = path.strip_prefix("/api/a2a/")?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~/.:".contains(&byte);
        let is_clean = |segment: &str| !matches!(segment, "." | "..");
        if !inner.bytes().all(is_plain) || inner.contains("//") || !inner.split('/').all(is_clean) {
            return None;
        }
        let (namespace, rest) = inner.split_once('/')?;
        let (name, rest) = rest.split_once('/').unwrap_or((rest, ""));
        (!namespace.is_empty() && !name.is_empty()).then(|| Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            rest: rest.to_owned(),
        })
    }

    fn is_card(&self) -> bool {
        let rest = &self.rest;
        CARD_PATHS.iter().any(|path| rest.ends_with(path) || *rest == path[1..])
    }
}

async fn call_agent(State(state): State<AppState>, Path(path): Path<AgentPath>, request: Request) -> Response {
    answer(&state, path, request).await
}

/// Answers a request to an agent, once it is clear who asks.
pub(super) async fn answer<B>(state: &AppState, path: AgentPath, request: Request<B>) -> Response
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let is_card = path.is_card();
    if is_card && request.method() == Method::OPTIONS {
        return preflight(request.headers());
    }
    let (parts, body) = request.into_parts();
    let principal = match state.authenticator.authenticate(&parts).await {
        Ok(principal) => principal,
        Err(error) => return error_response(&error),
    };
    let agent = AgentRef::new(path.namespace, path.name);
    let Some(route) = state.routes.find_route(&agent) else {
        return not_found(&agent.to_string());
    };
    let verb = if is_card { Verb::Get } else { Verb::Create };
    if let Err(error) = authorize(state, &principal, verb, &agent).await {
        return error_response(&error);
    }
    if is_card {
        return card_response(&parts.method, &parts.headers, build_card(state, &route));
    }
    let request = Request::from_parts(parts, body);
    serve_agent(state, route, principal, request, HeaderMap::new()).await
}

/// The JSON-RPC endpoint of an agent, for a caller who may use it.
pub(super) async fn serve_agent<B>(
    state: &AppState,
    route: Arc<AgentRoute>,
    principal: Principal,
    request: Request<B>,
    extra_headers: HeaderMap,
) -> Response
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let exchange = Exchange {
        route: Arc::clone(&route),
        user_id: principal.user_id,
        request,
        extra_headers,
    };
    let answer = state.relay.serve(exchange, || build_card(state, &route)).await;
    into_response(answer)
}

async fn call_sandbox(State(state): State<AppState>, Path(path): Path<AgentPath>, request: Request) -> Response {
    let (parts, _body) = request.into_parts();
    if let Err(error) = state.authenticator.authenticate(&parts).await {
        return error_response(&error);
    }
    not_found(&format!("sandboxes/{}/{}", path.namespace, path.name))
}

/// Whether the principal may do this with the agent.
pub(super) async fn authorize(state: &AppState, principal: &Principal, verb: Verb, agent: &AgentRef) -> Result<()> {
    let resource = Resource {
        kind: "Agent",
        name: &[agent.namespace.as_str(), "/", agent.name.as_str()].concat(),
    };
    state.authorizer.authorize(principal, verb, resource).await
}

fn build_card(state: &AppState, route: &AgentRoute) -> Result<AgentCard> {
    state.cards.card(&route.resource, &state.base_url)
}

fn not_found(agent: &str) -> Response {
    into_response(text_answer(StatusCode::NOT_FOUND, format!("Agent {agent} not found")))
}

/// An answer of the relay as one of the router.
fn into_response(answer: axum::http::Response<AnswerBody>) -> Response {
    answer.map(Body::new)
}

/// Cards may be read by pages of any origin.
fn allow_origin(request: &HeaderMap, response: &mut HeaderMap) {
    match request.get(header::ORIGIN) {
        Some(origin) => {
            response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            response.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
            response.insert(header::VARY, HeaderValue::from_static("Origin"));
        }
        None => {
            response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
    }
}

/// A browser asks before it has credentials to send, so nobody is asked who they are, and no agent is looked up.
fn preflight(request: &HeaderMap) -> Response {
    let mut response = StatusCode::OK.into_response();
    let headers = response.headers_mut();
    allow_origin(request, headers);
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, OPTIONS"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
        (header::CONTENT_TYPE, "application/json"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn card_response(method: &Method, request: &HeaderMap, card: Result<AgentCard>) -> Response {
    if method != Method::GET && method != Method::HEAD {
        let json = [(header::CONTENT_TYPE, "application/json")];
        return (StatusCode::METHOD_NOT_ALLOWED, json).into_response();
    }
    let text = match card.and_then(|card| encode_card(&card)) {
        Ok(text) => text,
        Err(error) => return error_response(&error),
    };
    let digest = Sha256::digest(text.as_bytes());
    let tag = digest[..12]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    let tag = format!("\"{tag}\"");
    let mut response = if is_known(request, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/json")], text).into_response()
    };
    let headers = response.headers_mut();
    allow_origin(request, headers);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CARD_MAX_AGE));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Whether the reader has the card with this tag already (RFC 9110, section 13.1.2).
fn is_known(request: &HeaderMap, tag: &str) -> bool {
    request
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn card() -> Result<AgentCard> {
        Ok(AgentCard {
            description: "<b>".to_owned(),
            ..AgentCard::default()
        })
    }

    #[tokio::test]
    async fn cards_are_served_with_a_tag_and_not_sent_twice() {
        let mut request = HeaderMap::new();
        let response = card_response(&Method::GET, &request, card());
        assert_eq!(response.headers()["cache-control"], CARD_MAX_AGE);
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        let tag = response.headers()["etag"].clone();
        let body = response.into_body().collect().await.expect("body").to_bytes();
        assert!(String::from_utf8_lossy(&body).contains(r"\u003cb\u003e"));
        request.insert(header::IF_NONE_MATCH, tag);
        request.insert(header::ORIGIN, HeaderValue::from_static("http://ui"));
        let response = card_response(&Method::GET, &request, card());
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(response.headers()["access-control-allow-origin"], "http://ui");
        assert_eq!(response.headers()["vary"], "Origin");
    }

    #[test]
    fn cards_are_only_read() {
        let response = card_response(&Method::DELETE, &HeaderMap::new(), card());
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn only_plain_paths_take_the_shortcut() {
        let parse = |path: &str| {
            AgentPath::parse_plain(path).map(|path| format!("{}|{}|{}", path.namespace, path.name, path.rest))
        };
        for (path, parsed) in [
            ("/api/a2a/kagent/a", "kagent|a|"),
            ("/api/a2a/kagent/a/", "kagent|a|"),
            ("/api/a2a/kagent/a/v1/message:send", "kagent|a|v1/message:send"),
            (
                "/api/a2a/kagent/a.b/.well-known/agent-card.json",
                "kagent|a.b|.well-known/agent-card.json",
            ),
        ] {
            assert_eq!(parse(path).as_deref(), Some(parsed));
        }
        for path in [
            "/api/a2a/kagent",
            "/api/a2a/kagent/",
            "/api/a2a/kagent//a/",
            "/api/a2a/kagent/a//",
            "/api/a2a/kagent/b/../a/",
            "/api/a2a/kagent/%61/",
            "/api/agents",
        ] {
            assert_eq!(parse(path), None, "{path}");
        }
    }

    #[test]
    fn card_paths_count_at_any_depth() {
        let path = |rest: &str| AgentPath {
            namespace: String::new(),
            name: String::new(),
            rest: rest.to_owned(),
        };
        for rest in [
            ".well-known/agent-card.json",
            ".well-known/agent.json",
            "a/b/.well-known/agent-card.json",
        ] {
            assert!(path(rest).is_card(), "{rest}");
        }
        for rest in [
            "",
            "x.well-known/agent-card.json",
            ".well-known/AGENT-CARD.json",
            ".well-known/agent-card.json/",
        ] {
            assert!(!path(rest).is_card(), "{rest}");
        }
    }
}
