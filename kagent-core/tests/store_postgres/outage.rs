//! A database that is away, at start and later, and one that does not answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use kagent_core::{
    clock::SystemClock,
    error::{Error, ErrorKind},
    store::{AgentStore, HealthStore, SessionStore, StoreConfig, agents::NewAgent, connect, postgres::PostgresStore},
    tasks::Tasks,
};
use sqlx::Executor;
use tokio::time::timeout;

use crate::{PROMPTLY, db::TestPostgres, forwarder::Forwarder, open};

fn agent() -> NewAgent {
    NewAgent {
        id: "a".to_owned(),
        agent_type: "BYO".to_owned(),
        workload_type: "deployment".to_owned(),
        config: None,
    }
}

fn impatient(url: String) -> StoreConfig {
    StoreConfig {
        max_connections: 2,
        acquire_timeout: Duration::from_millis(1000),
        call_timeout: Duration::from_millis(500),
        ..StoreConfig::new(url)
    }
}

fn assert_unavailable<T>(result: Result<T, Error>) -> Error {
    let Err(error) = result else {
        panic!("a database that is away answered");
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
    error
}

async fn wait_until_healthy(store: &dyn HealthStore) {
    let healthy = async {
        while store.check_health().await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PROMPTLY, healthy).await.expect("the store did not recover");
}

#[tokio::test]
async fn a_database_that_is_away_at_start_is_waited_for() {
    let database = TestPostgres::create().await;
    let mut way = Forwarder::closed(&database.url()).await;
    let (tasks, _ends) = Tasks::new();
    let config = impatient(way.url(&database.url()));
    let before = Instant::now();
    let store = connect(&config, Arc::new(SystemClock), &tasks)
        .await
        .expect("is no error");
    let error = assert_unavailable(store.check_health().await);
    assert!(
        error.message().starts_with("the database is not reachable yet"),
        "{error}"
    );
    assert_unavailable(store.find_agent("a").await);
    assert!(
        before.elapsed() < Duration::from_millis(900),
        "somebody waited for the database"
    );

    way.start().await;
    wait_until_healthy(&*store).await;
    store.upsert_agent(&agent()).await.expect("written");
}

#[tokio::test]
async fn shutdown_does_not_wait_for_a_database_that_is_away() {
    let database = TestPostgres::create().await;
    let way = Forwarder::closed(&database.url()).await;
    let (tasks, _ends) = Tasks::new();
    let config = StoreConfig::new(way.url(&database.url()));
    let _store = PostgresStore::connect(&config, Arc::new(SystemClock), &tasks).expect("is no error");
    assert!(
        tasks.shutdown(Duration::from_millis(500)).await,
        "the connecting task went on"
    );
}

#[tokio::test]
async fn a_database_that_is_lost_is_unavailable_until_it_is_back() {
    let database = TestPostgres::create().await;
    let mut way = Forwarder::closed(&database.url()).await;
    way.start().await;
    let store = open(&impatient(way.url(&database.url())), Arc::new(SystemClock)).await;
    store.upsert_agent(&agent()).await.expect("written");

    way.stop().await;
    for _ in 0..3 {
        assert_unavailable(store.check_health().await);
        assert_unavailable(store.find_agent("a").await);
        assert_unavailable(store.delete_agent("a").await);
        assert_unavailable(store.list_sessions("alice").await);
    }

    way.start().await;
    wait_until_healthy(&*store).await;
    assert!(store.find_agent("a").await.expect("answers").is_some());
}

#[tokio::test]
async fn a_database_that_does_not_answer_costs_no_more_than_the_deadline() {
    let database = TestPostgres::create().await;
    let mut way = Forwarder::closed(&database.url()).await;
    way.start().await;
    let store = open(&impatient(way.url(&database.url())), Arc::new(SystemClock)).await;
    join_all((0..4).map(|_| store.check_health())).await;

    way.freeze(true);
    let before = Instant::now();
    for result in join_all((0..8).map(|_| store.find_agent("a"))).await {
        assert_unavailable(result);
    }
    assert!(before.elapsed() < Duration::from_secs(5), "took {:?}", before.elapsed());

    way.freeze(false);
    wait_until_healthy(&*store).await;
    assert_eq!(store.find_agent("a").await.expect("answers"), None);
}

#[tokio::test]
async fn connections_that_the_server_ended_are_replaced() {
    let database = TestPostgres::create().await;
    let store = open(&StoreConfig::new(database.url()), Arc::new(SystemClock)).await;
    store.check_health().await.expect("is healthy");
    // Longer than a connection is trusted without asking.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let mut connection = database.connect().await;
    connection
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await
        .expect("the server ends them");
    assert_eq!(store.find_agent("a").await.expect("nobody noticed"), None);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_broken_connection() {
    let database = TestPostgres::create().await;
    let mut config = StoreConfig::new(database.url());
    config.max_connections = 1;
    let store = open(&config, Arc::new(SystemClock)).await;
    store.upsert_agent(&agent()).await.expect("written");
    let mut connection = database.connect().await;
    for _ in 0..5 {
        connection.execute("BEGIN; LOCK TABLE agent").await.expect("locked");
        let call = store.find_agent("a");
        timeout(Duration::from_millis(100), call).await.expect_err("was locked");
        connection.execute("ROLLBACK").await.expect("unlocked");
        assert!(store.find_agent("a").await.expect("answers").is_some());
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_without_the_password() {
    let database = TestPostgres::create().await;
    let mut url = url::Url::parse(&database.url()).expect("a URL");
    url.set_username("nobody_of_this_name").expect("a user can be set");
    url.set_password(Some("geheim")).expect("a password can be set");
    let (tasks, _ends) = Tasks::new();
    let config = impatient(url.into());
    let store = PostgresStore::connect(&config, Arc::new(SystemClock), &tasks).expect("is no error");
    let error = timeout(PROMPTLY, async {
        loop {
            let error = assert_unavailable(store.check_health().await);
            if error.message().contains("refuses the login") {
                return error;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let error = error.await.expect("the reason was not told");
    assert!(!error.chain().contains("geheim"), "{}", error.chain());
    assert!(!format!("{config:?}").contains("geheim"), "{config:?}");
}
