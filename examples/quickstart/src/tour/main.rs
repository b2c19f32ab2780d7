//! The program behind `cargo xtask quickstart`: starts the server, talks to its agents, says what to try next.
//!
//! It speaks to the server as any client would, over HTTP, and knows nothing of its insides.
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

mod client;
mod server;
mod show;

use client::{AgentState, Client};
use server::Server;

/// Namespace of the manifests.
const NAMESPACE: &str = "kagent";
/// The agent that needs nothing.
const SCOUT: &str = "scout";
/// The agent that needs `kagent-adk`, a model and a key.
const HELPER: &str = "helper";
/// How long an agent may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// A reason that stands this long is an answer.
const SETTLED_AFTER: Duration = Duration::from_secs(5);

/// Starts kagent-server without a cluster and talks to two example agents.
#[derive(Parser)]
#[command(name = "quickstart")]
struct Args {
    /// The kagent-server program
    #[arg(long)]
    server: PathBuf,
    /// The example agent's program
    #[arg(long)]
    agent: PathBuf,
    /// Directory of the manifests
    #[arg(long)]
    manifests: PathBuf,
    /// Directory for the database and the logs
    #[arg(long)]
    state: PathBuf,
    /// The kagent-adk program, for the agent that needs it; else it is looked for in PATH
    #[arg(long)]
    adk: Option<PathBuf>,
    /// Stop after the answers
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match tour(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            show::failure(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn tour(args: &Args) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut server = Server::start(args).await?;
    let outcome = tokio::select! {
        outcome = visit(args, &mut server) => outcome,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    show::note("stopping");
    server.stop().await?;
    outcome
}

/// Everything between the server's start and its stop.
async fn visit(args: &Args, server: &mut Server) -> Result<()> {
    let client = Client::new(server.url())?;
    server.wait_until_ready(&client).await?;
    show::headline(&format!("kagent-server answers on {}", server.url()));
    show::note(&format!("log: {}", server.log().display()));

    show::note(&format!("waiting until the agent {SCOUT} is ready"));
    wait_for_scout(&client, server).await?;

    show::headline(&format!("A message to {SCOUT}: one request, one answer"));
    let question = "What is in examples/quickstart?";
    show::asked(question);
    let answer = client.send_message(NAMESPACE, SCOUT, question, None).await?;
    if show::task(&answer) != "completed" {
        bail!("{SCOUT} did not complete the task: {}", answer["status"]);
    }

    show::headline(&format!(
        "A stream from {SCOUT}: it asks back, gets an answer, and shows its steps"
    ));
    let question = "Please have a look around.";
    show::asked(question);
    let end = client
        .stream_message(NAMESPACE, SCOUT, question, None, show::event)
        .await?;
    if end.state != "input-required" {
        bail!(
            "{SCOUT} should have asked back, but the stream ended as {:?}",
            end.state
        );
    }
    let answer = "kagent-core";
    show::asked(answer);
    let end = client
        .stream_message(NAMESPACE, SCOUT, answer, Some(&end), show::event)
        .await?;
    if end.state != "completed" {
        bail!(
            "{SCOUT} should have completed the task, but the stream ended as {:?}",
            end.state
        );
    }

    let helper = visit_helper(&client).await?;
    if args.once {
        show::headline("All answers are there");
        return Ok(());
    }
    show::next_steps(server.url(), &args.manifests, server.log(), helper);
    server.wait_for_end().await
}

async fn wait_for_scout(client: &Client, server: &mut Server) -> Result<()> {
    let deadline = tokio::time::Instant::now() + READY_WITHIN;
    loop {
        server.check_alive()?;
        let state = client.fetch_agent(NAMESPACE, SCOUT).await?;
        match state {
            AgentState::Ready => return Ok(()),
            _ if tokio::time::Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(100)).await,
            AgentState::NotReady(reason) => bail!("the agent {SCOUT} did not get ready: {reason}"),
        }
    }
}

/// Talks to the declarative agent if it runs; says what it needs if it does not. Whether it runs.
async fn visit_helper(client: &Client) -> Result<bool> {
    show::headline(&format!(
        "The agent {HELPER}, which needs kagent-adk, a model and a key"
    ));
    let deadline = tokio::time::Instant::now() + READY_WITHIN;
    let mut seen = (String::new(), tokio::time::Instant::now());
    loop {
        let AgentState::NotReady(reason) = client.fetch_agent(NAMESPACE, HELPER).await? else {
            break;
        };
        let now = tokio::time::Instant::now();
        if reason != seen.0 {
            show::note(&reason);
            seen = (reason, now);
        } else if now > deadline || (now > seen.1 + SETTLED_AFTER && !client::is_starting(&seen.0)) {
            show::note("that is fine here; see examples/quickstart/README.md for what to set");
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let question = "In one sentence: what is an agent?";
    show::asked(question);
    let answer = client
        .send_message_v03(NAMESPACE, HELPER, question)
        .await
        .with_context(|| format!("{HELPER} did not answer"))?;
    show::task(&answer);
    Ok(true)
}
