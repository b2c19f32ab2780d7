//! The contract of text and health: what is written is what is read, and U+0000 is refused.

use std::time::Duration;

use super::{ALICE, Fixture, agent, append_new, event, list_ascending, session, task};
use crate::{
    error::{Error, ErrorKind},
    store::{
        Store,
        events::{EventQuery, NewEvent},
        leases::LeaseClaim,
        sessions::NewSession,
        tasks::NewTask,
    },
};

/// Quotes, escapes, wildcards, controls, both ends of the planes, combining marks, right-to-left, a byte order mark.
const STRANGE: [&str; 8] = [
    "O'Neil \"quoted\" \\back; DROP TABLE session; --",
    "%_ $1 ?1 :name",
    "\u{1}\u{8}\t\r\n\u{1b}\u{7f}\u{85}",
    "\u{d7ff}\u{e000}\u{fffd}\u{ffff}\u{10000}\u{10ffff}",
    "e\u{301} é Å \u{212b}",
    "\u{feff}שלום \u{202e}abc",
    "日本語 🚀 👩‍👩‍👧",
    "",
];

pub async fn a_healthy_store_says_so<S: Store + ?Sized>(fixture: &Fixture<S>) {
    fixture.store.check_health().await.expect("is healthy");
}

pub async fn every_character_but_nul_is_kept<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    for text in STRANGE {
        let new = NewSession {
            id: text.to_owned(),
            user_id: text.to_owned(),
            name: Some(text.to_owned()),
            agent_id: Some(text.to_owned()),
            source: Some(text.to_owned()),
        };
        let written = store.upsert_session(&new).await.expect("written");
        let found = store
            .find_session(text, text)
            .await
            .expect("answers")
            .expect("is there");
        assert_eq!(found, written);
        assert_eq!(found.name.as_deref(), Some(text));
        assert_eq!(store.list_sessions(text).await.expect("listed").len(), 1, "{text:?}");
        assert_eq!(
            store.list_sessions_for_agent(text, text).await.expect("listed"),
            [found]
        );

        let new = NewEvent {
            id: text.to_owned(),
            user_id: text.to_owned(),
            session_id: text.to_owned(),
            data: text.to_owned(),
        };
        append_new(&**store, &new).await;
        let events = store
            .list_events(text, text, &EventQuery::default())
            .await
            .expect("listed");
        assert_eq!(events.len(), 1, "{text:?}");
        assert_eq!(events[0].data, text);

        let new = NewTask {
            id: text.to_owned(),
            session_id: Some(text.to_owned()),
            data: text.to_owned(),
            protocol_version: Some(text.to_owned()),
        };
        store.upsert_task(&new).await.expect("written");
        let found = store.find_task(text).await.expect("answers").expect("is there");
        assert_eq!(found.data, text);
        assert_eq!(found.protocol_version.as_deref(), Some(text));

        store.upsert_agent(&agent(text, None)).await.expect("written");
        assert!(store.find_agent(text).await.expect("answers").is_some(), "{text:?}");
    }
}

pub async fn long_ids_and_large_payloads_are_kept<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    let id = "x".repeat(600);
    let mut new = session(&id, ALICE);
    new.name = Some("name ".repeat(1000));
    let written = store.upsert_session(&new).await.expect("written");
    assert_eq!(written.id, id);
    assert_eq!(written.name, new.name);

    let large = NewEvent {
        data: "0123456789abcdef".repeat(65_536),
        ..event(&id, &id)
    };
    append_new(&**store, &large).await;
    assert_eq!(list_ascending(&**store, &id).await[0].data, large.data);
    let large = NewTask {
        data: large.data,
        ..task(&id, Some(&id))
    };
    store.upsert_task(&large).await.expect("written");
    let found = store.find_task(&id).await.expect("answers").expect("is there");
    assert_eq!(found.data, large.data);
}

pub async fn nul_is_invalid_everywhere<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    let bad = "a\0b";
    let query = EventQuery::default();
    let mut bad_event = event("e", "s");
    bad_event.data = bad.to_owned();
    let mut bad_task = task("t", Some("s"));
    bad_task.data = bad.to_owned();
    let mut bad_name = session("s", ALICE);
    bad_name.name = Some(bad.to_owned());

    assert_invalid("upsert_agent", store.upsert_agent(&agent(bad, None)).await);
    assert_invalid("find_agent", store.find_agent(bad).await);
    assert_invalid("delete_agent", store.delete_agent(bad).await);
    assert_invalid("upsert_session", store.upsert_session(&bad_name).await);
    assert_invalid("find_session", store.find_session("s", bad).await);
    assert_invalid("list_sessions", store.list_sessions(bad).await);
    assert_invalid(
        "list_sessions_for_agent",
        store.list_sessions_for_agent(bad, ALICE).await,
    );
    assert_invalid(
        "update_session_agent",
        store.update_session_agent("s", ALICE, bad).await,
    );
    assert_invalid("delete_session", store.delete_session(bad, ALICE).await);
    assert_invalid("append_event", store.append_event(&bad_event).await);
    assert_invalid("list_events", store.list_events(bad, ALICE, &query).await);
    assert_invalid("upsert_task", store.upsert_task(&bad_task).await);
    assert_invalid("find_task", store.find_task(bad).await);
    assert_invalid("list_tasks_for_session", store.list_tasks_for_session(bad).await);
    assert_invalid("delete_task", store.delete_task(bad).await);
    let bad_claim = LeaseClaim {
        name: "l".to_owned(),
        holder: bad.to_owned(),
        duration: Duration::from_secs(1),
    };
    assert_invalid("take_lease", store.take_lease(&bad_claim).await);
    assert_invalid("release_lease", store.release_lease(bad, ALICE).await);

    assert_eq!(store.list_sessions(ALICE).await.expect("listed"), []);
    assert_eq!(store.find_task("t").await.expect("answers"), None);
}

fn assert_invalid<T>(method: &str, result: Result<T, Error>) {
    let error = result.err().unwrap_or_else(|| panic!("{method} accepted U+0000"));
    assert_eq!(error.kind(), ErrorKind::Invalid, "{method}: {}", error.chain());
}
