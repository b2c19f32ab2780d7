//! Tool servers and tools in Postgres.

use async_trait::async_trait;
use sqlx::{Row, postgres::PgRow};

use super::PostgresStore;
use crate::{
    error::Result,
    store::{
        ToolStore,
        sql::{check_text, timestamp},
        tools::{NewTool, NewToolServer, ToolRecord, ToolServerRecord, check_tools, without_repeated},
    },
};

/// Touches nothing, not even a row lock, when a live row says the same.
const UPSERT_SERVER: &str = "\
INSERT INTO toolserver (name, group_kind, created_at, updated_at, description)
SELECT $1, $2, $3, $3, $4
WHERE NOT EXISTS (
    SELECT 1 FROM toolserver
    WHERE name = $1 AND group_kind = $2 AND deleted_at IS NULL AND description IS NOT DISTINCT FROM $4
)
ON CONFLICT (name, group_kind) DO UPDATE SET
    updated_at = excluded.updated_at, deleted_at = NULL, description = excluded.description";

const LIST_SERVERS: &str = "\
SELECT name, group_kind, description, created_at, updated_at, last_connected FROM toolserver
WHERE deleted_at IS NULL
ORDER BY created_at NULLS LAST, name COLLATE \"C\", group_kind COLLATE \"C\"";

/// One statement, so one transaction.
const DELETE_SERVER: &str = "\
WITH tools AS (
    UPDATE tool SET deleted_at = $1 WHERE server_name = $2 AND group_kind = $3 AND deleted_at IS NULL
)
UPDATE toolserver SET deleted_at = $1 WHERE name = $2 AND group_kind = $3 AND deleted_at IS NULL";

/// One statement, so one transaction: the ids that go and the ids that are written are disjoint.
const REPLACE_TOOLS: &str = "\
WITH gone AS (
    UPDATE tool SET deleted_at = $5
    WHERE server_name = $1 AND group_kind = $2 AND deleted_at IS NULL AND id <> ALL($3)
)
INSERT INTO tool (id, server_name, group_kind, created_at, updated_at, description)
SELECT found.id, $1, $2, $5, $5, found.description FROM unnest($3, $4) AS found(id, description)
ON CONFLICT (id, server_name, group_kind) DO UPDATE SET
    updated_at = excluded.updated_at, deleted_at = NULL, description = excluded.description
WHERE tool.deleted_at IS NOT NULL OR tool.description IS DISTINCT FROM excluded.description";

const LIST_TOOLS: &str = "\
SELECT id, server_name, group_kind, description, created_at, updated_at FROM tool WHERE deleted_at IS NULL
ORDER BY created_at NULLS LAST, server_name COLLATE \"C\", group_kind COLLATE \"C\", id COLLATE \"C\"";

const LIST_TOOLS_OF_SERVER: &str = "\
SELECT id, server_name, group_kind, description, created_at, updated_at FROM tool
WHERE server_name = $1 AND group_kind = $2 AND deleted_at IS NULL
ORDER BY created_at NULLS LAST, id COLLATE \"C\"";

#[async_trait]
impl ToolStore for PostgresStore {
    async fn upsert_tool_server(&self, server: &NewToolServer) -> Result<()> {
        check_text(&[
            ("tool server", Some(&server.name)),
            ("kind", Some(&server.group_kind)),
            ("description", Some(&server.description)),
        ])?;
        let query = self
            .query(UPSERT_SERVER)
            .bind(&server.name)
            .bind(&server.group_kind)
            .bind(self.now())
            .bind(&server.description);
        self.call(async |connection| query.execute(connection).await).await?;
        Ok(())
    }

    async fn list_tool_servers(&self) -> Result<Vec<ToolServerRecord>> {
        let query = self.query(LIST_SERVERS);
        self.call(async |connection| query.fetch_all(connection).await?.iter().map(server_record).collect())
            .await
    }

    async fn delete_tool_server(&self, name: &str, group_kind: &str) -> Result<bool> {
        check_text(&[("tool server", Some(name)), ("kind", Some(group_kind))])?;
        let query = self.query(DELETE_SERVER).bind(self.now()).bind(name).bind(group_kind);
        let done = self.call(async |connection| query.execute(connection).await).await?;
        Ok(done.rows_affected() > 0)
    }

    async fn replace_tools(&self, server_name: &str, group_kind: &str, tools: &[NewTool]) -> Result<()> {
        check_tools(server_name, group_kind, tools)?;
        let tools = without_repeated(tools);
        let ids: Vec<&str> = tools.iter().map(|tool| tool.id.as_str()).collect();
        let descriptions: Vec<&str> = tools.iter().map(|tool| tool.description.as_str()).collect();
        let query = self
            .query(REPLACE_TOOLS)
            .bind(server_name)
            .bind(group_kind)
            .bind(ids)
            .bind(descriptions)
            .bind(self.now());
        self.call(async |connection| query.execute(connection).await).await?;
        Ok(())
    }

    async fn list_tools(&self) -> Result<Vec<ToolRecord>> {
        let query = self.query(LIST_TOOLS);
        self.call(async |connection| query.fetch_all(connection).await?.iter().map(tool_record).collect())
            .await
    }

    async fn list_tools_of_server(&self, server_name: &str, group_kind: &str) -> Result<Vec<ToolRecord>> {
        check_text(&[("tool server", Some(server_name)), ("kind", Some(group_kind))])?;
        let query = self.query(LIST_TOOLS_OF_SERVER).bind(server_name).bind(group_kind);
        self.call(async |connection| query.fetch_all(connection).await?.iter().map(tool_record).collect())
            .await
    }
}

fn server_record(row: &PgRow) -> sqlx::Result<ToolServerRecord> {
    Ok(ToolServerRecord {
        name: row.try_get("name")?,
        group_kind: row.try_get("group_kind")?,
        description: row.try_get("description")?,
        created_at: timestamp(row.try_get("created_at")?),
        updated_at: timestamp(row.try_get("updated_at")?),
        last_connected: timestamp(row.try_get("last_connected")?),
    })
}

fn tool_record(row: &PgRow) -> sqlx::Result<ToolRecord> {
    Ok(ToolRecord {
        id: row.try_get("id")?,
        server_name: row.try_get("server_name")?,
        group_kind: row.try_get("group_kind")?,
        description: row.try_get("description")?,
        created_at: timestamp(row.try_get("created_at")?),
        updated_at: timestamp(row.try_get("updated_at")?),
    })
}
