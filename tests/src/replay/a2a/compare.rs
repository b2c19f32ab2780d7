//! Recorded against seen, after masking what is volatile: each difference by field, with our exact answer.
//!
//! JSON is compared as JSON, event streams as lists of events. Of errors that the controller made, code, id and reason
//! count, and of their texts only the documented prefixes.

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    caller::Answered,
    case::{Case, UpstreamRequest},
    player::Received,
    wire::Head,
};

/// Texts that begin like this are a contract up to here; the status code after the second one as well.
const DOCUMENTED: [&str; 2] = ["failed to send HTTP request: ", "unexpected HTTP status: "];
/// Texts of the Go runtime and its libraries.
const GO_TEXTS: [&str; 5] = [
    "parse error: ",
    "invalid params: ",
    "failed to ",
    "SSE stream error: ",
    "internal error",
];
/// Headers of the hop that belong to its client and not to the contract.
const CLIENT_HEADERS: [&str; 7] = [
    "user-agent",
    "content-length",
    "accept-encoding",
    "referer",
    "transfer-encoding",
    "connection",
    "host",
];

/// A field that is not as recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Such as `calls.0.body` or `upstream.0.headers`.
    pub field: String,
    /// As recorded, masked.
    pub recorded: Value,
    /// As seen, masked; this is what `meant.toml` must state.
    pub seen: Value,
}

/// Everything in which a case differs from its recording.
///
/// # Errors
/// When the recording holds broken bytes.
pub fn compare_case(case: &Case, answers: &[Answered], received: &[Received]) -> Result<Vec<Difference>> {
    let scripts = serde_json::to_string(&script_texts(case)?)?;
    let mask = Mask { scripts: &scripts };
    let mut differences = Vec::new();
    let mut check = |field: String, recorded: Value, seen: Value| {
        if recorded != seen {
            differences.push(Difference { field, recorded, seen });
        }
    };
    for (index, (call, answer)) in case.calls.iter().zip(answers).enumerate() {
        let recorded_head = match &call.response.head {
            Some(head) => Some(Head::parse(&head.decode()?)),
            None => None,
        };
        let field = |name: &str| format!("calls.{index}.{name}");
        let seen_status = answer.head.as_ref().and_then(Head::status);
        check(field("status"), json!(call.response.status), json!(seen_status));
        check(field("end"), json!(call.response.end), json!(answer.end));
        let recorded = mask.body(recorded_head.as_ref(), &call.response.body.decode()?);
        let seen = mask.body(answer.head.as_ref(), &answer.body);
        let seen = forgive_texts(&recorded, seen);
        check(field("body"), recorded, seen);
    }
    check(
        "upstream.count".to_owned(),
        json!(case.upstream_requests.len()),
        json!(received.len()),
    );
    for (index, (recorded, seen)) in case.upstream_requests.iter().zip(received).enumerate() {
        let field = |name: &str| format!("upstream.{index}.{name}");
        let head = Head::parse(&recorded.head.decode()?);
        check(field("request"), json!(head.start), json!(seen.head.start));
        check(field("host"), json!(head.get("host")), json!(seen.head.get("host")));
        check(field("headers"), contract_headers(&head), contract_headers(&seen.head));
        check(
            field("body"),
            upstream_body(&recorded.body.decode()?),
            upstream_body(&seen.body),
        );
        check(field("connection"), json!(recorded.connection), json!(seen.connection));
        let closed = |request: &UpstreamRequest| request.peer_closed_ms.is_some();
        check(field("peer_closed"), json!(closed(recorded)), json!(seen.peer_closed));
    }
    Ok(differences)
}

fn script_texts(case: &Case) -> Result<Vec<String>> {
    case.upstream_script
        .iter()
        .flat_map(|entry| &entry.chunks)
        .map(|chunk| Ok(String::from_utf8_lossy(&chunk.bytes.decode()?).into_owned()))
        .collect()
}

