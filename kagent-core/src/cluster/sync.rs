//! Which caches have been filled once: the named parts of readiness.

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The caches that are not complete yet. Cheap to clone; all clones share one set.
#[derive(Clone, Debug, Default)]
pub struct SyncState {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<BTreeSet<&'static str>>,
    changed: Notify,
}

/// Held by whoever fills a cache; dropping it says that the cache is complete.
#[derive(Debug)]
pub struct Pending {
    name: &'static str,
    state: SyncState,
}

impl SyncState {
    /// Names one more thing that must be complete.
    pub fn register(&self, name: &'static str) -> Pending {
        self.shared.pending.lock().insert(name);
        Pending {
            name,
            state: self.clone(),
        }
    }

    /// What is not complete yet, sorted by name. Empty means ready.
    pub fn pending(&self) -> Vec<&'static str> {
        self.shared.pending.lock().iter().copied().collect()
    }

    /// Waits until nothing is pending.
    pub async fn wait(&self) {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            // Registers before looking, so that a change in between is not missed.
            changed.as_mut().enable();
            if self.shared.pending.lock().is_empty() {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.state.shared.pending.lock().remove(self.name);
        self.state.shared.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waits_for_all_parts_and_names_the_missing() {
        let state = SyncState::default();
        let agents = state.register("agents");
        let models = state.register("modelconfigs");
        drop(models);
        assert_eq!(state.pending(), ["agents"]);
        let (waiting, later) = (state.wait(), async {
            tokio::task::yield_now().await;
            drop(agents);
        });
        tokio::join!(waiting, later);
        assert!(state.pending().is_empty());
    }
}
