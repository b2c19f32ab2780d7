//! What the control plane keeps: the umbrella trait **`Store`** and its engines.
//!
//! Each kind of data has a small trait with its records in a file of its own (`store/<resource>.rs`), and the same file
//! name in every engine's folder.
//!
//! # Rules
//! * A method is atomic. Absent is `Ok(None)`, never an error.
//! * Times are stamped by the engine with the [`Clock`](crate::Clock) that it was given, to the microsecond.
//! * Ids, user names and payloads are opaque text.
//! * No rule beyond what constraints express: what a request *means* is decided in `service`.
//!
//! # How to add a method
//! 1. Add it to the trait in `store/<resource>.rs`, with its order and its tie-break.
//! 2. Implement it in `store/sqlite/<resource>.rs` and `store/postgres/<resource>.rs`, with static SQL.
//! 3. Add a case to `store/contract/<resource>.rs`; both engines run it, concrete and as `Arc<dyn Store>`.
//!
//! # How to add an engine
//! Implement the small traits (the umbrella is then implemented for free) and run `store::contract` on it.

pub mod agents;
pub mod events;
pub mod sessions;
pub mod tasks;

use async_trait::async_trait;

pub use agents::AgentStore;
pub use events::EventStore;
pub use sessions::SessionStore;
pub use tasks::TaskStore;

use crate::error::Result;

/// Everything that is kept. Implemented for every type that implements its parts.
pub trait Store: AgentStore + EventStore + HealthStore + SessionStore + TaskStore {}

impl<T: AgentStore + EventStore + HealthStore + SessionStore + TaskStore + ?Sized> Store for T {}

/// Whether the database answers.
#[async_trait]
pub trait HealthStore: Send + Sync {
    /// One round trip to the database.
    ///
    /// # Errors
    /// `Unavailable` when it does not answer in time, or when its migrations have not been applied yet.
    async fn check_health(&self) -> Result<()>;
}
