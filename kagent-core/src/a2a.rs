//! The A2A hop: a caller's JSON-RPC request to an agent and the answer back, unary or as an event stream.
//!
//! Between two sides of the same version bytes pass as they are; only the request's frame (`jsonrpc`, `id`, `method`) and
//! the answer's `id` are looked at. This module knows nothing of routes tables, HTTP paths or authentication.

pub mod error;
mod extended_card;
pub mod headers;
pub mod jsonrpc;
pub mod metrics;
mod peer;
pub mod relay;
pub mod sse;
mod stream;
pub mod translate;
mod unary;
pub mod upstream;
pub mod version;

pub use error::RpcError;
pub use relay::{Exchange, Relay, RelayConfig};
pub use version::Version;
