//! A look at the frame of JSON-RPC documents in one pass, without copying or re-writing what is inside.
//!
//! Reading is lenient where the Go controller is: the last of repeated keys counts and bytes after the document are cut.

mod document;

use std::{borrow::Cow, fmt, ops::Range};

use bytes::Bytes;
use serde_json::value::RawValue;

use self::document::{Document, Params, Shape, read_document, read_members, text};
use super::{error::RpcError, version::Version};

/// Deeper nesting than this is refused, as agents' own parsers fail on it.
const MAX_DEPTH: usize = 10_000;

/// What a method of the protocol needs from the relay.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Method {
    /// Sends a message, one answer.
    Send,
    /// Sends a message, answers stream.
    SendStream,
    /// Reads a task.
    GetTask,
    /// Lists tasks.
    ListTasks,
    /// Cancels a task.
    CancelTask,
    /// Follows a task, answers stream.
    Subscribe,
    /// Push notification settings.
    PushConfig,
    /// The extended agent card, answered here.
    ExtendedCard,
}

impl Method {
    /// All methods, for counters.
    pub const COUNT: usize = 8;

    /// The method that `name` is in this version.
    pub fn find(name: &str, version: Version) -> Option<Self> {
        Some(match (version, name) {
            (Version::V03, "message/send") | (Version::V10, "SendMessage") => Self::Send,
            (Version::V03, "message/stream") | (Version::V10, "SendStreamingMessage") => Self::SendStream,
            (Version::V03, "tasks/get") | (Version::V10, "GetTask") => Self::GetTask,
            (Version::V10, "ListTasks") => Self::ListTasks,
            (Version::V03, "tasks/cancel") | (Version::V10, "CancelTask") => Self::CancelTask,
            (Version::V03, "tasks/resubscribe") | (Version::V10, "SubscribeToTask") => Self::Subscribe,
            (
                Version::V03,
                "tasks/pushNotificationConfig/set"
                | "tasks/pushNotificationConfig/get"
                | "tasks/pushNotificationConfig/list"
                | "tasks/pushNotificationConfig/delete",
            )
            | (
                Version::V10,
                "CreateTaskPushNotificationConfig"
                | "GetTaskPushNotificationConfig"
                | "ListTaskPushNotificationConfigs"
                | "DeleteTaskPushNotificationConfig",
            ) => Self::PushConfig,
            (Version::V03, "agent/getAuthenticatedExtendedCard") | (Version::V10, "GetExtendedAgentCard") => {
                Self::ExtendedCard
            }
            _ => return None,
        })
    }

    /// Whether the answer is an event stream.
    pub fn streams(self) -> bool {
        matches!(self, Self::SendStream | Self::Subscribe)
    }

    /// A short name for metrics, the same in both versions.
    pub fn label(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::SendStream => "send_stream",
            Self::GetTask => "get_task",
            Self::ListTasks => "list_tasks",
            Self::CancelTask => "cancel_task",
            Self::Subscribe => "subscribe",
            Self::PushConfig => "push_config",
            Self::ExtendedCard => "extended_card",
        }
    }
}

/// The frame of a caller's request.
#[derive(Debug, PartialEq)]
pub struct Frame {
    /// The id as raw JSON: a string, a number or `null`.
    pub id: String,
    /// Which method.
    pub method: Method,
    /// Length of the JSON document; what follows is not part of it.
    pub length: usize,
}

/// An error about a request's frame, with what is known of the id and of the kind of answer.
#[derive(Debug, PartialEq)]
pub struct BadFrame {
    /// Raw JSON of the caller's id, `null` when it could not be read.
    pub id: String,
    /// Whether the answer is an event stream.
    pub streams: bool,
    /// What to answer.
    pub error: RpcError,
}

/// Looks at a caller's request.
///
/// # Errors
/// What to answer when the body is not JSON, not a request, names no method of `version`, or lacks its parameters.
pub fn peek_request(body: &[u8], version: Version) -> Result<Frame, BadFrame> {
    let bad = |id: &str, streams, error| BadFrame {
        id: id.to_owned(),
        streams,
        error,
    };
    if exceeds_depth(body, MAX_DEPTH) {
        let error = RpcError::parse("the document is nested too deeply");
        return Err(bad("null", false, error));
    }
    let (members, length) = match read_document(body) {
        Err(detail) => return Err(bad("null", false, RpcError::parse(detail))),
        Ok((Document::Null, _)) => return Err(bad("null", false, RpcError::invalid_request())),
        Ok((Document::Other, _)) => {
            let error = RpcError::invalid_params("the body is not an object");
            return Err(bad("null", false, error));
        }
        Ok((Document::Object(members), length)) => (members, length),
    };
    let (Ok(jsonrpc), Ok(method)) = (text(members.jsonrpc), text(members.method)) else {
        let error = RpcError::invalid_params("jsonrpc and method are not strings");
        return Err(bad("null", false, error));
    };
    let id = members.id.map_or("null", RawValue::get);
    if matches!(Shape::of(id), Shape::Object | Shape::Array | Shape::Bool) {
        return Err(bad("null", false, RpcError::invalid_request()));
    }
    if jsonrpc != "2.0" || method.is_empty() {
        return Err(bad(id, false, RpcError::invalid_request()));
    }
    let Some(method) = Method::find(&method, version) else {
        return Err(bad(id, false, RpcError::method_not_found()));
    };
    check_params(method, members.params).map_err(|error| bad(id, method.streams(), error))?;
    Ok(Frame {
        id: id.to_owned(),
        method,
        length,
    })
}

