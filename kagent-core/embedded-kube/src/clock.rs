//! Time and uids of objects. The real ones are made here and nowhere else in this package.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use uuid::Uuid;

/// Wall-clock time, passed in so that tests decide it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that asks `now` for the time.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The system's clock.
    #[expect(clippy::disallowed_methods, reason = "this package's one place that reads the clock")]
    pub fn system() -> Self {
        Self::new(Timestamp::now)
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.0)()
    }

    /// The time in the form of `creationTimestamp`: whole seconds, UTC.
    pub(crate) fn stamp(&self) -> String {
        (self.0)().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// A random id (UUID version 4, as Kubernetes uses for `metadata.uid`).
#[expect(clippy::disallowed_methods, reason = "this package's one place that makes ids")]
pub(crate) fn new_uid() -> Uuid {
    Uuid::new_v4()
}
