//! Writes the files of this repository that are made from its types: `generate crds|openapi [--check]`.
//!
//! To add a generator: a module under `generate/` that returns `Generated`, and a variant here.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use kagent_tests::generate::{Generated, crds, openapi, say};

/// Writes the files of this repository that are made from its types.
#[derive(Parser)]
struct Args {
    /// What to write
    what: What,
    /// Write nothing; name the files that are stale and exit with 1 if there are any
    #[arg(long)]
    check: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// helm/kagent-crds
    Crds,
    /// openapi
    Openapi,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether all files are as they should be now.
fn run(args: &Args) -> anyhow::Result<bool> {
    let generated: Generated = match args.what {
        What::Crds => crds::build_chart()?,
        What::Openapi => openapi::build_documents()?,
    };
    if !args.check {
        generated.write()?;
        return Ok(true);
    }
    let stale = generated.find_stale()?;
    for path in &stale {
        say(&format!(
            "{} is stale: run the same command without --check",
            path.display()
        ));
    }
    Ok(stale.is_empty())
}
