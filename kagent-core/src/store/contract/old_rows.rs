//! The contract of rows that older versions wrote: columns that are NULL there are read, listed and written over.

use super::{ALICE, Fixture, agent, append_new, event, list_ascending, session, task};
use crate::{
    clock::Clock,
    store::{Store, events::EventQuery},
};

/// The rows, in words that both SQL engines understand.
pub const SQL: [&str; 6] = [
    "INSERT INTO agent (id, type) VALUES ('old', 'BYO')",
    "INSERT INTO session (id, user_id) VALUES ('old', 'alice@example.com')",
    "INSERT INTO event (id, user_id, session_id, data) VALUES ('old', 'alice@example.com', 'old', 'opaque')",
    "INSERT INTO event (id, user_id, data) VALUES ('lost', 'alice@example.com', 'opaque')",
    "INSERT INTO task (id, session_id, data) VALUES ('old', 'old', '{}')",
    "INSERT INTO task (id, session_id, data, protocol_version) VALUES ('empty', 'old', '{}', '')",
];

pub async fn old_agents_are_listed_and_can_be_written(fixture: &Fixture<dyn Store>) {
    let store = &fixture.store;
    store.upsert_agent(&agent("new", None)).await.expect("written");
    let listed = store.list_agents().await.expect("listed");
    let ids: Vec<_> = listed.iter().map(|agent| agent.id.as_str()).collect();
    assert_eq!(ids, ["new", "old"]);
    assert_eq!(listed[1].workload_type, "deployment");
    assert_eq!((listed[1].created_at, listed[1].updated_at), (None, None));
    store.upsert_agent(&agent("old", Some("{}"))).await.expect("written");
    let found = store.find_agent("old").await.expect("answers").expect("is there");
    assert_eq!(found.updated_at, Some(fixture.clock.now()));
}

pub async fn old_sessions_are_listed_and_can_be_written(fixture: &Fixture<dyn Store>) {
    let store = &fixture.store;
    store.upsert_session(&session("new", ALICE)).await.expect("written");
    let listed = store.list_sessions(ALICE).await.expect("listed");
    let ids: Vec<_> = listed.iter().map(|session| session.id.as_str()).collect();
    assert_eq!(ids, ["old", "new"]);
    let old = &listed[0];
    assert_eq!((&old.name, &old.agent_id, &old.source), (&None, &None, &None));
    assert_eq!((old.created_at, old.updated_at), (None, None));

    let changed = store.update_session_agent("old", ALICE, "x").await.expect("answers");
    assert_eq!(changed.expect("is there").updated_at, Some(fixture.clock.now()));
    let written = store.upsert_session(&session("old", ALICE)).await.expect("written");
    assert_eq!(written.created_at, None, "created_at stays");
    assert_eq!(written.updated_at, Some(fixture.clock.now()));
}

pub async fn old_events_are_listed_and_appended_to(fixture: &Fixture<dyn Store>) {
    let store = &fixture.store;
    let new = append_new(&**store, &event("new", "old")).await;
    assert_eq!(new.created_at, Some(fixture.clock.now()));
    let listed = list_ascending(&**store, "old").await;
    let ids: Vec<_> = listed.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["new", "old"], "no time counts as the newest");
    assert_eq!((listed[1].created_at, listed[1].updated_at), (None, None));
    let query = EventQuery {
        after: Some(fixture.clock.now()),
        ..EventQuery::default()
    };
    assert_eq!(store.list_events("old", ALICE, &query).await.expect("listed"), []);
}

pub async fn old_tasks_are_listed_and_can_be_written(fixture: &Fixture<dyn Store>) {
    let store = &fixture.store;
    let listed = store.list_tasks_for_session("old").await.expect("listed");
    let versions: Vec<_> = listed
        .iter()
        .map(|task| (task.id.as_str(), task.protocol_version.as_deref()))
        .collect();
    assert_eq!(versions, [("empty", Some("")), ("old", None)]);
    store.upsert_task(&task("old", Some("old"))).await.expect("written");
    let found = store.find_task("old").await.expect("answers").expect("is there");
    assert_eq!((found.created_at, found.updated_at), (None, Some(fixture.clock.now())));
}
