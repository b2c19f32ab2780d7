//! Agents.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use kagent_api::{
    v1alpha2::Agent,
    wire::{Empty, Envelope, ErrorBody, agents as wire},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{AppState, agent_body::decode_agent, agent_views as views};
use crate::{
    auth::Principal,
    ident::AgentRef,
    service::agents::{self, AgentContext},
    web::{Caller, JsonBody, Query, Result, success},
};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create, update))
        .routes(routes!(get, delete))
}

fn context<'a>(state: &'a AppState, caller: &'a Principal) -> AgentContext<'a> {
    AgentContext {
        cluster: &state.cluster,
        options: &state.options,
        authorizer: &*state.authorizer,
        caller,
    }
}

/// All agents, or those of one namespace.
#[utoipa::path(get, path = "/api/agents", tag = "agents", operation_id = "listAgents",
    params(("namespace" = Option<String>, Query)),
    responses((status = 200, body = Envelope<Vec<wire::AgentResponse>>), (status = 400, body = ErrorBody)))]
async fn list(State(state): State<AppState>, Caller(caller): Caller, query: Query) -> Result<Response> {
    let agents = agents::list_agents(context(&state, &caller), query.first("namespace")).await?;
    let views: Vec<_> = agents.into_iter().map(views::agent_response).collect();
    Ok(success(StatusCode::OK, views, "Successfully listed agents"))
}

/// Checks an agent and creates it.
#[utoipa::path(post, path = "/api/agents", tag = "agents", operation_id = "createAgent",
    request_body = wire::AgentResource,
    responses((status = 201, body = Envelope<wire::AgentResource>), (status = 400, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 409, body = ErrorBody), (status = 422, body = ErrorBody)))]
async fn create(State(state): State<AppState>, Caller(caller): Caller, body: JsonBody) -> Result<Response> {
    let agent = agents::create_agent(context(&state, &caller), decode_agent(&body)?).await?;
    Ok(success(
        StatusCode::CREATED,
        views::created_agent(agent),
        "Successfully created agent",
    ))
}

/// Checks an agent and replaces the spec of the one with its name.
#[utoipa::path(put, path = "/api/agents", tag = "agents", operation_id = "updateAgent",
    request_body = wire::AgentResource,
    responses((status = 200, body = Envelope<wire::AgentResource>), (status = 400, body = ErrorBody),
        (status = 403, body = ErrorBody), (status = 404, body = ErrorBody), (status = 409, body = ErrorBody),
        (status = 422, body = ErrorBody)))]
async fn update(State(state): State<AppState>, Caller(caller): Caller, body: JsonBody) -> Result<Response> {
    let agent: Agent = Box::pin(agents::update_agent(context(&state, &caller), decode_agent(&body)?)).await?;
    Ok(success(
        StatusCode::OK,
        views::updated_agent(agent),
        "Successfully updated agent",
    ))
}

/// An agent.
#[utoipa::path(get, path = "/api/agents/{namespace}/{name}", tag = "agents", operation_id = "getAgent",
    params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = Envelope<wire::AgentResponse>), (status = 404, body = ErrorBody)))]
async fn get(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Response> {
    let agent = agents::get_agent(context(&state, &caller), &AgentRef::new(namespace, name)).await?;
    let view = views::agent_response(agent);
    Ok(success(StatusCode::OK, view, "Successfully retrieved agent"))
}

/// Deletes an agent. Its sessions stay.
#[utoipa::path(delete, path = "/api/agents/{namespace}/{name}", tag = "agents", operation_id = "deleteAgent",
    params(("namespace" = String, Path), ("name" = String, Path)),
    responses((status = 200, body = Envelope<Empty>), (status = 404, body = ErrorBody)))]
async fn delete(
    State(state): State<AppState>,
    Caller(caller): Caller,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Response> {
    agents::delete_agent(context(&state, &caller), &AgentRef::new(namespace, name)).await?;
    Ok(success(StatusCode::OK, Empty {}, "Successfully deleted agent"))
}