fn contract_headers(head: &Head) -> Value {
    let mut headers: Vec<_> = head
        .headers
        .iter()
        .filter(|(name, _)| !CLIENT_HEADERS.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    headers.sort();
    json!(headers)
}

/// A request body at the agent, with its id masked.
pub fn upstream_body(body: &[u8]) -> Value {
    match serde_json::from_slice::<Value>(body) {
        Ok(mut json) => {
            unify_numbers(&mut json);
            if let Some(id) = json.get_mut("id") {
                *id = json!("(id)");
            }
            json
        }
        Err(_) => json!(String::from_utf8_lossy(body)),
    }
}

/// `1e3`, `1000.0` and `1000` are the same number.
fn unify_numbers(json: &mut Value) {
    match json {
        Value::Number(number) => {
            let whole = number
                .as_f64()
                .filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() < 2e15);
            if let Some(float) = whole {
                *json = json!(float as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(unify_numbers),
        Value::Object(members) => members.values_mut().for_each(unify_numbers),
        _ => {}
    }
}

struct Mask<'a> {
    /// What agents send in this case: times that stand there are not ours.
    scripts: &'a str,
}

impl Mask<'_> {
    fn body(&self, head: Option<&Head>, body: &[u8]) -> Value {
        let content_type = head.and_then(|head| head.get("content-type")).unwrap_or_default();
        if content_type.starts_with("text/event-stream") {
            return self.events(body);
        }
        self.json(&String::from_utf8_lossy(body))
    }

    fn json(&self, text: &str) -> Value {
        match serde_json::from_str::<Value>(text) {
            Ok(mut json) => {
                self.times(&mut json);
                unify_numbers(&mut json);
                json
            }
            Err(_) => json!(text),
        }
    }

    fn events(&self, body: &[u8]) -> Value {
        let text = String::from_utf8_lossy(body);
        let events = text.split("\n\n").filter_map(|block| {
            let has_id = block.lines().any(|line| line.starts_with("id: "));
            let data: Vec<_> = block.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
            let event = json!({"id": has_id, "data": self.json(&data.join("\n"))});
            (!data.is_empty()).then_some(event)
        });
        Value::Array(events.collect())
    }

    /// Masks the time of an `ErrorInfo` that the controller made.
    fn times(&self, json: &mut Value) {
        let infos = json.pointer_mut("/error/data").and_then(Value::as_array_mut);
        for info in infos.into_iter().flatten() {
            if let Some(time) = info.pointer_mut("/metadata/timestamp")
                && !time.as_str().is_some_and(|time| self.scripts.contains(time))
            {
                *time = json!("(time)");
            }
        }
    }
}

/// Takes over texts that are no contract, so that only what counts is left to differ.
fn forgive_texts(recorded: &Value, mut seen: Value) -> Value {
    if let (Value::Array(recorded), Value::Array(seen)) = (recorded, &mut seen) {
        for (recorded, seen) in recorded.iter().zip(seen) {
            if let (Some(recorded), Some(seen)) = (recorded.get("data"), seen.get_mut("data")) {
                forgive_text(recorded, seen);
            }
        }
    } else {
        forgive_text(recorded, &mut seen);
    }
    seen
}

fn forgive_text(recorded: &Value, seen: &mut Value) {
    let Some(expected) = recorded.pointer("/error/message").and_then(Value::as_str) else {
        return;
    };
    let text = seen
        .pointer("/error/message")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let prefix = |text: &str| {
        let documented = DOCUMENTED.iter().find(|prefix| text.starts_with(**prefix))?;
        // The status code is part of the second text's contract.
        let code = if *documented == DOCUMENTED[1] { 3 } else { 0 };
        text.get(..documented.len() + code).map(str::to_owned)
    };
    if recorded.pointer("/error/code") != seen.pointer("/error/code") {
        return;
    }
    let forgiven = match prefix(expected) {
        Some(expected) => prefix(text) == Some(expected),
        None => GO_TEXTS.iter().any(|go| expected.starts_with(go)) && prefix(text).is_none(),
    };
    if forgiven && let Some(message) = seen.pointer_mut("/error/message") {
        *message = json!(expected);
    }
}
