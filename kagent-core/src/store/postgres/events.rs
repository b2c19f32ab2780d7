//! Events in Postgres.

use async_trait::async_trait;
use sqlx::{Row, postgres::PgRow};

use super::PostgresStore;
use crate::{
    error::Result,
    store::{
        EventStore,
        events::{Appended, EventQuery, EventRecord, NewEvent, Order},
        sql::{DbTime, check_text, timestamp},
    },
};

/// One statement, so one round trip and one transaction. The session's row gives the time, which is later than every
/// time of the session before; its lock puts appends of several replicas in a row. A deleted event's id is free again.
const APPEND: &str = "\
WITH touched AS (
    UPDATE session SET updated_at = greatest($5, updated_at + interval '1 microsecond')
    WHERE id = $3 AND user_id = $2
        AND NOT EXISTS (SELECT 1 FROM event WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL)
    RETURNING updated_at
), arrival AS (
    SELECT coalesce((SELECT updated_at FROM touched), $5) AS time
)
INSERT INTO event (id, user_id, session_id, data, created_at, updated_at)
SELECT $1, $2, $3, $4, time, time FROM arrival
ON CONFLICT (id, user_id) DO UPDATE SET
    session_id = excluded.session_id, data = excluded.data, created_at = excluded.created_at,
    updated_at = excluded.updated_at, deleted_at = NULL
WHERE event.deleted_at IS NOT NULL
RETURNING id, user_id, session_id, data, created_at, updated_at";

const FIND: &str = "\
SELECT id, user_id, session_id, data, created_at, updated_at FROM event WHERE id = $1 AND user_id = $2";

const LIST_ASCENDING: &str = "\
SELECT id, user_id, session_id, data, created_at, updated_at FROM event
WHERE session_id = $1 AND user_id = $2 AND deleted_at IS NULL AND ($3 IS NULL OR created_at > $3)
ORDER BY created_at NULLS LAST, id COLLATE \"C\" LIMIT $4";

const LIST_DESCENDING: &str = "\
SELECT id, user_id, session_id, data, created_at, updated_at FROM event
WHERE session_id = $1 AND user_id = $2 AND deleted_at IS NULL AND ($3 IS NULL OR created_at > $3)
ORDER BY created_at DESC NULLS FIRST, id COLLATE \"C\" DESC LIMIT $4";

#[async_trait]
impl EventStore for PostgresStore {
    async fn append_event(&self, event: &NewEvent) -> Result<Appended> {
        check_text(&[
            ("event id", Some(&event.id)),
            ("user id", Some(&event.user_id)),
            ("session id", Some(&event.session_id)),
            ("event data", Some(&event.data)),
        ])?;
        let append = self
            .query(APPEND)
            .bind(&event.id)
            .bind(&event.user_id)
            .bind(&event.session_id)
            .bind(&event.data)
            .bind(self.now());
        let find = self.query(FIND).bind(&event.id).bind(&event.user_id);
        self.call(async |connection| {
            if let Some(row) = append.fetch_optional(&mut *connection).await? {
                return record(&row).map(Appended::New);
            }
            let existing = record(&find.fetch_one(connection).await?)?;
            Ok(Appended::of_existing(existing, event))
        })
        .await
    }

    async fn list_events(&self, session_id: &str, user_id: &str, query: &EventQuery) -> Result<Vec<EventRecord>> {
        check_text(&[("session id", Some(session_id)), ("user id", Some(user_id))])?;
        let list = self
            .query(match query.order {
                Order::Ascending => LIST_ASCENDING,
                Order::Descending => LIST_DESCENDING,
            })
            .bind(session_id)
            .bind(user_id)
            .bind(query.after.map(DbTime))
            .bind(query.limit.map(i64::from));
        self.call(async |connection| list.fetch_all(connection).await?.iter().map(record).collect())
            .await
    }
}

fn record(row: &PgRow) -> sqlx::Result<EventRecord> {
    Ok(EventRecord {
        id: row.try_get("id")?,
        user_id: row.try_get("user_id")?,
        session_id: row.try_get("session_id")?,
        data: row.try_get("data")?,
        created_at: timestamp(row.try_get("created_at")?),
        updated_at: timestamp(row.try_get("updated_at")?),
    })
}
