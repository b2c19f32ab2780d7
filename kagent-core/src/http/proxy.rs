//! Standalone mode only: requests with `x-kagent-host` go to that host, as kagent's proxy contract has it.
//!
//! Agents started as local processes cannot resolve each other's names; they reach agents and tools through here. A call
//! of an agent's JSON-RPC endpoint takes the way of every such call, so that its identity headers are ours.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::Response,
};
use http_body_util::{BodyExt, Either};

use super::{
    AppState,
    a2a::{authorize, serve_agent},
};
use crate::{
    a2a::headers::{X_KAGENT_SOURCE, X_USER_ID, remove_hop_by_hop},
    auth::Verb,
    ident::AgentRef,
    registry::{AGENT_PORT, AgentRoute},
    web::error::{error_response, plain_text},
};

/// Names the host that a request is meant for.
pub const X_KAGENT_HOST: HeaderName = HeaderName::from_static("x-kagent-host");

/// Middleware: passes requests that name a host on to it, and leaves all others alone.
pub async fn proxy_by_host(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let Some(host) = request.headers().get(&X_KAGENT_HOST).cloned() else {
        return next.run(request).await;
    };
    let Some((host, port)) = host.to_str().ok().and_then(split_host) else {
        return plain_text(StatusCode::BAD_REQUEST, "x-kagent-host is no host\n");
    };
    match find_agent(&state, &host, port) {
        Some(route) if is_call(&request) => call_agent(&state, route, request).await,
        _ => forward(&state, &host, port, request).await,
    }
}

/// `host[:port]`; agents' port where none is named.
fn split_host(text: &str) -> Option<(String, u16)> {
    let authority: http::uri::Authority = text.parse().ok()?;
    if authority.as_str().contains('@') {
        return None;
    }
    let port = authority.port_u16().unwrap_or(AGENT_PORT);
    Some((authority.host().to_owned(), port))
}

/// The agent that listens at this host, by `<name>.<namespace>` with or without the cluster's suffix.
fn find_agent(state: &AppState, host: &str, port: u16) -> Option<Arc<AgentRoute>> {
    let host = host.strip_suffix(".svc.cluster.local").unwrap_or(host);
    let (name, namespace) = host.rsplit_once('.')?;
    let route = state.routes.find_route(&AgentRef::new(namespace, name))?;
    (port == AGENT_PORT).then_some(route)
}

fn is_call(request: &Request) -> bool {
    request.method() == Method::POST && request.uri().path() == "/"
}

async fn call_agent(state: &AppState, route: Arc<AgentRoute>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let principal = match state.authenticator.authenticate(&parts).await {
        Ok(principal) => principal,
        Err(error) => return error_response(&error),
    };
    if let Err(error) = authorize(state, &principal, Verb::Create, &route.agent).await {
        return error_response(&error);
    }
    let mut extra_headers = HeaderMap::new();
    if let Some(source) = parts.headers.get(&X_KAGENT_SOURCE) {
        extra_headers.insert(X_KAGENT_SOURCE, source.clone());
    }
    serve_agent(state, route, principal, Request::from_parts(parts, body), extra_headers).await
}

/// Sends the request on as it is, but for the headers of this connection and who asks.
async fn forward(state: &AppState, host: &str, port: u16, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let principal = match state.authenticator.authenticate(&parts).await {
        Ok(principal) => principal,
        Err(error) => return error_response(&error),
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let Ok(target) = Uri::builder()
        .scheme("http")
        .authority(format!("{host}:{port}"))
        .path_and_query(path)
        .build()
    else {
        return plain_text(StatusCode::BAD_REQUEST, "x-kagent-host is no host\n");
    };
    parts.uri = target;
    parts.version = http::Version::HTTP_11;
    remove_hop_by_hop(&mut parts.headers);
    parts.headers.remove(X_KAGENT_HOST);
    parts.headers.remove(header::HOST);
    if let Ok(user) = HeaderValue::from_bytes(principal.user_id.as_bytes()) {
        parts.headers.insert(X_USER_ID, user);
    }
    let body = Either::Right(body.map_err(Into::into).boxed_unsync());
    match state
        .relay
        .upstream()
        .send(http::Request::from_parts(parts, body))
        .await
    {
        Ok(answer) => {
            let (mut parts, body) = answer.into_parts();
            remove_hop_by_hop(&mut parts.headers);
            Response::from_parts(parts, Body::new(body))
        }
        Err(error) => {
            tracing::info!(host, error = error.detail(), "proxied host gave no answer");
            plain_text(StatusCode::BAD_GATEWAY, "The host gave no answer\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_agents_port_unless_they_name_another() {
        assert_eq!(split_host("a.kagent"), Some(("a.kagent".to_owned(), 8080)));
        assert_eq!(split_host("tools.kagent:3000"), Some(("tools.kagent".to_owned(), 3000)));
        for bad in ["", "a b", "user@a.kagent"] {
            assert_eq!(split_host(bad), None, "{bad:?}");
        }
    }
}
