//! Events in SQLite.

use async_trait::async_trait;
use sqlx::{Row, sqlite::SqliteRow};

use super::SqliteStore;
use crate::{
    error::Result,
    store::{
        EventStore,
        events::{Appended, EventQuery, EventRecord, NewEvent, Order},
        sql::{DbTime, check_text, map_error, timestamp},
    },
};

/// `created_at` is later than the session's last change, so that the order of arrival is in the times themselves.
/// A deleted event's id is free again.
const INSERT: &str = "\
INSERT INTO event (id, user_id, session_id, data, created_at, updated_at)
SELECT ?1, ?2, ?3, ?4, time, time FROM (
    SELECT max(?5, coalesce((SELECT updated_at + 1 FROM session WHERE id = ?3 AND user_id = ?2), ?5)) AS time
)
WHERE true
ON CONFLICT (id, user_id) DO UPDATE SET
    session_id = excluded.session_id, data = excluded.data, created_at = excluded.created_at,
    updated_at = excluded.updated_at, deleted_at = NULL
WHERE event.deleted_at IS NOT NULL
RETURNING id, user_id, session_id, data, created_at, updated_at";

const FIND: &str = "\
SELECT id, user_id, session_id, data, created_at, updated_at FROM event WHERE id = ? AND user_id = ?";

const TOUCH_SESSION: &str = "UPDATE session SET updated_at = ?1 WHERE id = ?2 AND user_id = ?3";

const LIST_ASCENDING: &str = "\
SELECT id, user_id, session_id, data, created_at, updated_at FROM event
WHERE session_id = ?1 AND user_id = ?2 AND deleted_at IS NULL AND (?3 IS NULL OR created_at > ?3)
ORDER BY created_at NULLS LAST, id LIMIT ?4";

const LIST_DESCENDING: &str = "\
SELECT id, user_id, session_id, data, created_at, updated_at FROM event
WHERE session_id = ?1 AND user_id = ?2 AND deleted_at IS NULL AND (?3 IS NULL OR created_at > ?3)
ORDER BY created_at DESC NULLS FIRST, id DESC LIMIT ?4";

/// SQLite's way to say that there is no limit.
const NO_LIMIT: i64 = -1;

#[async_trait]
impl EventStore for SqliteStore {
    async fn append_event(&self, event: &NewEvent) -> Result<Appended> {
        check_text(&[
            ("event id", Some(&event.id)),
            ("user id", Some(&event.user_id)),
            ("session id", Some(&event.session_id)),
            ("event data", Some(&event.data)),
        ])?;
        append(self, event).await.map_err(map_error)
    }

    async fn list_events(&self, session_id: &str, user_id: &str, query: &EventQuery) -> Result<Vec<EventRecord>> {
        check_text(&[("session id", Some(session_id)), ("user id", Some(user_id))])?;
        let rows = sqlx::query(match query.order {
            Order::Ascending => LIST_ASCENDING,
            Order::Descending => LIST_DESCENDING,
        })
        .bind(session_id)
        .bind(user_id)
        .bind(query.after.map(DbTime))
        .bind(query.limit.map_or(NO_LIMIT, i64::from))
        .fetch_all(&self.readers)
        .await;
        rows.and_then(|rows| rows.iter().map(record).collect())
            .map_err(map_error)
    }
}

async fn append(store: &SqliteStore, event: &NewEvent) -> sqlx::Result<Appended> {
    let mut transaction = store.writer.begin_with("BEGIN IMMEDIATE").await?;
    let added = sqlx::query(INSERT)
        .bind(&event.id)
        .bind(&event.user_id)
        .bind(&event.session_id)
        .bind(&event.data)
        .bind(store.now())
        .fetch_optional(&mut *transaction)
        .await?;
    if let Some(row) = added {
        let added = record(&row)?;
        sqlx::query(TOUCH_SESSION)
            .bind(added.created_at.map(DbTime))
            .bind(&event.session_id)
            .bind(&event.user_id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        return Ok(Appended::New(added));
    }
    let row = sqlx::query(FIND)
        .bind(&event.id)
        .bind(&event.user_id)
        .fetch_one(&mut *transaction)
        .await?;
    transaction.rollback().await?;
    Ok(Appended::of_existing(record(&row)?, event))
}

fn record(row: &SqliteRow) -> sqlx::Result<EventRecord> {
    Ok(EventRecord {
        id: row.try_get("id")?,
        user_id: row.try_get("user_id")?,
        session_id: row.try_get("session_id")?,
        data: row.try_get("data")?,
        created_at: timestamp(row.try_get("created_at")?),
        updated_at: timestamp(row.try_get("updated_at")?),
    })
}
