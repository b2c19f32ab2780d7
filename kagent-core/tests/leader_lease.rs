//! The Lease on an in-memory Kubernetes API: the contract, and what is written into the Lease.
#![cfg(all(feature = "standalone", feature = "test-util"))]

use std::{sync::Arc, time::Duration};

use embedded_kube::EmbeddedKube;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kagent_core::{
    clock::manual::ManualClock,
    leader::{
        ElectionTimes, LeaderElector, Leadership,
        contract::{SHORT_TIMES, check_election, check_only_candidate, lease::LeaseHarness},
        lease::{LEASE_NAME, LeaseConfig, LeaseElector},
    },
    tasks::Tasks,
};
use kube::{Api, Client, api::PostParams};
use serde_json::json;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

const NAMESPACE: &str = "kagent";
const LIMIT: Duration = Duration::from_secs(60);

fn start_kube() -> EmbeddedKube {
    EmbeddedKube::builder()
        .namespace(NAMESPACE)
        .build()
        .expect("embedded API")
}

#[tokio::test]
async fn the_lease_keeps_the_contract() {
    let kube = start_kube();
    check_election(&LeaseHarness::new(kube.client(), NAMESPACE)).await;
}

struct Candidate {
    elector: Arc<LeaseElector>,
    clock: Arc<ManualClock>,
    resign: CancellationToken,
    tasks: Tasks,
}

/// With tries so rare that only what is noticed in between can explain a quick change.
const RARE: ElectionTimes = ElectionTimes {
    lease_duration: Duration::from_secs(300),
    renew_deadline: Duration::from_secs(290),
    retry_period: Duration::from_secs(120),
};

fn candidate(client: Client, identity: &str) -> Candidate {
    candidate_with(client, identity, SHORT_TIMES)
}

fn candidate_with(client: Client, identity: &str, times: ElectionTimes) -> Candidate {
    let (tasks, _ends) = Tasks::new();
    let clock = Arc::new(ManualClock::default());
    let resign = CancellationToken::new();
    let config = LeaseConfig {
        namespace: NAMESPACE.to_owned(),
        name: LEASE_NAME.to_owned(),
        identity: identity.to_owned(),
        times,
    };
    let elector = LeaseElector::new(client, config, clock.clone(), resign.clone(), &tasks).expect("valid");
    Candidate {
        elector: Arc::new(elector),
        clock,
        resign,
        tasks,
    }
}

impl Candidate {
    async fn wait_for(&self, wanted: Leadership) {
        let mut state = self.elector.follow().await.expect("joined");
        timeout(LIMIT, state.wait_for(|state| *state == wanted))
            .await
            .unwrap_or_else(|_| panic!("not {wanted:?} in time"))
            .expect("followed");
    }
}

async fn read_spec(client: &Client) -> LeaseSpec {
    let api: Api<Lease> = Api::namespaced(client.clone(), NAMESPACE);
    api.get(LEASE_NAME).await.expect("the Lease").spec.expect("spec")
}

#[tokio::test]
async fn the_lease_says_what_client_go_would_have_written() {
    let kube = start_kube();
    let client = kube.client();
    let first = candidate(client.clone(), "first");
    let began = first.clock_now();
    check_only_candidate(first.elector.clone()).await;
    let taken = read_spec(&client).await;
    assert_eq!(taken.holder_identity.as_deref(), Some("first"));
    assert_eq!(taken.lease_duration_seconds, Some(4));
    assert_eq!(taken.lease_transitions, Some(0));
    assert_eq!(taken.acquire_time.clone().expect("time").0, began);
    assert_eq!(taken.renew_time.expect("time").0, began);

    first.clock.advance_millis(1000);
    let renewed = wait_for_spec(&client, |spec| {
        spec.renew_time.as_ref().is_some_and(|time| time.0 != began)
    })
    .await;
    assert_eq!(renewed.acquire_time, taken.acquire_time, "a renewal is no new term");
    assert_eq!(renewed.renew_time.expect("time").0, first.clock_now());

    first.resign.cancel();
    let released = wait_for_spec(&client, |spec| spec.holder_identity.as_deref() == Some("")).await;
    assert_eq!(released.lease_duration_seconds, Some(1));
    assert_eq!(released.lease_transitions, Some(0), "giving up is no change of holder");
    assert_eq!(released.acquire_time, released.renew_time);

    let second = candidate(client.clone(), "second");
    second.wait_for(Leadership::Leader).await;
    let taken = read_spec(&client).await;
    assert_eq!(taken.holder_identity.as_deref(), Some("second"));
    assert_eq!(taken.lease_transitions, Some(1));
    assert!(second.tasks.shutdown(LIMIT).await);
    let released = read_spec(&client).await;
    assert_eq!(
        released.holder_identity.as_deref(),
        Some(""),
        "the end of the process gives the Lease up too"
    );
}

