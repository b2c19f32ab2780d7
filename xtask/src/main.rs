//! `cargo xtask`: everything one does in this repository, with nothing but cargo installed.
//!
//! Stays light: it depends on no kagent crate, so that `tidy` and `test` start at once in a fresh clone.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod cache;
mod ci;
mod fuzz;
mod generate;
mod process;
mod provision;
mod quickstart;
mod test;
mod tidy;

/// Tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build and start the server with two example agents, talk to them, and stay up
    Quickstart(quickstart::QuickstartArgs),
    /// Run all tests; gets what they need (Python agents, Postgres, a Kubernetes control plane) once
    Test(test::TestArgs),
    /// Everything that must pass before a change lands, cheapest first
    Ci,
    /// Check the rules of this repository: imports, file length, headers, names, licences
    Tidy,
    /// Write the CustomResourceDefinitions to helm/kagent-crds/templates
    Crds(generate::CheckArgs),
    /// Write the API documents to openapi/
    Openapi(generate::CheckArgs),
    /// Replay recorded answers of the Go controller against ours
    Replay(generate::PassArgs),
    /// Fuzz the parsers of outside bytes, each target for a while
    Fuzz(fuzz::FuzzArgs),
    /// Measure ours against the alternative, in one run
    Bench(generate::BenchArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Quickstart(args) => quickstart::run(&args),
        Task::Test(args) => test::run(&args),
        Task::Ci => ci::run(),
        Task::Tidy => tidy::run(),
        Task::Crds(args) => generate::run_generator("crds", args.check),
        Task::Openapi(args) => generate::run_generator("openapi", args.check),
        Task::Replay(args) => generate::run_replay(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Bench(args) => generate::run_bench(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            process::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
