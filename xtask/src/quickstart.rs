//! `cargo xtask quickstart`: builds the server and the example agent, then hands over to the example's own tour.

use std::os::unix::process::CommandExt;

use anyhow::Context;
use clap::Args;

use crate::{
    process::{self, say},
    provision::python,
};

/// Arguments of the quickstart.
#[derive(Args)]
pub(crate) struct QuickstartArgs {
    /// Stop after the answers: exit 0, or 1 with the reason
    #[arg(long)]
    once: bool,
}

/// Builds, then becomes the tour; returns only when something fails before that.
pub(crate) fn run(args: &QuickstartArgs) -> anyhow::Result<()> {
    say("building kagent-server and the example agent (the first time takes some minutes)");
    process::run(process::cargo().args(["build", "-p", "kagent-server", "-p", "quickstart-agent"]))?;
    let programs = process::target_dir().join("debug");
    let root = process::workspace_root();
    let mut tour = std::process::Command::new(programs.join("quickstart"));
    tour.arg("--server")
        .arg(programs.join("kagent-server"))
        .arg("--agent")
        .arg(programs.join("quickstart-agent"))
        .arg("--manifests")
        .arg(root.join("examples/quickstart/manifests"));
    tour.arg("--state").arg(process::target_dir().join("quickstart"));
    if let Some(adk) = python::find_adk() {
        tour.arg("--adk").arg(adk);
    }
    if args.once {
        tour.arg("--once");
    }
    Err(tour.exec()).context("cannot start the quickstart")
}
