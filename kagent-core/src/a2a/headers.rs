//! Which headers cross the hop, in both directions. Everything that is not named here stays behind.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::version::{A2A_VERSION, Version};

/// The user on whose behalf a request is made.
pub const X_USER_ID: HeaderName = HeaderName::from_static("x-user-id");
/// Tells a caller's server apart from a person (`agent`); agents set it when they call agents.
pub const X_KAGENT_SOURCE: HeaderName = HeaderName::from_static("x-kagent-source");
/// Names a request in logs.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Extensions that are asked for, or were activated (1.0; 0.3 writes it with `X-`).
pub const A2A_EXTENSIONS: [HeaderName; 2] = [
    HeaderName::from_static("a2a-extensions"),
    HeaderName::from_static("x-a2a-extensions"),
];
const TRACE: [HeaderName; 2] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];
/// Headers that belong to one connection (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// The headers of a JSON-RPC request to an agent.
pub fn build_request_headers(caller: &HeaderMap, user_id: &str, version: Version, streams: bool) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(A2A_VERSION, version.header_value());
    if streams {
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
    }
    if let Some(value) = caller.get(header::AUTHORIZATION).filter(|value| !value.is_empty()) {
        headers.insert(header::AUTHORIZATION, value.clone());
    }
    if let Some(value) = user_header(caller, user_id) {
        headers.insert(X_USER_ID, value);
    }
    for name in TRACE {
        if let Some(value) = caller.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    copy_extensions(caller, &mut headers);
    headers
}

/// The verified user. Where the caller named the same one, in whatever encoding, the caller's bytes are kept.
fn user_header(caller: &HeaderMap, user: &str) -> Option<HeaderValue> {
    let same = caller.get(X_USER_ID).filter(|value| {
        let latin_1 = || value.as_bytes().iter().map(|&byte| char::from(byte)).eq(user.chars());
        value.as_bytes() == user.as_bytes() || String::from_utf8_lossy(value.as_bytes()) == user || latin_1()
    });
    match same {
        Some(value) => Some(value.clone()),
        None => HeaderValue::from_bytes(user.as_bytes()).ok(),
    }
}

/// Whether the caller asks for extensions, so that the answer's head matters.
pub fn asks_for_extensions(caller: &HeaderMap) -> bool {
    A2A_EXTENSIONS.iter().any(|name| caller.contains_key(name))
}

/// Copies what names extensions; nothing else of an agent's answer reaches the caller.
pub fn copy_extensions(from: &HeaderMap, to: &mut HeaderMap) {
    for name in A2A_EXTENSIONS {
        for value in from.get_all(&name) {
            to.append(name.clone(), value.clone());
        }
    }
}

/// Takes out what belongs to one connection, also what `Connection` names.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller() -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer a"),
            ("authorization", "Bearer b"),
            ("x-user-id", "mallory"),
            ("x-agent-name", "kagent__NS__other"),
            ("traceparent", "00-1-2-01"),
            ("tracestate", "a=1"),
            ("baggage", "k=v"),
            ("a2a-extensions", "https://ext/one"),
            ("x-a2a-extensions", "https://ext/two"),
            ("cookie", "a=b"),
            ("x-forwarded-for", "10.0.0.1"),
            ("connection", "close, x-custom"),
            ("x-custom", "1"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn only_named_headers_reach_the_agent_and_the_user_is_the_verified_one() {
        let headers = build_request_headers(&caller(), "alice@example.com", Version::V03, true);
        let mut found: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
            .collect();
        found.sort();
        assert_eq!(
            found,
            [
                "a2a-extensions: https://ext/one",
                "a2a-version: 0.3",
                "accept: text/event-stream",
                "authorization: Bearer a",
                "content-type: application/json",
                "traceparent: 00-1-2-01",
                "tracestate: a=1",
                "x-a2a-extensions: https://ext/two",
                "x-user-id: alice@example.com",
            ]
        );
    }

    #[test]
    fn hop_by_hop_headers_and_those_named_by_connection_go() {
        let mut headers = caller();
        remove_hop_by_hop(&mut headers);
        assert!(!headers.contains_key("connection") && !headers.contains_key("x-custom"));
        assert!(headers.contains_key("cookie"));
    }
}
