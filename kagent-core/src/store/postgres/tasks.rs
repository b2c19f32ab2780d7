//! A2A tasks in Postgres.

use async_trait::async_trait;
use sqlx::{Row, postgres::PgRow};

use super::PostgresStore;
use crate::{
    error::Result,
    store::{
        TaskStore,
        sql::{check_text, timestamp},
        tasks::{NewTask, TaskRecord},
    },
};

/// One statement, because it comes with every streamed event. Tasks have no user, so every user's session with this id
/// counts as used; its time never goes back (see `events`). The sessions are locked in an order, or two upserts would
/// wait for each other.
const UPSERT: &str = "\
WITH used AS (
    SELECT id, user_id FROM session
    WHERE id = $4 AND (updated_at IS NULL OR updated_at < $2)
    ORDER BY user_id FOR NO KEY UPDATE
), touched AS (
    UPDATE session SET updated_at = greatest($2, session.updated_at)
    FROM used WHERE session.id = used.id AND session.user_id = used.user_id
)
INSERT INTO task (id, created_at, updated_at, data, session_id, protocol_version)
VALUES ($1, $2, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET
    updated_at = excluded.updated_at, deleted_at = NULL, data = excluded.data,
    session_id = excluded.session_id, protocol_version = excluded.protocol_version";

const FIND: &str = "\
SELECT id, session_id, data, protocol_version, created_at, updated_at
FROM task WHERE id = $1 AND deleted_at IS NULL";

const LIST_FOR_SESSION: &str = "\
SELECT id, session_id, data, protocol_version, created_at, updated_at
FROM task WHERE session_id = $1 AND deleted_at IS NULL
ORDER BY created_at NULLS LAST, id COLLATE \"C\"";

const DELETE: &str = "UPDATE task SET deleted_at = $1 WHERE id = $2 AND deleted_at IS NULL";

#[async_trait]
impl TaskStore for PostgresStore {
    async fn upsert_task(&self, task: &NewTask) -> Result<()> {
        check_text(&[
            ("task id", Some(&task.id)),
            ("session id", task.session_id.as_deref()),
            ("task data", Some(&task.data)),
            ("protocol version", task.protocol_version.as_deref()),
        ])?;
        let query = self
            .query(UPSERT)
            .bind(&task.id)
            .bind(self.now())
            .bind(&task.data)
            .bind(task.session_id.as_deref())
            .bind(task.protocol_version.as_deref());
        self.call(async |connection| query.execute(connection).await).await?;
        Ok(())
    }

    async fn find_task(&self, id: &str) -> Result<Option<TaskRecord>> {
        check_text(&[("task id", Some(id))])?;
        let query = self.query(FIND).bind(id);
        self.call(async |connection| query.fetch_optional(connection).await?.as_ref().map(record).transpose())
            .await
    }

    async fn list_tasks_for_session(&self, session_id: &str) -> Result<Vec<TaskRecord>> {
        check_text(&[("session id", Some(session_id))])?;
        let query = self.query(LIST_FOR_SESSION).bind(session_id);
        self.call(async |connection| query.fetch_all(connection).await?.iter().map(record).collect())
            .await
    }

    async fn delete_task(&self, id: &str) -> Result<bool> {
        check_text(&[("task id", Some(id))])?;
        let query = self.query(DELETE).bind(self.now()).bind(id);
        let done = self.call(async |connection| query.execute(connection).await).await?;
        Ok(done.rows_affected() > 0)
    }
}

fn record(row: &PgRow) -> sqlx::Result<TaskRecord> {
    Ok(TaskRecord {
        id: row.try_get("id")?,
        session_id: row.try_get("session_id")?,
        data: row.try_get("data")?,
        protocol_version: row.try_get("protocol_version")?,
        created_at: timestamp(row.try_get("created_at")?),
        updated_at: timestamp(row.try_get("updated_at")?),
    })
}
