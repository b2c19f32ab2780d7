//! The conformance suite of `embedded-kube`, as a test without harness so that it prints its counts: the same cases
//! against a real kube-apiserver and against the embedded one.

#[path = "conformance/checks.rs"]
mod checks;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Parser;
use embedded_kube::EmbeddedKube;
use kagent_core::api::crds::all_crds;
use kagent_tests::{
    conformance::{self, Case, Outcome, Target, TargetName},
    plane::ControlPlane,
    requirements::find_kube_binaries,
};
use kube::config::Kubeconfig;

/// Runs the conformance cases; exit code 1 when one does not hold on either server.
#[derive(Debug, Parser)]
struct Args {
    /// Only cases whose name contains this
    #[arg(default_value = "")]
    filter: String,
    /// Write what the real API server answers into the scripts; with a filter only those cases
    #[arg(long)]
    update: bool,
    /// A kube-apiserver that runs already, with kagent's kinds, instead of one for this run
    #[arg(long, value_name = "KUBECONFIG")]
    real: Option<PathBuf>,
    /// The etcd of `--real`
    #[arg(long, value_name = "URL")]
    etcd: Option<String>,
    /// An embedded-kube that runs already (`cargo run -p embedded-kube --example serve`), instead of one for this run
    #[arg(long, value_name = "KUBECONFIG")]
    embedded: Option<PathBuf>,
    /// Directory of kubectl [default: $KAGENT_TEST_KUBE_BINARIES]
    #[arg(long, value_name = "DIR")]
    kubectl: Option<PathBuf>,
    /// Only this server
    #[arg(long)]
    only: Option<String>,
    // What cargo passes to every test binary.
    #[arg(long, hide = true)]
    nocapture: bool,
    #[arg(long, hide = true)]
    test_threads: Option<usize>,
    #[arg(short, long, hide = true)]
    quiet: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether every case holds.
async fn run(args: &Args) -> Result<bool> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let cases = || -> Result<Vec<Case>> {
        let mut cases = conformance::load_scripts(&scripts)?;
        cases.extend(checks::all());
        cases.retain(|case| case.name().contains(&args.filter));
        Ok(cases)
    };
    if cases()?.is_empty() {
        // Another test's name was asked for.
        return Ok(true);
    }
    let kubectl = match &args.kubectl {
        Some(dir) => dir.clone(),
        None => find_kube_binaries()?,
    };
    let wanted = |name: TargetName| args.only.as_ref().is_none_or(|only| *only == name.to_string());
    let mut outcomes = Vec::new();
    if wanted(TargetName::KubeApiserver) {
        let plane;
        let mut etcd = args.etcd.clone();
        let kubeconfig = match &args.real {
            Some(path) => path.as_path(),
            None => {
                plane = ControlPlane::start().await;
                plane.install_crds().await;
                etcd = Some(plane.etcd_url());
                plane.admin_kubeconfig()
            }
        };
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let mut target = Target::new(TargetName::KubeApiserver, kubeconfig, &kubectl, &scripts).await?;
        if let Some(url) = etcd {
            target = target.with_etcd(url);
        }
        if args.update {
            conformance::update(&target, &scripts, &args.filter).await?;
        }
        outcomes.push(conformance::run(&target, &cases()?).await);
    }
    if wanted(TargetName::EmbeddedKube) {
        let (kubeconfig, kube) = match &args.embedded {
            Some(path) => (Kubeconfig::read_from(path)?, None),
            None => {
                let kube = EmbeddedKube::builder().build()?;
                kube.install_crds(all_crds())?;
                let serving = kube.serve("127.0.0.1:0".parse()?).await?;
                (Kubeconfig::from_yaml(&serving.kubeconfig())?, Some(kube))
            }
        };
        let target = Target::new(TargetName::EmbeddedKube, kubeconfig, &kubectl, &scripts).await?;
        outcomes.push(conformance::run(&target, &cases()?).await);
        if let Some(kube) = kube {
            kube.shutdown().await.context("the embedded server does not stop")?;
        }
    }
    if outcomes.is_empty() {
        bail!("--only is kube-apiserver or embedded-kube");
    }
    report(&outcomes);
    Ok(outcomes.iter().all(|outcome| outcome.failed.is_empty()))
}

fn report(outcomes: &[Outcome]) {
    for outcome in outcomes {
        for (name, why) in &outcome.failed {
            say(&format!("{}: {name}\n{why}\n", outcome.target));
        }
    }
    let counts: Vec<String> = outcomes.iter().map(Outcome::summarize).collect();
    say(&format!("conformance: {}", counts.join(", ")));
}

fn say(text: &str) {
    // Nothing can be done where even standard output is gone.
    let _ = writeln!(std::io::stdout(), "{text}");
}
