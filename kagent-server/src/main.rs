//! The `kagent-server` program: arguments, then `kagent_server::run`, then an exit code.

use std::process::ExitCode;

use kagent_core::{runtime, standalone};
use kagent_server::{Args, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Standalone mode starts this program again beside every agent.
    if let Some(code) = standalone::run_if_guard() {
        return code;
    }
    match Args::from_process() {
        Ok(args) => runtime::main(&args.telemetry.clone(), async |stop| run(args, stop).await),
        Err(code) => code,
    }
}
