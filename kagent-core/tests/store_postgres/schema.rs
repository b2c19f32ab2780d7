//! The schema: equal to the Go controller's, applied once, and refused when it is not ours to use.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use kagent_core::{
    clock::SystemClock,
    error::ErrorKind,
    store::{HealthStore, StoreConfig, postgres::PostgresStore},
    tasks::Tasks,
};
use sqlx::{Executor, PgConnection};
use tokio::time::timeout;

use crate::{PROMPTLY, db::TestPostgres, open_url, recorded::restore};

/// Tables, columns and indexes as text, without the Go controller's bookkeeping and without tables of our own.
async fn describe(connection: &mut PgConnection, order_of_columns: bool) -> Vec<String> {
    let rows: Vec<(String,)> = sqlx::query_as(
        "SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default,
                CASE WHEN $1 THEN ordinal_position END) AS line
         FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name <> 'schema_migrations' AND table_name NOT LIKE 'kagent_rs_%'
         UNION ALL
         SELECT indexdef FROM pg_indexes
         WHERE schemaname = 'public' AND tablename <> 'schema_migrations' AND tablename NOT LIKE 'kagent_rs_%'
         UNION ALL
         SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) FROM pg_constraint
         WHERE connamespace = 'public'::regnamespace
             AND conrelid::regclass::text <> 'schema_migrations' AND conrelid::regclass::text NOT LIKE 'kagent_rs_%'
         ORDER BY line",
    )
    .bind(order_of_columns)
    .fetch_all(connection)
    .await
    .expect("the catalogue answers");
    rows.into_iter().map(|row| row.0).collect()
}

#[tokio::test]
async fn our_schema_is_the_go_controllers() {
    let recorded = TestPostgres::create().await;
    restore(&recorded, "kagent-0.9.12.sql.gz").await;
    let ours = TestPostgres::create().await;
    open_url(ours.url()).await;
    let expected = describe(&mut recorded.connect().await, true).await;
    assert!(expected.len() > 80, "the catalogue was not read");
    assert_eq!(describe(&mut ours.connect().await, true).await, expected);
}

#[tokio::test]
async fn adopting_a_database_changes_no_table_and_no_row_of_it() {
    for recording in ["kagent-0.9.12.sql.gz", "kagent-0.8.0-upgraded-to-0.9.12.sql.gz"] {
        let database = TestPostgres::create().await;
        restore(&database, recording).await;
        let mut connection = database.connect().await;
        let schema = describe(&mut connection, true).await;
        let rows = count_and_hash(&mut connection).await;
        open_url(database.url()).await.check_health().await.expect("is healthy");
        open_url(database.url())
            .await
            .check_health()
            .await
            .expect("a second time too");
        assert_eq!(describe(&mut connection, true).await, schema, "{recording}");
        assert_eq!(count_and_hash(&mut connection).await, rows, "{recording}");
    }
}

async fn count_and_hash(connection: &mut PgConnection) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (table, statement) in [
        (
            "agent",
            "SELECT count(*) || ' ' || md5(string_agg(t::text, ';' ORDER BY t::text)) FROM agent t",
        ),
        (
            "session",
            "SELECT count(*) || ' ' || md5(string_agg(t::text, ';' ORDER BY t::text)) FROM session t",
        ),
        (
            "event",
            "SELECT count(*) || ' ' || md5(string_agg(t::text, ';' ORDER BY t::text)) FROM event t",
        ),
        (
            "task",
            "SELECT count(*) || ' ' || md5(string_agg(t::text, ';' ORDER BY t::text)) FROM task t",
        ),
        (
            "feedback",
            "SELECT count(*) || ' ' || md5(string_agg(t::text, ';' ORDER BY t::text)) FROM feedback t",
        ),
        (
            "schema_migrations",
            "SELECT count(*) || ' ' || md5(string_agg(t::text, ';' ORDER BY t::text)) FROM schema_migrations t",
        ),
    ] {
        let row: (String,) = sqlx::query_as(statement)
            .fetch_one(&mut *connection)
            .await
            .expect("the rows are read");
        found.push((table.to_owned(), row.0));
    }
    found
}

