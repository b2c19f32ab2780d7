//! Namespaces.

use serde::{Deserialize, Serialize};

/// A namespace that agents may be in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Namespace {
    /// Name.
    pub name: String,
    /// `Active` or `Terminating`; empty when the server may not look.
    pub status: String,
}
