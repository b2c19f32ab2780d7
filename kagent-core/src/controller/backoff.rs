//! How long to wait after a failure, per object: longer each time, with jitter so that a thousand agents that failed
//! together do not come back together.

use std::{collections::HashMap, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use parking_lot::Mutex;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(300);

/// The failures in a row of each object.
#[derive(Debug, Default)]
pub(super) struct Backoffs {
    running: Mutex<HashMap<(String, String), ExponentialBackoff>>,
}

impl Backoffs {
    /// How long to wait after one more failure.
    pub(super) fn next(&self, namespace: &str, name: &str) -> Duration {
        let mut running = self.running.lock();
        let backoff = running
            .entry((namespace.to_owned(), name.to_owned()))
            .or_insert_with(build);
        backoff.next().unwrap_or(LONGEST)
    }

    /// The object is well again, or gone.
    pub(super) fn reset(&self, namespace: &str, name: &str) {
        self.running.lock().remove(&(namespace.to_owned(), name.to_owned()));
    }
}

/// Waits for ever longer times without end.
pub(super) fn build() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(FIRST)
        .with_max_delay(LONGEST)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_start_again_after_success() {
        let backoffs = Backoffs::default();
        let first = backoffs.next("ns", "a");
        let fifth = (0..4).map(|_| backoffs.next("ns", "a")).last().expect("wait");
        assert!(fifth > first, "{fifth:?} is not longer than {first:?}");
        backoffs.reset("ns", "a");
        assert!(backoffs.next("ns", "a") <= FIRST * 2, "it did not start again");
    }
}
