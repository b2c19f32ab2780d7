//! A database of its own on the Postgres server of `KAGENT_TEST_POSTGRES_URL`, dropped at the end.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use url::Url;

const VARIABLE: &str = "KAGENT_TEST_POSTGRES_URL";

/// A database that is empty at first and goes with the value.
pub struct TestPostgres {
    server: Url,
    name: String,
}

impl TestPostgres {
    /// A new, empty database.
    ///
    /// # Panics
    /// When there is no server to make it on; the message says what to do.
    pub async fn create() -> Self {
        let Ok(server) = std::env::var(VARIABLE) else {
            panic!("run cargo xtask test, or set {VARIABLE} to the URL of a Postgres superuser");
        };
        let server = Url::parse(&server).unwrap_or_else(|error| panic!("{VARIABLE} is not a URL: {error}"));
        let database = Self {
            server,
            name: format!("kagent_test_{}", kagent_core::clock::new_id().simple()),
        };
        // Not the default template: nobody else may be connected to that one meanwhile.
        let statement = format!("CREATE DATABASE {} TEMPLATE template0", database.name);
        database.on_server(statement).await;
        database
    }

    /// The URL of the database.
    pub fn url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url.into()
    }

    /// A connection to the database, for what a test does past the code under test.
    ///
    /// # Panics
    /// When the server does not accept it.
    pub async fn connect(&self) -> PgConnection {
        let connection = PgConnection::connect(&self.url()).await;
        connection.unwrap_or_else(|error| panic!("no connection to the server of {VARIABLE}: {error}"))
    }

    async fn on_server(&self, statement: String) {
        let connection = PgConnection::connect(self.server.as_str()).await;
        let mut connection =
            connection.unwrap_or_else(|error| panic!("no connection to the server of {VARIABLE}: {error}"));
        let outcome = connection.execute(AssertSqlSafe(statement)).await;
        outcome.unwrap_or_else(|error| panic!("the server of {VARIABLE} refused a test database: {error}"));
    }
}

impl Drop for TestPostgres {
    /// In a thread of its own: a value may be dropped inside a runtime, which must not block.
    fn drop(&mut self) {
        std::thread::scope(|scope| {
            let dropping = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
                runtime.expect("a runtime starts").block_on(self.on_server(statement));
            });
            // A second panic while a test fails would hide the first.
            let outcome = dropping.join();
            assert!(
                outcome.is_ok() || std::thread::panicking(),
                "the test database could not be dropped"
            );
        });
    }
}
