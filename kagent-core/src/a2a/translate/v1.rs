//! Tasks in the A2A 1.0 shape (ProtoJSON), read and written as the Go controller does.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::task::{
    Artifact, Content, Members, Message, Part, Role, STATES, State, Status, Task, TaskError, parse_timestamp,
};
use crate::gocompat::{Fields, Json};

/// Reads a task.
///
/// # Errors
/// When a part holds none or several contents, bytes are not base64, or a field has the wrong form.
pub fn decode_task(json: &Json) -> Result<Task, TaskError> {
    let fields = Fields::of_body(json, "a2a.Task")?;
    let id = fields.string("id", "a2a.TaskID")?;
    let artifacts = fields.array("artifacts", "[]*a2a.Artifact")?;
    let context_id = fields.string("contextId", "string")?;
    let history = fields.array("history", "[]*a2a.Message")?;
    let metadata = fields.map("metadata")?;
    let status = fields.object("status", "a2a.TaskStatus")?;
    Ok(Task {
        id: id.unwrap_or_default(),
        context_id: context_id.unwrap_or_default(),
        status: status.map(decode_status).transpose()?.unwrap_or_default(),
        history: history.iter().map(decode_message).collect::<Result<_, _>>()?,
        artifacts: artifacts.iter().map(decode_artifact).collect::<Result<_, _>>()?,
        metadata,
    })
}

fn decode_status(fields: Fields<'_>) -> Result<Status, TaskError> {
    let state = fields.string("state", "a2a.TaskState")?.unwrap_or_default();
    let timestamp = fields.string("timestamp", "string")?.unwrap_or_default();
    let known = STATES.iter().find(|(_, name)| *name == state);
    Ok(Status {
        state: match (known, state.as_str()) {
            (Some((legacy, _)), _) => State::Known(legacy),
            (None, "" | "TASK_STATE_UNSPECIFIED") => State::Unknown,
            (None, other) => State::Other(other.to_owned()),
        },
        message: fields.get("message").map(decode_message).transpose()?,
        timestamp: parse_timestamp(&timestamp)?,
    })
}

fn decode_message(json: &Json) -> Result<Message, String> {
    let fields = Fields::of_body(json, "a2a.Message")?;
    let text = |name| -> Result<String, String> { Ok(fields.string(name, "string")?.unwrap_or_default()) };
    Ok(Message {
        message_id: text("messageId")?,
        context_id: text("contextId")?,
        task_id: text("taskId")?,
        role: match text("role")?.as_str() {
            "ROLE_USER" => Role::User,
            "ROLE_AGENT" | "ROLE_UNSPECIFIED" | "" => Role::Agent,
            other => Role::Other(other.to_owned()),
        },
        parts: decode_parts(&fields)?,
        metadata: fields.map("metadata")?,
        extensions: fields.strings("extensions")?,
        reference_task_ids: fields.strings("referenceTaskIds")?,
    })
}

fn decode_artifact(json: &Json) -> Result<Artifact, String> {
    let fields = Fields::of_body(json, "a2a.Artifact")?;
    let text = |name| -> Result<String, String> { Ok(fields.string(name, "string")?.unwrap_or_default()) };
    Ok(Artifact {
        artifact_id: text("artifactId")?,
        name: text("name")?,
        description: text("description")?,
        parts: decode_parts(&fields)?,
        metadata: fields.map("metadata")?,
        extensions: fields.strings("extensions")?,
    })
}

fn decode_parts(fields: &Fields<'_>) -> Result<Vec<Part>, String> {
    fields
        .array("parts", "a2a.ContentParts")?
        .iter()
        .map(decode_part)
        .collect()
}

fn decode_part(json: &Json) -> Result<Part, String> {
    let fields = Fields::of_body(json, "a2a.Part")?;
    // A member that is there with the value null counts: data may be null.
    let held: Vec<&str> = ["text", "raw", "data", "url"]
        .into_iter()
        .filter(|name| json.get(name).is_some())
        .collect();
    let text = |name| -> Result<String, String> { Ok(fields.string(name, "string")?.unwrap_or_default()) };
    let content = match held.as_slice() {
        ["text"] => Content::Text(text("text")?),
        ["data"] => Content::Data(json.get("data").cloned().unwrap_or_default().sorted()),
        ["url"] => Content::Uri(text("url")?),
        ["raw"] => {
            let raw = text("raw")?;
            check_base64(&raw)?;
            Content::Bytes(raw)
        }
        [] => return Err("unknown part content type: []".to_owned()),
        several => {
            return Err(format!(
                "expected exactly one of text, raw, data, or url, got {}",
                several.len()
            ));
        }
    };
    Ok(Part {
        content,
        name: text("filename")?,
        media_type: text("mediaType")?,
        metadata: fields.map("metadata")?,
    })
}

