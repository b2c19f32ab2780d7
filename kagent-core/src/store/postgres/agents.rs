//! Agents in Postgres.

use async_trait::async_trait;
use sqlx::{Row, postgres::PgRow};

use super::PostgresStore;
use crate::{
    error::Result,
    store::{
        AgentStore,
        agents::{AgentRecord, NewAgent},
        sql::{check_json, check_text, timestamp},
    },
};

/// Touches nothing, not even a row lock, when a live row says the same: 1,000 reconciled agents at rest are not one
/// write. Type `json` has no equality, so the text counts.
const UPSERT: &str = "\
INSERT INTO agent (id, created_at, updated_at, type, workload_type, config)
SELECT $1, $2, $2, $3, $4, $5::json
WHERE NOT EXISTS (
    SELECT 1 FROM agent
    WHERE id = $1 AND deleted_at IS NULL AND type = $3 AND workload_type = $4
        AND config::text IS NOT DISTINCT FROM $5
)
ON CONFLICT (id) DO UPDATE SET
    updated_at = excluded.updated_at, deleted_at = NULL,
    type = excluded.type, workload_type = excluded.workload_type, config = excluded.config";

const FIND: &str = "\
SELECT id, type, workload_type, config::text AS config, created_at, updated_at
FROM agent WHERE id = $1 AND deleted_at IS NULL";

const LIST: &str = "\
SELECT id, type, workload_type, config::text AS config, created_at, updated_at
FROM agent WHERE deleted_at IS NULL
ORDER BY created_at NULLS LAST, id COLLATE \"C\"";

const DELETE: &str = "UPDATE agent SET deleted_at = $1 WHERE id = $2 AND deleted_at IS NULL";

#[async_trait]
impl AgentStore for PostgresStore {
    async fn upsert_agent(&self, agent: &NewAgent) -> Result<()> {
        let config = agent.config.as_deref();
        check_text(&[
            ("agent id", Some(&agent.id)),
            ("agent type", Some(&agent.agent_type)),
            ("workload type", Some(&agent.workload_type)),
            ("agent config", config),
        ])?;
        check_json("agent config", config)?;
        let query = self
            .query(UPSERT)
            .bind(&agent.id)
            .bind(self.now())
            .bind(&agent.agent_type)
            .bind(&agent.workload_type)
            .bind(config);
        self.call(async |connection| query.execute(connection).await).await?;
        Ok(())
    }

    async fn find_agent(&self, id: &str) -> Result<Option<AgentRecord>> {
        check_text(&[("agent id", Some(id))])?;
        let query = self.query(FIND).bind(id);
        self.call(async |connection| {
            let row = query.fetch_optional(connection).await?;
            row.as_ref().map(record).transpose()
        })
        .await
    }

    async fn list_agents(&self) -> Result<Vec<AgentRecord>> {
        let query = self.query(LIST);
        self.call(async |connection| query.fetch_all(connection).await?.iter().map(record).collect())
            .await
    }

    async fn delete_agent(&self, id: &str) -> Result<bool> {
        check_text(&[("agent id", Some(id))])?;
        let query = self.query(DELETE).bind(self.now()).bind(id);
        let done = self.call(async |connection| query.execute(connection).await).await?;
        Ok(done.rows_affected() > 0)
    }
}

fn record(row: &PgRow) -> sqlx::Result<AgentRecord> {
    Ok(AgentRecord {
        id: row.try_get("id")?,
        agent_type: row.try_get("type")?,
        workload_type: row.try_get("workload_type")?,
        config: row.try_get("config")?,
        created_at: timestamp(row.try_get("created_at")?),
        updated_at: timestamp(row.try_get("updated_at")?),
    })
}
