//! What all controllers share: handles only, no state of their own.

use std::sync::Arc;

use crate::{
    clock::Clock,
    cluster::Cluster,
    error::{Error, Result},
    leader::{LeaderElector, WritePermit},
    store::Store,
    translate::TranslateOptions,
};

/// Handles of the controllers. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// Caches, and the client for writes.
    pub cluster: Cluster,
    /// Where the REST API finds agents.
    pub store: Arc<dyn Store>,
    /// Whether this replica may write.
    pub leader: Arc<dyn LeaderElector>,
    /// What the operator decided about all agents.
    pub options: Arc<TranslateOptions>,
    /// For the times in conditions.
    pub clock: Arc<dyn Clock>,
}

impl Context {
    /// Asked before each write to the store, and held until it is over. Writes to the cluster ask by themselves.
    ///
    /// # Errors
    /// `Unavailable` when this replica does not lead any more.
    pub(super) fn begin_write(&self) -> Result<WritePermit> {
        self.leader
            .begin_write()
            .ok_or_else(|| Error::unavailable("this replica does not lead any more"))
    }
}
