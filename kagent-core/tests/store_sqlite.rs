//! The contract of the store on SQLite, and what is particular to a database in a file.

#[expect(unreachable_pub, reason = "a public module of another package, used here too")]
#[path = "../../tests/src/db/sqlite.rs"]
mod db;

use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use async_trait::async_trait;
use kagent_core::{
    Clock,
    clock::SystemClock,
    error::{Error, ErrorKind},
    store::{
        SessionStore, StoreConfig, connect,
        contract::{Harness, old_rows},
        sessions::NewSession,
        sqlite::SqliteStore,
    },
    store_contract_tests,
    tasks::Tasks,
};
use sqlx::{Connection, Executor, SqliteConnection};

use db::TestSqlite;

struct SqliteHarness(TestSqlite);

impl Default for SqliteHarness {
    fn default() -> Self {
        Self(TestSqlite::create())
    }
}

#[async_trait]
impl Harness for SqliteHarness {
    type Store = SqliteStore;

    async fn open(&self, clock: Arc<dyn Clock>) -> Arc<SqliteStore> {
        let store = SqliteStore::open(&self.0.path(), clock).await;
        Arc::new(store.expect("the database opens"))
    }

    async fn insert_old_rows(&self, _store: &SqliteStore) {
        execute(&self.0.path(), &old_rows::SQL).await;
    }
}

store_contract_tests!(crate::SqliteHarness);

/// Past the store, whose lock only keeps other stores off.
async fn execute(path: &Path, statements: &[&'static str]) {
    let url = format!("sqlite:{}", path.display());
    let mut connection = SqliteConnection::connect(&url).await.expect("the file opens");
    for statement in statements {
        connection.execute(*statement).await.expect("the statement runs");
    }
    connection.close().await.expect("the file closes");
}

async fn open(path: &Path) -> Result<SqliteStore, Error> {
    SqliteStore::open(path, Arc::new(SystemClock)).await
}

async fn refusal(path: &Path) -> Error {
    match open(path).await {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

fn session() -> NewSession {
    NewSession {
        id: "s".to_owned(),
        user_id: "alice".to_owned(),
        name: None,
        agent_id: None,
        source: None,
    }
}

#[tokio::test]
async fn rows_are_there_after_a_restart_and_the_directory_is_made() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("made/by/us/kagent.db");
    let store = open(&path).await.expect("opens");
    let written = store.upsert_session(&session()).await.unwrap();
    drop(store);
    let store = open(&path).await.expect("opens again");
    assert_eq!(store.find_session("s", "alice").await.unwrap(), Some(written));
}

#[tokio::test]
async fn a_second_holder_of_the_file_is_refused_and_told_who_has_it() {
    let place = TestSqlite::create();
    let store = open(&place.path()).await.expect("opens");
    let error = refusal(&place.path()).await;
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let expected = format!(
        "the database {} is in use by process {}; stop that process, or give this one a database of its own",
        place.path().display(),
        std::process::id()
    );
    assert_eq!(error.message(), expected);

    let other_name = place.path().with_file_name("link.db");
    std::os::unix::fs::symlink(place.path(), &other_name).unwrap();
    assert_eq!(
        refusal(&other_name).await.kind(),
        ErrorKind::Conflict,
        "a link led past the lock"
    );

    drop(store);
    open(&place.path()).await.expect("opens when the first has gone");
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let place = TestSqlite::create();
    drop(open(&place.path()).await.expect("opens"));
    execute(
        &place.path(),
        &[
            "INSERT INTO kagent_rs_migrations (version, description, success, checksum, execution_time) \
           VALUES (9999, 'from the future', true, x'00', 0)",
        ],
    )
    .await;
    let error = refusal(&place.path()).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("newer version"), "{error}");
    assert!(error.message().contains("9999"), "{error}");
}

#[tokio::test]
async fn what_is_no_database_is_refused_by_name() {
    let place = TestSqlite::create();
    std::fs::write(place.path(), "this is a text file, and a long one at that".repeat(100)).unwrap();
    let error = refusal(&place.path()).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("kagent.db"), "{error}");
    assert!(error.message().contains("not a database"), "{error}");

    let directory = place.path().with_file_name("directory");
    std::fs::create_dir(&directory).unwrap();
    assert_eq!(refusal(&directory).await.kind(), ErrorKind::Invalid);

    let below_a_file = place.path().join("kagent.db");
    let error = refusal(&below_a_file).await;
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("cannot be used"), "{error}");
}

#[tokio::test]
async fn reads_go_on_while_a_write_is_under_way() {
    let place = TestSqlite::create();
    let store = open(&place.path()).await.expect("opens");
    store.upsert_session(&session()).await.unwrap();
    let url = format!("sqlite:{}", place.path().display());
    let mut writer = SqliteConnection::connect(&url).await.unwrap();
    writer.execute("BEGIN IMMEDIATE").await.unwrap();
    writer.execute("DELETE FROM session").await.unwrap();
    assert!(store.find_session("s", "alice").await.unwrap().is_some());
    writer.execute("ROLLBACK").await.unwrap();
}

#[tokio::test]
async fn the_file_is_in_the_agreed_mode() {
    let place = TestSqlite::create();
    let _store = open(&place.path()).await.expect("opens");
    let url = format!("sqlite:{}", place.path().display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let mode: (String,) = sqlx::query_as("PRAGMA journal_mode")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(mode.0, "wal");
    let lax: Vec<(String,)> = sqlx::query_as(
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND strict = 0 AND name NOT LIKE 'sqlite_%' \
         AND name <> 'kagent_rs_migrations'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(lax, [], "tables that are not STRICT");
}

#[tokio::test]
async fn connect_chooses_the_engine_by_the_url() {
    let place = TestSqlite::create();
    let (tasks, _ends) = Tasks::new();
    let open = async |url: String| connect(&StoreConfig::new(url), Arc::new(SystemClock), &tasks).await;
    for url in [
        place.url(),
        "sqlite::memory:".to_owned(),
        place
            .url()
            .replace("sqlite:", "sqlite://")
            .replace("kagent.db", "other.db"),
    ] {
        let store = open(url).await.expect("opens");
        store.check_health().await.expect("is healthy");
        assert_eq!(store.list_agents().await.unwrap(), []);
    }
    assert!(place.path().exists() && place.path().with_file_name("other.db").exists());
    for url in ["mysql://u:geheim@h/db", "kagent.db", "sqlite:", ""] {
        match open(url.to_owned()).await {
            Ok(_) => panic!("{url} was opened"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
                assert!(!error.chain().contains("geheim"), "{}", error.chain());
            }
        }
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_refused() {
    let place = TestSqlite::create();
    let directory = place.path().parent().unwrap().to_owned();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o500)).unwrap();
    // Nothing is closed to the superuser; /proc takes no files from anybody.
    let as_root = std::fs::write(directory.join("probe"), "").is_ok();
    let path = if as_root {
        Path::new("/proc/kagent.db").to_owned()
    } else {
        place.path()
    };
    let error = refusal(&path).await;
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.message().contains("cannot be used"), "{error}");
}

#[test]
fn both_engines_have_the_same_migrations() {
    let names = |engine: &str| -> Vec<_> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
        let entries = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert!(!names("sqlite").is_empty());
    assert_eq!(names("sqlite"), names("postgres"));
}
