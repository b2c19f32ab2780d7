//! A2A tasks, as runtimes save and load them.

use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kagent_api::wire::{Envelope, ErrorBody, tasks as wire};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;
use crate::{
    service::tasks,
    web::{Caller, JsonBody, Result, success},
};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(save))
        .routes(routes!(get, delete))
        .routes(routes!(list_for_session))
}

/// Saves a task, over an earlier state of it too.
#[utoipa::path(post, path = "/api/tasks", tag = "tasks", operation_id = "saveTask",
    params(("A2A-Version" = Option<String>, Header, description = "`0.3` (also when absent) or `1.0`: the shape of body and answer")),
    request_body = wire::Task,
    responses((status = 201, body = Envelope<wire::Task>), (status = 400, body = ErrorBody)))]
async fn save(
    State(state): State<AppState>,
    _: Caller,
    headers: HeaderMap,
    body: Result<JsonBody>,
) -> Result<Response> {
    let version = a2a_version(&headers);
    tasks::check_version(version.as_deref())?;
    let task = tasks::save_task(&*state.store, version.as_deref(), &body?.0).await?;
    Ok(success(StatusCode::CREATED, task, "Successfully created task"))
}

/// A task by id.
#[utoipa::path(get, path = "/api/tasks/{task_id}", tag = "tasks", operation_id = "getTask",
    params(("task_id" = String, Path), ("A2A-Version" = Option<String>, Header)),
    responses((status = 200, body = Envelope<wire::Task>), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody)))]
async fn get(State(state): State<AppState>, _: Caller, Path(id): Path<String>, headers: HeaderMap) -> Result<Response> {
    let task = tasks::get_task(&*state.store, a2a_version(&headers).as_deref(), &id).await?;
    Ok(success(StatusCode::OK, task, "Successfully retrieved task"))
}

/// Deletes a task.
#[utoipa::path(delete, path = "/api/tasks/{task_id}", tag = "tasks", operation_id = "deleteTask",
    params(("task_id" = String, Path)), responses((status = 204)))]
async fn delete(State(state): State<AppState>, _: Caller, Path(id): Path<String>) -> Result<Response> {
    tasks::delete_task(&*state.store, &id).await?;
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok((StatusCode::NO_CONTENT, [content_type]).into_response())
}

/// The tasks of the caller's session, oldest first.
#[utoipa::path(get, path = "/api/sessions/{session_id}/tasks", tag = "tasks", operation_id = "listSessionTasks",
    params(("session_id" = String, Path), ("A2A-Version" = Option<String>, Header)),
    responses((status = 200, body = Envelope<Vec<wire::Task>>), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody)))]
async fn list_for_session(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(session): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let version = a2a_version(&headers);
    let tasks = tasks::list_session_tasks(&*state.store, &caller.user_id, version.as_deref(), &session).await?;
    Ok(success(StatusCode::OK, tasks, "Successfully retrieved session tasks"))
}

/// The first `A2A-Version` header. The query parameter of the A2A endpoints is not read here.
fn a2a_version(headers: &HeaderMap) -> Option<String> {
    let value = headers.get("a2a-version")?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}
