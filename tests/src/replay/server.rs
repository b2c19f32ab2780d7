//! Starts a server program for a replay: its own port, the mode's flags, a fresh database and the replay's cluster.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use super::rest::{
    client::get_status,
    world::{Cluster, World},
};
use crate::db::{TestPostgres, TestSqlite};

const START_LIMIT: Duration = Duration::from_secs(60);

/// Which database the server works on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Engine {
    /// A file.
    Sqlite,
    /// A database of its own on the server of `KAGENT_TEST_POSTGRES_URL`.
    Postgres,
}

/// A database that goes with the value.
enum Database {
    Sqlite(TestSqlite),
    Postgres(TestPostgres),
}

/// A running server with its world. Killed when dropped.
pub struct Server {
    world: World,
    // Dropped in this order: nothing uses the database when it goes.
    _child: Child,
    _database: Database,
}

impl AsRef<World> for Server {
    fn as_ref(&self) -> &World {
        &self.world
    }
}

impl Server {
    /// Starts `program` as the recordings' mode says, and waits until it is ready.
    ///
    /// # Errors
    /// When it ends, or is not ready within a minute; with what it wrote last.
    pub async fn start(program: &Path, mode: &str, engine: Engine) -> Result<Self> {
        let database = match engine {
            Engine::Sqlite => Database::Sqlite(TestSqlite::create()),
            Engine::Postgres => Database::Postgres(TestPostgres::create().await),
        };
        let cluster = Cluster::start().await?;
        let (api, probes) = (free_address()?, free_address()?);
        let log = cluster.directory().join("server.log");
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("KUBECONFIG", cluster.write_kubeconfig()?)
            .env("KAGENT_NAMESPACE", "kagent")
            .env("HTTP_SERVER_ADDRESS", api.to_string())
            .env("HEALTH_PROBE_BIND_ADDRESS", probes.to_string())
            .env("METRICS_BIND_ADDRESS", "0")
            .args(flags_of_mode(mode)?)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .kill_on_drop(true);
        match &database {
            Database::Sqlite(sqlite) => command
                .env("DATABASE_TYPE", "sqlite")
                .env("SQLITE_DATABASE_PATH", sqlite.path()),
            Database::Postgres(postgres) => command.env("POSTGRES_DATABASE_URL", postgres.url()),
        };
        let child = command
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let mut server = Self {
            world: cluster.with_server(api),
            _child: child,
            _database: database,
        };
        match server.wait_until_ready(probes).await {
            Ok(()) => Ok(server),
            Err(error) => {
                let text = std::fs::read_to_string(&log).unwrap_or_default();
                let tail: Vec<&str> = text.lines().rev().take(20).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                Err(error.context(tail.join("\n")))
            }
        }
    }

    async fn wait_until_ready(&mut self, probes: SocketAddr) -> Result<()> {
        let start = tokio::time::Instant::now();
        while start.elapsed() < START_LIMIT {
            if let Some(status) = self._child.try_wait()? {
                bail!("the server ended: {status}");
            }
            let api = get_status(self.world.server, "/health").await;
            let ready = get_status(probes, "/readyz").await;
            if (api, ready) == (Some(200), Some(200)) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the server was not ready within {START_LIMIT:?}")
    }
}

/// What differs from the defaults, as the README of the recordings says.
fn flags_of_mode(mode: &str) -> Result<&'static [&'static str]> {
    Ok(match mode {
        "unsecure" => &["--database-vector-enabled=false"],
        "trusted-proxy" => &["--database-vector-enabled=false", "--auth-mode=trusted-proxy"],
        "watch" => &[
            "--database-vector-enabled=false",
            "--watch-namespaces=kagent,rec-ns-w,missing-ns",
        ],
        "vector" => &[],
        other => bail!("the recordings name a mode {other:?} that this runner does not know"),
    })
}

/// An address of this machine that was free a moment ago.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}
