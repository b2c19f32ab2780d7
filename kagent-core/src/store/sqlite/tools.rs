//! Tool servers and tools in SQLite.

use async_trait::async_trait;
use sqlx::{Row, sqlite::SqliteRow};

use super::SqliteStore;
use crate::{
    error::Result,
    store::{
        ToolStore,
        sql::{check_text, map_error, timestamp},
        tools::{NewTool, NewToolServer, ToolRecord, ToolServerRecord, check_tools, without_repeated},
    },
};

/// Touches nothing when a live row says the same.
const UPSERT_SERVER: &str = "\
INSERT INTO toolserver (name, group_kind, created_at, updated_at, description)
SELECT ?1, ?2, ?3, ?3, ?4
WHERE NOT EXISTS (
    SELECT 1 FROM toolserver WHERE name = ?1 AND group_kind = ?2 AND deleted_at IS NULL AND description IS ?4
)
ON CONFLICT (name, group_kind) DO UPDATE SET
    updated_at = excluded.updated_at, deleted_at = NULL, description = excluded.description";

const LIST_SERVERS: &str = "\
SELECT name, group_kind, description, created_at, updated_at, last_connected FROM toolserver
WHERE deleted_at IS NULL
ORDER BY created_at NULLS LAST, name, group_kind";

const DELETE_SERVER: &str = "\
UPDATE toolserver SET deleted_at = ?1 WHERE name = ?2 AND group_kind = ?3 AND deleted_at IS NULL";

const DELETE_TOOLS: &str = "\
UPDATE tool SET deleted_at = ?1 WHERE server_name = ?2 AND group_kind = ?3 AND deleted_at IS NULL";

/// `?4` is a JSON list of the ids that stay.
const DELETE_OTHER_TOOLS: &str = "\
UPDATE tool SET deleted_at = ?1 WHERE server_name = ?2 AND group_kind = ?3 AND deleted_at IS NULL
AND id NOT IN (SELECT value FROM json_each(?4))";

const UPSERT_TOOL: &str = "\
INSERT INTO tool (id, server_name, group_kind, created_at, updated_at, description)
VALUES (?1, ?2, ?3, ?4, ?4, ?5)
ON CONFLICT (id, server_name, group_kind) DO UPDATE SET
    updated_at = excluded.updated_at, deleted_at = NULL, description = excluded.description
WHERE tool.deleted_at IS NOT NULL OR tool.description IS NOT excluded.description";

const LIST_TOOLS: &str = "\
SELECT id, server_name, group_kind, description, created_at, updated_at FROM tool WHERE deleted_at IS NULL
ORDER BY created_at NULLS LAST, server_name, group_kind, id";

const LIST_TOOLS_OF_SERVER: &str = "\
SELECT id, server_name, group_kind, description, created_at, updated_at FROM tool
WHERE server_name = ?1 AND group_kind = ?2 AND deleted_at IS NULL
ORDER BY created_at NULLS LAST, id";

#[async_trait]
impl ToolStore for SqliteStore {
    async fn upsert_tool_server(&self, server: &NewToolServer) -> Result<()> {
        check_text(&[
            ("tool server", Some(&server.name)),
            ("kind", Some(&server.group_kind)),
            ("description", Some(&server.description)),
        ])?;
        let done = sqlx::query(UPSERT_SERVER)
            .bind(&server.name)
            .bind(&server.group_kind)
            .bind(self.now())
            .bind(&server.description)
            .execute(&self.writer)
            .await;
        done.map(drop).map_err(map_error)
    }

    async fn list_tool_servers(&self) -> Result<Vec<ToolServerRecord>> {
        let rows = sqlx::query(LIST_SERVERS).fetch_all(&self.readers).await;
        rows.and_then(|rows| rows.iter().map(server_record).collect())
            .map_err(map_error)
    }

    async fn delete_tool_server(&self, name: &str, group_kind: &str) -> Result<bool> {
        check_text(&[("tool server", Some(name)), ("kind", Some(group_kind))])?;
        delete_server(self, name, group_kind).await.map_err(map_error)
    }

    async fn replace_tools(&self, server_name: &str, group_kind: &str, tools: &[NewTool]) -> Result<()> {
        check_tools(server_name, group_kind, tools)?;
        replace(self, server_name, group_kind, tools).await.map_err(map_error)
    }

    async fn list_tools(&self) -> Result<Vec<ToolRecord>> {
        let rows = sqlx::query(LIST_TOOLS).fetch_all(&self.readers).await;
        rows.and_then(|rows| rows.iter().map(tool_record).collect())
            .map_err(map_error)
    }

    async fn list_tools_of_server(&self, server_name: &str, group_kind: &str) -> Result<Vec<ToolRecord>> {
        check_text(&[("tool server", Some(server_name)), ("kind", Some(group_kind))])?;
        let rows = sqlx::query(LIST_TOOLS_OF_SERVER)
            .bind(server_name)
            .bind(group_kind)
            .fetch_all(&self.readers)
            .await;
        rows.and_then(|rows| rows.iter().map(tool_record).collect())
            .map_err(map_error)
    }
}

async fn delete_server(store: &SqliteStore, name: &str, group_kind: &str) -> sqlx::Result<bool> {
    let mut transaction = store.writer.begin_with("BEGIN IMMEDIATE").await?;
    let mut found = false;
    for statement in [DELETE_TOOLS, DELETE_SERVER] {
        let done = sqlx::query(statement)
            .bind(store.now())
            .bind(name)
            .bind(group_kind)
            .execute(&mut *transaction)
            .await?;
        // The server's row is the last one.
        found = done.rows_affected() > 0;
    }
    transaction.commit().await?;
    Ok(found)
}

async fn replace(store: &SqliteStore, server_name: &str, group_kind: &str, tools: &[NewTool]) -> sqlx::Result<()> {
    let tools = without_repeated(tools);
    let ids: Vec<&str> = tools.iter().map(|tool| tool.id.as_str()).collect();
    let mut transaction = store.writer.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query(DELETE_OTHER_TOOLS)
        .bind(store.now())
        .bind(server_name)
        .bind(group_kind)
        .bind(serde_json::json!(ids).to_string())
        .execute(&mut *transaction)
        .await?;
    for tool in tools {
        sqlx::query(UPSERT_TOOL)
            .bind(&tool.id)
            .bind(server_name)
            .bind(group_kind)
            .bind(store.now())
            .bind(&tool.description)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await
}

fn server_record(row: &SqliteRow) -> sqlx::Result<ToolServerRecord> {
    Ok(ToolServerRecord {
        name: row.try_get("name")?,
        group_kind: row.try_get("group_kind")?,
        description: row.try_get("description")?,
        created_at: timestamp(row.try_get("created_at")?),
        updated_at: timestamp(row.try_get("updated_at")?),
        last_connected: timestamp(row.try_get("last_connected")?),
    })
}

fn tool_record(row: &SqliteRow) -> sqlx::Result<ToolRecord> {
    Ok(ToolRecord {
        id: row.try_get("id")?,
        server_name: row.try_get("server_name")?,
        group_kind: row.try_get("group_kind")?,
        description: row.try_get("description")?,
        created_at: timestamp(row.try_get("created_at")?),
        updated_at: timestamp(row.try_get("updated_at")?),
    })
}
