//! Tasks in the A2A 0.3 shape, read and written as the Go controller does: empty ids and names are written out, keys are
//! sorted, unknown fields are dropped.

use super::task::{
    Artifact, Content, Members, Message, Part, Role, STATES, State, Status, Task, TaskError, parse_timestamp,
};
use crate::gocompat::{Fields, Json};

/// Reads a task.
///
/// # Errors
/// When the form of a part, a file, a timestamp or a field is wrong.
pub fn decode_task(json: &Json) -> Result<Task, TaskError> {
    let fields = Fields::of_body(json, "protocol.Task")?;
    let artifacts = fields.array("artifacts", "[]protocol.Artifact")?;
    let context_id = fields.string("contextId", "string")?;
    let history = fields.array("history", "[]protocol.Message")?;
    let id = fields.string("id", "string")?;
    let metadata = fields.map("metadata")?;
    let status = fields.object("status", "protocol.TaskStatus")?;
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
    let state = fields.string("state", "protocol.TaskState")?.unwrap_or_default();
    let timestamp = fields.string("timestamp", "string")?.unwrap_or_default();
    Ok(Status {
        state: STATES
            .iter()
            .find(|(legacy, _)| *legacy == state)
            .map_or(State::Unknown, |(legacy, _)| State::Known(legacy)),
        message: fields.get("message").map(decode_message).transpose()?,
        timestamp: parse_timestamp(&timestamp)?,
    })
}

fn decode_message(json: &Json) -> Result<Message, String> {
    const BASE: &str = "failed to unmarshal message base";
    if !matches!(json, Json::Object(_) | Json::Null) {
        return Err(format!(
            "{BASE}: json: cannot unmarshal {} into Go value of type struct {{ Parts []json.RawMessage \
             \"json:\\\"parts\\\"\"; *protocol.Alias }}",
            json.kind()
        ));
    }
    let base = |reason: String| format!("{BASE}: {reason}");
    let fields = Fields::of_body(json, "protocol.Alias").map_err(base)?;
    let text =
        |name| -> Result<String, String> { Ok(fields.string(name, "string").map_err(base)?.unwrap_or_default()) };
    let role = fields.string("role", "protocol.MessageRole").map_err(base)?;
    Ok(Message {
        message_id: text("messageId")?,
        context_id: text("contextId")?,
        task_id: text("taskId")?,
        role: if role.as_deref() == Some("user") {
            Role::User
        } else {
            Role::Agent
        },
        metadata: fields.map("metadata").map_err(base)?,
        extensions: fields.strings("extensions").map_err(base)?,
        reference_task_ids: fields.strings("referenceTaskIds").map_err(base)?,
        parts: decode_parts(fields.array("parts", "[]json.RawMessage").map_err(base)?)?,
    })
}

fn decode_artifact(json: &Json) -> Result<Artifact, String> {
    let base = |reason: String| format!("failed to unmarshal artifact base: {reason}");
    let fields = Fields::of_body(json, "protocol.Alias").map_err(base)?;
    let text =
        |name| -> Result<String, String> { Ok(fields.string(name, "string").map_err(base)?.unwrap_or_default()) };
    Ok(Artifact {
        artifact_id: text("artifactId")?,
        name: text("name")?,
        description: text("description")?,
        metadata: fields.map("metadata").map_err(base)?,
        extensions: fields.strings("extensions").map_err(base)?,
        parts: decode_parts(fields.array("parts", "[]json.RawMessage").map_err(base)?)?,
    })
}

fn decode_parts(parts: &[Json]) -> Result<Vec<Part>, String> {
    parts
        .iter()
        .enumerate()
        .map(|(index, part)| decode_part(part).map_err(|reason| format!("failed to unmarshal part {index}: {reason}")))
        .collect()
}

fn decode_part(json: &Json) -> Result<Part, String> {
    let fields = Fields::of_body(json, "protocol.Part")?;
    let kind = fields.string("kind", "string")?.unwrap_or_default();
    let metadata = fields.map("metadata")?;
    let part = |content| Part {
        content,
        name: String::new(),
        media_type: String::new(),
        metadata: metadata.clone(),
    };
    match kind.as_str() {
        "text" => Ok(part(Content::Text(
            fields.string("text", "string")?.unwrap_or_default(),
        ))),
        "data" => Ok(part(Content::Data(
            fields.get("data").cloned().unwrap_or_default().sorted(),
        ))),
        "file" => {
            let file = |reason: &str| format!("failed to unmarshal FilePart: {reason}");
            let unknown = || file("unknown file type: must have either 'bytes' or 'uri' field");
            let fields = fields
                .object("file", "protocol.File")
                .map_err(|reason| file(&reason))?
                .ok_or_else(unknown)?;
            let text = |name| fields.string(name, "string").map_err(|reason| file(&reason));
            let content = match (text("bytes")?, text("uri")?) {
                (Some(bytes), _) => Content::Bytes(bytes),
                (None, Some(uri)) => Content::Uri(uri),
                (None, None) => return Err(unknown()),
            };
            Ok(Part {
                name: text("name")?.unwrap_or_default(),
                media_type: text("mimeType")?.unwrap_or_default(),
                ..part(content)
            })
        }
        other => Err(format!("unsupported part kind: {other}")),
    }
}

