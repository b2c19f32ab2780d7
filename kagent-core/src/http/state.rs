//! What handlers work with. Cheap to clone.

use std::{sync::Arc, time::Duration};

use axum::extract::FromRef;

use crate::{
    auth::{Authenticator, Authorizer},
    store::Store,
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
