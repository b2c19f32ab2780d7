//! The contract of events.

use std::{collections::HashSet, time::Duration};

use futures::future::join_all;
use tokio::time::timeout;

use super::{ALICE, BOB, Fixture, append_new, event, list_ascending, session};
use crate::{
    clock::Clock,
    store::{
        Store,
        events::{Appended, EventQuery, EventRecord, NewEvent, Order},
    },
};

fn ids(events: &[EventRecord]) -> Vec<&str> {
    events.iter().map(|event| event.id.as_str()).collect()
}

pub async fn a_repeated_append_changes_nothing<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    store.upsert_session(&session("s", ALICE)).await.expect("written");
    let first = append_new(&**store, &event("e", "s")).await;
    assert_eq!(first.data, event("e", "s").data);
    assert_eq!(first.created_at, first.updated_at);
    let session_before = store.find_session("s", ALICE).await.expect("answers");

    clock.advance_millis(1000);
    let second = store.append_event(&event("e", "s")).await.expect("answers");
    assert_eq!(second, Appended::Repeated(first.clone()));
    assert_eq!(list_ascending(&**store, "s").await, [first]);
    assert_eq!(
        store.find_session("s", ALICE).await.expect("answers"),
        session_before,
        "a repetition marked the session"
    );
}

pub async fn a_taken_id_is_refused_and_nothing_is_written<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    for id in ["s", "other"] {
        store.upsert_session(&session(id, ALICE)).await.expect("written");
    }
    let first = append_new(&**store, &event("e", "s")).await;
    let other_data = NewEvent {
        data: "{}".to_owned(),
        ..event("e", "s")
    };
    for taken in [other_data, event("e", "other")] {
        assert_eq!(store.append_event(&taken).await.expect("answers"), Appended::Taken);
    }
    assert_eq!(list_ascending(&**store, "s").await, [first]);
    assert_eq!(list_ascending(&**store, "other").await, []);

    let of_bob = NewEvent {
        user_id: BOB.to_owned(),
        ..event("e", "s")
    };
    append_new(&**store, &of_bob).await;
}

pub async fn the_order_of_arrival_survives_clocks_that_stand_or_go_back<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    store.upsert_session(&session("s", ALICE)).await.expect("written");
    let arrival = ["z", "y", "a", "x", "b", "w"];
    for (number, id) in arrival.iter().enumerate() {
        append_new(&**store, &event(id, "s")).await;
        if number == 2 {
            clock.advance_millis(-3_600_000);
        }
    }
    let events = list_ascending(&**store, "s").await;
    assert_eq!(ids(&events), arrival);
    assert!(
        events.windows(2).all(|pair| pair[0].created_at < pair[1].created_at),
        "two events share an instant, so a reader that goes on after one misses the other"
    );
    let found = store
        .find_session("s", ALICE)
        .await
        .expect("answers")
        .expect("is there");
    assert_eq!(found.updated_at, events[5].created_at);
}

pub async fn descending_is_the_reverse_of_ascending<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    for id in ["b", "c", "a"] {
        append_new(&**store, &event(id, "no session")).await;
    }
    let ascending = list_ascending(&**store, "no session").await;
    let mut descending = store
        .list_events("no session", ALICE, &EventQuery::default())
        .await
        .expect("listed");
    assert_eq!(
        ids(&ascending),
        ["a", "b", "c"],
        "ties without a session are ordered by id"
    );
    descending.reverse();
    assert_eq!(ascending, descending);
}

pub async fn a_limit_and_an_instant_narrow_the_list<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    store.upsert_session(&session("s", ALICE)).await.expect("written");
    let mut times = Vec::new();
    for id in ["a", "b", "c", "d"] {
        times.push(append_new(&**store, &event(id, "s")).await.created_at);
    }
    for (after, order, limit, expected) in [
        (None, Order::Ascending, Some(2), vec!["a", "b"]),
        (None, Order::Descending, Some(2), vec!["d", "c"]),
        (times[1], Order::Ascending, None, vec!["c", "d"]),
        (times[1], Order::Descending, Some(1), vec!["d"]),
        (times[3], Order::Ascending, None, vec![]),
        (None, Order::Ascending, Some(0), vec![]),
        (None, Order::Ascending, Some(u32::MAX), vec!["a", "b", "c", "d"]),
    ] {
        let query = EventQuery { after, order, limit };
        let events = store.list_events("s", ALICE, &query).await.expect("listed");
        assert_eq!(ids(&events), expected, "{query:?}");
    }
}

