//! What is remembered of an agent from call to call: the versions it speaks, and its counters.
//!
//! kagent 0.9 runtimes speak 0.3, so nothing is asked of an agent until a caller of 1.0 comes or the agent refuses a
//! method of 0.3; then its own card is read, once per generation of the Agent.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{Request, Uri};
use http_body_util::{BodyExt, Either, Full, Limited};
use kagent_api::a2a::{AgentCard, BINDING_JSONRPC};
use parking_lot::{Mutex, RwLock};
use prometheus_client::metrics::counter::Counter;
use tokio::{sync::OnceCell, time::Instant};

use super::{
    jsonrpc::Method,
    metrics::{Metrics, Outcome},
    upstream::{SendError, Upstream},
    version::Version,
};
use crate::{ident::AgentRef, registry::AgentRoute};

/// An agent's card must be there within this time.
const CARD_DEADLINE: Duration = Duration::from_secs(5);
/// A card that could not be read is asked for again after this time.
const CARD_RETRY: Duration = Duration::from_secs(30);
/// Cards are small; more is not read.
const CARD_LIMIT: usize = 1 << 20;
/// Agents that are remembered; beyond that all are forgotten and learnt again.
const MAX_PEERS: usize = 16 * 1024;

/// The versions an agent speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Speaks {
    pub(super) v03: bool,
    pub(super) v10: bool,
}

impl Speaks {
    const ONLY_03: Self = Self { v03: true, v10: false };

    pub(super) fn speaks(self, version: Version) -> bool {
        match version {
            Version::V03 => self.v03,
            Version::V10 => self.v10,
        }
    }

    /// By an agent's own card. One that names no usable interface is an old card of 0.3.
    fn by_card(card: &AgentCard) -> Self {
        let speaks = |version: &str| {
            card.supported_interfaces.iter().any(|interface| {
                interface.protocol_binding == BINDING_JSONRPC && interface.protocol_version.starts_with(version)
            })
        };
        let legacy = card
            .protocol_version
            .as_deref()
            .is_some_and(|version| version.starts_with("0."));
        let (v03, v10) = (speaks("0.") || legacy, speaks("1."));
        if v03 || v10 { Self { v03, v10 } } else { Self::ONLY_03 }
    }
}

/// One agent, as long as its Agent object stays the same.
pub(super) struct Peer {
    label: String,
    uid: Option<String>,
    generation: Option<i64>,
    speaks: OnceCell<Speaks>,
    retry_card_after: Mutex<Option<Instant>>,
    metrics: Metrics,
    counted_ok: [OnceLock<Counter>; Method::COUNT],
}

impl Peer {
    fn new(route: &AgentRoute, metrics: Metrics) -> Self {
        Self {
            label: route.agent.to_string(),
            uid: route.resource.metadata.uid.clone(),
            generation: route.resource.metadata.generation,
            speaks: OnceCell::new(),
            retry_card_after: Mutex::new(None),
            metrics,
            counted_ok: Default::default(),
        }
    }

    fn is_of(&self, route: &AgentRoute) -> bool {
        let metadata = &route.resource.metadata;
        self.generation == metadata.generation && self.uid == metadata.uid
    }

    /// What is known already.
    pub(super) fn known(&self) -> Option<Speaks> {
        self.speaks.get().copied()
    }

    /// What the agent speaks; reads its card when that is not known yet.
    ///
    /// # Errors
    /// When the agent cannot be reached.
    pub(super) async fn learn(&self, upstream: &Upstream, endpoint: &Uri) -> Result<Speaks, SendError> {
        if self.known().is_none() && self.retry_card_after.lock().is_some_and(|after| Instant::now() < after) {
            return Ok(Speaks::ONLY_03);
        }
        let learnt = self
            .speaks
            .get_or_try_init(|| async {
                match tokio::time::timeout(CARD_DEADLINE, fetch_card(upstream, endpoint)).await {
                    Ok(Ok(Some(card))) => Ok(Speaks::by_card(&card)),
                    Ok(Ok(None)) | Err(_) => Err(None),
                    Ok(Err(error)) => Err(Some(error)),
                }
            })
            .await;
        match learnt {
            Ok(speaks) => Ok(*speaks),
            Err(Some(error)) => Err(error),
            Err(None) => {
                *self.retry_card_after.lock() = Some(Instant::now() + CARD_RETRY);
                tracing::info!(
                    agent = self.label,
                    "the agent's own card cannot be read: 0.3 is assumed"
                );
                Ok(Speaks::ONLY_03)
            }
        }
    }

