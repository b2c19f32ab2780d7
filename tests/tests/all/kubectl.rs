//! Standalone mode with `kubectl`: the kubeconfig in the state directory works, is private, and goes with the server.

use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use kagent_tests::{
    requirements::find_kube_binaries,
    server::{ServerDirs, ServerProcess},
};
use tokio::process::Command;

const AGENT: &str = "
apiVersion: kagent.dev/v1alpha2
kind: Agent
metadata: {name: scout}
spec:
  type: BYO
  byo: {deployment: {image: none, cmd: sleep, args: [\"1000\"]}}
";

async fn kubectl(dirs: &ServerDirs, args: &[&str]) -> Result<String> {
    let output = Command::new(find_kube_binaries()?.join("kubectl"))
        .arg("--kubeconfig")
        .arg(dirs.state().join("kubeconfig"))
        .args(["--cache-dir", &dirs.state().join("kubectl-cache").display().to_string()])
        .args(args)
        .output()
        .await
        .context("cannot run kubectl")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "kubectl {args:?}: {error}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn kubectl_works_in_standalone_mode_and_for_its_owner_only() -> Result<()> {
    let dirs = ServerDirs::new()?;
    dirs.write_manifest("agent.yaml", AGENT)?;
    let server = ServerProcess::start(&dirs, &[]).await?;
    let kubeconfig = dirs.state().join("kubeconfig");
    let mode = std::fs::metadata(&kubeconfig)?.permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // The namespace of the server is the one that commands are about.
    kubectl(
        &dirs,
        &["wait", "agent/scout", "--for=condition=Accepted", "--timeout=60s"],
    )
    .await?;
    let table = kubectl(&dirs, &["get", "agents"]).await?;
    assert!(table.starts_with("NAME ") && table.contains("\nscout "), "{table}");
    kubectl(&dirs, &["label", "agent", "scout", "team=blue"]).await?;
    assert_eq!(
        kubectl(&dirs, &["get", "agents", "-l", "team=blue", "-o", "name"]).await?,
        "agent.kagent.dev/scout\n"
    );

    // Whoever has the address alone gets nothing.
    let text = std::fs::read_to_string(&kubeconfig)?;
    let url = text
        .split("server: ")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .context("a URL")?;
    let address = url.rsplit_once('/').context("a path")?.0;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let answer = http.get(format!("{address}/api/v1/secrets")).send().await?;
    assert_eq!(answer.status().as_u16(), 401);

    server.stop().await?;
    assert!(
        !kubeconfig.exists(),
        "the kubeconfig of a stopped server is still there"
    );
    Ok(())
}

#[tokio::test]
async fn without_an_address_nobody_reaches_the_api() -> Result<()> {
    let dirs = ServerDirs::new()?;
    let server = ServerProcess::start(&dirs, &["--standalone-kube-address", "0"]).await?;
    assert!(!dirs.state().join("kubeconfig").exists());
    server.stop().await?;
    Ok(())
}
