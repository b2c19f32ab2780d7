//! Health, version and the caller's own identity.

use axum::{extract::State, response::Response};
use http::StatusCode;
use kagent_api::wire::{Envelope, meta};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::AppState;
use crate::{
    gocompat::Json,
    web::{Caller, json, success},
};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(version))
        .routes(routes!(me))
}

/// Whether the process serves requests. Looks at nothing else.
#[utoipa::path(get, path = "/health", tag = "meta", operation_id = "getHealth",
    responses((status = 200, body = Envelope<meta::Health>)), security(()))]
async fn health() -> Response {
    success(
        StatusCode::OK,
        meta::Health {
            status: "OK".to_owned(),
        },
        "OK",
    )
}

/// How the server was built.
#[utoipa::path(get, path = "/version", tag = "meta", operation_id = "getVersion",
    responses((status = 200, body = meta::Version)), security(()))]
async fn version(State(state): State<AppState>) -> Response {
    let build = &state.build;
    json(
        StatusCode::OK,
        &meta::Version {
            kagent_version: build.version.clone(),
            git_commit: build.git_commit.clone(),
            build_date: build.build_date.clone(),
        },
    )
}

/// Who the caller is: the claims of the token, or `sub` alone where there was none.
#[utoipa::path(get, path = "/api/me", tag = "meta", operation_id = "getMe",
    responses((status = 200, body = meta::Me), (status = 401, description = "Nobody knows who is asking", body = String, content_type = "text/plain")))]
async fn me(Caller(principal): Caller) -> Response {
    match principal.claims {
        Some(claims) => {
            let sorted: std::collections::BTreeMap<_, _> = claims.into_iter().collect();
            json(StatusCode::OK, &sorted)
        }
        None => json(
            StatusCode::OK,
            &Json::Object(vec![("sub".to_owned(), Json::String(principal.user_id))]),
        ),
    }
}
