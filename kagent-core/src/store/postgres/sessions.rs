//! Sessions in Postgres.

use async_trait::async_trait;
use sqlx::{Row, postgres::PgRow};

use super::PostgresStore;
use crate::{
    error::Result,
    store::{
        SessionStore,
        sessions::{NewSession, SessionRecord},
        sql::{check_text, timestamp},
    },
};

const UPSERT: &str = "\
INSERT INTO session (id, user_id, name, agent_id, source, created_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $6)
ON CONFLICT (id, user_id) DO UPDATE SET
    name = excluded.name, agent_id = excluded.agent_id, source = excluded.source,
    updated_at = greatest(excluded.updated_at, session.updated_at), deleted_at = NULL
RETURNING id, user_id, name, agent_id, source, created_at, updated_at";

const FIND: &str = "\
SELECT id, user_id, name, agent_id, source, created_at, updated_at FROM session
WHERE id = $1 AND user_id = $2 AND deleted_at IS NULL";

const LIST: &str = "\
SELECT id, user_id, name, agent_id, source, created_at, updated_at FROM session
WHERE user_id = $1 AND deleted_at IS NULL
ORDER BY updated_at DESC NULLS FIRST, created_at DESC NULLS FIRST, id COLLATE \"C\"";

const LIST_FOR_AGENT: &str = "\
SELECT id, user_id, name, agent_id, source, created_at, updated_at FROM session
WHERE agent_id = $1 AND user_id = $2 AND deleted_at IS NULL AND (source IS NULL OR source <> 'agent')
ORDER BY updated_at DESC NULLS FIRST, created_at DESC NULLS FIRST, id COLLATE \"C\"";

const UPDATE_AGENT: &str = "\
UPDATE session SET agent_id = $1, updated_at = greatest($2, updated_at)
WHERE id = $3 AND user_id = $4 AND deleted_at IS NULL
RETURNING id, user_id, name, agent_id, source, created_at, updated_at";

const DELETE: &str = "UPDATE session SET deleted_at = $1 WHERE id = $2 AND user_id = $3 AND deleted_at IS NULL";

#[async_trait]
impl SessionStore for PostgresStore {
    async fn upsert_session(&self, session: &NewSession) -> Result<SessionRecord> {
        check_text(&[
            ("session id", Some(&session.id)),
            ("user id", Some(&session.user_id)),
            ("session name", session.name.as_deref()),
            ("agent id", session.agent_id.as_deref()),
            ("session source", session.source.as_deref()),
        ])?;
        let query = self
            .query(UPSERT)
            .bind(&session.id)
            .bind(&session.user_id)
            .bind(session.name.as_deref())
            .bind(session.agent_id.as_deref())
            .bind(session.source.as_deref())
            .bind(self.now());
        self.call(async |connection| record(&query.fetch_one(connection).await?))
            .await
    }

    async fn find_session(&self, id: &str, user_id: &str) -> Result<Option<SessionRecord>> {
        check_text(&[("session id", Some(id)), ("user id", Some(user_id))])?;
        let query = self.query(FIND).bind(id).bind(user_id);
        self.call(async |connection| query.fetch_optional(connection).await?.as_ref().map(record).transpose())
            .await
    }

    async fn list_sessions(&self, user_id: &str) -> Result<Vec<SessionRecord>> {
        check_text(&[("user id", Some(user_id))])?;
        let query = self.query(LIST).bind(user_id);
        self.call(async |connection| query.fetch_all(connection).await?.iter().map(record).collect())
            .await
    }

    async fn list_sessions_for_agent(&self, agent_id: &str, user_id: &str) -> Result<Vec<SessionRecord>> {
        check_text(&[("agent id", Some(agent_id)), ("user id", Some(user_id))])?;
        let query = self.query(LIST_FOR_AGENT).bind(agent_id).bind(user_id);
        self.call(async |connection| query.fetch_all(connection).await?.iter().map(record).collect())
            .await
    }

    async fn update_session_agent(&self, id: &str, user_id: &str, agent_id: &str) -> Result<Option<SessionRecord>> {
        check_text(&[
            ("session id", Some(id)),
            ("user id", Some(user_id)),
            ("agent id", Some(agent_id)),
        ])?;
        let query = self
            .query(UPDATE_AGENT)
            .bind(agent_id)
            .bind(self.now())
            .bind(id)
            .bind(user_id);
        self.call(async |connection| query.fetch_optional(connection).await?.as_ref().map(record).transpose())
            .await
    }

    async fn delete_session(&self, id: &str, user_id: &str) -> Result<bool> {
        check_text(&[("session id", Some(id)), ("user id", Some(user_id))])?;
        let query = self.query(DELETE).bind(self.now()).bind(id).bind(user_id);
        let done = self.call(async |connection| query.execute(connection).await).await?;
        Ok(done.rows_affected() > 0)
    }
}

fn record(row: &PgRow) -> sqlx::Result<SessionRecord> {
    Ok(SessionRecord {
        id: row.try_get("id")?,
        user_id: row.try_get("user_id")?,
        name: row.try_get("name")?,
        agent_id: row.try_get("agent_id")?,
        source: row.try_get("source")?,
        created_at: timestamp(row.try_get("created_at")?),
        updated_at: timestamp(row.try_get("updated_at")?),
    })
}
