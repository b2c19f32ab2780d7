//! Leader election by a row: the contract, with replicas that have connections of their own.

use std::sync::Arc;

use async_trait::async_trait;
use kagent_core::{
    clock::new_id,
    leader::{
        contract::{Contender, Harness, SHORT_TIMES, check_election, check_only_candidate},
        database::{DatabaseElector, DatabaseLeaseConfig},
    },
    tasks::Tasks,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{db::TestPostgres, forwarder::Forwarder, open_url};

struct RowHarness {
    database: TestPostgres,
    tasks: Tasks,
}

impl RowHarness {
    async fn new() -> Self {
        Self {
            database: TestPostgres::create().await,
            tasks: Tasks::new().0,
        }
    }
}

#[async_trait]
impl Harness for RowHarness {
    async fn join(&self) -> Contender {
        let mut way = Forwarder::closed(&self.database.url()).await;
        way.start().await;
        let store = open_url(way.url(&self.database.url())).await;
        let (cut_off, mut is_cut_off) = watch::channel(false);
        self.tasks.spawn("the way to the database", async move {
            while is_cut_off.changed().await.is_ok() {
                way.freeze(*is_cut_off.borrow_and_update());
            }
        });
        let config = DatabaseLeaseConfig {
            name: "controllers".to_owned(),
            identity: format!("candidate_{}", new_id()),
            times: SHORT_TIMES,
        };
        let resign = CancellationToken::new();
        let elector = DatabaseElector::new(store, config, resign.clone(), &self.tasks);
        Contender {
            elector: Arc::new(elector.expect("the durations fit together")),
            resign,
            cut_off,
        }
    }
}

#[tokio::test]
async fn the_row_keeps_the_contract() {
    check_election(&RowHarness::new().await).await;
}

#[tokio::test]
async fn the_only_candidate_leads() {
    let harness = RowHarness::new().await;
    check_only_candidate(harness.join().await.elector).await;
}
