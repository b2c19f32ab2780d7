//! A2A tasks as runtimes save and load them, in the shape (0.3 or 1.0) that the caller speaks.
//!
//! Stored in the 0.3 shape, which the Go controller reads too. A row that cannot be read never fails a list.

use crate::{
    a2a::translate::{Task, TaskError, decode_legacy_task, decode_v1_task, encode_legacy_task, encode_v1_task},
    clock::new_id,
    error::{Error, Result},
    gocompat::{Json, parse_first},
    service::{hide, refuse_nul, sessions::find_session},
    store::{
        Store,
        tasks::{NewTask, TaskRecord},
    },
};

/// The shape of a task on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shape {
    V03,
    V10,
}

impl Shape {
    /// What the header `A2A-Version` asks for; absent and empty mean 0.3.
    fn of_header(version: Option<&str>) -> Result<Self> {
        match version.map(str::trim).unwrap_or_default() {
            "" | "0.3" => Ok(Self::V03),
            "1.0" => Ok(Self::V10),
            other => Err(Error::invalid(format!(
                "Unsupported A2A version: unsupported A2A version {other:?}"
            ))),
        }
    }

    fn decode(self, json: &Json) -> Result<Task, TaskError> {
        match self {
            Self::V03 => decode_legacy_task(json),
            Self::V10 => decode_v1_task(json),
        }
    }

    fn encode(self, task: &Task) -> Json {
        match self {
            Self::V03 => encode_legacy_task(task),
            Self::V10 => encode_v1_task(task),
        }
    }
}

/// Checks the version before the body is read, as the Go controller does.
///
/// # Errors
/// `Invalid` for a version that is not spoken here.
pub fn check_version(version: Option<&str>) -> Result<()> {
    Shape::of_header(version).map(drop)
}

/// Saves a task, over an earlier state of it too; a deleted one comes back. The task as it was understood.
///
/// # Errors
/// `Invalid` when the body is no task.
pub async fn save_task(store: &dyn Store, version: Option<&str>, body: &Json) -> Result<Json> {
    let shape = Shape::of_header(version)?;
    let mut task = shape.decode(body).map_err(|error| match error {
        TaskError::Body(reason) => Error::invalid(format!("Invalid request body: {reason}")),
        TaskError::Payload(reason) => Error::invalid(format!("Invalid legacy task payload: {reason}")),
    })?;
    if task.id.is_empty() {
        task.id = new_id().to_string();
    }
    refuse_nul("id", &task.id)?;
    refuse_nul("contextId", &task.context_id)?;
    let data = serde_json::to_string(&encode_legacy_task(&task))
        .map_err(|error| Error::internal("Failed to convert task").with_source(error))?;
    let row = NewTask {
        id: task.id.clone(),
        session_id: Some(task.context_id.clone()).filter(|id| !id.is_empty()),
        data,
        protocol_version: None,
    };
    store
        .upsert_task(&row)
        .await
        .map_err(|error| hide("Failed to create task", error))?;
    Ok(shape.encode(&task))
}

/// A task by id.
///
/// # Errors
/// `NotFound` without such a task.
pub async fn get_task(store: &dyn Store, version: Option<&str>, id: &str) -> Result<Json> {
    let row = if id.contains('\0') {
        None
    } else {
        find_task(store, id).await?
    };
    let row = row.ok_or_else(|| {
        Error::not_found(format!(
            "Task not found: failed to get task {id}: no rows in result set"
        ))
    })?;
    let shape = Shape::of_header(version)?;
    let task = read_row(&row).map_err(|reason| Error::internal("Failed to convert task").with_source(reason))?;
    Ok(shape.encode(&task))
}

/// The tasks of the user's session, oldest first.
///
/// # Errors
/// `NotFound` when the user has no such session.
pub async fn list_session_tasks(
    store: &dyn Store,
    user: &str,
    version: Option<&str>,
    session_id: &str,
) -> Result<Vec<Json>> {
    if find_session(store, user, session_id).await?.is_none() {
        return Err(Error::not_found(format!(
            "Session not found for given ID: failed to get session {session_id}: no rows in result set"
        )));
    }
    let rows = store
        .list_tasks_for_session(session_id)
        .await
        .map_err(|error| hide("Failed to get session runs", error))?;
    let shape = Shape::of_header(version)?;
    Ok(rows
        .iter()
        .filter_map(|row| match read_row(row) {
            Ok(task) => Some(shape.encode(&task)),
            Err(reason) => {
                tracing::warn!(task.id = row.id, reason, "stored task cannot be read and is left out");
                None
            }
        })
        .collect())
}

/// Deletes a task. Deleting what is not there is fine.
///
/// # Errors
/// When the store fails.
pub async fn delete_task(store: &dyn Store, id: &str) -> Result<()> {
    refuse_nul("id", id)?;
    store
        .delete_task(id)
        .await
        .map(drop)
        .map_err(|error| hide("Failed to delete task", error))
}

async fn find_task(store: &dyn Store, id: &str) -> Result<Option<TaskRecord>> {
    store
        .find_task(id)
        .await
        .map_err(|error| hide("Failed to get task", error))
}

fn read_row(row: &TaskRecord) -> Result<Task, String> {
    let shape = match row.protocol_version.as_deref() {
        None | Some("" | "0.3") => Shape::V03,
        Some("1.0") => Shape::V10,
        Some(other) => return Err(format!("it is written in version {other:?}")),
    };
    let json = parse_first(row.data.as_bytes())?;
    shape.decode(&json).map_err(|error| match error {
        TaskError::Body(reason) | TaskError::Payload(reason) => reason,
    })
}
