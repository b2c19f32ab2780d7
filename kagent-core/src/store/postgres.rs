//! The Postgres engine: for N replicas, on the tables of kagent 0.9.12 in place.
//!
//! A database that is away, at start or later, makes calls `Unavailable` and nothing else. No call outlasts its
//! deadline, and a connection that was left in the middle of something is never used again.

mod agents;
mod events;
mod leases;
mod migrations;
mod options;
mod sessions;
mod tasks;
mod tools;

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBuilder};
use sqlx::{
    Connection, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgArguments, PgConnectOptions, PgPoolOptions},
    query::Query,
};
use tokio::{sync::watch, time::timeout};

use super::{
    HealthStore, StoreConfig,
    sql::{DbTime, map_error},
};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind, Result},
    tasks::Tasks,
};

const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(5);
/// A connection that rested longer than this is asked whether it still lives before it is used.
const TRUSTED_REST: Duration = Duration::from_secs(1);

/// Who asks for the health wants to know now, also while calls still hope for a connection.
const HEALTH_LIMIT: Duration = Duration::from_millis(1500);

/// Keeps everything in a Postgres database.
pub struct PostgresStore {
    pool: PgPool,
    clock: Arc<dyn Clock>,
    state: watch::Receiver<State>,
    call_timeout: Duration,
    transaction_pooler: bool,
}

/// Whether the database can be used.
#[derive(Clone, Debug)]
enum State {
    Ready,
    /// Not yet; why, for clients.
    Waiting(String),
}

impl PostgresStore {
    /// A store on the database of `config`, at once. Connecting and migrating go on in the background, for as long as
    /// it takes; calls are `Unavailable` until then.
    ///
    /// # Errors
    /// `Invalid` when the URL is none.
    pub fn connect(config: &StoreConfig, clock: Arc<dyn Clock>, tasks: &Tasks) -> Result<Self> {
        let target = options::parse(config)?;
        let pool = build_pool(config, target.max_connections, target.options.clone());
        let (sender, state) = watch::channel(State::Waiting("the database is not reachable yet".to_owned()));
        let shutdown = tasks.shutdown_token().clone();
        let connect_timeout = config.acquire_timeout;
        tasks.spawn("store.connect", async move {
            let prepare = prepare_until_ready(&target.options, connect_timeout, &sender);
            shutdown.run_until_cancelled(prepare).await;
        });
        Ok(Self {
            pool,
            clock,
            state,
            call_timeout: config.call_timeout,
            transaction_pooler: target.transaction_pooler,
        })
    }

    /// Waits until migrations are applied and calls can succeed. Forever, if that never happens.
    pub async fn wait_until_ready(&self) {
        let mut state = self.state.clone();
        // The sender goes away only after it has said `Ready`, or at shutdown.
        let _ = state.wait_for(|state| matches!(state, State::Ready)).await;
    }

    /// Closes all connections after running calls have ended. Calls fail from then on.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    fn now(&self) -> DbTime {
        DbTime(self.clock.now())
    }

    /// A statement, prepared once per connection where connections keep what they prepare.
    fn query<'q>(&self, sql: &'static str) -> Query<'q, Postgres, PgArguments> {
        sqlx::query(sql).persistent(!self.transaction_pooler)
    }

    /// Runs `work` on a connection, within the deadline.
    async fn call<T>(&self, work: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>) -> Result<T> {
        if let State::Waiting(reason) = &*self.state.borrow() {
            return Err(Error::unavailable(reason.clone()));
        }
        let mut lease = Lease {
            connection: self.pool.acquire().await.map_err(map_error)?,
            settled: false,
        };
        let work = async {
            if !self.transaction_pooler {
                return work(&mut lease).await;
            }
            // Preparing and executing are two steps; only a transaction makes a pooler send both to the same server.
            let mut transaction = lease.begin().await?;
            let value = work(&mut transaction).await?;
            transaction.commit().await?;
            Ok(value)
        };
        let outcome = timeout(self.call_timeout, work)
            .await
            .map_err(|late| Error::unavailable("the database took too long").with_source(late))?;
        lease.settled = true;
        outcome.map_err(map_error)
    }
}

#[async_trait]
impl HealthStore for PostgresStore {
    async fn check_health(&self) -> Result<()> {
        let query = self.query("SELECT 1");
        let answer = self.call(async |connection| query.execute(connection).await);
        match timeout(HEALTH_LIMIT, answer).await {
            Ok(answer) => answer.map(drop),
            Err(late) => Err(Error::unavailable("the database does not answer").with_source(late)),
        }
    }
}

/// A connection that goes back to the pool only when its call has come to an end. After a deadline, or when the caller
/// went away, its state is unknown and it is closed.
struct Lease {
    connection: PoolConnection<Postgres>,
    settled: bool,
}

impl Deref for Lease {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.settled {
            self.connection.close_on_drop();
        }
    }
}

fn build_pool(config: &StoreConfig, max_connections: u32, options: PgConnectOptions) -> PgPool {
    let patience = config.acquire_timeout;
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(patience)
        .idle_timeout(config.idle_timeout)
        .test_before_acquire(false)
        .before_acquire(move |connection, meta| {
            Box::pin(async move {
                if meta.idle_for < TRUSTED_REST {
                    return Ok(true);
                }
                Ok(matches!(timeout(patience / 2, connection.ping()).await, Ok(Ok(()))))
            })
        })
        .connect_lazy_with(options)
}

/// Connects and migrates until it works. The same failure is logged once, not at every try.
async fn prepare_until_ready(options: &PgConnectOptions, connect_timeout: Duration, state: &watch::Sender<State>) {
    let mut delays = ExponentialBuilder::default()
        .with_min_delay(FIRST_RETRY)
        .with_max_delay(LAST_RETRY)
        .without_max_times()
        .with_jitter()
        .build();
    let mut last_failure = String::new();
    loop {
        let error = match migrations::apply(options, connect_timeout).await {
            Ok(()) => break,
            Err(error) => error,
        };
        if last_failure != error.chain() {
            last_failure = error.chain();
            tracing::warn!(error = last_failure, "the database cannot be used yet; trying again");
        }
        let state_of_it = match error.kind() {
            ErrorKind::Conflict => "the database cannot be used",
            _ => "the database is not reachable yet",
        };
        let reason = error.context(state_of_it).message().to_owned();
        state.send_replace(State::Waiting(reason));
        tokio::time::sleep(delays.next().unwrap_or(LAST_RETRY)).await;
    }
    tracing::info!("the database is ready");
    state.send_replace(State::Ready);
}