fn check_params(method: Method, params: Option<Params>) -> Result<(), RpcError> {
    let optional = matches!(method, Method::ExtendedCard | Method::ListTasks);
    let Some(params) = params else {
        return if optional {
            Ok(())
        } else {
            Err(RpcError::invalid_params("params are missing"))
        };
    };
    match params.shape {
        Shape::Object => {}
        Shape::Null if optional => return Ok(()),
        _ => return Err(RpcError::invalid_params("params are not an object")),
    }
    if matches!(method, Method::Send | Method::SendStream) && params.message != Some(Shape::Object) {
        return Err(RpcError::invalid_params("params.message is not an object"));
    }
    Ok(())
}

/// What an agent's response document holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Where its id stands, if it has one.
    id: Option<Range<usize>>,
    /// Whether there is an error instead of a result.
    pub is_error: bool,
    /// The code of that error.
    pub error_code: Option<i64>,
    /// Length of the JSON document; what follows is not part of it.
    pub length: usize,
}

/// Looks at an agent's response document, and whether it is one that `method` may return.
///
/// # Errors
/// What to answer instead when it is no JSON-RPC response.
pub fn peek_answer(body: &[u8], method: Method) -> Result<Answer, RpcError> {
    let undecodable = |detail: &dyn fmt::Display| RpcError::internal(format!("failed to decode response: {detail}"));
    let (document, length) = read_document(body).map_err(|detail| undecodable(&detail))?;
    let Document::Object(members) = document else {
        return Err(undecodable(&"it is not an object"));
    };
    let id = members.id.map(|id| range_within(body, id));
    let error = members.error.map(RawValue::get);
    if let Some(error) = error.filter(|error| Shape::of(error) != Shape::Null) {
        if Shape::of(error) != Shape::Object {
            return Err(undecodable(&"error is not an object"));
        }
        let members = read_members(error).map_err(|detail| undecodable(&detail))?;
        let Some(code) = members.code.and_then(|code| code.get().parse().ok()) else {
            let message = text(members.message).unwrap_or_default();
            return Err(RpcError::internal(if message.is_empty() {
                Cow::Borrowed("internal error")
            } else {
                message
            }));
        };
        return Ok(Answer {
            id,
            is_error: true,
            error_code: Some(code),
            length,
        });
    }
    let Some(result) = members.result.map(RawValue::get) else {
        return Err(undecodable(&"it has neither result nor error"));
    };
    check_result(method, result)?;
    Ok(Answer {
        id,
        is_error: false,
        error_code: None,
        length,
    })
}

