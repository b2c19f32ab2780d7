//! Databases and schemas of their own on the Postgres server of `KAGENT_TEST_POSTGRES_URL`, dropped at the end.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use url::Url;

const VARIABLE: &str = "KAGENT_TEST_POSTGRES_URL";

/// A database that is empty at first and goes with the value.
pub struct TestPostgres {
    server: Server,
    name: String,
}

impl TestPostgres {
    /// A new, empty database.
    ///
    /// # Panics
    /// When there is no server to make it on; the message says what to do.
    pub async fn create() -> Self {
        let server = Server::find();
        let name = new_name();
        // Not the default template: nobody else may be connected to that one meanwhile.
        server
            .execute(format!("CREATE DATABASE {name} TEMPLATE template0"))
            .await;
        Self { server, name }
    }

    /// The URL of the database.
    pub fn url(&self) -> String {
        let mut url = self.server.0.clone();
        url.set_path(&self.name);
        url.into()
    }

    /// A connection to the database, for what a test does past the code under test.
    ///
    /// # Panics
    /// When the server does not accept it.
    pub async fn connect(&self) -> PgConnection {
        connect(&self.url()).await
    }
}

impl Drop for TestPostgres {
    fn drop(&mut self) {
        self.server
            .execute_blocking(format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// A schema in the server's own database: much cheaper than a database, and enough for a test that looks at nothing
/// outside of it.
pub struct TestSchema {
    server: Server,
    name: String,
}

impl TestSchema {
    /// A new, empty schema.
    ///
    /// # Panics
    /// When there is no server to make it on; the message says what to do.
    pub async fn create() -> Self {
        let server = Server::find();
        let name = new_name();
        server.execute(format!("CREATE SCHEMA {name}")).await;
        Self { server, name }
    }

    /// The URL under which tables are made and found in the schema. kagent-core and the Go controller understand it.
    pub fn url(&self) -> String {
        let mut url = self.server.0.clone();
        url.query_pairs_mut().append_pair("search_path", &self.name);
        url.into()
    }

    /// A connection whose tables are those of the schema, for what a test does past the code under test.
    ///
    /// # Panics
    /// When the server does not accept it.
    pub async fn connect(&self) -> PgConnection {
        let mut url = self.server.0.clone();
        url.query_pairs_mut().append_pair("options[search_path]", &self.name);
        connect(url.as_str()).await
    }
}

impl Drop for TestSchema {
    fn drop(&mut self) {
        self.server
            .execute_blocking(format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name));
    }
}

struct Server(Url);

impl Server {
    fn find() -> Self {
        let Ok(url) = std::env::var(VARIABLE) else {
            panic!("{VARIABLE} is not set: run `cargo xtask test`, or set it to the URL of a Postgres superuser");
        };
        Self(Url::parse(&url).unwrap_or_else(|error| panic!("{VARIABLE} is not a URL: {error}")))
    }

    async fn execute(&self, statement: String) {
        let mut connection = connect(self.0.as_str()).await;
        let outcome = connection.execute(AssertSqlSafe(statement)).await;
        outcome.unwrap_or_else(|error| panic!("the server of {VARIABLE} refused a test: {error}"));
    }

    /// In a thread of its own: a value may be dropped inside a runtime, which must not block.
    fn execute_blocking(&self, statement: String) {
        std::thread::scope(|scope| {
            let execution = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime starts").block_on(self.execute(statement));
            });
            // A second panic while a test fails would hide the first.
            let outcome = execution.join();
            assert!(
                outcome.is_ok() || std::thread::panicking(),
                "what a test made could not be dropped"
            );
        });
    }
}

fn new_name() -> String {
    format!("kagent_test_{}", kagent_core::clock::new_id().simple())
}

async fn connect(url: &str) -> PgConnection {
    let connection = PgConnection::connect(url).await;
    connection.unwrap_or_else(|error| panic!("no connection to the server of {VARIABLE}: {error}"))
}
