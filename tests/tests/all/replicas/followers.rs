//! What a follower does not do: write to the cluster.

use anyhow::Result;
use kagent_tests::replicas::{CountingProxy, ScriptedAgent};
use tokio::time::Duration;

use super::{QUICK, install};

#[tokio::test]
async fn followers_write_nothing_to_the_cluster() -> Result<()> {
    let agent = ScriptedAgent::start().await?;
    let installation = install("followers", &agent).await?;
    let files = tempfile::tempdir()?;
    let mut replicas = Vec::new();
    let mut ways = Vec::new();
    for name in ["leader", "first-follower", "second-follower"] {
        let way = CountingProxy::start(installation.client.clone()).await?;
        let kubeconfig = way.write_kubeconfig(&files.path().join(name))?;
        replicas.push(installation.start_with(name, &kubeconfig, &QUICK, &[]).await?);
        ways.push(way);
        // The first one to start leads, also the others have joined then.
        assert_eq!(installation.wait_for_leader(&[&replicas[0]]).await?, 0);
    }
    for number in 0..3 {
        let name = format!("agent-{number}");
        installation.create_agent(&name).await?;
        installation.wait_until_reconciled(&name).await?;
    }
    // A few tries of the election.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(installation.wait_for_leader(&[&replicas[0]]).await?, 0);
    assert!(
        ways[0].list_writes().await.len() > 9,
        "the writes of the leader were not seen"
    );
    for (way, replica) in ways.iter().zip(&replicas).skip(1) {
        let writes = way.list_writes().await;
        assert!(writes.is_empty(), "{} wrote {writes:?}", replica.name);
        assert!(replica.is_ready().await, "{}", replica.read_readiness().await?);
    }
    Ok(())
}
