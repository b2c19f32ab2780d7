//! The SQLite engine: one file, one process, for laptops, tests and single replicas.
//!
//! All writes go through one connection, reads through a pool of read-only ones. The file is locked against a second
//! process, which would be a second server with its own idea of who leads.

mod agents;
mod events;
mod leases;
mod lock;
mod sessions;
mod tasks;
mod tools;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{
    ConnectOptions, SqlSafeStr, SqlitePool,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use self::lock::FileLock;
use super::{
    HealthStore, MIGRATIONS_TABLE,
    sql::{DbTime, map_error},
};
use crate::{
    clock::Clock,
    error::{Error, Result},
};

/// Numbers and names are those of the Postgres migrations.
const MIGRATIONS: [(i64, &str, &str); 2] = [
    (
        1,
        "kagent 0.9.12",
        include_str!("../../migrations/sqlite/0001_kagent_0_9_12.sql"),
    ),
    (2, "lease", include_str!("../../migrations/sqlite/0002_lease.sql")),
];

const READERS: u32 = 4;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps everything in one SQLite file.
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
    clock: Arc<dyn Clock>,
    // Held for as long as the store lives.
    _lock: Option<FileLock>,
}

impl SqliteStore {
    /// Opens the database at `path`, makes it (and its directory) when it is missing, and applies migrations.
    ///
    /// # Errors
    /// `Conflict` when another process has it open; `Invalid` when the path cannot be used, the file is not ours, or
    /// it was written by a newer version.
    pub async fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        let path = prepare_directory(path)?;
        let lock = FileLock::acquire(&path)?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("temp_store", "memory")
            .pragma("mmap_size", "134217728")
            .disable_statement_logging();
        // These three change the file, which a read-only connection may not even try.
        let writing = options
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .optimize_on_close(true, 400)
            .pragma("journal_size_limit", "67108864");
        let writer = build_pool(1)
            .connect_with(writing)
            .await
            .map_err(|error| refuse_file(&path, error))?;
        apply_migrations(&writer).await.map_err(|error| explain(&path, error))?;
        let readers = build_pool(READERS)
            .connect_with(options.read_only(true))
            .await
            .map_err(|error| refuse_file(&path, error))?;
        Ok(Self {
            writer,
            readers,
            clock,
            _lock: Some(lock),
        })
    }

    /// A database in memory, gone with the store. For tests: reads wait for writes.
    ///
    /// # Errors
    /// When SQLite itself fails.
    pub async fn open_in_memory(clock: Arc<dyn Clock>) -> Result<Self> {
        let options = SqliteConnectOptions::new()
            .in_memory(true)
            .foreign_keys(true)
            .disable_statement_logging();
        let pool = build_pool(1).connect_with(options).await.map_err(map_error)?;
        apply_migrations(&pool)
            .await
            .map_err(|error| explain(Path::new(":memory:"), error))?;
        Ok(Self {
            writer: pool.clone(),
            readers: pool,
            clock,
            _lock: None,
        })
    }

    /// Waits for running statements, empties the write-ahead log into the file and closes it. Calls fail from then on.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    fn now(&self) -> DbTime {
        DbTime(self.clock.now())
    }
}

#[async_trait]
impl HealthStore for SqliteStore {
    async fn check_health(&self) -> Result<()> {
        let query = sqlx::query("SELECT 1").execute(&self.readers).await;
        query.map(drop).map_err(map_error)
    }
}

/// Connections live as long as the store: the single writer must not be replaced, and an in-memory database would be
/// lost with its connection.
fn build_pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

async fn apply_migrations(writer: &SqlitePool) -> Result<(), MigrateError> {
    let migrations = MIGRATIONS.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.into());
    migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
    migrator.run(writer).await
}

/// Makes the directory, and gives the one path under which every process knows this file.
fn prepare_directory(path: &Path) -> Result<PathBuf> {
    let refuse = |error: std::io::Error| {
        Error::invalid(format!("the database {} cannot be used: {error}", path.display())).with_source(error)
    };
    if let Ok(existing) = path.canonicalize() {
        return Ok(existing);
    }
    let Some(name) = path.file_name() else {
        return Err(Error::invalid(format!(
            "{} does not name a database file",
            path.display()
        )));
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    std::fs::create_dir_all(directory).map_err(refuse)?;
    Ok(directory.canonicalize().map_err(refuse)?.join(name))
}

fn refuse_file(path: &Path, error: sqlx::Error) -> Error {
    let text = match &error {
        sqlx::Error::Database(refusal) => refusal.message().to_owned(),
        _ => error.to_string(),
    };
    Error::invalid(format!("the database {} cannot be opened: {text}", path.display())).with_source(error)
}

fn explain(path: &Path, error: MigrateError) -> Error {
    let path = path.display();
    let message = match &error {
        MigrateError::VersionMissing(version) => format!(
            "the database {path} was written by a newer version of this program (its migration {version} is unknown \
             here); use that version, or another file"
        ),
        MigrateError::VersionMismatch(version) | MigrateError::Dirty(version) => format!(
            "migration {version} in the database {path} is not the one of this program; use the program that made \
             the file, or another file"
        ),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            format!("the database {path} cannot be migrated: {error}")
        }
        _ => format!("the database {path} cannot be migrated"),
    };
    Error::invalid(message).with_source(error)
}
