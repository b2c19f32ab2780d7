//! Permission for one write of a leader, counted so that leadership is given up only when no write is under way.

use tokio_util::task::task_tracker::TaskTrackerToken;

/// Held from right before a write until its answer is there, or until the write is given up.
#[derive(Debug)]
#[must_use = "the write is under way only while this is held"]
pub struct WritePermit {
    _counted: Option<TaskTrackerToken>,
}

impl WritePermit {
    /// Permission that nobody waits for: of a leader that never gives up.
    pub fn uncounted() -> Self {
        Self { _counted: None }
    }

    pub(super) fn counted(token: TaskTrackerToken) -> Self {
        Self { _counted: Some(token) }
    }
}
