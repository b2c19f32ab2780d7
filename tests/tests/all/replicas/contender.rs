//! Against client-go's leader election in a Go process, on the same Lease: never two that write, also when either side is
//! stopped for a while, and when our clock is wrong.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use kagent_core::{
    clock::{Clock, SystemClock},
    leader::{
        ElectionTimes, LeaderElector,
        lease::{LeaseConfig, LeaseElector},
    },
    tasks::Tasks,
};
use kagent_tests::{
    plane::ControlPlane,
    replicas::{CountingProxy, GoContender, LEASE, ScriptedAgent, Write, list_terms, monotonic_ns},
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{QUICK, install};

fn start_go(plane: &ControlPlane, namespace: &str, identity: &str) -> Result<GoContender> {
    GoContender::start(plane.admin_kubeconfig(), namespace, LEASE, identity)
}

/// Writes of reconcilers: the election's own are what is tested.
async fn list_writes(way: &CountingProxy) -> Vec<Write> {
    let mut writes = way.list_writes().await;
    writes.retain(|write| !write.what.contains("/leases"));
    writes
}

fn assert_apart(writes: &[Write], terms: &[(i64, i64)]) {
    for &(from, to) in terms {
        let within: Vec<_> = writes.iter().filter(|write| (from..=to).contains(&write.at)).collect();
        assert!(within.is_empty(), "we wrote while the Go process led: {within:?}");
    }
}

#[tokio::test]
async fn a_replica_and_a_go_process_never_write_together() -> Result<()> {
    let plane = ControlPlane::shared().await;
    let agent = ScriptedAgent::start().await?;
    let installation = install("contend", &agent).await?;
    let way = CountingProxy::start(installation.client.clone()).await?;
    let files = tempfile::tempdir()?;
    let kubeconfig = way.write_kubeconfig(&files.path().join("kubeconfig"))?;

    // Ours leads, and the Go process waits.
    let mut ours = installation.start_with("ours", &kubeconfig, &QUICK, &[]).await?;
    installation.wait_for_leader(&[&ours]).await?;
    let go = start_go(plane, &installation.namespace, "go-one")?;
    installation.create_agent("first").await?;
    installation.wait_until_reconciled("first").await?;
    sleep(Duration::from_secs(8)).await;
    assert_eq!(list_terms(&go.list_events().await), [], "the Go process led beside us");

    // Ours is stopped for longer than its lease, and goes on while the Go process leads.
    ours.signal("STOP").await?;
    let stopped = monotonic_ns();
    let leads = go.wait_for("leads", stopped).await?;
    assert!(
        leads - stopped > 3_000_000_000,
        "it did not wait for the lease to run out"
    );
    for name in ["second", "third"] {
        installation.create_agent(name).await?;
    }
    ours.signal("CONT").await?;
    installation.create_agent("fourth").await?;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(installation.find_holder().await?, "go-one");

    // The Go process ends without giving the Lease up, as the Go controller does.
    go.signal("TERM").await?;
    for name in ["second", "third", "fourth"] {
        installation.wait_until_reconciled(name).await?;
    }
    let terms = list_terms(&go.list_events().await);
    assert_eq!(terms.len(), 1, "{terms:?}");
    assert_apart(&list_writes(&way).await, &terms);

    // Ours gives it up, and the next Go process need not wait for the lease to run out.
    let go = start_go(plane, &installation.namespace, "go-two")?;
    go.wait_for("joins", 0).await?;
    sleep(Duration::from_secs(2)).await;
    ours.signal("TERM").await?;
    let left = monotonic_ns();
    let leads = go.wait_for("leads", left).await?;
    assert!(leads - left < 5_000_000_000, "it was not told: {} ns", leads - left);
    ours.wait_for_end().await?;
    assert_apart(&list_writes(&way).await, &list_terms(&go.list_events().await));

    // The Go process is stopped, ours takes over after its lease, and keeps it when the Go process goes on.
    let ours = installation.start_with("ours-again", &kubeconfig, &QUICK, &[]).await?;
    installation.create_agent("fifth").await?;
    sleep(Duration::from_secs(2)).await;
    go.signal("STOP").await?;
    let stopped = monotonic_ns();
    installation.wait_until_reconciled("fifth").await?;
    let writes = list_writes(&way).await;
    let first = writes.iter().find(|write| write.at > stopped).expect("a write");
    assert!(
        first.at - stopped > 3_000_000_000,
        "we did not wait for its lease to run out"
    );
    let terms = list_terms(&go.list_events().await);
    assert_apart(&writes, &terms);
    go.signal("CONT").await?;
    go.wait_for("follows", stopped).await?;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(Some(installation.find_holder().await?.as_str()), ours.identity());
    Ok(())
}

/// A clock that is wrong by this many hours.
struct SkewedClock(i64);

impl Clock for SkewedClock {
    fn now(&self) -> jiff::Timestamp {
        SystemClock.now() + jiff::SignedDuration::from_hours(self.0)
    }
}

#[tokio::test]
async fn a_wrong_clock_does_no_harm() -> Result<()> {
    let plane = ControlPlane::shared().await;
    for hours in [-3, 3] {
        let namespace = plane.namespace("skewed").await;
        let (tasks, _ends) = Tasks::new();
        let resign = CancellationToken::new();
        let config = LeaseConfig {
            namespace: namespace.clone(),
            name: LEASE.to_owned(),
            identity: "ours".to_owned(),
            times: ElectionTimes {
                lease_duration: Duration::from_secs(6),
                renew_deadline: Duration::from_secs(4),
                retry_period: Duration::from_millis(800),
            },
        };
        let clock = Arc::new(SkewedClock(hours));
        let client = plane.admin_client().await;
        let ours = LeaseElector::new(client, config, clock, resign.clone(), &tasks)?;
        ours.follow().await?;
        wait_until_leading(&ours).await;

        // We renew with times that are hours off, and the Go process waits for us all the same.
        let go = start_go(plane, &namespace, "go")?;
        go.wait_for("joins", 0).await?;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(list_terms(&go.list_events().await), [], "{hours} h: it led beside us");
        assert!(ours.begin_write().is_some(), "{hours} h: we lost the lease");
        resign.cancel();
        go.wait_for("leads", 0).await?;

        // Its times are hours off for us, and we wait for it.
        let config = LeaseConfig {
            namespace: namespace.clone(),
            name: LEASE.to_owned(),
            identity: "ours again".to_owned(),
            times: ElectionTimes::default(),
        };
        let resign = CancellationToken::new();
        let client = plane.admin_client().await;
        let ours = LeaseElector::new(client, config, Arc::new(SkewedClock(hours)), resign, &tasks)?;
        ours.follow().await?;
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            assert!(ours.begin_write().is_none(), "{hours} h: we led beside it");
            sleep(Duration::from_millis(20)).await;
        }
        go.signal("TERM").await?;
        wait_until_leading(&ours).await;
        let (_, last) = list_terms(&go.list_events().await)[0];
        assert!(monotonic_ns() > last, "{hours} h");
    }
    Ok(())
}

async fn wait_until_leading(elector: &LeaseElector) {
    let began = Instant::now();
    while elector.begin_write().is_none() {
        assert!(began.elapsed() < Duration::from_secs(90), "nobody leads");
        sleep(Duration::from_millis(10)).await;
    }
}
