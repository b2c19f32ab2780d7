//! What the control plane keeps: the umbrella trait **`Store`** and its engines.
//!
//! Each kind of data has a small trait with its records in a file of its own (`store/<resource>.rs`), and the same file
//! name in every engine's folder.
//!
//! # Rules
//! * A method is atomic. Absent is `Ok(None)`, never an error.
//! * Times are stamped by the engine with the [`Clock`](crate::Clock) that it was given, to the microsecond.
//! * Ids, user names and payloads are opaque text.
//! * U+0000 in any text is `Invalid`, before SQL; every other character is kept as it is.
//! * A database that cannot be reached is `Unavailable`, never `NotFound` and never `Internal`.
//! * No rule beyond what constraints express: what a request *means* is decided in `service`.
//!
//! # How to add a method
//! 1. Add it to the trait in `store/<resource>.rs`, with its order and its tie-break.
//! 2. Implement it in `store/sqlite/<resource>.rs` and `store/postgres/<resource>.rs`, with static SQL.
//! 3. Add a case to `store/contract/<resource>.rs`; both engines run it, concrete and as `Arc<dyn Store>`.
//!
//! # How to add an engine
//! Implement the small traits (the umbrella is then implemented for free) and run the contract on it:
//! [`store_contract_tests!`](crate::store_contract_tests), feature `test-util`.

pub mod agents;
pub mod connect;
#[cfg(feature = "test-util")]
pub mod contract;
pub mod events;
pub mod leases;
pub mod metered;
#[cfg(feature = "test-util")]
pub mod mock;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod sessions;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod tasks;
pub mod tools;

use async_trait::async_trait;

pub use agents::AgentStore;
pub use connect::{StoreConfig, connect};
pub use events::EventStore;
pub use leases::LeaseStore;
pub use sessions::SessionStore;
pub use tasks::TaskStore;
pub use tools::ToolStore;

use crate::error::Result;

/// Where the SQL engines note which migrations they have applied. Not `schema_migrations`: that is the Go controller's.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
const MIGRATIONS_TABLE: &str = "kagent_rs_migrations";

/// Everything that is kept. Implemented for every type that implements its parts.
pub trait Store: AgentStore + EventStore + HealthStore + LeaseStore + SessionStore + TaskStore + ToolStore {}

impl<T: AgentStore + EventStore + HealthStore + LeaseStore + SessionStore + TaskStore + ToolStore + ?Sized> Store
    for T
{
}

/// Whether the database answers.
#[async_trait]
pub trait HealthStore: Send + Sync {
    /// One round trip to the database.
    ///
    /// # Errors
    /// `Unavailable` when it does not answer in time, or when its migrations have not been applied yet.
    async fn check_health(&self) -> Result<()>;
}
