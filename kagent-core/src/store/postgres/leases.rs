//! Leases in Postgres. The database's clock decides, never a replica's.

use async_trait::async_trait;
use sqlx::Row;

use super::PostgresStore;
use crate::{
    error::Result,
    store::{
        LeaseStore,
        leases::{LeaseClaim, LeaseRecord},
        sql::{check_lease, check_text},
    },
};

/// The second part names the holder where the claim is refused. `clock_timestamp` is read when the row is, after a wait
/// for its lock.
const TAKE: &str = "\
WITH taken AS (
    INSERT INTO kagent_rs_lease AS held (name, holder, epoch, acquired_at, renewed_at, expires_at)
    VALUES ($1, $2, 1, clock_timestamp(), clock_timestamp(), clock_timestamp() + $3 * interval '1 microsecond')
    ON CONFLICT (name) DO UPDATE SET
        holder = excluded.holder,
        epoch = CASE WHEN held.holder = excluded.holder THEN held.epoch ELSE held.epoch + 1 END,
        acquired_at = CASE WHEN held.holder = excluded.holder THEN held.acquired_at ELSE clock_timestamp() END,
        renewed_at = clock_timestamp(),
        expires_at = clock_timestamp() + $3 * interval '1 microsecond'
    WHERE held.holder IN ('', excluded.holder) OR held.expires_at < clock_timestamp()
    RETURNING holder, epoch
)
SELECT holder, epoch FROM taken
UNION ALL
SELECT holder, epoch FROM kagent_rs_lease WHERE name = $1 AND holder <> $2 AND NOT EXISTS (SELECT 1 FROM taken)";

const RELEASE: &str = "\
UPDATE kagent_rs_lease SET holder = '', renewed_at = clock_timestamp(), expires_at = clock_timestamp()
WHERE name = $1 AND holder = $2";

#[async_trait]
impl LeaseStore for PostgresStore {
    async fn take_lease(&self, claim: &LeaseClaim) -> Result<Option<LeaseRecord>> {
        let microseconds = check_lease(claim)?;
        let query = self
            .query(TAKE)
            .bind(&claim.name)
            .bind(&claim.holder)
            .bind(microseconds);
        self.call(async |connection| {
            let row = query.fetch_optional(connection).await?;
            let record = row.map(|row| {
                Ok(LeaseRecord {
                    holder: row.try_get("holder")?,
                    epoch: row.try_get("epoch")?,
                })
            });
            record.transpose()
        })
        .await
    }

    async fn release_lease(&self, name: &str, holder: &str) -> Result<bool> {
        check_text(&[("lease name", Some(name)), ("lease holder", Some(holder))])?;
        let query = self.query(RELEASE).bind(name).bind(holder);
        let done = self.call(async |connection| query.execute(connection).await).await?;
        Ok(done.rows_affected() > 0)
    }
}
