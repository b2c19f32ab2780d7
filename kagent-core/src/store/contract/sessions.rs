//! The contract of sessions.

use futures::future::join_all;

use super::{ALICE, BOB, Fixture, append_new, event, list_ascending, session, task};
use crate::{
    clock::Clock,
    store::{
        Store,
        sessions::{NewSession, SessionRecord},
    },
};

fn ids(sessions: &[SessionRecord]) -> Vec<&str> {
    sessions.iter().map(|session| session.id.as_str()).collect()
}

pub async fn a_second_upsert_replaces_and_keeps_created_at<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    let born = clock.now();
    let first = store.upsert_session(&session("s", ALICE)).await.expect("written");
    let expected = SessionRecord {
        id: "s".to_owned(),
        user_id: ALICE.to_owned(),
        name: Some("a name".to_owned()),
        agent_id: Some("kagent__NS__agent".to_owned()),
        source: Some("user".to_owned()),
        created_at: Some(born),
        updated_at: Some(born),
    };
    assert_eq!(first, expected);

    clock.advance_millis(1000);
    let bare = NewSession {
        name: None,
        agent_id: None,
        source: None,
        ..session("s", ALICE)
    };
    let second = store.upsert_session(&bare).await.expect("written");
    let expected = SessionRecord {
        name: None,
        agent_id: None,
        source: None,
        updated_at: Some(clock.now()),
        ..expected
    };
    assert_eq!(second, expected, "what the second upsert leaves out is none");
    assert_eq!(store.find_session("s", ALICE).await.expect("answers"), Some(expected));
}

pub async fn the_same_id_belongs_to_each_user_separately<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    store.upsert_session(&session("s", ALICE)).await.expect("written");
    assert_eq!(store.find_session("s", BOB).await.expect("answers"), None);
    let mut of_bob = session("s", BOB);
    of_bob.name = Some("of bob".to_owned());
    store.upsert_session(&of_bob).await.expect("written");

    let found = store
        .find_session("s", ALICE)
        .await
        .expect("answers")
        .expect("is there");
    assert_eq!(
        found.name.as_deref(),
        Some("a name"),
        "bob's upsert reached alice's session"
    );
    for user in [ALICE, BOB] {
        let listed = store.list_sessions(user).await.expect("listed");
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].user_id, user);
    }
}

pub async fn sessions_are_listed_by_their_last_change<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    for id in ["b", "a"] {
        store.upsert_session(&session(id, ALICE)).await.expect("written");
    }
    clock.advance_millis(10);
    store.upsert_session(&session("late", ALICE)).await.expect("written");
    assert_eq!(
        ids(&store.list_sessions(ALICE).await.expect("listed")),
        ["late", "a", "b"]
    );

    clock.advance_millis(10);
    store.upsert_session(&session("b", ALICE)).await.expect("written");
    store.upsert_session(&session("new", ALICE)).await.expect("written");
    assert_eq!(
        ids(&store.list_sessions(ALICE).await.expect("listed")),
        ["new", "b", "late", "a"],
        "changed at the same instant: last created first"
    );
}

pub async fn sessions_of_an_agent_leave_out_those_that_agents_started<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    for (id, agent, source) in [
        ("user", Some("x"), Some("user")),
        ("agent", Some("x"), Some("agent")),
        ("none", Some("x"), None),
        ("other agent", Some("y"), None),
        ("free text", Some("x"), Some("cron")),
        ("no agent", None, None),
    ] {
        let new = NewSession {
            agent_id: agent.map(str::to_owned),
            source: source.map(str::to_owned),
            ..session(id, ALICE)
        };
        store.upsert_session(&new).await.expect("written");
    }
    let listed = store.list_sessions_for_agent("x", ALICE).await.expect("listed");
    assert_eq!(ids(&listed), ["free text", "none", "user"]);
    assert_eq!(store.list_sessions_for_agent("x", BOB).await.expect("listed"), []);
    assert_eq!(store.list_sessions(ALICE).await.expect("listed").len(), 6);
}

