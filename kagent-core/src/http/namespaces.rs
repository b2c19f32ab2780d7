//! Namespaces.

use axum::{extract::State, response::Response};
use http::StatusCode;
use kagent_api::wire::{Envelope, ErrorBody, namespaces as wire};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;
use crate::{
    service::namespaces,
    web::{Caller, Result, success},
};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// The namespaces that the server watches and that exist, by name.
#[utoipa::path(get, path = "/api/namespaces", tag = "namespaces", operation_id = "listNamespaces",
    responses((status = 200, body = Envelope<Vec<wire::Namespace>>), (status = 500, body = ErrorBody)))]
async fn list(State(state): State<AppState>, _: Caller) -> Result<Response> {
    let namespaces = namespaces::list_namespaces(&state.cluster).await?;
    let views: Vec<_> = namespaces
        .into_iter()
        .map(|namespace| wire::Namespace {
            name: namespace.name,
            status: namespace.status,
        })
        .collect();
    Ok(success(StatusCode::OK, views, "Successfully listed namespaces"))
}
