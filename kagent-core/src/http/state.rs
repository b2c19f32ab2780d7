//! What handlers work with. Cheap to clone.

use std::{sync::Arc, time::Duration};

use axum::extract::FromRef;
use url::Url;

use crate::{
    a2a::Relay,
    auth::{Authenticator, Authorizer},
    card::AgentCardTranslator,
    cluster::Cluster,
    registry::RouteRegistry,
    store::Store,
    translate::TranslateOptions,
    web::{AuthState, body::BodyLimit},
};

/// How this binary was built, as `/version` tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BuildInfo {
    /// Version of the server.
    pub version: String,
    /// Commit it was built from.
    pub git_commit: String,
    /// Day of the build.
    pub build_date: String,
}

/// Bounds on requests that are answered in one piece.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Largest body, in bytes.
    pub max_body: usize,
    /// Longest time until the answer.
    pub request_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body: 32 << 20,
            request_time: Duration::from_secs(60),
        }
    }
}

/// The state of the router.
#[derive(Clone)]
pub struct AppState {
    /// Sessions, events, tasks and agents as runtimes know them.
    pub store: Arc<dyn Store>,
    /// Tells who calls.
    pub authenticator: Arc<dyn Authenticator>,
    /// Tells whether they may.
    pub authorizer: Arc<dyn Authorizer>,
    /// The Kubernetes side: caches and client.
    pub cluster: Cluster,
    /// What the operator decided about all agents; new ones are checked against it.
    pub options: Arc<TranslateOptions>,
    /// Which agent is where.
    pub routes: Arc<dyn RouteRegistry>,
    /// Makes agents' cards.
    pub cards: Arc<dyn AgentCardTranslator>,
    /// Carries calls to agents.
    pub relay: Relay,
    /// Public address of this server, as cards name it.
    pub base_url: Arc<Url>,
    /// Whether requests that name a host in `x-kagent-host` are passed on to it; for standalone mode.
    pub proxies_hosts: bool,
    /// How this binary was built.
    pub build: Arc<BuildInfo>,
    /// Bounds on requests.
    pub limits: Limits,
}

impl FromRef<AppState> for AuthState {
    fn from_ref(state: &AppState) -> Self {
        Self(state.authenticator.clone())
    }
}

impl FromRef<AppState> for BodyLimit {
    fn from_ref(state: &AppState) -> Self {
        Self(state.limits.max_body)
    }
}
