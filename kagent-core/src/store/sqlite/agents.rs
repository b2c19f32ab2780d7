//! Agents in SQLite.

use async_trait::async_trait;
use sqlx::{Row, sqlite::SqliteRow};

use super::SqliteStore;
use crate::{
    error::Result,
    store::{
        AgentStore,
        agents::{AgentRecord, NewAgent},
        sql::{check_json, check_text, map_error, timestamp},
    },
};

/// Touches nothing when a live row says the same: 1,000 reconciled agents at rest are not one write.
const UPSERT: &str = "\
INSERT INTO agent (id, created_at, updated_at, type, workload_type, config)
SELECT ?1, ?2, ?2, ?3, ?4, ?5
WHERE NOT EXISTS (
    SELECT 1 FROM agent
    WHERE id = ?1 AND deleted_at IS NULL AND type = ?3 AND workload_type = ?4 AND config IS ?5
)
ON CONFLICT (id) DO UPDATE SET
    updated_at = excluded.updated_at, deleted_at = NULL,
    type = excluded.type, workload_type = excluded.workload_type, config = excluded.config";

const FIND: &str = "\
SELECT id, type, workload_type, config, created_at, updated_at FROM agent WHERE id = ? AND deleted_at IS NULL";

const LIST: &str = "\
SELECT id, type, workload_type, config, created_at, updated_at FROM agent WHERE deleted_at IS NULL
ORDER BY created_at NULLS LAST, id";

const DELETE: &str = "UPDATE agent SET deleted_at = ?1 WHERE id = ?2 AND deleted_at IS NULL";

#[async_trait]
impl AgentStore for SqliteStore {
    async fn upsert_agent(&self, agent: &NewAgent) -> Result<()> {
        let config = agent.config.as_deref();
        check_text(&[
            ("agent id", Some(&agent.id)),
            ("agent type", Some(&agent.agent_type)),
            ("workload type", Some(&agent.workload_type)),
            ("agent config", config),
        ])?;
        check_json("agent config", config)?;
        sqlx::query(UPSERT)
            .bind(&agent.id)
            .bind(self.now())
            .bind(&agent.agent_type)
            .bind(&agent.workload_type)
            .bind(config)
            .execute(&self.writer)
            .await
            .map_err(map_error)?;
        Ok(())
    }

    async fn find_agent(&self, id: &str) -> Result<Option<AgentRecord>> {
        check_text(&[("agent id", Some(id))])?;
        let row = sqlx::query(FIND).bind(id).fetch_optional(&self.readers).await;
        row.and_then(|row| row.as_ref().map(record).transpose())
            .map_err(map_error)
    }

    async fn list_agents(&self) -> Result<Vec<AgentRecord>> {
        let rows = sqlx::query(LIST).fetch_all(&self.readers).await;
        rows.and_then(|rows| rows.iter().map(record).collect())
            .map_err(map_error)
    }

    async fn delete_agent(&self, id: &str) -> Result<bool> {
        check_text(&[("agent id", Some(id))])?;
        let done = sqlx::query(DELETE)
            .bind(self.now())
            .bind(id)
            .execute(&self.writer)
            .await;
        Ok(done.map_err(map_error)?.rows_affected() > 0)
    }
}

fn record(row: &SqliteRow) -> sqlx::Result<AgentRecord> {
    Ok(AgentRecord {
        id: row.try_get("id")?,
        agent_type: row.try_get("type")?,
        workload_type: row.try_get("workload_type")?,
        config: row.try_get("config")?,
        created_at: timestamp(row.try_get("created_at")?),
        updated_at: timestamp(row.try_get("updated_at")?),
    })
}
