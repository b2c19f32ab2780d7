//! Leader election by a row of the shared database, for replicas without Kubernetes. The database's clock decides who may
//! take the row; how long this replica leads is counted here.
//!
//! It makes sense only on a store that all replicas share: Postgres.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{
    ElectionTimes, LeaderElector, Leadership, WritePermit,
    candidate::{Candidate, Lock, Tried},
};
use crate::{
    error::{Error, Result},
    store::{Store, leases::LeaseClaim},
    tasks::Tasks,
};

/// Which row, and who we are.
#[derive(Clone, Debug)]
pub struct DatabaseLeaseConfig {
    /// Name of the lease.
    pub name: String,
    /// Who we are; unique for every process that ever lives.
    pub identity: String,
    /// The durations.
    pub times: ElectionTimes,
}

/// Leads while it holds the row.
pub struct DatabaseElector {
    candidate: Candidate<RowLock>,
}

impl DatabaseElector {
    /// A candidate that asks from the first `follow` on, until `resign` is cancelled or `tasks` end; then it gives the
    /// lease up.
    ///
    /// # Errors
    /// `Invalid` for durations that do not fit together.
    pub fn new(
        store: Arc<dyn Store>,
        config: DatabaseLeaseConfig,
        resign: CancellationToken,
        tasks: &Tasks,
    ) -> Result<Self> {
        if config.identity.is_empty() {
            return Err(Error::invalid("a candidate needs an identity"));
        }
        let claim = LeaseClaim {
            name: config.name,
            holder: config.identity,
            duration: config.times.lease_duration,
        };
        Ok(Self {
            candidate: Candidate::new(RowLock { store, claim }, config.times, resign, tasks.clone())?,
        })
    }
}

#[async_trait]
impl LeaderElector for DatabaseElector {
    async fn follow(&self) -> Result<watch::Receiver<Leadership>> {
        Ok(self.candidate.follow())
    }

    fn begin_write(&self) -> Option<WritePermit> {
        self.candidate.begin_write()
    }
}

struct RowLock {
    store: Arc<dyn Store>,
    claim: LeaseClaim,
}

#[async_trait]
impl Lock for RowLock {
    fn describe(&self) -> String {
        format!("lease {} of the database", self.claim.name)
    }

    async fn try_hold(&mut self) -> Result<Tried> {
        Ok(match self.store.take_lease(&self.claim).await? {
            Some(record) if record.holder == self.claim.holder => Tried::Held,
            Some(record) if !record.holder.is_empty() => Tried::HeldBy(record.holder),
            _ => Tried::Contended,
        })
    }

    async fn release(&mut self) -> Result<()> {
        self.store
            .release_lease(&self.claim.name, &self.claim.holder)
            .await
            .map(drop)
    }
}
