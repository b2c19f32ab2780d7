//! The single replica: always the leader.

use async_trait::async_trait;
use tokio::sync::watch;

use super::{LeaderElector, Leadership, WritePermit};
use crate::error::Result;

/// Leads from the start and for ever. For one replica only: two of these both write.
#[derive(Debug)]
pub struct AlwaysLeader {
    state: watch::Sender<Leadership>,
}

impl AlwaysLeader {
    /// A leader.
    pub fn new() -> Self {
        Self {
            state: watch::Sender::new(Leadership::Leader),
        }
    }
}

impl Default for AlwaysLeader {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl LeaderElector for AlwaysLeader {
    async fn follow(&self) -> Result<watch::Receiver<Leadership>> {
        Ok(self.state.subscribe())
    }

    fn begin_write(&self) -> Option<WritePermit> {
        Some(WritePermit::uncounted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn always_leads() {
        let elector = AlwaysLeader::new();
        assert_eq!(*elector.follow().await.expect("joins").borrow(), Leadership::Leader);
    }

    #[cfg(feature = "test-util")]
    #[tokio::test]
    async fn keeps_the_contract() {
        crate::leader::contract::check_only_candidate(std::sync::Arc::new(AlwaysLeader::new())).await;
    }
}
