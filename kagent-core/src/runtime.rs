//! What a process needs around the library: logs, probes, metrics, signals, serving and exit codes.
//!
//! For shells (binaries) only. Nothing else in the library reads the environment or installs anything global.

pub mod admin;
pub mod health;
pub mod metrics;
pub mod serve;
pub mod signals;
pub mod telemetry;

mod drain;
mod head_timer;
mod preface;

use std::{process::ExitCode, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// Exit code of a run that failed, at start or later.
pub const EXIT_FAILED: u8 = 1;
/// Exit code of a start that was refused because of its flags or environment.
pub const EXIT_USAGE: u8 = 2;

/// Starts the logs and an async runtime, runs `run` to its end and turns the result into an exit code.
///
/// The token given to `run` is cancelled by the first SIGTERM or SIGINT; the second ends the process at once. An error
/// is logged in one line, with its causes. Blocking work that is still going on at the end gets one second.
pub fn main<F>(options: &telemetry::TelemetryOptions, run: F) -> ExitCode
where
    F: AsyncFnOnce(CancellationToken) -> Result<()>,
{
    telemetry::init(options);
    match block_on(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", error.chain());
            ExitCode::from(EXIT_FAILED)
        }
    }
}

fn block_on<F>(run: F) -> Result<()>
where
    F: AsyncFnOnce(CancellationToken) -> Result<()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::internal("cannot start the async runtime").with_source(error))?;
    let result = runtime.block_on(async {
        let signals = signals::Signals::install()?;
        let stop = CancellationToken::new();
        tokio::select! {
            result = run(stop.clone()) => result,
            never = signals.watch(&stop) => match never {},
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}
