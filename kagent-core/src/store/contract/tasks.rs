//! The contract of tasks.

use futures::future::join_all;

use super::{ALICE, BOB, Fixture, session, task};
use crate::{
    clock::Clock,
    store::{
        Store,
        tasks::{NewTask, TaskRecord},
    },
};

pub async fn a_second_upsert_replaces_and_keeps_created_at<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    let born = clock.now();
    assert_eq!(store.find_task("t").await.expect("answers"), None);
    store.upsert_task(&task("t", None)).await.expect("written");
    let expected = TaskRecord {
        id: "t".to_owned(),
        session_id: None,
        data: task("t", None).data,
        protocol_version: None,
        created_at: Some(born),
        updated_at: Some(born),
    };
    assert_eq!(store.find_task("t").await.expect("answers"), Some(expected.clone()));

    clock.advance_millis(1000);
    let changed = NewTask {
        id: "t".to_owned(),
        session_id: Some("s".to_owned()),
        data: "{}".to_owned(),
        protocol_version: Some("1.0".to_owned()),
    };
    store.upsert_task(&changed).await.expect("written");
    let expected = TaskRecord {
        session_id: changed.session_id,
        data: changed.data,
        protocol_version: changed.protocol_version,
        updated_at: Some(clock.now()),
        ..expected
    };
    assert_eq!(store.find_task("t").await.expect("answers"), Some(expected.clone()));
    assert_eq!(store.list_tasks_for_session("s").await.expect("listed"), [expected]);
}

pub async fn a_deleted_task_is_gone_and_comes_back_to_life<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    let born = clock.now();
    store.upsert_task(&task("t", Some("s"))).await.expect("written");
    clock.advance_millis(1000);
    assert!(store.delete_task("t").await.expect("deleted"));
    assert!(!store.delete_task("t").await.expect("answers"), "deleted twice");
    assert!(!store.delete_task("unknown").await.expect("answers"));
    assert_eq!(store.find_task("t").await.expect("answers"), None);
    assert_eq!(store.list_tasks_for_session("s").await.expect("listed"), []);

    store.upsert_task(&task("t", Some("s"))).await.expect("written");
    let found = store.find_task("t").await.expect("answers").expect("came back");
    assert_eq!(found.created_at, Some(born));
}

pub async fn tasks_of_a_session_are_listed_by_creation_then_id<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    for id in ["b", "C", "a"] {
        store.upsert_task(&task(id, Some("s"))).await.expect("written");
    }
    clock.advance_millis(1000);
    store.upsert_task(&task("0", Some("s"))).await.expect("written");
    store.upsert_task(&task("b", Some("s"))).await.expect("written");
    store.upsert_task(&task("other", Some("other"))).await.expect("written");
    store.upsert_task(&task("none", None)).await.expect("written");
    let listed = store.list_tasks_for_session("s").await.expect("listed");
    let ids: Vec<_> = listed.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(ids, ["C", "a", "b", "0"], "ties are in byte order of the id");
}

pub async fn a_task_marks_the_sessions_with_its_id_of_every_user<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    let before = clock.now();
    for (id, user) in [("s", ALICE), ("s", BOB), ("other", ALICE)] {
        store.upsert_session(&session(id, user)).await.expect("written");
    }
    clock.advance_millis(1000);
    store.upsert_task(&task("t", Some("s"))).await.expect("written");
    store.upsert_task(&task("u", None)).await.expect("written");
    for (id, user, expected) in [
        ("s", ALICE, clock.now()),
        ("s", BOB, clock.now()),
        ("other", ALICE, before),
    ] {
        let found = store.find_session(id, user).await.expect("answers").expect("is there");
        assert_eq!(found.updated_at, Some(expected), "session {id} of {user}");
    }
}

pub async fn parallel_upserts_all_succeed<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    for user in [ALICE, BOB] {
        store.upsert_session(&session("s", user)).await.expect("written");
    }
    let tasks: Vec<_> = (0..64)
        .map(|number| task(&format!("t{}", number % 4), Some("s")))
        .collect();
    for result in join_all(tasks.iter().map(|task| store.upsert_task(task))).await {
        result.expect("written");
    }
    assert_eq!(store.list_tasks_for_session("s").await.expect("listed").len(), 4);
}
