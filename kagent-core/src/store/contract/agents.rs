//! The contract of agents.

use super::{Fixture, agent};
use crate::{clock::Clock, error::ErrorKind, store::Store};

pub async fn an_unknown_agent_is_none<S: Store + ?Sized>(fixture: &Fixture<S>) {
    assert_eq!(fixture.store.find_agent("nobody").await.expect("answers"), None);
    assert!(!fixture.store.delete_agent("nobody").await.expect("answers"));
    assert_eq!(fixture.store.list_agents().await.expect("answers"), []);
}

pub async fn a_second_upsert_replaces_and_keeps_created_at<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    let born = clock.now();
    store.upsert_agent(&agent("a", Some("{}"))).await.expect("written");
    let first = store.find_agent("a").await.expect("answers").expect("is there");
    assert_eq!(first.created_at, Some(born));
    assert_eq!(first.updated_at, Some(born));
    assert_eq!(first.config.as_deref(), Some("{}"));

    clock.advance_millis(1000);
    let mut changed = agent("a", None);
    changed.agent_type = "BYO".to_owned();
    changed.workload_type = "sandbox".to_owned();
    store.upsert_agent(&changed).await.expect("written");
    let second = store.find_agent("a").await.expect("answers").expect("is there");
    assert_eq!(second.created_at, Some(born), "created_at was overwritten");
    assert_eq!(second.updated_at, Some(clock.now()));
    assert_eq!(second.agent_type, "BYO");
    assert_eq!(second.workload_type, "sandbox");
    assert_eq!(second.config, None, "an old config was kept");
}

pub async fn an_agent_that_says_the_same_is_not_written_again<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    for config in [None, Some("{\"a\": 1}")] {
        let agent = agent("a", config);
        store.upsert_agent(&agent).await.expect("written");
        let written = clock.now();
        clock.advance_millis(1000);
        store.upsert_agent(&agent).await.expect("accepted");
        let found = store.find_agent("a").await.expect("answers").expect("is there");
        assert_eq!(found.updated_at, Some(written), "config {config:?} was written twice");
    }
}

pub async fn a_deleted_agent_is_gone_and_comes_back_to_life<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    let born = clock.now();
    store.upsert_agent(&agent("a", None)).await.expect("written");
    clock.advance_millis(1000);
    assert!(store.delete_agent("a").await.expect("deleted"));
    assert!(!store.delete_agent("a").await.expect("answers"), "was deleted twice");
    assert_eq!(store.find_agent("a").await.expect("answers"), None);
    assert_eq!(store.list_agents().await.expect("answers"), []);

    clock.advance_millis(1000);
    store.upsert_agent(&agent("a", None)).await.expect("written");
    let found = store.find_agent("a").await.expect("answers").expect("came back");
    assert_eq!(found.created_at, Some(born));
    assert_eq!(found.updated_at, Some(clock.now()));
    assert_eq!(store.list_agents().await.expect("answers"), [found]);
}

pub async fn agents_are_listed_by_creation_then_id<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    for id in ["c", "B", "a"] {
        store.upsert_agent(&agent(id, None)).await.expect("written");
    }
    clock.advance_millis(1000);
    store.upsert_agent(&agent("A", None)).await.expect("written");
    let listed = store.list_agents().await.expect("listed");
    let ids: Vec<_> = listed.iter().map(|agent| agent.id.as_str()).collect();
    assert_eq!(ids, ["B", "a", "c", "A"], "ties are in byte order of the id");
}

pub async fn a_config_is_kept_to_the_byte<S: Store + ?Sized>(fixture: &Fixture<S>) {
    for config in [
        "{\"b\":1,  \"a\":12345678901234567890.10,\n\"a\":\"\\u003cb\\u003e ü 日本語 🚀\"}",
        "null",
        "{}",
        " [] ",
    ] {
        fixture
            .store
            .upsert_agent(&agent("a", Some(config)))
            .await
            .expect("written");
        let found = fixture.store.find_agent("a").await.expect("answers").expect("is there");
        assert_eq!(found.config.as_deref(), Some(config));
    }
}

pub async fn a_config_that_is_not_json_is_invalid<S: Store + ?Sized>(fixture: &Fixture<S>) {
    for config in ["", "{", "not json", "{} {}"] {
        let error = fixture.store.upsert_agent(&agent("a", Some(config))).await;
        let error = error.expect_err("was accepted");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{config:?}: {}", error.chain());
    }
    assert_eq!(fixture.store.find_agent("a").await.expect("answers"), None);
}
