//! Brings the schema up to date: once for all replicas, all or nothing, and only on a database that we understand.
//!
//! Lock and migrations are one transaction, which poolers in transaction mode and a killed replica cannot tear apart.

use std::time::Duration;

use sqlx::{
    Connection, Executor, PgConnection, SqlSafeStr,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    postgres::PgConnectOptions,
};
use tokio::time::timeout;

use crate::{
    error::{Error, Result},
    store::{MIGRATIONS_TABLE, sql::map_error},
};

/// Numbers and names are those of the SQLite migrations.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (
        1,
        "kagent 0.9.12",
        include_str!("../../../migrations/postgres/0001_kagent_0_9_12.sql"),
    ),
    (2, "lease", include_str!("../../../migrations/postgres/0002_lease.sql")),
];

/// The core schema of kagent 0.9.12 in the Go controller's own count.
const GO_VERSION: i64 = 5;

/// A migration may have to build an index over everything.
const LIMIT: Duration = Duration::from_secs(600);

/// Waiting for another replica's migration is no fault, so no timeout of the server or the role may end it. Statements
/// that a pooler's connection keeps from earlier would clash with ours by name.
const BEGIN: &str = "\
DEALLOCATE ALL;
SET LOCAL client_min_messages = warning;
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SELECT pg_advisory_xact_lock(7737579320141705843)";

const END: &str = "DEALLOCATE ALL";

const FIND_SCHEMA: &str = "\
SELECT to_regclass('agent') IS NOT NULL, to_regclass('kagent_rs_migrations') IS NOT NULL,
       to_regclass('schema_migrations') IS NOT NULL";

const FIND_GO_VERSION: &str = "SELECT version, dirty FROM schema_migrations ORDER BY version DESC LIMIT 1";

/// Connects, checks that the schema is ours to use, and applies what is missing.
///
/// # Errors
/// `Conflict` when the schema is not ours to use; otherwise as calls of the store.
pub(super) async fn apply(options: &PgConnectOptions, connect_timeout: Duration) -> Result<()> {
    let mut connection = timeout(connect_timeout, PgConnection::connect_with(options))
        .await
        .map_err(|late| Error::unavailable("the database does not answer").with_source(late))?
        .map_err(map_error)?;
    timeout(LIMIT, apply_on(&mut connection))
        .await
        .map_err(|late| Error::unavailable("the migration of the database took too long").with_source(late))??;
    // The work is done and committed; a connection that cannot say goodbye is dropped.
    let _ = timeout(connect_timeout, connection.close()).await;
    Ok(())
}

async fn apply_on(connection: &mut PgConnection) -> Result<()> {
    let mut transaction = connection.begin().await.map_err(map_error)?;
    transaction.execute(BEGIN).await.map_err(map_error)?;
    check_schema(&mut transaction).await?;
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.into());
    migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
    // Its own lock belongs to a session, which poolers share out; ours is held already.
    migrator.set_locking(false);
    migrator
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(explain)?;
    transaction.execute(END).await.map_err(map_error)?;
    transaction.commit().await.map_err(map_error)
}

/// Refuses what another version has made and what a failed migration has left.
async fn check_schema(connection: &mut PgConnection) -> Result<()> {
    let (has_tables, has_ours, has_go): (bool, bool, bool) = sqlx::query_as(FIND_SCHEMA)
        .fetch_one(&mut *connection)
        .await
        .map_err(map_error)?;
    if !has_tables {
        // A `schema_migrations` without our tables belongs to somebody else.
        return Ok(());
    }
    if !has_go {
        return if has_ours {
            Ok(())
        } else {
            Err(refuse_older("of a kagent before 0.9"))
        };
    }
    let found: Option<(i64, bool)> = sqlx::query_as(FIND_GO_VERSION)
        .fetch_optional(connection)
        .await
        .map_err(map_error)?;
    match found {
        Some((version, true)) => Err(refuse(format!(
            "kagent's own migration {version} of this database has failed half-way (schema_migrations.dirty); let the \
             kagent controller that made it repair it first"
        ))),
        Some((version, false)) if version > GO_VERSION => Err(refuse(format!(
            "the database has schema {version} of a kagent newer than 0.9.12, which has schema {GO_VERSION}; use \
             another database"
        ))),
        Some((GO_VERSION, false)) => Ok(()),
        Some((version, false)) => Err(refuse_older(&format!("{version} of a kagent before 0.9.12"))),
        None if has_ours => Ok(()),
        None => Err(refuse_older("of a kagent before 0.9")),
    }
}

/// `Conflict` marks what waiting alone does not cure.
fn refuse(message: String) -> Error {
    Error::conflict(message)
}

fn refuse_older(schema: &str) -> Error {
    refuse(format!(
        "the database has the schema {schema}; start the kagent 0.9.12 controller on it once, then this program"
    ))
}

fn explain(error: MigrateError) -> Error {
    match error {
        MigrateError::VersionMissing(version) => refuse(format!(
            "the database was migrated by a newer version of this program (its migration {version} is unknown here); \
             use that version, or another database"
        )),
        MigrateError::VersionMismatch(version) | MigrateError::Dirty(version) => refuse(format!(
            "migration {version} of the database is not the one of this program; use the program that applied it"
        )),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            map_error(error).context("the database cannot be migrated")
        }
        error => Error::internal("the database cannot be migrated").with_source(error),
    }
}