pub async fn another_agent_is_set_on_the_users_session_only<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    let mine = store.upsert_session(&session("s", ALICE)).await.expect("written");
    let of_bob = store.upsert_session(&session("s", BOB)).await.expect("written");
    clock.advance_millis(1000);
    let changed = store.update_session_agent("s", ALICE, "other").await.expect("answers");
    let expected = SessionRecord {
        agent_id: Some("other".to_owned()),
        updated_at: Some(clock.now()),
        ..mine
    };
    assert_eq!(changed, Some(expected));
    assert_eq!(store.find_session("s", BOB).await.expect("answers"), Some(of_bob));

    assert_eq!(
        store
            .update_session_agent("unknown", ALICE, "x")
            .await
            .expect("answers"),
        None
    );
    store.delete_session("s", ALICE).await.expect("deleted");
    assert_eq!(
        store.update_session_agent("s", ALICE, "x").await.expect("answers"),
        None,
        "a deleted session was changed"
    );
}

pub async fn a_deleted_session_is_gone_for_its_user_only<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    for user in [ALICE, BOB] {
        store.upsert_session(&session("s", user)).await.expect("written");
    }
    assert!(store.delete_session("s", ALICE).await.expect("deleted"));
    assert!(
        !store.delete_session("s", ALICE).await.expect("answers"),
        "deleted twice"
    );
    assert!(!store.delete_session("unknown", ALICE).await.expect("answers"));
    assert_eq!(store.find_session("s", ALICE).await.expect("answers"), None);
    assert_eq!(store.list_sessions(ALICE).await.expect("listed"), []);
    assert_eq!(
        store
            .list_sessions_for_agent("kagent__NS__agent", ALICE)
            .await
            .expect("listed"),
        []
    );
    assert!(store.find_session("s", BOB).await.expect("answers").is_some());
}

pub async fn a_deleted_session_comes_back_with_its_events<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    let first = store.upsert_session(&session("s", ALICE)).await.expect("written");
    append_new(&*fixture.store, &event("e", "s")).await;
    store.upsert_task(&task("t", Some("s"))).await.expect("written");
    store.delete_session("s", ALICE).await.expect("deleted");
    clock.advance_millis(1000);
    let again = store.upsert_session(&session("s", ALICE)).await.expect("written");
    assert_eq!(again.created_at, first.created_at);
    assert_eq!(again.updated_at, Some(clock.now()));
    assert_eq!(store.find_session("s", ALICE).await.expect("answers"), Some(again));
    assert_eq!(list_ascending(&*fixture.store, "s").await.len(), 1);
    assert_eq!(store.list_tasks_for_session("s").await.expect("listed").len(), 1);
}

pub async fn updated_at_never_goes_back<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    let first = store.upsert_session(&session("s", ALICE)).await.expect("written");
    clock.advance_millis(-60_000);
    let upserted = store.upsert_session(&session("s", ALICE)).await.expect("written");
    assert_eq!(upserted.updated_at, first.updated_at);
    let changed = store.update_session_agent("s", ALICE, "x").await.expect("answers");
    assert_eq!(changed.expect("is there").updated_at, first.updated_at);
    store.upsert_task(&task("t", Some("s"))).await.expect("written");
    let found = store
        .find_session("s", ALICE)
        .await
        .expect("answers")
        .expect("is there");
    assert_eq!(found.updated_at, first.updated_at);
}

pub async fn parallel_upserts_of_one_session_all_succeed<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let new = session("s", ALICE);
    let upserts = (0..32).map(|_| fixture.store.upsert_session(&new));
    for result in join_all(upserts).await {
        result.expect("written");
    }
    assert_eq!(fixture.store.list_sessions(ALICE).await.expect("listed").len(), 1);
}
