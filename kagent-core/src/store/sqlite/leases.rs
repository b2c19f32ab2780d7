//! Leases in SQLite, for what has one holder at a time within the one process. An election between replicas needs
//! Postgres.

use async_trait::async_trait;
use jiff::SignedDuration;
use sqlx::Row;

use super::SqliteStore;
use crate::{
    error::Result,
    store::{
        LeaseStore,
        leases::{LeaseClaim, LeaseRecord},
        sql::{DbTime, check_lease, check_text, map_error},
    },
};

const TAKE: &str = "\
INSERT INTO kagent_rs_lease AS held (name, holder, epoch, acquired_at, renewed_at, expires_at)
VALUES (?1, ?2, 1, ?3, ?3, ?4)
ON CONFLICT (name) DO UPDATE SET
    holder = excluded.holder,
    epoch = CASE WHEN held.holder = excluded.holder THEN held.epoch ELSE held.epoch + 1 END,
    acquired_at = CASE WHEN held.holder = excluded.holder THEN held.acquired_at ELSE excluded.acquired_at END,
    renewed_at = excluded.renewed_at,
    expires_at = excluded.expires_at
WHERE held.holder IN ('', excluded.holder) OR held.expires_at < excluded.renewed_at";

const FIND: &str = "SELECT holder, epoch FROM kagent_rs_lease WHERE name = ?";

const RELEASE: &str = "\
UPDATE kagent_rs_lease SET holder = '', renewed_at = ?1, expires_at = ?1 WHERE name = ?2 AND holder = ?3";

#[async_trait]
impl LeaseStore for SqliteStore {
    async fn take_lease(&self, claim: &LeaseClaim) -> Result<Option<LeaseRecord>> {
        let microseconds = check_lease(claim)?;
        let now = self.now();
        let expires = now.0.saturating_add(SignedDuration::from_micros(microseconds));
        let expires = DbTime(expires.unwrap_or(jiff::Timestamp::MAX));
        let take = async {
            let mut transaction = self.writer.begin().await?;
            sqlx::query(TAKE)
                .bind(&claim.name)
                .bind(&claim.holder)
                .bind(now)
                .bind(expires)
                .execute(&mut *transaction)
                .await?;
            let row = sqlx::query(FIND)
                .bind(&claim.name)
                .fetch_optional(&mut *transaction)
                .await?;
            transaction.commit().await?;
            let record = row.map(|row| {
                Ok(LeaseRecord {
                    holder: row.try_get("holder")?,
                    epoch: row.try_get("epoch")?,
                })
            });
            record.transpose()
        };
        take.await.map_err(map_error)
    }

    async fn release_lease(&self, name: &str, holder: &str) -> Result<bool> {
        check_text(&[("lease name", Some(name)), ("lease holder", Some(holder))])?;
        let query = sqlx::query(RELEASE).bind(self.now()).bind(name).bind(holder);
        let done = query.execute(&self.writer).await.map_err(map_error)?;
        Ok(done.rows_affected() > 0)
    }
}