pub async fn an_append_marks_its_session_and_no_other<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    store.upsert_session(&session("s", ALICE)).await.expect("written");
    let others = [("s", BOB), ("other", ALICE)];
    for (id, user) in others {
        store.upsert_session(&session(id, user)).await.expect("written");
    }
    let before = clock.now();
    clock.advance_millis(1000);
    append_new(&**store, &event("e", "s")).await;
    let found = store
        .find_session("s", ALICE)
        .await
        .expect("answers")
        .expect("is there");
    assert_eq!(found.updated_at, Some(clock.now()));
    assert_eq!(found.created_at, Some(before));
    for (id, user) in others {
        let found = store.find_session(id, user).await.expect("answers").expect("is there");
        assert_eq!(found.updated_at, Some(before), "session {id} of {user} was marked");
    }
}

pub async fn events_are_listed_for_their_user_only<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    append_new(&**store, &event("e", "s")).await;
    let events = store
        .list_events("s", BOB, &EventQuery::default())
        .await
        .expect("listed");
    assert_eq!(events, []);
}

pub async fn an_event_needs_no_session<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let record = append_new(&*fixture.store, &event("e", "nowhere")).await;
    assert_eq!(record.created_at, Some(fixture.clock.now()));
    assert_eq!(record.session_id.as_deref(), Some("nowhere"));
    assert_eq!(
        fixture.store.find_session("nowhere", ALICE).await.expect("answers"),
        None
    );
}

pub async fn parallel_appends_are_all_kept_in_an_order<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    store.upsert_session(&session("s", ALICE)).await.expect("written");
    let events: Vec<_> = (0..48).map(|number| event(&format!("e{number}"), "s")).collect();
    let appends = events.iter().map(|event| append_new(&**store, event));
    let mut appended = join_all(appends).await;
    appended.sort_by_key(|event| event.created_at);
    let times: HashSet<_> = appended.iter().map(|event| event.created_at).collect();
    assert_eq!(times.len(), 48, "two events share an instant");
    assert_eq!(list_ascending(&**store, "s").await, appended);
}

pub async fn the_same_event_many_times_at_once_is_kept_once<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    store.upsert_session(&session("s", ALICE)).await.expect("written");
    let event = event("e", "s");
    let mut new = 0;
    for answer in join_all((0..32).map(|_| store.append_event(&event))).await {
        match answer.expect("every append is answered") {
            Appended::New(_) => new += 1,
            Appended::Repeated(_) => {}
            Appended::Taken => panic!("an event was taken for another"),
        }
    }
    assert_eq!(new, 1);
    assert_eq!(list_ascending(&**store, "s").await.len(), 1);
}

pub async fn a_call_that_is_given_up_is_done_whole_or_not_at_all<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let (store, clock) = (&fixture.store, &fixture.clock);
    store.upsert_session(&session("s", ALICE)).await.expect("written");
    let events: Vec<_> = (0..40).map(|number| event(&format!("e{number}"), "s")).collect();
    for (event, patience) in events.iter().zip(0..) {
        // Whether the call ends in time is not the point.
        let _ = timeout(Duration::from_micros(patience * 100), store.append_event(event)).await;
        clock.advance_millis(1);
    }
    for event in &events {
        let answer = store.append_event(event).await.expect("a later call succeeds");
        assert_ne!(answer, Appended::Taken, "{} is there in part", event.id);
    }
    let listed = list_ascending(&**store, "s").await;
    assert_eq!(listed.len(), events.len());
    let found = store
        .find_session("s", ALICE)
        .await
        .expect("answers")
        .expect("is there");
    assert_eq!(
        found.updated_at, listed[39].created_at,
        "an event is there whose session was not marked"
    );
}