#[tokio::test]
async fn many_replicas_may_start_at_once() {
    let database = TestPostgres::create().await;
    let stores = join_all((0..8).map(|_| open_url(database.url()))).await;
    for result in join_all(stores.iter().map(|store| store.check_health())).await {
        result.expect("is healthy");
    }
    let mut connection = database.connect().await;
    let applied: (i64,) = sqlx::query_as("SELECT count(*) FROM kagent_rs_migrations WHERE version = 1 AND success")
        .fetch_one(&mut connection)
        .await
        .expect("our bookkeeping is there");
    assert_eq!(applied.0, 1);
}

#[tokio::test]
async fn a_schema_that_is_not_ours_to_use_is_refused_and_comes_to_life_when_it_is() {
    for (name, recording, spoil, repair, expected) in [
        (
            "half-way",
            Some("kagent-0.9.12.sql.gz"),
            "UPDATE schema_migrations SET dirty = true",
            Some("UPDATE schema_migrations SET dirty = false"),
            "failed half-way",
        ),
        (
            "newer Go",
            Some("kagent-0.9.12.sql.gz"),
            "UPDATE schema_migrations SET version = 6",
            None,
            "newer than 0.9.12",
        ),
        (
            "older Go",
            Some("kagent-0.9.12.sql.gz"),
            "UPDATE schema_migrations SET version = 4",
            None,
            "start the kagent 0.9.12 controller on it once",
        ),
        (
            "before 0.9",
            Some("kagent-0.8.0.sql.gz"),
            "SELECT 1",
            None,
            "start the kagent 0.9.12 controller on it once",
        ),
        (
            "newer than us",
            None,
            "INSERT INTO kagent_rs_migrations VALUES (9999, 'from the future', now(), true, '', 0)",
            Some("DELETE FROM kagent_rs_migrations WHERE version = 9999"),
            "newer version of this program",
        ),
    ] {
        let database = TestPostgres::create().await;
        match recording {
            Some(recording) => restore(&database, recording).await,
            None => drop(open_url(database.url()).await),
        }
        let mut connection = database.connect().await;
        connection.execute(spoil).await.expect("the schema is spoilt");
        let before = describe(&mut connection, true).await;

        let (tasks, _ends) = Tasks::new();
        let config = StoreConfig::new(database.url());
        let store = PostgresStore::connect(&config, Arc::new(SystemClock), &tasks).expect("the URL is valid");
        let refused = timeout(PROMPTLY, async {
            loop {
                let error = store.check_health().await.expect_err("the schema was accepted");
                assert_eq!(error.kind(), ErrorKind::Unavailable);
                if error.message().contains(expected) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        refused
            .await
            .unwrap_or_else(|_| panic!("{name}: the reason was not told"));
        assert_eq!(
            describe(&mut connection, true).await,
            before,
            "{name}: the schema was touched"
        );

        if let Some(repair) = repair {
            connection.execute(repair).await.expect("the schema is repaired");
            timeout(PROMPTLY, store.wait_until_ready())
                .await
                .unwrap_or_else(|_| panic!("{name}: a repaired schema was not noticed"));
        }
        tasks.shutdown(Duration::from_secs(5)).await;
    }
}

#[tokio::test]
async fn tables_go_to_the_schema_that_the_url_names() {
    let database = TestPostgres::create().await;
    let mut connection = database.connect().await;
    connection
        .execute("CREATE SCHEMA team_a")
        .await
        .expect("the schema is made");
    let store = open_url(format!("{}?search_path=team_a", database.url())).await;
    store.check_health().await.expect("is healthy");
    let tables: (i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE schemaname = 'team_a'), count(*) FILTER (WHERE schemaname = 'public') \
         FROM pg_tables",
    )
    .fetch_one(&mut connection)
    .await
    .expect("the catalogue answers");
    assert_eq!(tables, (14, 0));
}
