//! A clock that stands still until a test moves it.

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;

use super::Clock;

/// Time as a test decides it. Starts at 2026-01-01 00:00 UTC.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// Moves the time by whole milliseconds, back too.
    pub fn advance_millis(&self, milliseconds: i64) {
        let mut now = self.0.lock();
        *now += SignedDuration::from_millis(milliseconds);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self(Mutex::new(Timestamp::constant(1_767_225_600, 0)))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}
