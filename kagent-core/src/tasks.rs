//! Background work: every task has a name, is waited for at shutdown, and its unexpected end is noticed.

use std::{future::Future, time::Duration};

use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

/// The tasks of a process. Cheap to clone; all clones share one set.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    shutdown: CancellationToken,
    ended: mpsc::UnboundedSender<&'static str>,
}

/// Tells when a critical task has ended before shutdown was asked for.
#[derive(Debug)]
pub struct CriticalEnds(mpsc::UnboundedReceiver<&'static str>);

impl CriticalEnds {
    /// Waits for the first critical task that ends early; its name.
    pub async fn next(&mut self) -> Option<&'static str> {
        self.0.recv().await
    }
}

impl Tasks {
    /// An empty set, and the receiver that learns of critical ends.
    pub fn new() -> (Self, CriticalEnds) {
        let (ended, ends) = mpsc::unbounded_channel();
        (
            Self {
                tracker: TaskTracker::new(),
                shutdown: CancellationToken::new(),
                ended,
            },
            CriticalEnds(ends),
        )
    }

    /// Cancelled when the process should stop; tasks select on it.
    pub fn shutdown_token(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// Runs `future` until it ends by itself or looks at the shutdown token. A panic is logged.
    pub fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        self.spawn_reporting(name, future, false);
    }

    /// As [`Tasks::spawn`], but the process ends when this one ends before shutdown.
    pub fn spawn_critical(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        self.spawn_reporting(name, future, true);
    }

    /// As [`Tasks::spawn`], for tasks of which there are thousands and that are polled for every request: what they log
    /// does not name the task.
    pub fn spawn_many(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let report = EndReport {
            name,
            critical: false,
            tasks: self.clone(),
        };
        self.tracker.spawn(async move {
            let _report = report;
            future.await;
        });
    }

    fn spawn_reporting(&self, name: &'static str, future: impl Future<Output = ()> + Send + 'static, critical: bool) {
        let report = EndReport {
            name,
            critical,
            tasks: self.clone(),
        };
        let span = tracing::info_span!("task", task.name = name);
        self.tracker.spawn(
            async move {
                let _report = report;
                future.await;
            }
            .instrument(span),
        );
    }

    /// Asks all tasks to stop and waits for them, at most `limit`. Whether all had ended by then.
    pub async fn shutdown(&self, limit: Duration) -> bool {
        self.shutdown.cancel();
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }
}

/// Reports the end of a task when dropped, which a panic cannot skip.
struct EndReport {
    name: &'static str,
    critical: bool,
    tasks: Tasks,
}

impl Drop for EndReport {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(task.name = self.name, "task panicked");
        }
        if self.critical && !self.tasks.shutdown.is_cancelled() {
            // The receiver is gone only when the process is already ending.
            let _ = self.tasks.ended.send(self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_a_critical_task_is_reported() {
        let (tasks, mut ends) = Tasks::new();
        tasks.spawn("harmless", async {});
        tasks.spawn_critical("watch", async {});
        assert_eq!(ends.next().await, Some("watch"));
        assert!(tasks.shutdown(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn shutdown_waits_for_tasks_that_listen() {
        let (tasks, _ends) = Tasks::new();
        let token = tasks.shutdown_token().clone();
        tasks.spawn("listener", async move { token.cancelled().await });
        assert!(tasks.shutdown(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn shutdown_gives_up_on_tasks_that_do_not() {
        let (tasks, _ends) = Tasks::new();
        tasks.spawn("deaf", std::future::pending());
        assert!(!tasks.shutdown(Duration::from_millis(10)).await);
    }
}
