//! Health, version and identity.

use serde::{Deserialize, Serialize};

/// Answer of `GET /health`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Health {
    /// `OK`.
    pub status: String,
}

/// Answer of `GET /version`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Version {
    /// Version of the server.
    pub kagent_version: String,
    /// Commit it was built from.
    pub git_commit: String,
    /// Day of the build.
    pub build_date: String,
}

/// Answer of `GET /api/me`: `sub`, and the other claims of the token where there was one.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Me {
    /// The user.
    pub sub: String,
    /// Other claims.
    #[serde(flatten)]
    pub claims: serde_json::Map<String, serde_json::Value>,
}
