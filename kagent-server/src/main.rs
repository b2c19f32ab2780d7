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
    // The allocator asks for huge pages, in which thousands of idle streams would hold twice of what they use. Where the
    // kernel does not know the call there is nothing to turn off.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    match Args::from_process() {
        Ok(args) => runtime::main(&args.telemetry.clone(), async |stop| run(args, stop).await),
        Err(code) => code,
    }
}
