//! The server under test, on the control plane of the replay.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use crate::{
    db::{TestPostgres, TestSqlite},
    replay::rest::client::get_status,
};

const START_LIMIT: Duration = Duration::from_secs(90);

/// What is started for each world.
#[derive(Clone, Debug)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Whether it knows Postgres only, as the Go controller does.
    pub on_postgres: bool,
}

enum Database {
    Sqlite(TestSqlite),
    Postgres(TestPostgres),
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    _database: Database,
    _directory: tempfile::TempDir,
}

impl Server {
    /// Starts the program with the recordings' flags and `lines` (flags, `env NAME=value`), and waits until it is ready.
    ///
    /// # Errors
    /// When it ends or is not ready in time; with what it wrote last.
    pub async fn start(program: &Program, kubeconfig: &Path, lines: &[String]) -> Result<Self> {
        let database = match program.on_postgres {
            true => Database::Postgres(TestPostgres::create().await),
            false => Database::Sqlite(TestSqlite::create()),
        };
        let directory = tempfile::tempdir()?;
        let (api, probes) = (free_address()?, free_address()?);
        let log = directory.path().join("server.log");
        let mut command = Command::new(&program.path);
        command
            .env_clear()
            .env("KUBECONFIG", kubeconfig)
            .env("KAGENT_NAMESPACE", "kagent")
            .env("HTTP_SERVER_ADDRESS", api.to_string())
            .env("HEALTH_PROBE_BIND_ADDRESS", probes.to_string())
            .env("METRICS_BIND_ADDRESS", "0")
            .args([
                "--image-tag=dev",
                "--skills-init-image-tag=dev",
                "--database-vector-enabled=false",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .kill_on_drop(true);
        for line in lines {
            match line.strip_prefix("env ").and_then(|variable| variable.split_once('=')) {
                Some((name, value)) => command.env(name, value),
                None => command.arg(line),
            };
        }
        match &database {
            Database::Sqlite(sqlite) => command
                .env("DATABASE_TYPE", "sqlite")
                .env("SQLITE_DATABASE_PATH", sqlite.path()),
            Database::Postgres(postgres) => command.env("POSTGRES_DATABASE_URL", postgres.url()),
        };
        let child = command
            .spawn()
            .with_context(|| format!("start {}", program.path.display()))?;
        let mut server = Self {
            child,
            _database: database,
            _directory: directory,
        };
        let ready = server.wait_until_ready(api, probes).await;
        ready.with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
        Ok(server)
    }

    /// Ends it, as a restart does.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn stop(mut self) -> Result<()> {
        self.child.kill().await.context("stop the server")
    }

    async fn wait_until_ready(&mut self, api: SocketAddr, probes: SocketAddr) -> Result<()> {
        let start = tokio::time::Instant::now();
        while start.elapsed() < START_LIMIT {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended: {status}");
            }
            let answers = (get_status(api, "/health").await, get_status(probes, "/readyz").await);
            if answers == (Some(200), Some(200)) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the server was not ready within {START_LIMIT:?}")
    }
}

fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}
