//! What every [`LeaderElector`] must do; run it on each implementation.
//!
//! [`check_only_candidate`] is for all. Elections between processes implement [`Harness`] and run [`check_election`] too.

#[cfg(feature = "kube")]
pub mod lease;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{ElectionTimes, LeaderElector, Leadership};

/// How long an implementation may take to let somebody lead.
const ELECTION: Duration = Duration::from_secs(60);
/// How often it is looked whether two lead.
const LOOK: Duration = Duration::from_millis(5);

/// Short, so that a test ends soon, and not so short that a busy machine loses a lease that nobody disturbs.
pub const SHORT_TIMES: ElectionTimes = ElectionTimes {
    lease_duration: Duration::from_secs(4),
    renew_deadline: Duration::from_secs(3),
    retry_period: Duration::from_millis(400),
};

/// One replica of an election.
pub struct Contender {
    /// Its elector.
    pub elector: Arc<dyn LeaderElector>,
    /// Cancelled when it should leave the election.
    pub resign: CancellationToken,
    /// While `true` it gets no answer from where the lease is.
    pub cut_off: watch::Sender<bool>,
}

impl Contender {
    fn may_write(&self) -> bool {
        self.elector.begin_write().is_some()
    }
}

/// How the contract gets candidates of one election.
#[async_trait]
pub trait Harness: Send + Sync {
    /// One more candidate. Its durations are [`SHORT_TIMES`].
    async fn join(&self) -> Contender;
}

/// Checks `elector`, which must be the only candidate of its election.
///
/// # Panics
/// When the implementation breaks the contract; the message says how.
pub async fn check_only_candidate(elector: Arc<dyn LeaderElector>) {
    let first = elector.follow().await.expect("the election can be joined");
    wait_until_leader(first).await;
    assert!(elector.begin_write().is_some(), "the leader may not write");

    let second = elector.follow().await.expect("the election can be followed twice");
    assert_eq!(
        *second.borrow(),
        Leadership::Leader,
        "a second follower of a leading replica did not see it lead"
    );
}

async fn wait_until_leader(mut state: watch::Receiver<Leadership>) {
    timeout(ELECTION, state.wait_for(|state| *state == Leadership::Leader))
        .await
        .expect("the only candidate did not become leader in time")
        .expect("the election ended without a leader");
}

/// Checks an election between three candidates: one leads; one that leaves hands over, but not before its writes have
/// ended; one that is cut off stops before another leads, and joins again.
///
/// # Panics
/// When the implementation breaks the contract; the message says how.
pub async fn check_election(harness: &dyn Harness) {
    let mut contenders = vec![harness.join().await];
    wait_until_leader(contenders[0].elector.follow().await.expect("joined")).await;
    for _ in 0..2 {
        let contender = harness.join().await;
        contender.elector.follow().await.expect("joined");
        contenders.push(contender);
    }
    one_leads(&contenders).await;
    a_leader_that_leaves_ends_its_writes_first(&mut contenders).await;
    a_leader_that_is_cut_off_stops_before_another_leads(&mut contenders).await;
    everybody_may_leave(contenders).await;
}

/// The first candidate was alone and leads; nobody takes that from it.
async fn one_leads(contenders: &[Contender]) {
    let until = Instant::now() + SHORT_TIMES.lease_duration * 2;
    while Instant::now() < until {
        let leading = find_leaders(contenders);
        assert!(
            leading.iter().all(|&leader| leader == 0),
            "{leading:?} lead beside the first"
        );
        sleep(LOOK).await;
    }
    assert_eq!(find_leaders(contenders), [0], "the first one does not lead any more");
}

async fn a_leader_that_leaves_ends_its_writes_first(contenders: &mut Vec<Contender>) {
    let leader = wait_for_leader(contenders).await;
    let leader = contenders.remove(leader);
    let state = leader.elector.follow().await.expect("followed");
    let permit = leader.elector.begin_write().expect("the leader may write");
    leader.resign.cancel();
    let until = Instant::now() + Duration::from_millis(500);
    while Instant::now() < until {
        assert_eq!(
            find_leaders(contenders),
            [0; 0],
            "another leads while a write is under way"
        );
        sleep(LOOK).await;
    }
    assert_eq!(
        *state.borrow(),
        Leadership::Follower,
        "a replica that leaves still leads"
    );
    assert!(!leader.may_write(), "a replica that leaves may still write");
    drop(permit);
    let left = Instant::now();
    wait_for_leader(contenders).await;
    assert!(
        left.elapsed() < SHORT_TIMES.lease_duration,
        "the lease was not given up: {:?}",
        left.elapsed()
    );
    assert_eq!(
        *state.borrow(),
        Leadership::Follower,
        "a replica that has left leads again"
    );
}

async fn a_leader_that_is_cut_off_stops_before_another_leads(contenders: &mut [Contender]) {
    let leader = wait_for_leader(contenders).await;
    let mut state = contenders[leader].elector.follow().await.expect("followed");
    contenders[leader].cut_off.send_replace(true);
    let cut = Instant::now();
    let next = loop {
        let leaders = find_leaders(contenders);
        assert!(leaders.len() < 2, "two lead: {leaders:?}");
        match leaders[..] {
            [other] if other != leader => break other,
            _ => assert!(cut.elapsed() < ELECTION, "nobody else leads"),
        }
        sleep(LOOK).await;
    };
    assert!(
        cut.elapsed() > SHORT_TIMES.lease_duration - SHORT_TIMES.retry_period * 2,
        "the lease was taken before it ran out: {:?}",
        cut.elapsed()
    );
    assert_eq!(
        *state.borrow_and_update(),
        Leadership::Follower,
        "the one that is cut off believes to lead"
    );
    contenders[leader].cut_off.send_replace(false);
    // It takes part again: when the new leader leaves, nobody else is left.
    for (number, contender) in contenders.iter().enumerate() {
        if number != leader && number != next {
            contender.resign.cancel();
        }
    }
    contenders[next].resign.cancel();
    timeout(ELECTION, state.wait_for(|state| *state == Leadership::Leader))
        .await
        .expect("the replica that was cut off did not join again")
        .expect("followed");
}

async fn everybody_may_leave(contenders: Vec<Contender>) {
    for contender in &contenders {
        contender.resign.cancel();
    }
    for contender in &contenders {
        let mut state = contender.elector.follow().await.expect("followed");
        timeout(ELECTION, state.wait_for(|state| *state == Leadership::Follower))
            .await
            .expect("a replica that leaves still leads")
            .expect("followed");
    }
}

/// Numbers of those that may write now.
fn find_leaders(contenders: &[Contender]) -> Vec<usize> {
    let leading = contenders.iter().enumerate();
    leading
        .filter(|(_, contender)| contender.may_write())
        .map(|(number, _)| number)
        .collect()
}

async fn wait_for_leader(contenders: &[Contender]) -> usize {
    let began = Instant::now();
    loop {
        let leaders = find_leaders(contenders);
        assert!(leaders.len() < 2, "two lead: {leaders:?}");
        if let [leader] = leaders[..] {
            return leader;
        }
        assert!(began.elapsed() < ELECTION, "nobody leads");
        sleep(LOOK).await;
    }
}
