//! A task between the wire shapes: what 0.3 and 1.0 can both say.

use jiff::{Timestamp, civil::DateTime, tz::Offset};

use crate::gocompat::{Json, TimeLayout, parse_time};

/// Why a body is no task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TaskError {
    /// Its JSON has not the form of a task; Go's text.
    Body(String),
    /// Its form is right, a value is not.
    Payload(String),
}

impl From<String> for TaskError {
    fn from(reason: String) -> Self {
        Self::Body(reason)
    }
}

/// A task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task {
    /// Id; may be empty on input.
    pub id: String,
    /// Context (session) id; may be empty.
    pub context_id: String,
    /// Where it stands.
    pub status: Status,
    /// What was said so far.
    pub history: Vec<Message>,
    /// What came out.
    pub artifacts: Vec<Artifact>,
    /// Free data.
    pub metadata: Option<Json>,
}

/// The status of a task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// State.
    pub state: State,
    /// What the agent says to it.
    pub message: Option<Message>,
    /// Since when.
    pub timestamp: Option<Timestamp>,
}

/// The state of a task.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum State {
    /// Not known, or of a version that came later.
    #[default]
    Unknown,
    /// One of `STATES`, by its 0.3 name.
    Known(&'static str),
    /// A word that 1.0 does not define, kept for the sender of a 1.0 body.
    Other(String),
}

/// The states by their 0.3 and 1.0 names.
pub(super) const STATES: [(&str, &str); 8] = [
    ("submitted", "TASK_STATE_SUBMITTED"),
    ("working", "TASK_STATE_WORKING"),
    ("input-required", "TASK_STATE_INPUT_REQUIRED"),
    ("completed", "TASK_STATE_COMPLETED"),
    ("canceled", "TASK_STATE_CANCELED"),
    ("failed", "TASK_STATE_FAILED"),
    ("rejected", "TASK_STATE_REJECTED"),
    ("auth-required", "TASK_STATE_AUTH_REQUIRED"),
];

/// Who speaks.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Role {
    /// The user's side.
    User,
    /// The agent; also whatever is neither.
    #[default]
    Agent,
    /// A word that 1.0 does not define, kept for the sender of a 1.0 body.
    Other(String),
}

/// A message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// Id, chosen by the sender.
    pub message_id: String,
    /// Context; may be empty.
    pub context_id: String,
    /// Task; may be empty.
    pub task_id: String,
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub parts: Vec<Part>,
    /// Free data.
    pub metadata: Option<Json>,
    /// URIs of extensions.
    pub extensions: Vec<String>,
    /// Tasks that are referred to.
    pub reference_task_ids: Vec<String>,
}

/// An artifact.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Artifact {
    /// Id.
    pub artifact_id: String,
    /// Name; may be empty.
    pub name: String,
    /// Description; may be empty.
    pub description: String,
    /// What it consists of.
    pub parts: Vec<Part>,
    /// Free data.
    pub metadata: Option<Json>,
    /// URIs of extensions.
    pub extensions: Vec<String>,
}

/// A part of a message or artifact.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it holds.
    pub content: Content,
    /// File name; may be empty.
    pub name: String,
    /// Media type; may be empty.
    pub media_type: String,
    /// Free data.
    pub metadata: Option<Json>,
}

/// What a part holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Text.
    Text(String),
    /// Any JSON value.
    Data(Json),
    /// A file's bytes: base64 as it was sent, or (in rows of the Go controller) text that it had decoded.
    Bytes(String),
    /// A file's address.
    Uri(String),
}

/// A timestamp of a task. One without zone is UTC: old Python runtimes wrote such.
pub(super) fn parse_timestamp(text: &str) -> Result<Option<Timestamp>, TaskError> {
    if text.is_empty() {
        return Ok(None);
    }
    parse_time(text, TimeLayout::Rfc3339Nano)
        .or_else(|reason| {
            let zoneless = text.contains('T').then(|| text.parse::<DateTime>().ok()).flatten();
            zoneless
                .and_then(|time| Offset::UTC.to_timestamp(time).ok())
                .ok_or(reason)
        })
        .map(Some)
        .map_err(|reason| TaskError::Payload(format!("parse task status timestamp {text:?}: {reason}")))
}

/// Collects the members of an object in order, leaving out what is empty.
#[derive(Default)]
pub(super) struct Members(Vec<(String, Json)>);

impl Members {
    pub(super) fn push(&mut self, name: &str, value: Json) {
        self.0.push((name.to_owned(), value));
    }

    pub(super) fn push_text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.push(name, Json::string(text));
        }
    }

    pub(super) fn push_some(&mut self, name: &str, value: Option<Json>) {
        if let Some(value) = value {
            self.push(name, value);
        }
    }

    pub(super) fn push_strings(&mut self, name: &str, texts: &[String]) {
        if !texts.is_empty() {
            self.push(name, Json::Array(texts.iter().map(Json::string).collect()));
        }
    }

    pub(super) fn push_list(&mut self, name: &str, items: Vec<Json>) {
        if !items.is_empty() {
            self.push(name, Json::Array(items));
        }
    }

    pub(super) fn finish(self) -> Json {
        Json::Object(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_without_zone_is_utc() {
        let time = parse_timestamp("2026-03-07T10:00:00.25")
            .expect("accepted")
            .expect("there");
        assert_eq!(time.to_string(), "2026-03-07T10:00:00.25Z");
        assert!(parse_timestamp("yesterday").is_err());
        assert!(parse_timestamp("2026-03-07").is_err());
        assert_eq!(parse_timestamp(""), Ok(None));
    }
}
