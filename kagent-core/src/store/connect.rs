//! Chooses the engine by the scheme of the URL. The only place that knows which engines there are.

use std::{sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};

use super::Store;
use crate::{
    clock::Clock,
    error::{Error, Result},
    tasks::Tasks,
};

/// Where the database is, and how much of it to use.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `sqlite:PATH`, `sqlite://PATH` or `sqlite::memory:` (the path is taken literally), or a Postgres URL
    /// `postgres://user:password@host:port/database?sslmode=…`. Never logged.
    pub url: SecretString,
    /// Postgres: connections at most. Default 16.
    pub max_connections: u32,
    /// Postgres: how long a call waits for a connection. Default 5 s.
    pub acquire_timeout: Duration,
    /// Postgres: after how long an unused connection is closed. Default 10 min.
    pub idle_timeout: Duration,
    /// Postgres: how long one call may take in the database. Default 15 s.
    pub call_timeout: Duration,
    /// Postgres: whether a pooler that gives each transaction another connection (PgBouncer in transaction mode)
    /// stands in between. Then no prepared statement and no session setting outlives a transaction. Default false.
    pub transaction_pooler: bool,
}

impl StoreConfig {
    /// The database at `url`, with defaults for the rest.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: SecretString::from(url.into()),
            max_connections: 16,
            acquire_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(600),
            call_timeout: Duration::from_secs(15),
            transaction_pooler: false,
        }
    }
}

/// A store on the database of `config`.
///
/// A Postgres that is away is not an error: the store is returned at once, answers `Unavailable`, and is connected in
/// the background. An SQLite file is opened here and now.
///
/// # Errors
/// `Invalid` for a URL that no engine of this build understands, and what opening an SQLite file can say.
pub async fn connect(config: &StoreConfig, clock: Arc<dyn Clock>, tasks: &Tasks) -> Result<Arc<dyn Store>> {
    let url = config.url.expose_secret();
    match url.split_once(':') {
        Some(("sqlite", rest)) => open_sqlite(rest, clock).await,
        Some(("postgres" | "postgresql", _)) => open_postgres(config, clock, tasks),
        _ => Err(Error::invalid(
            "the database URL begins neither with sqlite: nor with postgres:",
        )),
    }
}

#[cfg(feature = "sqlite")]
async fn open_sqlite(rest: &str, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>> {
    use super::sqlite::SqliteStore;
    let path = rest.strip_prefix("//").unwrap_or(rest);
    Ok(match path {
        "" => return Err(Error::invalid("the database URL sqlite: names no file")),
        ":memory:" => Arc::new(SqliteStore::open_in_memory(clock).await?),
        path => Arc::new(SqliteStore::open(path.as_ref(), clock).await?),
    })
}

#[cfg(not(feature = "sqlite"))]
async fn open_sqlite(_rest: &str, _clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>> {
    Err(Error::invalid("this build has no SQLite store"))
}

#[cfg(feature = "postgres")]
fn open_postgres(config: &StoreConfig, clock: Arc<dyn Clock>, tasks: &Tasks) -> Result<Arc<dyn Store>> {
    let store = super::postgres::PostgresStore::connect(config, clock, tasks)?;
    Ok(Arc::new(store))
}

#[cfg(not(feature = "postgres"))]
fn open_postgres(_config: &StoreConfig, _clock: Arc<dyn Clock>, _tasks: &Tasks) -> Result<Arc<dyn Store>> {
    Err(Error::invalid("this build has no Postgres store"))
}
