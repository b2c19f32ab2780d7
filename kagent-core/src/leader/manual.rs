//! Leadership that a test decides.

use async_trait::async_trait;
use tokio::sync::watch;

use super::{LeaderElector, Leadership, WritePermit};
use crate::error::Result;

/// Leads when told to. Starts as follower.
#[derive(Debug, Default)]
pub struct ManualLeader {
    state: watch::Sender<Leadership>,
}

impl ManualLeader {
    /// A follower.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes who leads, for all that follow.
    pub fn set(&self, leadership: Leadership) {
        self.state.send_replace(leadership);
    }
}

#[async_trait]
impl LeaderElector for ManualLeader {
    async fn follow(&self) -> Result<watch::Receiver<Leadership>> {
        Ok(self.state.subscribe())
    }

    fn begin_write(&self) -> Option<WritePermit> {
        (*self.state.borrow() == Leadership::Leader).then(WritePermit::uncounted)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::leader::contract::check_only_candidate;

    #[tokio::test]
    async fn followers_see_each_change() {
        let elector = ManualLeader::new();
        let state = elector.follow().await.expect("joins");
        assert_eq!(*state.borrow(), Leadership::Follower);
        elector.set(Leadership::Leader);
        assert_eq!(*state.borrow(), Leadership::Leader);
    }

    #[tokio::test]
    async fn keeps_the_contract_when_told_to_lead() {
        let elector = Arc::new(ManualLeader::new());
        elector.set(Leadership::Leader);
        check_only_candidate(elector).await;
    }
}