    /// Counts a request that has ended.
    pub(super) fn count(&self, method: Option<Method>, outcome: Outcome) {
        let label = method.map_or("unknown", Method::label);
        match method {
            Some(method) if outcome == Outcome::Ok => {
                self.counted_ok[method as usize]
                    .get_or_init(|| self.metrics.requests(&self.label, label, outcome))
                    .inc();
            }
            _ => {
                self.metrics.requests(&self.label, label, outcome).inc();
            }
        }
    }
}

/// The card that the agent serves itself; `None` when what it serves is no card.
async fn fetch_card(upstream: &Upstream, endpoint: &Uri) -> Result<Option<AgentCard>, SendError> {
    let authority = endpoint.authority().map_or("", |authority| authority.as_str());
    let Ok(request) =
        Request::get(format!("http://{authority}/.well-known/agent-card.json")).body(Either::Left(Full::default()))
    else {
        return Ok(None);
    };
    let response = upstream.send(request).await?;
    if !response.status().is_success() {
        return Ok(None);
    }
    let Ok(body) = Limited::new(response.into_body(), CARD_LIMIT).collect().await else {
        return Ok(None);
    };
    Ok(serde_json::from_slice(&body.to_bytes()).ok())
}

/// All agents that were called.
#[derive(Default)]
pub(super) struct Peers(RwLock<HashMap<AgentRef, Arc<Peer>>>);

impl Peers {
    /// The agent of a route; what was known of an earlier generation is forgotten.
    pub(super) fn of(&self, route: &AgentRoute, metrics: &Metrics) -> Arc<Peer> {
        if let Some(peer) = self.0.read().get(&route.agent).filter(|peer| peer.is_of(route)) {
            return Arc::clone(peer);
        }
        let mut peers = self.0.write();
        if let Some(peer) = peers.get(&route.agent).filter(|peer| peer.is_of(route)) {
            return Arc::clone(peer);
        }
        if peers.len() >= MAX_PEERS {
            peers.clear();
        }
        let peer = Arc::new(Peer::new(route, metrics.clone()));
        peers.insert(route.agent.clone(), Arc::clone(&peer));
        peer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speaks(card: &str) -> (bool, bool) {
        let speaks = Speaks::by_card(&serde_json::from_str(card).expect("card"));
        (speaks.v03, speaks.v10)
    }

    #[test]
    fn versions_are_read_from_the_agents_own_card() {
        assert_eq!(
            speaks(r#"{"name":"a","url":"u","protocolVersion":"0.3.0"}"#),
            (true, false)
        );
        let only_10 = r#"{"supportedInterfaces":[{"url":"u","protocolBinding":"JSONRPC","protocolVersion":"1.0"}]}"#;
        assert_eq!(speaks(only_10), (false, true));
        let grpc = r#"{"supportedInterfaces":[{"url":"u","protocolBinding":"GRPC","protocolVersion":"1.0"}]}"#;
        assert_eq!(speaks(grpc), (true, false));
        let both = r#"{"protocolVersion":"0.3","supportedInterfaces":[
            {"url":"u","protocolBinding":"JSONRPC","protocolVersion":"0.3"},
            {"url":"u","protocolBinding":"JSONRPC","protocolVersion":"1.0"}]}"#;
        assert_eq!(speaks(both), (true, true));
        assert_eq!(speaks("{}"), (true, false));
    }
}
