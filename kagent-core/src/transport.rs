//! Requests from the hub to a cluster: the trait **`SpokeTransport`**.
//!
//! # How to add an implementation
//! 1. Add `transport/<name>.rs` with a type that implements [`SpokeTransport`].
//! 2. Bodies stream in both directions; never collect one. There is no total timeout.
//! 3. A cluster that cannot be reached is `Unavailable`, an unknown one is `NotFound`.
//! 4. Run `transport::contract::check` (feature `test-util`) on it.

#[cfg(feature = "test-util")]
pub mod contract;
pub mod loopback;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;

use crate::{error::Result, ident::ClusterId};

/// A streaming body of either direction.
pub type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// Sends HTTP requests to the control plane of another cluster.
#[cfg_attr(feature = "test-util", mockall::automock)]
#[async_trait]
pub trait SpokeTransport: Send + Sync {
    /// Sends `request` (path and query as the spoke's server knows them) and returns once the head of the answer is
    /// there; the body streams.
    ///
    /// # Errors
    /// `NotFound` for a cluster this transport does not know, `Unavailable` when it cannot be reached.
    async fn send(&self, cluster: &ClusterId, request: http::Request<Body>) -> Result<http::Response<Body>>;
}