impl Candidate {
    fn clock_now(&self) -> Timestamp {
        use kagent_core::Clock;
        self.clock.now()
    }
}

async fn wait_for_spec(client: &Client, wanted: impl Fn(&LeaseSpec) -> bool) -> LeaseSpec {
    let began = Instant::now();
    loop {
        let spec = read_spec(client).await;
        if wanted(&spec) {
            return spec;
        }
        assert!(began.elapsed() < LIMIT, "the Lease stays {spec:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A Lease whose holder's clock is an hour off, in either direction, is held for as long as it says, from when we saw it.
#[tokio::test]
async fn clocks_are_not_compared() {
    for hours in [-1, 1] {
        let kube = start_kube();
        let client = kube.client();
        let ours = candidate(client.clone(), "ours");
        let renewed = ours.clock_now() + jiff::SignedDuration::from_hours(hours);
        let api: Api<Lease> = Api::namespaced(client.clone(), NAMESPACE);
        let lease: Lease = serde_json::from_value(json!({
            "metadata": {"name": LEASE_NAME},
            "spec": {
                "holderIdentity": "the other",
                "leaseDurationSeconds": 2,
                "renewTime": format!("{renewed:.6}"),
                "acquireTime": format!("{renewed:.6}"),
                "leaseTransitions": 7,
            },
        }))
        .expect("Lease");
        api.create(&PostParams::default(), &lease).await.expect("created");
        let began = Instant::now();
        ours.wait_for(Leadership::Leader).await;
        assert!(
            began.elapsed() >= Duration::from_secs(2),
            "taken while it was held: {:?}",
            began.elapsed()
        );
        assert_eq!(read_spec(&client).await.lease_transitions, Some(8));
    }
}

#[tokio::test]
async fn a_lease_that_is_given_up_is_taken_at_once() {
    let kube = start_kube();
    let first = candidate_with(kube.client(), "first", RARE);
    first.wait_for(Leadership::Leader).await;
    let second = candidate_with(kube.client(), "second", RARE);
    let state = second.elector.follow().await.expect("joined");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(*state.borrow(), Leadership::Follower);
    first.resign.cancel();
    second.wait_for(Leadership::Leader).await;
}

#[tokio::test]
async fn a_lease_that_runs_out_is_taken_at_its_end() {
    let kube = start_kube();
    let client = kube.client();
    let api: Api<Lease> = Api::namespaced(client.clone(), NAMESPACE);
    let lease: Lease = serde_json::from_value(json!({
        "metadata": {"name": LEASE_NAME},
        "spec": {"holderIdentity": "the other", "leaseDurationSeconds": 3},
    }))
    .expect("Lease");
    api.create(&PostParams::default(), &lease).await.expect("created");
    let ours = candidate_with(client.clone(), "ours", RARE);
    ours.elector.follow().await.expect("joined");
    // Renewed once: the end moves.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut renewed = api.get(LEASE_NAME).await.expect("the Lease");
    let spec = renewed.spec.get_or_insert_default();
    spec.lease_transitions = Some(1);
    api.replace(LEASE_NAME, &PostParams::default(), &renewed)
        .await
        .expect("renewed");
    let began = Instant::now();
    ours.wait_for(Leadership::Leader).await;
    assert!(began.elapsed() >= Duration::from_millis(2900), "{:?}", began.elapsed());
}

/// A namespace that does not exist is no election, and the log says so.
#[tokio::test]
async fn without_a_namespace_nobody_leads() {
    let kube = EmbeddedKube::builder().build().expect("embedded API");
    let ours = candidate(kube.client(), "ours");
    let state = ours.elector.follow().await.expect("joined");
    tokio::time::sleep(SHORT_TIMES.retry_period * 3).await;
    assert_eq!(*state.borrow(), Leadership::Follower);
    assert!(ours.elector.begin_write().is_none());
}
