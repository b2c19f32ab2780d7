//! Bodies of the REST API, one file per resource. They are joined to records and objects by `From` impls in the server.

pub mod agents;
pub mod events;
pub mod meta;
pub mod namespaces;
#[cfg(feature = "utoipa")]
pub mod schemas;
pub mod sessions;
pub mod tasks;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Wraps the data of most successful answers.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Envelope<T> {
    /// Always `false`: clients tell success from failure by it.
    pub error: bool,
    /// The answer itself.
    pub data: T,
    /// A sentence for people.
    pub message: String,
}

impl<T> Envelope<T> {
    /// A successful answer.
    pub fn new(data: T, message: impl Into<String>) -> Self {
        Self {
            error: false,
            data,
            message: message.into(),
        }
    }
}

/// The body of an answer that failed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct ErrorBody {
    /// What went wrong, for people.
    pub error: String,
}

/// `{}`: the data of an answer that only acknowledges.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "utoipa", derive(utoipa::ToSchema))]
pub struct Empty {}

/// A time that is not known: Go's zero time, 0001-01-01T00:00:00Z.
pub const ZERO_TIME: Timestamp = Timestamp::constant(-62_135_596_800, 0);