/// Writes a task.
pub fn encode_task(task: &Task) -> Json {
    let mut members = Members::default();
    members.push_list("artifacts", task.artifacts.iter().map(encode_artifact).collect());
    members.push("contextId", Json::string(&task.context_id));
    members.push_list("history", task.history.iter().map(encode_message).collect());
    members.push("id", Json::string(&task.id));
    members.push("kind", Json::string("task"));
    members.push_some("metadata", task.metadata.clone());
    let mut status = Members::default();
    status.push("state", Json::string(legacy_state(&task.status.state)));
    status.push_some("message", task.status.message.as_ref().map(encode_message));
    status.push_some(
        "timestamp",
        task.status.timestamp.map(|time| Json::String(time.to_string())),
    );
    members.push("status", status.finish());
    members.finish()
}

fn legacy_state(state: &State) -> &str {
    match state {
        State::Known(legacy) => legacy,
        State::Unknown | State::Other(_) => "unknown",
    }
}

fn encode_message(message: &Message) -> Json {
    let mut members = Members::default();
    members.push("contextId", Json::string(&message.context_id));
    members.push_strings("extensions", &message.extensions);
    members.push("kind", Json::string("message"));
    members.push("messageId", Json::string(&message.message_id));
    members.push_some("metadata", message.metadata.clone());
    members.push("parts", Json::Array(message.parts.iter().map(encode_part).collect()));
    members.push_strings("referenceTaskIds", &message.reference_task_ids);
    members.push(
        "role",
        Json::string(if message.role == Role::User { "user" } else { "agent" }),
    );
    members.push("taskId", Json::string(&message.task_id));
    members.finish()
}

fn encode_artifact(artifact: &Artifact) -> Json {
    let mut members = Members::default();
    members.push("artifactId", Json::string(&artifact.artifact_id));
    members.push("name", Json::string(&artifact.name));
    members.push("description", Json::string(&artifact.description));
    members.push("parts", Json::Array(artifact.parts.iter().map(encode_part).collect()));
    members.push_some("metadata", artifact.metadata.clone());
    members.push_strings("extensions", &artifact.extensions);
    members.finish()
}

fn encode_part(part: &Part) -> Json {
    let mut members = Members::default();
    let mut file = |name: &str, value: &str| {
        let mut file = Members::default();
        file.push("name", Json::string(&part.name));
        file.push("mimeType", Json::string(&part.media_type));
        file.push(name, Json::string(value));
        members.push("kind", Json::string("file"));
        members.push("file", file.finish());
    };
    match &part.content {
        Content::Bytes(bytes) => file("bytes", bytes),
        Content::Uri(uri) => file("uri", uri),
        Content::Text(text) => {
            members.push("kind", Json::string("text"));
            members.push("text", Json::string(text));
        }
        Content::Data(data) => {
            members.push("kind", Json::string("data"));
            members.push("data", data.clone());
        }
    }
    members.push_some("metadata", part.metadata.clone());
    members.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gocompat::parse_first;

    fn again(body: &str) -> String {
        let task = decode_task(&parse_first(body.as_bytes()).expect("json")).expect("task");
        serde_json::to_string(&encode_task(&task)).expect("text")
    }

    #[test]
    fn saving_what_was_loaded_changes_nothing() {
        let body = r#"{"contextId":"c","history":[{"contextId":"","kind":"message","messageId":"m","parts":[{"kind":"file","file":{"name":"x","mimeType":"","bytes":"iVBORw0KGgr/2P8A"}},{"kind":"text","text":""},{"kind":"data","data":null},{"kind":"data","data":[1.0,12345678901234567890]}],"role":"user","taskId":""},{"contextId":"","kind":"message","messageId":"n","parts":[],"role":"agent","taskId":""}],"id":"t","kind":"task","status":{"state":"working"}}"#;
        assert_eq!(again(body), body);
    }

    #[test]
    fn broken_parts_are_refused_and_nothing_else_is() {
        let decode = |body: &str| decode_task(&parse_first(body.as_bytes()).expect("json"));
        for (part, reason) in [
            (r#"{"kind":"image"}"#, "unsupported part kind: image"),
            (r#"{"text":"x"}"#, "unsupported part kind: "),
            (
                r#"{"kind":"file","file":{"name":"x"}}"#,
                "failed to unmarshal FilePart: unknown file type: must have either 'bytes' or 'uri' field",
            ),
        ] {
            assert_eq!(
                decode(&format!(r#"{{"history":[{{"parts":[{part}]}}]}}"#)),
                Err(TaskError::Body(format!("failed to unmarshal part 0: {reason}")))
            );
        }
        assert_eq!(
            again("null"),
            r#"{"contextId":"","id":"","kind":"task","status":{"state":"unknown"}}"#
        );
    }
}
