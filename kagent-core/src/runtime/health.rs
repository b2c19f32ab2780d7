//! Readiness as a set of named checks: what is not ready, and why.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use parking_lot::RwLock;
use tokio::sync::watch;

/// A check that takes longer than this has failed.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

type CheckFuture = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Check = Arc<dyn Fn() -> CheckFuture + Send + Sync>;

#[derive(Clone)]
struct Entry {
    name: &'static str,
    required: bool,
    check: Check,
}

/// The named checks of a process. Cheap to clone; all clones share one set.
#[derive(Clone, Default)]
pub struct Checks {
    checks: Arc<RwLock<Vec<Entry>>>,
}

/// What one check said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CheckResult {
    /// Name of the check.
    pub name: &'static str,
    /// Whether the process is not ready while it fails.
    pub required: bool,
    /// `Err` holds the reason.
    pub result: Result<(), String>,
}

impl Checks {
    /// Adds a check. It is run whenever somebody asks, with a limit of two seconds.
    pub fn register<F>(&self, name: &'static str, check: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.add(name, true, Arc::new(move || Box::pin(check()) as CheckFuture));
    }

    /// Adds a check whose failure is shown and does not stop the process from being ready: the rest goes on working.
    pub fn register_warning<F>(&self, name: &'static str, check: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.add(name, false, Arc::new(move || Box::pin(check()) as CheckFuture));
    }

    fn add(&self, name: &'static str, required: bool, check: Check) {
        self.checks.write().push(Entry { name, required, check });
    }

    /// Adds a check whose state somebody else sets; it fails with `reason` until then.
    pub fn gate(&self, name: &'static str, reason: &str) -> Gate {
        let (sender, receiver) = watch::channel(Err(reason.to_owned()));
        self.register(name, move || std::future::ready(receiver.borrow().clone()));
        Gate(sender)
    }

    /// Runs all checks at the same time; the results in the order of registration.
    pub async fn run(&self) -> Vec<CheckResult> {
        let checks = self.checks.read().clone();
        futures::future::join_all(checks.into_iter().map(|entry| async move {
            let result = match tokio::time::timeout(CHECK_TIMEOUT, (entry.check)()).await {
                Ok(result) => result,
                Err(_) => Err(format!("no answer within {} s", CHECK_TIMEOUT.as_secs())),
            };
            CheckResult {
                name: entry.name,
                required: entry.required,
                result,
            }
        }))
        .await
    }
}

/// Sets the state of a check, see [`Checks::gate`].
#[derive(Debug)]
pub struct Gate(watch::Sender<Result<(), String>>);

impl Gate {
    /// The check passes from now on.
    pub fn open(&self) {
        self.0.send_modify(|state| *state = Ok(()));
    }

    /// The check fails from now on, with `reason`.
    pub fn close(&self, reason: &str) {
        self.0.send_modify(|state| *state = Err(reason.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_check_that_hangs_fails_alone() {
        let checks = Checks::default();
        checks.register("hangs", std::future::pending);
        checks.register("fine", || std::future::ready(Ok(())));
        assert_eq!(
            checks.run().await,
            vec![
                CheckResult {
                    name: "hangs",
                    required: true,
                    result: Err("no answer within 2 s".to_owned()),
                },
                CheckResult {
                    name: "fine",
                    required: true,
                    result: Ok(()),
                },
            ]
        );
    }

    #[tokio::test]
    async fn a_gate_fails_until_it_is_opened() {
        let checks = Checks::default();
        let gate = checks.gate("routes", "not read yet");
        assert_eq!(checks.run().await[0].result, Err("not read yet".to_owned()));
        gate.open();
        assert_eq!(checks.run().await[0].result, Ok(()));
        gate.close("lost");
        assert_eq!(checks.run().await[0].result, Err("lost".to_owned()));
    }
}
