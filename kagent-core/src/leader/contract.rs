//! What every [`LeaderElector`] must do; run it on each implementation.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

use super::{LeaderElector, Leadership};

/// How long an implementation may take to let the only candidate lead.
const ELECTION: Duration = Duration::from_secs(30);

/// Runs the whole contract on `elector`, which must be the only candidate of its election.
///
/// # Panics
/// When the implementation breaks the contract; the message says how.
pub async fn check_only_candidate(elector: Arc<dyn LeaderElector>) {
    let first = elector.follow().await.expect("the election can be joined");
    wait_until_leader(first).await;

    let second = elector.follow().await.expect("the election can be followed twice");
    assert_eq!(
        *second.borrow(),
        Leadership::Leader,
        "a second follower of a leading replica did not see it lead"
    );
}

async fn wait_until_leader(mut state: watch::Receiver<Leadership>) {
    timeout(ELECTION, state.wait_for(|state| *state == Leadership::Leader))
        .await
        .expect("the only candidate did not become leader in time")
        .expect("the election ended without a leader");
}
