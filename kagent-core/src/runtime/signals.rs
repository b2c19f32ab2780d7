//! SIGTERM and SIGINT: the first asks for a graceful end, the second ends the process at once.

use std::convert::Infallible;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// Both signals, caught.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches both signals from now on.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub fn install() -> Result<Self> {
        let catch = |kind| signal(kind).map_err(|error| Error::internal("cannot catch signals").with_source(error));
        Ok(Self {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
        })
    }

    /// Cancels `stop` at the first signal and ends the process with 128 + number at the second.
    pub async fn watch(mut self, stop: &CancellationToken) -> Infallible {
        let (name, _) = self.next().await;
        tracing::info!(signal = name, "asked to stop");
        stop.cancel();
        let (name, number) = self.next().await;
        tracing::warn!(signal = name, "asked to stop again: ending at once");
        exit(128 + number)
    }

    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
        }
    }
}

#[expect(clippy::exit, reason = "the second signal asks for exactly that")]
fn exit(code: i32) -> Infallible {
    std::process::exit(code)
}
