//! Tasks that are programs of the workspace: generators, replays, benchmarks. Built and run by cargo, with our terminal.

use clap::Args;

use crate::{
    process,
    provision::{kube, postgres},
};

const POSTGRES_URL: &str = "KAGENT_TEST_POSTGRES_URL";
const KUBE_BINARIES: &str = "KAGENT_TEST_KUBE_BINARIES";

/// Arguments of a generator.
#[derive(Args)]
pub(crate) struct CheckArgs {
    /// Write nothing; fail when a committed file is not what would be written
    #[arg(long)]
    pub(crate) check: bool,
}

/// Arguments that go on to the program unread.
#[derive(Args)]
pub(crate) struct PassArgs {
    /// Areas to replay (rest, a2a, rendered, …) and options; `cargo xtask replay -- --help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "AREA")]
    args: Vec<String>,
}

/// Arguments of a benchmark.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// Which benchmark, for example a2a
    name: String,
    /// Options for the benchmark; `--json` prints one line per measure
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
    args: Vec<String>,
}

/// Runs the generator of `what`.
pub(crate) fn run_generator(what: &str, check: bool) -> anyhow::Result<()> {
    let mut command = process::cargo();
    command.args(["run", "-q", "-p", "kagent-tests", "--bin", "generate", "--", what]);
    if check {
        command.arg("--check");
    }
    process::run(&mut command)
}

/// Runs the replayer. What it needs is provided: the server program, and a Postgres where none is named.
pub(crate) fn run_replay(args: &PassArgs) -> anyhow::Result<()> {
    process::run(process::cargo().args(["build", "-q", "-p", "kagent-server"]))?;
    let mut replay = process::cargo();
    replay
        .args(["run", "-q", "-p", "kagent-tests", "--bin", "replay", "--"])
        .args(&args.args);
    if args.args.iter().any(|word| word == "rendered") {
        provide_kube(&mut replay)?;
    }
    let is_rest = args.args.iter().any(|word| word == "rest");
    let _postgres = if is_rest && std::env::var_os(POSTGRES_URL).is_none() {
        let server = postgres::start(&postgres::provide_binaries()?)?;
        replay.env(POSTGRES_URL, &server.url);
        Some(server)
    } else {
        None
    };
    process::run(&mut replay)
}

/// A real control plane for `command`, where none is named.
fn provide_kube(command: &mut std::process::Command) -> anyhow::Result<()> {
    if std::env::var_os(KUBE_BINARIES).is_none() {
        command.env(KUBE_BINARIES, kube::provide_control_plane()?);
    }
    Ok(())
}

/// Runs a benchmark, optimised.
pub(crate) fn run_bench(args: &BenchArgs) -> anyhow::Result<()> {
    // What is measured stands beside the benchmark's own program.
    process::run(process::cargo().args(["build", "-q", "--release", "-p", "kagent-server"]))?;
    if args.name == "ha" {
        return run_ha(&args.args);
    }
    let mut bench = process::cargo();
    bench.args(["run", "-q", "--release", "-p", "kagent-bench", "--bin", &args.name]);
    if args.name == "controllers" {
        bench.args(["--features", "controllers"]);
        provide_kube(&mut bench)?;
    }
    process::run(bench.arg("--").args(&args.args))
}

/// The benchmark of replicas, on a control plane and a Postgres. Only the server is optimised: the benchmark's own program
/// waits, and stands on the harness of the tests.
fn run_ha(args: &[String]) -> anyhow::Result<()> {
    let control_plane = kube::provide_control_plane()?;
    let postgres = postgres::start(&postgres::provide_binaries()?)?;
    process::run(
        process::cargo()
            .args([
                "run",
                "-q",
                "-p",
                "kagent-bench",
                "--features",
                "ha",
                "--bin",
                "ha",
                "--",
            ])
            .args(args)
            .env(POSTGRES_URL, &postgres.url)
            .env("KAGENT_TEST_KUBE_BINARIES", control_plane)
            .env(
                "KAGENT_TEST_SERVER",
                process::target_dir().join("release/kagent-server"),
            ),
    )
}
