//! The server's HTTP API: one router over one state. Each resource has a file with its routes; what they mean is in
//! `service`.
//!
//! The OpenAPI document comes from the same routers, without a state: [`openapi`].

pub mod a2a;
mod agent_body;
mod agent_views;
pub mod agents;
mod document;
mod entry;
pub mod events;
pub mod meta;
pub mod namespaces;
pub mod proxy;
pub mod sessions;
pub mod state;
pub mod tasks;
mod views;

use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use document::openapi;
pub use entry::Api;
pub use state::{AppState, BuildInfo, Limits};

use crate::web::layers;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "kagent server",
        description = "REST API of a kagent control plane (kagent.dev/v1alpha2).",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(kagent_api::wire::ErrorBody))
)]
struct ApiDocument;

/// Routes that answer in one piece.
fn rest() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(ApiDocument::openapi())
        .merge(meta::router())
        .merge(namespaces::router())
        .merge(agents::router())
        .merge(sessions::router())
        .merge(events::router())
        .merge(tasks::router())
}

/// The whole API of a server.
pub fn service(state: AppState) -> Api {
    let rest = rest().route_layer(axum::middleware::from_fn(layers::refuse_head));
    let rest = layers::limit_time(rest, state.limits.request_time);
    let (router, _) = rest.split_for_parts();
    let router = layers::finish(router.merge(a2a::router()).with_state(state.clone()));
    let router = if state.proxies_hosts {
        router.layer(axum::middleware::from_fn_with_state(
            state.clone(),
            proxy::proxy_by_host,
        ))
    } else {
        router
    };
    Api::new(state, layers::with_log(router))
}

/// As [`service`], as a router, to which more layers and routes can be added.
pub fn router(state: AppState) -> axum::Router {
    axum::Router::new().fallback_service(service(state))
}