fn check_base64(text: &str) -> Result<(), String> {
    STANDARD.decode(text).map(drop).map_err(|error| {
        let at = match error {
            base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
            _ => text.len(),
        };
        format!("illegal base64 data at input byte {at}")
    })
}

/// Writes a task.
pub fn encode_task(task: &Task) -> Json {
    let mut members = Members::default();
    members.push("id", Json::string(&task.id));
    members.push_list("artifacts", task.artifacts.iter().map(encode_artifact).collect());
    members.push("contextId", Json::string(&task.context_id));
    members.push_list("history", task.history.iter().map(encode_message).collect());
    members.push_some("metadata", task.metadata.clone());
    let mut status = Members::default();
    status.push_some("message", task.status.message.as_ref().map(encode_message));
    status.push("state", Json::string(state_name(&task.status.state)));
    status.push_some(
        "timestamp",
        task.status.timestamp.map(|time| Json::String(time.to_string())),
    );
    members.push("status", status.finish());
    members.finish()
}

fn state_name(state: &State) -> &str {
    match state {
        State::Unknown => "TASK_STATE_UNSPECIFIED",
        State::Other(word) => word,
        State::Known(legacy) => STATES
            .iter()
            .find(|(name, _)| name == legacy)
            .map_or("TASK_STATE_UNSPECIFIED", |(_, name)| name),
    }
}

fn encode_message(message: &Message) -> Json {
    let mut members = Members::default();
    members.push("messageId", Json::string(&message.message_id));
    members.push_text("contextId", &message.context_id);
    members.push_strings("extensions", &message.extensions);
    members.push_some("metadata", message.metadata.clone());
    members.push("parts", Json::Array(message.parts.iter().map(encode_part).collect()));
    members.push_strings("referenceTaskIds", &message.reference_task_ids);
    members.push(
        "role",
        Json::string(match &message.role {
            Role::User => "ROLE_USER",
            Role::Agent => "ROLE_AGENT",
            Role::Other(word) => word,
        }),
    );
    members.push_text("taskId", &message.task_id);
    members.finish()
}

fn encode_artifact(artifact: &Artifact) -> Json {
    let mut members = Members::default();
    members.push("artifactId", Json::string(&artifact.artifact_id));
    members.push_text("description", &artifact.description);
    members.push_strings("extensions", &artifact.extensions);
    members.push_some("metadata", artifact.metadata.clone());
    members.push_text("name", &artifact.name);
    members.push("parts", Json::Array(artifact.parts.iter().map(encode_part).collect()));
    members.finish()
}

fn encode_part(part: &Part) -> Json {
    let mut members = Members::default();
    match &part.content {
        Content::Text(text) => members.push("text", Json::string(text)),
        Content::Data(data) => members.push("data", data.clone()),
        Content::Uri(uri) => members.push("url", Json::string(uri)),
        Content::Bytes(bytes) => members.push("raw", Json::String(raw(bytes))),
    }
    members.push_text("filename", &part.name);
    members.push_text("mediaType", &part.media_type);
    members.push_some("metadata", part.metadata.clone());
    members.finish()
}

/// 1.0 wants base64. What is not base64 is text that the Go controller had decoded; its bytes are encoded again.
fn raw(bytes: &str) -> String {
    if check_base64(bytes).is_ok() {
        bytes.to_owned()
    } else {
        STANDARD.encode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::encode_legacy_task, *};
    use crate::gocompat::parse_first;

    fn decode(body: &str) -> Result<Task, TaskError> {
        decode_task(&parse_first(body.as_bytes()).expect("json"))
    }

    #[test]
    fn a_part_holds_exactly_one_content() {
        let part = |part: &str| decode(&format!(r#"{{"history":[{{"parts":[{part}]}}]}}"#));
        for (body, reason) in [
            (
                r#"{"text":"a","url":"b"}"#,
                "expected exactly one of text, raw, data, or url, got 2",
            ),
            ("{}", "unknown part content type: []"),
            (r#"{"raw":"%%"}"#, "illegal base64 data at input byte 0"),
        ] {
            assert_eq!(part(body), Err(TaskError::Body(reason.to_owned())));
        }
        assert!(part(r#"{"data":null}"#).is_ok());
    }

    #[test]
    fn files_keep_their_bytes_in_both_shapes() {
        let body = r#"{"id":"t","contextId":"","history":[{"messageId":"m","parts":[{"raw":"iVBORw0KGgr/2P8A","filename":"a.png","mediaType":"image/png"}],"role":"ROLE_USER"}],"status":{"state":"TASK_STATE_WORKING"}}"#;
        let task = decode(body).expect("task");
        assert_eq!(serde_json::to_string(&encode_task(&task)).expect("text"), body);
        let legacy = serde_json::to_string(&encode_legacy_task(&task)).expect("text");
        assert!(legacy.contains(r#""bytes":"iVBORw0KGgr/2P8A""#), "{legacy}");
    }
}
