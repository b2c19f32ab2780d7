//! Plumbing that every HTTP API of ours shares: who calls, bodies in and out, errors, request logs, limits and the
//! path rules of the Go controller. Knows no resource.

pub mod body;
pub mod caller;
pub mod error;
pub mod layers;
pub mod path;
pub mod query;

pub use body::{JsonBody, decode, json, success};
pub use caller::{AuthState, Caller, ClaimedUser};
pub use error::{Failure, Result};
pub use query::Query;
