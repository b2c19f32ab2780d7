//! Bodies of the REST API, one file per resource. They are joined to records and objects by `From` impls in the server.

pub mod meta;

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
