//! Leases by name: who may do something alone, for how long, and under which epoch. One row each.

use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;

/// What a candidate asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseClaim {
    /// Name of the lease.
    pub name: String,
    /// Who asks; unique for every process. Not empty.
    pub holder: String,
    /// How long the lease lasts from now on, to the microsecond.
    pub duration: Duration,
}

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq)]
pub struct LeaseRecord {
    /// Who holds it.
    pub holder: String,
    /// Rises by one with every change of holder: a write under an older epoch is a stale one.
    pub epoch: i64,
}

/// Keeps leases. Their times are the database's clock where the database has one that all replicas share (Postgres), and
/// the store's clock where there is one process (SQLite).
#[async_trait]
pub trait LeaseStore: Send + Sync {
    /// Takes the lease if it is free or has run out, extends it if the claimant holds it, and says who holds it then.
    /// A holder that let it run out keeps its epoch if nobody else took it.
    ///
    /// `None`: somebody else took it at the same moment.
    async fn take_lease(&self, claim: &LeaseClaim) -> Result<Option<LeaseRecord>>;

    /// Makes the lease free at once, if `holder` holds it. Whether it did.
    async fn release_lease(&self, name: &str, holder: &str) -> Result<bool>;
}
