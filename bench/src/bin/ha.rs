//! Benchmark `ha`: three replicas on a real control plane; how long nobody reconciles after the leader has been stopped or
//! killed, and what callers of the other replicas notice of it.
//!
//! The reference is what the Go controller 0.9.12 did on such a machine (its own source is not run here).

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use kagent_bench::report::{Goal, Measure, build_table};
use kagent_tests::{
    plane::ControlPlane,
    replicas::{Installation, Load, Replica, ScriptedAgent},
};
use tokio::time::{Instant, sleep};

const BENCH: &str = "ha";
const GO: &str = "Go controller 0.9.12, measured before";
/// What the Go controller took, with client-go's defaults as here.
const GO_SIGTERM: f64 = 59.8;
const GO_SIGKILL: f64 = 25.0;
const SIGTERM_GOAL: f64 = 3.0;
/// client-go's lease duration, which is the server's default, and two seconds.
const SIGKILL_GOAL: f64 = 17.0;
const REPLICAS: usize = 3;
/// The agent that callers of the other replicas talk to.
const AGENT: &str = "echo";
/// How long callers are there before the leader goes.
const WARM: Duration = Duration::from_secs(2);
/// The leader has been told by then, so that it does not reconcile the new agent itself.
const TOLD: Duration = Duration::from_millis(20);

/// Measures how leadership passes between three replicas on a real control plane.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// One JSON line per measure instead of a table.
    #[arg(long)]
    json: bool,
    /// Leaders that are stopped, and as many that are killed.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

#[derive(Clone, Copy)]
enum End {
    Stopped,
    Killed,
}

/// What the rounds of one kind have shown.
#[derive(Default)]
struct Rounds {
    seconds: Vec<f64>,
    requests: usize,
    failures: Vec<String>,
}

#[expect(clippy::print_stdout, reason = "a program's output")]
fn say(line: &str) {
    println!("{line}");
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let measures = measure(arguments.rounds).await?;
    if arguments.json {
        for measure in &measures {
            say(&serde_json::to_string(measure)?);
        }
    } else {
        say(&build_table(&measures));
    }
    Ok(())
}

async fn measure(rounds: usize) -> Result<Vec<Measure>> {
    ensure!(rounds > 0, "there must be a round");
    let plane = ControlPlane::start().await;
    plane.install_crds().await;
    let agent = ScriptedAgent::start().await?;
    let namespace = plane.namespace("ha").await;
    let client = plane.admin_client().await;
    let installation = Installation::new(client, namespace, plane.admin_kubeconfig(), agent.address()).await?;
    installation.create_agent(AGENT).await?;
    let mut replicas = Vec::new();
    for number in 0..REPLICAS {
        replicas.push(installation.start(&format!("replica-{number}"), &[]).await?);
    }
    installation.wait_until_reconciled(AGENT).await?;
    let stopped = play(&installation, &mut replicas, rounds, End::Stopped).await?;
    let killed = play(&installation, &mut replicas, rounds, End::Killed).await?;
    let failures: Vec<_> = stopped.failures.iter().chain(&killed.failures).collect();
    if let Some(first) = failures.first() {
        say(&format!("first failure: {first}"));
    }
    let (term, kill) = (stopped.seconds, killed.seconds);
    Ok(vec![
        Measure::new(BENCH, "ha.handover_sigterm", "s", median(&term))
            .beside(GO, GO_SIGTERM)
            .with_goal(Goal::AtMost(SIGTERM_GOAL)),
        Measure::new(BENCH, "ha.handover_sigterm.worst", "s", worst(&term)).with_goal(Goal::AtMost(SIGTERM_GOAL)),
        Measure::new(BENCH, "ha.handover_sigkill", "s", median(&kill))
            .beside(GO, GO_SIGKILL)
            .with_goal(Goal::AtMost(SIGKILL_GOAL)),
        Measure::new(BENCH, "ha.handover_sigkill.worst", "s", worst(&kill)).with_goal(Goal::AtMost(SIGKILL_GOAL)),
        Measure::new(BENCH, "ha.requests", "1", (stopped.requests + killed.requests) as f64),
        Measure::new(BENCH, "ha.failed_requests", "1", failures.len() as f64).with_goal(Goal::AtMost(0.0)),
    ])
}

async fn play(installation: &Installation, replicas: &mut Vec<Replica>, rounds: usize, end: End) -> Result<Rounds> {
    let mut seen = Rounds::default();
    for round in 0..rounds {
        let all: Vec<_> = replicas.iter().collect();
        let mut leader = replicas.swap_remove(installation.wait_for_leader(&all).await?);
        let agent = format!("{}/{AGENT}", installation.namespace);
        let loads = replicas
            .iter()
            .map(|replica| Load::start(&replica.url(), &agent))
            .collect::<Result<Vec<_>>>()?;
        // Rounds meet the leader at different moments between two renewals.
        sleep(WARM + Duration::from_millis(370) * u32::try_from(round)?).await;
        let name = match end {
            End::Stopped => format!("stopped-{round}"),
            End::Killed => format!("killed-{round}"),
        };
        let began = Instant::now();
        match end {
            End::Stopped => leader.signal("TERM").await?,
            End::Killed => leader.kill().await?,
        }
        sleep(TOLD).await;
        installation.create_agent(&name).await?;
        installation.wait_until_reconciled(&name).await?;
        seen.seconds.push(began.elapsed().as_secs_f64());
        ensure!(
            !is_reconciled_by(&leader, &name),
            "the old leader has reconciled {name} itself"
        );
        leader.wait_for_end().await.context("the old leader")?;
        for load in loads {
            let report = load.stop().await;
            seen.requests += report.requests;
            seen.failures.extend(report.failures);
        }
        replicas.push(installation.start(&format!("{name}-next"), &[]).await?);
    }
    Ok(seen)
}

fn is_reconciled_by(replica: &Replica, agent: &str) -> bool {
    let name = format!("\"{agent}\"");
    let log = replica.read_log();
    log.lines()
        .any(|line| line.contains("\"reconciled\"") && line.contains(&name))
}

fn median(figures: &[f64]) -> f64 {
    let mut figures = figures.to_vec();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

fn worst(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(0.0, f64::max)
}
