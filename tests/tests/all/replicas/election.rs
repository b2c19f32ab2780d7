//! Who leads, and how leadership passes on while the others serve.

use anyhow::{Context, Result};
use kagent_core::leader::contract::{check_election, lease::LeaseHarness};
use kagent_tests::{
    plane::ControlPlane,
    replicas::{Installation, Load, Replica, ScriptedAgent},
};
use tokio::time::{Duration, Instant};

use super::{AGENT, QUICK, install};

#[tokio::test]
async fn the_lease_keeps_its_contract_on_a_real_api_server() {
    let plane = ControlPlane::shared().await;
    let namespace = plane.namespace("lease-contract").await;
    check_election(&LeaseHarness::new(plane.admin_client().await, &namespace)).await;
}

async fn start_three(installation: &Installation) -> Result<Vec<Replica>> {
    let mut replicas = Vec::new();
    for name in ["one", "two", "three"] {
        replicas.push(installation.start(name, &QUICK).await?);
    }
    Ok(replicas)
}

/// Takes the leader out of `replicas`.
async fn take_leader(installation: &Installation, replicas: &mut Vec<Replica>) -> Result<Replica> {
    let all: Vec<_> = replicas.iter().collect();
    let leader = installation.wait_for_leader(&all).await?;
    Ok(replicas.remove(leader))
}

fn start_loads(installation: &Installation, replicas: &[Replica]) -> Result<Vec<Load>> {
    let agent = format!("{}/{AGENT}", installation.namespace);
    replicas
        .iter()
        .map(|replica| Load::start(&replica.url(), &agent))
        .collect()
}

async fn assert_flawless(loads: Vec<Load>, replicas: &[Replica]) {
    for (load, replica) in loads.into_iter().zip(replicas) {
        load.stop().await.assert_flawless(&replica.name);
    }
}

#[tokio::test]
async fn a_leader_that_is_stopped_or_killed_is_followed_by_another_and_nobody_else_notices() -> Result<()> {
    let agent = ScriptedAgent::start().await?;
    let installation = install("handover", &agent).await?;
    let mut replicas = start_three(&installation).await?;
    installation.create_agent(AGENT).await?;
    installation.wait_until_reconciled(AGENT).await?;

    let mut leader = take_leader(&installation, &mut replicas).await?;
    let loads = start_loads(&installation, &replicas)?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    leader.signal("TERM").await?;
    let stopped = Instant::now();
    installation.create_agent("after-term").await?;
    installation.wait_until_reconciled("after-term").await?;
    let took = stopped.elapsed();
    assert!(took < Duration::from_secs(6), "the lease was not given up: {took:?}");
    let status = leader.wait_for_end().await?;
    assert_eq!(status.code(), Some(0), "{}", leader.read_log());
    assert_flawless(loads, &replicas).await;

    let mut leader = take_leader(&installation, &mut replicas).await?;
    let loads = start_loads(&installation, &replicas)?;
    leader.kill().await?;
    installation.create_agent("after-kill").await?;
    installation.wait_until_reconciled("after-kill").await?;
    assert_flawless(loads, &replicas).await;
    assert_eq!(installation.wait_for_leader(&[&replicas[0]]).await?, 0);
    Ok(())
}

#[tokio::test]
async fn one_leads_also_when_the_election_is_in_postgres() -> Result<()> {
    let agent = ScriptedAgent::start().await?;
    let installation = install("postgres-lock", &agent).await?;
    let flags = [&QUICK[..], &["--leader-elect-resource-lock=postgres"]].concat();
    let mut first = installation.start("first", &flags).await?;
    installation.create_agent("one").await?;
    installation.wait_until_reconciled("one").await?;
    let second = installation.start("second", &flags).await?;
    first.signal("TERM").await?;
    installation.create_agent("two").await?;
    installation.wait_until_reconciled("two").await?;
    first.wait_for_end().await?;
    assert!(
        second.read_log().contains("leading: controllers start"),
        "{}",
        second.read_log()
    );
    assert_eq!(installation.find_holder().await?, "", "a Lease was used");
    Ok(())
}

/// A leader that was stopped for longer than its lease must not write when it goes on.
#[tokio::test]
async fn a_leader_that_slept_through_its_lease_follows() -> Result<()> {
    let agent = ScriptedAgent::start().await?;
    let installation = install("paused", &agent).await?;
    let mut replicas = vec![
        installation.start("one", &QUICK).await?,
        installation.start("two", &QUICK).await?,
    ];
    let sleeper = take_leader(&installation, &mut replicas).await?;
    sleeper.signal("STOP").await?;
    installation.create_agent(AGENT).await?;
    installation.wait_until_reconciled(AGENT).await?;
    assert_eq!(installation.wait_for_leader(&[&replicas[0]]).await?, 0);
    sleeper.signal("CONT").await?;
    installation.create_agent("later").await?;
    installation.wait_until_reconciled("later").await?;
    let awake = Instant::now();
    while !sleeper.read_log().contains("leadership lost") {
        let waited = awake.elapsed();
        assert!(
            waited < Duration::from_secs(30),
            "it still leads:\n{}",
            sleeper.read_log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let holder = installation.find_holder().await?;
    assert_eq!(Some(holder.as_str()), replicas[0].identity());
    let written = sleeper
        .read_log()
        .lines()
        .filter(|line| line.contains("reconciled"))
        .count();
    assert_eq!(written, 0, "{}", sleeper.read_log());
    // It serves as before.
    let status = sleeper
        .get_status(&format!("/api/agents/{}/{AGENT}", installation.namespace))
        .await;
    assert_eq!(status.context("the sleeper answers")?, 200);
    Ok(())
}
