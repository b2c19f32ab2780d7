//! JSON-RPC errors that this side makes, and their bytes.
//!
//! `message` is for clients: it never holds an address or the text of a cause.

use bytes::Bytes;
use jiff::{Timestamp, Unit};
use serde::Serialize;
use serde_json::value::RawValue;

/// A JSON-RPC error with the reason that its `ErrorInfo` carries.
#[derive(Clone, Debug, PartialEq)]
pub struct RpcError {
    /// JSON-RPC or A2A code.
    pub code: i32,
    /// `google.rpc.ErrorInfo.reason`.
    pub reason: &'static str,
    /// Text for the caller.
    pub message: String,
}

impl RpcError {
    fn new(code: i32, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
        }
    }

    /// The body is not JSON (-32700).
    pub fn parse(detail: impl std::fmt::Display) -> Self {
        Self::new(-32700, "PARSE_ERROR", format!("parse error: {detail}"))
    }

    /// The frame is not a JSON-RPC request (-32600).
    pub fn invalid_request() -> Self {
        Self::new(-32600, "INVALID_REQUEST", "invalid request")
    }

    /// The body is larger than is allowed (-32600, sent with HTTP 413).
    pub fn too_large(limit: usize) -> Self {
        Self::new(
            -32600,
            "INVALID_REQUEST",
            format!("the request body is larger than {limit} bytes"),
        )
    }

    /// No such method in the caller's version (-32601).
    pub fn method_not_found() -> Self {
        Self::new(-32601, "METHOD_NOT_FOUND", "method not found")
    }

    /// Something in the request has the wrong shape (-32602).
    pub fn invalid_params(detail: impl std::fmt::Display) -> Self {
        Self::new(-32602, "INVALID_PARAMS", format!("invalid params: {detail}"))
    }

    /// A fault on the way to the agent or of the agent (-32603).
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(-32603, "INTERNAL_ERROR", message)
    }

    /// The agent answered with something that the method cannot return (-32006).
    pub fn invalid_agent_response(detail: impl std::fmt::Display) -> Self {
        Self::new(
            -32006,
            "INVALID_AGENT_RESPONSE",
            format!("invalid agent response: {detail}"),
        )
    }

    /// The agent speaks another version of the protocol (-32009).
    pub fn version_not_supported(message: impl Into<String>) -> Self {
        Self::new(-32009, "VERSION_NOT_SUPPORTED", message)
    }

    /// The response document to a request with this id (raw JSON), with a final newline.
    pub fn to_body(&self, id: &str, now: Timestamp) -> Bytes {
        let mut body = self.to_json(id, now);
        body.push(b'\n');
        body.into()
    }

    /// As [`RpcError::to_body`], without the newline.
    pub fn to_json(&self, id: &str, now: Timestamp) -> Vec<u8> {
        let null = || RawValue::from_string("null".to_owned());
        let document = Document {
            jsonrpc: "2.0",
            id: RawValue::from_string(id.to_owned()).or_else(|_| null()).ok(),
            error: ErrorObject {
                code: self.code,
                message: &self.message,
                data: [ErrorInfo {
                    r#type: "type.googleapis.com/google.rpc.ErrorInfo",
                    domain: "a2a-protocol.org",
                    metadata: Metadata {
                        timestamp: now.round(Unit::Second).unwrap_or(now).to_string(),
                    },
                    reason: self.reason,
                }],
            },
        };
        serde_json::to_vec(&document).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Document<'a> {
    jsonrpc: &'a str,
    id: Option<Box<RawValue>>,
    error: ErrorObject<'a>,
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    code: i32,
    message: &'a str,
    data: [ErrorInfo<'a>; 1],
}

#[derive(Serialize)]
struct ErrorInfo<'a> {
    #[serde(rename = "@type")]
    r#type: &'a str,
    domain: &'a str,
    metadata: Metadata,
    reason: &'a str,
}

#[derive(Serialize)]
struct Metadata {
    timestamp: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_is_what_the_go_controller_writes() {
        let now: Timestamp = "2026-11-22T05:03:38.2Z".parse().expect("time");
        let body = RpcError::invalid_request().to_body("1", now);
        assert_eq!(
            std::str::from_utf8(&body).expect("text"),
            concat!(
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"invalid request","data":"#,
                r#"[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"a2a-protocol.org","#,
                r#""metadata":{"timestamp":"2026-11-22T05:03:38Z"},"reason":"INVALID_REQUEST"}]}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn ids_keep_their_text() {
        let big = "123456789012345678901234567890";
        let json = RpcError::method_not_found().to_json(big, Timestamp::UNIX_EPOCH);
        assert!(String::from_utf8(json).expect("text").contains(big));
    }
}
