//! The API and the controllers as processes of their own.

use anyhow::Result;
use kagent_tests::replicas::{CountingProxy, ScriptedAgent};
use tokio::time::Duration;

use super::{AGENT, QUICK, install};

#[tokio::test]
async fn the_api_alone_serves_and_the_controllers_alone_reconcile() -> Result<()> {
    let agent = ScriptedAgent::start().await?;
    let installation = install("split", &agent).await?;
    let files = tempfile::tempdir()?;
    let way = CountingProxy::start(installation.client.clone()).await?;
    let kubeconfig = way.write_kubeconfig(&files.path().join("kubeconfig"))?;
    let flags = [&QUICK[..], &["--components=api"]].concat();
    let api = installation.start_with("api", &kubeconfig, &flags, &[]).await?;
    installation.create_agent(AGENT).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        installation.find_holder().await?,
        "",
        "the API alone has joined the election"
    );
    assert_eq!(api.identity(), None);
    assert!(way.list_writes().await.is_empty(), "{:?}", way.list_writes().await);

    let metrics = [
        "--components=controllers",
        "--metrics-bind-address=127.0.0.1:0",
        "--metrics-secure=false",
    ];
    let flags = [&QUICK[..], &metrics].concat();
    let mut controllers = installation.start("controllers", &flags).await?;
    installation.wait_until_reconciled(AGENT).await?;
    assert!(!controllers.has_api(), "{}", controllers.read_log());
    let metrics = controllers.read_metrics().await?;
    assert!(metrics.contains("\nkagent_leader 1\n"), "{metrics}");
    assert_eq!(Some(installation.find_holder().await?.as_str()), controllers.identity());

    let path = format!(
        "/api/a2a/{}/{AGENT}/.well-known/agent-card.json",
        installation.namespace
    );
    assert_eq!(api.get_status(&path).await?, 200);
    assert_eq!(api.get_status("/api/agents").await?, 200);
    assert!(way.list_writes().await.is_empty(), "{:?}", way.list_writes().await);

    controllers.signal("TERM").await?;
    assert_eq!(
        controllers.wait_for_end().await?.code(),
        Some(0),
        "{}",
        controllers.read_log()
    );
    assert_eq!(installation.find_holder().await?, "", "the Lease was not given up");
    Ok(())
}
