//! Every binary: it gets healthy, and on SIGTERM it exits with 0, at once when nothing is connected.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};
use kagent_tests::{
    requirements::find_quickstart_agent,
    server::{ServerDirs, ServerProcess, find_free_port, send_signal},
};
use tokio::{
    process::Command,
    time::{Instant, sleep, timeout},
};

/// Generous for a busy machine, and far below the drain time that an open connection would take.
const PROMPT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn the_server_gets_healthy_and_stops_promptly() -> Result<()> {
    let dirs = ServerDirs::new()?;
    let server = ServerProcess::start(&dirs, &[]).await?;
    let (status, version) = server.get("/version", "nobody").await?;
    assert_eq!(status, 200, "{version}");
    let (status, took) = server.stop().await?;
    assert_eq!(status.code(), Some(0));
    assert!(took < PROMPT, "it took {took:?}");
    Ok(())
}

#[tokio::test]
async fn the_example_agent_gets_healthy_and_stops_promptly() -> Result<()> {
    let port = find_free_port()?;
    let mut agent = Command::new(find_quickstart_agent()?)
        .env("PORT", port.to_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the example agent")?;
    let http = reqwest::Client::builder().no_proxy().timeout(PROMPT).build()?;
    let card = format!("http://127.0.0.1:{port}/.well-known/agent-card.json");
    let deadline = Instant::now() + Duration::from_secs(30);
    while !http
        .get(&card)
        .send()
        .await
        .is_ok_and(|answer| answer.status().is_success())
    {
        if Instant::now() > deadline {
            bail!("the example agent does not serve its card");
        }
        sleep(Duration::from_millis(50)).await;
    }
    send_signal(&agent, "TERM").await?;
    let status = timeout(PROMPT, agent.wait()).await.context("it does not stop")??;
    assert_eq!(status.code(), Some(0));
    Ok(())
}
