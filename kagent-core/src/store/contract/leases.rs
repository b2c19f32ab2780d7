//! The contract of leases. Time passes on the store's clock and really, because engines differ in which one they use.

use std::time::Duration;

use futures::future::join_all;

use super::Fixture;
use crate::store::{
    Store,
    leases::{LeaseClaim, LeaseRecord},
};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(1);

fn claim(holder: &str, duration: Duration) -> LeaseClaim {
    LeaseClaim {
        name: "a lease".to_owned(),
        holder: holder.to_owned(),
        duration,
    }
}

fn held(holder: &str, epoch: i64) -> Option<LeaseRecord> {
    Some(LeaseRecord {
        holder: holder.to_owned(),
        epoch,
    })
}

async fn pass_time<S: Store + ?Sized>(fixture: &Fixture<S>) {
    fixture.clock.advance_millis(100);
    tokio::time::sleep(Duration::from_millis(100)).await;
}

pub async fn a_free_lease_is_taken_and_extended_under_one_epoch<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    for duration in [SHORT, SHORT, LONG, SHORT] {
        let taken = store.take_lease(&claim("a", duration)).await.expect("answers");
        assert_eq!(taken, held("a", 1));
        pass_time(fixture).await;
    }
    let mut other = claim("b", LONG);
    other.name = "another lease".to_owned();
    assert_eq!(store.take_lease(&other).await.expect("answers"), held("b", 1));
}

pub async fn a_held_lease_is_refused_and_its_holder_named<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    store.take_lease(&claim("a", LONG)).await.expect("answers");
    assert_eq!(
        store.take_lease(&claim("b", LONG)).await.expect("answers"),
        held("a", 1)
    );
    assert!(!store.release_lease("a lease", "b").await.expect("answers"));
    assert_eq!(
        store.take_lease(&claim("b", LONG)).await.expect("answers"),
        held("a", 1)
    );
}

pub async fn a_lease_that_ran_out_is_taken_under_the_next_epoch<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    store.take_lease(&claim("a", SHORT)).await.expect("answers");
    pass_time(fixture).await;
    assert_eq!(
        store.take_lease(&claim("b", LONG)).await.expect("answers"),
        held("b", 2)
    );
    assert_eq!(
        store.take_lease(&claim("a", LONG)).await.expect("answers"),
        held("b", 2)
    );
}

pub async fn a_released_lease_is_free_at_once<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let store = &fixture.store;
    assert!(
        !store.release_lease("a lease", "a").await.expect("answers"),
        "there is none"
    );
    store.take_lease(&claim("a", LONG)).await.expect("answers");
    assert!(store.release_lease("a lease", "a").await.expect("answers"));
    assert!(
        !store.release_lease("a lease", "a").await.expect("answers"),
        "released twice"
    );
    assert_eq!(
        store.take_lease(&claim("b", LONG)).await.expect("answers"),
        held("b", 2)
    );
}

pub async fn one_of_many_claimants_gets_the_lease<S: Store + ?Sized>(fixture: &Fixture<S>) {
    let names: Vec<_> = (0..8).map(|number| format!("claimant {number}")).collect();
    let claims = names.iter().map(async |name| {
        let taken = fixture.store.take_lease(&claim(name, LONG)).await.expect("answers");
        taken.filter(|record| record.holder == *name)
    });
    let winners: Vec<_> = join_all(claims).await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(winners[0].epoch, 1);
}
