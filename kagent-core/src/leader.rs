//! Who may write to the cluster: the trait **`LeaderElector`**.
//!
//! Every replica serves; only reconcilers and other writers look at leadership. Losing it stops writers and nothing
//! else.
//!
//! # How to add an implementation
//! 1. What asks again and again whether it may lead implements `candidate::Lock` (one try, one release) and hands it to
//!    `Candidate`, which keeps the deadlines. Anything else implements [`LeaderElector`] itself.
//! 2. `follow` joins the election and returns a receiver that always holds the current state. The state goes back to
//!    [`Leadership::Follower`], and [`LeaderElector::begin_write`] to `None`, *before* another replica can become leader.
//! 3. Run `leader::contract` (feature `test-util`) on it: `check_only_candidate`, and for elections between processes
//!    the rest of it.

pub mod always;
mod candidate;
#[cfg(feature = "test-util")]
pub mod contract;
pub mod database;
#[cfg(feature = "kube")]
pub mod lease;
#[cfg(feature = "test-util")]
pub mod manual;
mod times;
mod write;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::error::Result;

pub use times::ElectionTimes;
pub use write::WritePermit;

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
    /// Joins the election; the receiver holds the state now and every change. A change that is over already still
    /// counts as one: who led, did not for a moment, and leads again has to begin anew.
    ///
    /// # Errors
    /// When the election cannot be joined at all. A peer that is away for a while is not an error: the state is then
    /// `Follower`.
    async fn follow(&self) -> Result<watch::Receiver<Leadership>>;

    /// Asked right before each write, and held until the write is over. `None`: do not write, this replica does not
    /// lead any more, even if nobody has told it yet (it was paused, or the network is).
    fn begin_write(&self) -> Option<WritePermit>;
}
