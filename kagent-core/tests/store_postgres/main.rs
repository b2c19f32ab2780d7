//! The contract of the store on Postgres, and what is particular to a server that others use and that can be away.

#[expect(unreachable_pub, reason = "a public module of another package, used here too")]
#[path = "../../../tests/src/db/postgres.rs"]
mod db;
mod forwarder;
mod leader;
mod outage;
mod recorded;
mod schema;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use kagent_core::{
    Clock,
    clock::SystemClock,
    store::{
        StoreConfig,
        contract::{Harness, old_rows},
        postgres::PostgresStore,
    },
    tasks::Tasks,
};
use sqlx::Executor;
use tokio::{sync::OnceCell, time::timeout};

use db::TestSchema;

/// Nothing here takes longer when it works.
const PROMPTLY: Duration = Duration::from_secs(60);

#[derive(Default)]
struct PostgresHarness {
    schema: OnceCell<TestSchema>,
}

#[async_trait]
impl Harness for PostgresHarness {
    type Store = PostgresStore;

    async fn open(&self, clock: Arc<dyn Clock>) -> Arc<PostgresStore> {
        let schema = self.schema.get_or_init(TestSchema::create).await;
        open(&modest(schema.url()), clock).await
    }

    async fn insert_old_rows(&self, _store: &PostgresStore) {
        let schema = self.schema.get().expect("the store is open");
        let mut connection = schema.connect().await;
        for statement in old_rows::SQL {
            connection.execute(statement).await.expect("the statement runs");
        }
    }
}

kagent_core::store_contract_tests!(crate::PostgresHarness);

/// The same without anything that outlives a transaction, as behind a pooler.
mod behind_a_pooler {
    use super::{Arc, Clock, Harness, PostgresHarness, PostgresStore, TestSchema, async_trait, modest, open};

    #[derive(Default)]
    struct PoolerHarness(PostgresHarness);

    #[async_trait]
    impl Harness for PoolerHarness {
        type Store = PostgresStore;

        async fn open(&self, clock: Arc<dyn Clock>) -> Arc<PostgresStore> {
            let schema = self.0.schema.get_or_init(TestSchema::create).await;
            let mut config = modest(schema.url());
            config.transaction_pooler = true;
            open(&config, clock).await
        }

        async fn insert_old_rows(&self, store: &PostgresStore) {
            self.0.insert_old_rows(store).await;
        }
    }

    kagent_core::store_contract_tests!(crate::behind_a_pooler::PoolerHarness);
}

/// Few connections, because many tests share one server.
fn modest(url: String) -> StoreConfig {
    StoreConfig {
        max_connections: 4,
        ..StoreConfig::new(url)
    }
}

/// A store that can be used.
async fn open(config: &StoreConfig, clock: Arc<dyn Clock>) -> Arc<PostgresStore> {
    let (tasks, _ends) = Tasks::new();
    let store = PostgresStore::connect(config, clock, &tasks).expect("the URL is valid");
    timeout(PROMPTLY, store.wait_until_ready())
        .await
        .expect("the database did not become ready");
    Arc::new(store)
}

async fn open_url(url: String) -> Arc<PostgresStore> {
    open(&modest(url), Arc::new(SystemClock)).await
}
