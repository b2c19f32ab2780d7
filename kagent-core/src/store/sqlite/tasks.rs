//! A2A tasks in SQLite.

use async_trait::async_trait;
use sqlx::{Row, sqlite::SqliteRow};

use super::SqliteStore;
use crate::{
    error::Result,
    store::{
        TaskStore,
        sql::{check_text, map_error, timestamp},
        tasks::{NewTask, TaskRecord},
    },
};

const UPSERT: &str = "\
INSERT INTO task (id, created_at, updated_at, data, session_id, protocol_version)
VALUES (?1, ?2, ?2, ?3, ?4, ?5)
ON CONFLICT (id) DO UPDATE SET
    updated_at = excluded.updated_at, deleted_at = NULL, data = excluded.data,
    session_id = excluded.session_id, protocol_version = excluded.protocol_version";

/// Tasks have no user, so every user's session with this id counts as used. It never goes back: see `events`.
const TOUCH_SESSIONS: &str = "UPDATE session SET updated_at = max(?1, coalesce(updated_at, ?1)) WHERE id = ?2";

const FIND: &str = "\
SELECT id, session_id, data, protocol_version, created_at, updated_at FROM task WHERE id = ? AND deleted_at IS NULL";

const LIST_FOR_SESSION: &str = "\
SELECT id, session_id, data, protocol_version, created_at, updated_at FROM task
WHERE session_id = ? AND deleted_at IS NULL
ORDER BY created_at NULLS LAST, id";

const DELETE: &str = "UPDATE task SET deleted_at = ?1 WHERE id = ?2 AND deleted_at IS NULL";

#[async_trait]
impl TaskStore for SqliteStore {
    async fn upsert_task(&self, task: &NewTask) -> Result<()> {
        check_text(&[
            ("task id", Some(&task.id)),
            ("session id", task.session_id.as_deref()),
            ("task data", Some(&task.data)),
            ("protocol version", task.protocol_version.as_deref()),
        ])?;
        upsert(self, task).await.map_err(map_error)
    }

    async fn find_task(&self, id: &str) -> Result<Option<TaskRecord>> {
        check_text(&[("task id", Some(id))])?;
        let row = sqlx::query(FIND).bind(id).fetch_optional(&self.readers).await;
        row.and_then(|row| row.as_ref().map(record).transpose())
            .map_err(map_error)
    }

    async fn list_tasks_for_session(&self, session_id: &str) -> Result<Vec<TaskRecord>> {
        check_text(&[("session id", Some(session_id))])?;
        let rows = sqlx::query(LIST_FOR_SESSION)
            .bind(session_id)
            .fetch_all(&self.readers)
            .await;
        rows.and_then(|rows| rows.iter().map(record).collect())
            .map_err(map_error)
    }

    async fn delete_task(&self, id: &str) -> Result<bool> {
        check_text(&[("task id", Some(id))])?;
        let done = sqlx::query(DELETE)
            .bind(self.now())
            .bind(id)
            .execute(&self.writer)
            .await;
        Ok(done.map_err(map_error)?.rows_affected() > 0)
    }
}

async fn upsert(store: &SqliteStore, task: &NewTask) -> sqlx::Result<()> {
    let now = store.now();
    let mut transaction = store.writer.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query(UPSERT)
        .bind(&task.id)
        .bind(now)
        .bind(&task.data)
        .bind(&task.session_id)
        .bind(&task.protocol_version)
        .execute(&mut *transaction)
        .await?;
    if let Some(session_id) = &task.session_id {
        let touch = sqlx::query(TOUCH_SESSIONS).bind(now).bind(session_id);
        touch.execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

fn record(row: &SqliteRow) -> sqlx::Result<TaskRecord> {
    Ok(TaskRecord {
        id: row.try_get("id")?,
        session_id: row.try_get("session_id")?,
        data: row.try_get("data")?,
        protocol_version: row.try_get("protocol_version")?,
        created_at: timestamp(row.try_get("created_at")?),
        updated_at: timestamp(row.try_get("updated_at")?),
    })
}
