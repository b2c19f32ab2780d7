//! A Kubernetes API in memory, with a file-backed store: for running without a cluster, and for tests.
//!
//! [`EmbeddedKube`] is handed out as an in-process [`kube::Client`] and can be served on a loopback port. It knows the
//! kinds a small control plane uses and every kind a CustomResourceDefinition adds. It is no general-purpose API server:
//! there is no authentication, admission or controller but garbage collection, and what it does not support is refused
//! in the API's own error form.

mod clock;
mod core;
mod delete;
mod fields;
mod form;
mod http;
mod list;
mod managed;
mod metadata;
mod patch;
mod persist;
mod resource;
mod schema;
mod selector;
mod server;
mod status;
mod storage;
mod table;
mod watch;
mod write;

pub use clock::Clock;
pub use http::{ApiService, ResponseBody};
pub use persist::{Durability, OpenError};
pub use server::{Builder, EmbeddedKube, Serving};
pub use status::{ApiError, ApiResult};
