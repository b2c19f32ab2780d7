//! Time and ids, passed in so that tests decide them. The real ones are made here and nowhere else.

#[cfg(feature = "test-util")]
pub mod manual;

use std::time::SystemTime;

use jiff::Timestamp;
use uuid::Uuid;

/// Wall-clock time.
pub trait Clock: Send + Sync {
    /// The time now, in UTC.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// A new time-ordered id (UUID version 7, RFC 9562).
#[expect(clippy::disallowed_methods, reason = "this is the one place that makes ids")]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}
