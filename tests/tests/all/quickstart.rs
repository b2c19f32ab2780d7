//! The quickstart as `cargo xtask quickstart --once` runs it: a person sees an agent's answers, and it exits with 0.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result};
use kagent_tests::requirements::{find_quickstart_agent, find_server};
use tokio::{process::Command, time::timeout};

#[tokio::test]
async fn the_quickstart_shows_answers_and_ends_well() -> Result<()> {
    let agent = find_quickstart_agent()?;
    let tour = agent.with_file_name("quickstart");
    let state = tempfile::tempdir()?;
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/quickstart/manifests");
    let run = Command::new(tour)
        .arg("--once")
        .arg("--server")
        .arg(find_server()?)
        .arg("--agent")
        .arg(&agent)
        .arg("--manifests")
        .arg(manifests)
        .arg("--state")
        .arg(state.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_secs(240), run)
        .await
        .context("it does not end")??;
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    for part in [
        "[completed] Done:",
        "[input-required] Which folder shall I look at?",
        "calls its tool survey_folder",
        "All answers are there",
    ] {
        assert!(shown.contains(part), "{part:?} is not in:\n{shown}");
    }
    Ok(())
}