/// A task cannot be nothing, nor a message.
fn check_result(method: Method, result: &str) -> Result<(), RpcError> {
    let is_task = matches!(method, Method::GetTask | Method::CancelTask);
    if !is_task && method != Method::Send {
        return Ok(());
    }
    match Shape::of(result) {
        Shape::Null => Err(RpcError::invalid_agent_response("the result is null")),
        Shape::Object if is_task => {
            let kind = read_members(result).ok().and_then(|members| members.kind);
            if kind.is_some_and(|kind| kind.get() == "\"message\"") {
                return Err(RpcError::invalid_agent_response("the result is a message, not a task"));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The response document under the caller's id: the same bytes where the agent kept the id, else only the id differs.
pub fn with_id<'a>(body: &'a [u8], answer: &Answer, id: &str) -> Cow<'a, [u8]> {
    let document = &body[..answer.length];
    match &answer.id {
        Some(range) if &document[range.clone()] == id.as_bytes() => Cow::Borrowed(document),
        Some(range) => Cow::Owned([&document[..range.start], id.as_bytes(), &document[range.end..]].concat()),
        None => {
            // The document is an object with at least one member, so a comma may follow.
            let start = document
                .iter()
                .position(|&byte| byte == b'{')
                .map_or(0, |brace| brace + 1);
            let (head, rest) = document.split_at(start);
            Cow::Owned([head, b"\"id\":", id.as_bytes(), b",", rest].concat())
        }
    }
}

/// As [`with_id`], sharing the bytes where they stay the same.
pub fn answer_under(body: &Bytes, answer: &Answer, id: &str) -> Bytes {
    match with_id(body, answer, id) {
        Cow::Borrowed(_) => body.slice(..answer.length),
        Cow::Owned(document) => document.into(),
    }
}

/// Where a value that was borrowed from `body` stands in it.
fn range_within(body: &[u8], value: &RawValue) -> Range<usize> {
    let start = value.get().as_ptr().addr() - body.as_ptr().addr();
    start..start + value.get().len()
}

/// Whether arrays and objects are nested deeper than `limit`; strings are skipped.
fn exceeds_depth(json: &[u8], limit: usize) -> bool {
    if json.len() <= limit {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(body: &str) -> Result<Frame, (i32, String)> {
        peek_request(body.as_bytes(), Version::V03).map_err(|bad| (bad.error.code, bad.id))
    }

    fn answer(body: &str, method: Method, id: &str) -> Result<String, i32> {
        let answer = peek_answer(body.as_bytes(), method).map_err(|error| error.code)?;
        let bytes = with_id(body.as_bytes(), &answer, id).into_owned();
        Ok(String::from_utf8(bytes).expect("text"))
    }

    #[test]
    fn frame_errors_are_those_of_the_recordings() {
        for (body, code, id) in [
            ("", -32700, "null"),
            ("   ", -32700, "null"),
            ("{\"jsonrpc\":", -32700, "null"),
            ("{'jsonrpc':'2.0'}", -32700, "null"),
            ("\0", -32700, "null"),
            ("[]", -32602, "null"),
            ("5", -32602, "null"),
            ("\"x\"", -32602, "null"),
            ("null", -32600, "null"),
            (r#"{"jsonrpc":2.0,"id":1,"method":"tasks/get"}"#, -32602, "null"),
            (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, -32602, "null"),
            (r#"{"jsonrpc":"1.0","id":1,"method":"tasks/get"}"#, -32600, "1"),
            (r#"{"id":1,"method":"tasks/get"}"#, -32600, "1"),
            (r#"{"jsonrpc":"2.0","id":[1],"method":"tasks/get"}"#, -32600, "null"),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, -32600, "1"),
            (
                r#"{"jsonrpc":"2.0","id":"a","method":"tasks/list","params":{}}"#,
                -32601,
                "\"a\"",
            ),
            (r#"{"jsonrpc":"2.0","id":1,"method":"message/send"}"#, -32602, "1"),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"message/send","params":null}"#,
                -32602,
                "1",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"message/send","params":[]}"#,
                -32602,
                "1",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"message/send","params":{"message":null}}"#,
                -32602,
                "1",
            ),
        ] {
            assert_eq!(request(body), Err((code, id.to_owned())), "{body}");
        }
    }

    #[test]
    fn last_of_repeated_keys_counts_and_trailing_bytes_are_cut() {
        let body = r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"tasks/get","params":{}}"#;
        let frame = request(&format!("{body} xyz")).expect("frame");
        assert_eq!((frame.id.as_str(), frame.length), ("2", body.len()));
    }

    #[test]
    fn nesting_is_bounded_and_strings_do_not_count() {
        let deep = |levels: usize| {
            let value = "[".repeat(levels) + &"]".repeat(levels);
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{{"x":{value}}}}}"#)
        };
        assert!(request(&deep(9_000)).is_ok());
        assert_eq!(request(&deep(10_001)), Err((-32700, "null".to_owned())));
        let brackets = "[\\\"".repeat(10_001);
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{{"x":"{brackets}"}}}}"#);
        assert!(request(&body).is_ok());
    }

    #[test]
    fn answers_come_under_the_callers_id_and_are_otherwise_untouched() {
        let same = r#"{ "jsonrpc":"2.0", "id": 7, "result": {"n":12345678901234567890, "x":null} }"#;
        assert_eq!(answer(same, Method::Send, "7").as_deref(), Ok(same));
        assert_eq!(
            answer(r#"{"id":"other","result":{}} tail"#, Method::Send, "7").as_deref(),
            Ok(r#"{"id":7,"result":{}}"#)
        );
        assert_eq!(
            answer(r#"{"result":{}}"#, Method::Send, "\"a\"").as_deref(),
            Ok(r#"{"id":"a","result":{}}"#)
        );
    }

    #[test]
    fn errors_of_the_agent_pass_with_any_code_and_data() {
        for body in [
            r#"{"id":1,"error":{"code":-32050,"message":"x"}}"#,
            r#"{"id":1,"error":{"code":-32001,"message":"","data":"text"}}"#,
            r#"{"id":1,"error":{"code":404,"data":{"a":1}}}"#,
        ] {
            assert_eq!(answer(body, Method::Send, "1").as_deref(), Ok(body));
        }
    }

    #[test]
    fn what_is_no_response_is_an_internal_error() {
        for body in [
            "",
            "null",
            "[]",
            "<html>",
            r#"{"id":1}"#,
            r#"{"id":1,"error":null}"#,
            r#"{"id":1,"error":"boom"}"#,
            r#"{"id":1,"error":{}}"#,
            r#"{"id":1,"error":{"code":"-32001"}}"#,
            r#"{"id":1,"error":{"code":1.5}}"#,
        ] {
            assert_eq!(answer(body, Method::Send, "1"), Err(-32603), "{body}");
        }
    }

    #[test]
    fn a_task_is_neither_null_nor_a_message() {
        for body in [r#"{"id":1,"result":null}"#, r#"{"id":1,"result":{"kind":"message"}}"#] {
            assert_eq!(answer(body, Method::GetTask, "1"), Err(-32006));
            assert!(answer(body, Method::PushConfig, "1").is_ok());
        }
    }
}
