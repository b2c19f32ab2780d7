//! Who may write to the cluster: the trait **`LeaderElector`**.
//!
//! Every replica serves; only reconcilers and other writers look at leadership. Losing it stops writers and nothing
//! else.
//!
//! # How to add an implementation
//! 1. Add `leader/<name>.rs` with a type that implements [`LeaderElector`].
//! 2. `follow` starts (or joins) the election and returns a receiver that always holds the current state. The state
//!    goes back to [`Leadership::Follower`] *before* another replica can become leader.
//! 3. Run `leader::contract::check_only_candidate` (feature `test-util`) on it.

pub mod always;
#[cfg(feature = "test-util")]
pub mod contract;
#[cfg(feature = "test-util")]
pub mod manual;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::error::Result;

/// Whether this replica may write.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Leadership {
    /// Another replica leads, or nobody does yet.
    #[default]
    Follower,
    /// This replica leads.
    Leader,
}

/// Decides which of N equal replicas writes.
#[cfg_attr(feature = "test-util", mockall::automock)]
#[async_trait]
pub trait LeaderElector: Send + Sync {
    /// Joins the election; the receiver holds the state now and every change.
    ///
    /// # Errors
    /// When the election cannot be joined at all (no permission, no such API). A peer that is away for a while is not
    /// an error: the state is then `Follower`.
    async fn follow(&self) -> Result<watch::Receiver<Leadership>>;
}
