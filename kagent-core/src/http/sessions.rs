//! Sessions.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use kagent_api::wire::{Empty, Envelope, ErrorBody, sessions as wire};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{AppState, views};
use crate::{
    ident::AgentRef,
    service::sessions::{self, EventSelection, SessionRequest},
    web::{Caller, JsonBody, Query, Result, decode, success},
};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(list_for_agent))
        .routes(routes!(get, update, delete))
}

/// The caller's sessions, last updated first.
#[utoipa::path(get, path = "/api/sessions", tag = "sessions", operation_id = "listSessions",
    responses((status = 200, body = Envelope<Vec<wire::Session>>)))]
async fn list(State(state): State<AppState>, Caller(caller): Caller) -> Result<Response> {
    let sessions = sessions::list_sessions(&*state.store, &caller.user_id).await?;
    Ok(success(
        StatusCode::OK,
        views::sessions(sessions),
        "Successfully listed sessions",
    ))
}

/// Makes a session, or changes name, agent and source of the caller's session with that id.
#[utoipa::path(post, path = "/api/sessions", tag = "sessions", operation_id = "createSession",
    request_body = wire::SessionRequest,
    responses((status = 201, body = Envelope<wire::Session>), (status = 400, body = ErrorBody)))]
async fn create(State(state): State<AppState>, Caller(caller): Caller, body: JsonBody) -> Result<Response> {
    let session = sessions::create_session(&*state.store, &caller.user_id, session_request(&body)?).await?;
    Ok(success(
        StatusCode::CREATED,
        views::session(session),
        "Successfully created session",
    ))
}

/// The caller's sessions with one agent, except those that another agent began.
#[utoipa::path(get, path = "/api/sessions/agent/{namespace}/{name}", tag = "sessions",
    operation_id = "listSessionsForAgent", params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = Envelope<Vec<wire::Session>>), (status = 404, body = ErrorBody)))]
async fn list_for_agent(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Response> {
    let agent = AgentRef::new(namespace, name);
    let sessions = sessions::list_sessions_for_agent(&*state.store, &caller.user_id, &agent).await?;
    Ok(success(
        StatusCode::OK,
        views::sessions(sessions),
        "Successfully listed sessions",
    ))
}

/// A session and its events.
#[utoipa::path(get, path = "/api/sessions/{session_id}", tag = "sessions", operation_id = "getSession",
    params(("session_id" = String, Path),
        ("order" = Option<String>, Query, description = "`asc`: oldest first; else newest first. Without `order` and `limit`: oldest first"),
        ("after" = Option<String>, Query, description = "RFC 3339; only events after it"),
        ("limit" = Option<i64>, Query, description = "At most so many; zero or less: all")),
    responses((status = 200, body = Envelope<wire::SessionWithEvents>), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody)))]
async fn get(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path(id): Path<String>,
    query: Query,
) -> Result<Response> {
    let selection = EventSelection {
        order: query.first("order"),
        after: query.first("after"),
        limit: query.first("limit"),
    };
    let (session, events) = sessions::get_session(&*state.store, &caller.user_id, &id, selection).await?;
    let view = views::session_with_events(session, events);
    Ok(success(StatusCode::OK, view, "Successfully retrieved session"))
}

/// Gives the session whose id is the body's `name` to another agent. The id in the path is not looked at.
#[utoipa::path(put, path = "/api/sessions/{session_id}", tag = "sessions", operation_id = "updateSession",
    params(("session_id" = String, Path)), request_body = wire::SessionRequest,
    responses((status = 200, body = Envelope<wire::Session>), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody)))]
async fn update(State(state): State<AppState>, Caller(caller): Caller, body: JsonBody) -> Result<Response> {
    let session = sessions::update_session(&*state.store, &caller.user_id, session_request(&body)?).await?;
    Ok(success(
        StatusCode::OK,
        views::session(session),
        "Successfully updated session",
    ))
}

/// Deletes the caller's session. Its events and tasks stay.
#[utoipa::path(delete, path = "/api/sessions/{session_id}", tag = "sessions", operation_id = "deleteSession",
    params(("session_id" = String, Path)),
    responses((status = 200, body = Envelope<Empty>)))]
async fn delete(State(state): State<AppState>, Caller(caller): Caller, Path(id): Path<String>) -> Result<Response> {
    sessions::delete_session(&*state.store, &caller.user_id, &id).await?;
    Ok(success(StatusCode::OK, Empty {}, "Session deleted successfully"))
}

fn session_request(body: &JsonBody) -> Result<SessionRequest> {
    Ok(decode(body, "httpapi.SessionRequest", |fields| {
        Ok(SessionRequest {
            agent_ref: fields.string("agent_ref", "string")?,
            name: fields.string("name", "string")?,
            id: fields.string("id", "string")?,
            source: fields.string("source", "database.SessionSource")?,
        })
    })?)
}
