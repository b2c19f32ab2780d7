//! Events of sessions.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use kagent_api::wire::{Envelope, ErrorBody, events as wire};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{AppState, views};
use crate::{
    error::Error,
    service::events::{self, EventRequest},
    web::{Caller, ClaimedUser, JsonBody, Result, decode, success},
};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(append))
}

/// Appends an event to a session. The user must be named (`user_id` or `X-User-ID`) where no token does; `X-Agent-Name`
/// must be the session's agent.
#[utoipa::path(post, path = "/api/sessions/{session_id}/events", tag = "events", operation_id = "appendEvent",
    params(("session_id" = String, Path), ("user_id" = Option<String>, Query),
        ("X-User-ID" = Option<String>, Header), ("X-Agent-Name" = Option<String>, Header)),
    request_body = wire::EventRequest,
    responses((status = 201, body = Envelope<wire::Event>), (status = 400, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody)))]
async fn append(
    State(state): State<AppState>,
    Caller(caller): Caller,
    ClaimedUser(claimed): ClaimedUser,
    Path(session): Path<String>,
    body: Result<JsonBody>,
) -> Result<Response> {
    let verified = caller.claims.is_some().then_some(caller.user_id);
    let user = claimed
        .or(verified)
        .ok_or_else(|| Error::invalid("Failed to get user ID: user_id is required"))?;
    let request = event_request(&body?)?;
    let event = events::append_event(&*state.store, &user, caller.agent_id.as_deref(), &session, request).await?;
    let view = views::appended_event(event);
    Ok(success(
        StatusCode::CREATED,
        view,
        "Event added to session successfully",
    ))
}

fn event_request(body: &JsonBody) -> Result<EventRequest> {
    // The Go type has no name.
    const GO_TYPE: &str = r#"struct { ID string "json:\"id\""; Data string "json:\"data\"" }"#;
    Ok(decode(body, GO_TYPE, |fields| {
        Ok(EventRequest {
            id: fields.string("id", "string")?.unwrap_or_default(),
            data: fields.string("data", "string")?.unwrap_or_default(),
        })
    })?)
}
