//! The route table in memory: readers load a snapshot and never wait, writers replace the snapshot of one shard.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use arc_swap::ArcSwap;

use super::{AgentRoute, RouteRegistry, RouteWriter};
use crate::ident::AgentRef;

/// A write copies one shard, so that filling the table with thousands of agents stays cheap.
const SHARDS: usize = 64;

type Shard = HashMap<AgentRef, Arc<AgentRoute>>;

/// Routes by agent. Cheap to share as `Arc<RouteTable>`.
pub struct RouteTable {
    hasher: RandomState,
    shards: Box<[ArcSwap<Shard>]>,
}

impl Default for RouteTable {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| ArcSwap::default()).collect(),
        }
    }
}

impl RouteTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    fn shard(&self, agent: &AgentRef) -> &ArcSwap<Shard> {
        let hash = self.hasher.hash_one(agent);
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or_default()]
    }
}

impl RouteRegistry for RouteTable {
    fn find_route(&self, agent: &AgentRef) -> Option<Arc<AgentRoute>> {
        self.shard(agent).load().get(agent).cloned()
    }

    fn list_routes(&self) -> Vec<Arc<AgentRoute>> {
        let mut routes: Vec<_> = self
            .shards
            .iter()
            .flat_map(|shard| shard.load().values().cloned().collect::<Vec<_>>())
            .collect();
        routes.sort_by(|a, b| a.agent.cmp(&b.agent));
        routes
    }
}

impl RouteWriter for RouteTable {
    fn upsert_route(&self, route: AgentRoute) {
        let route = Arc::new(route);
        self.shard(&route.agent).rcu(|shard| {
            let mut shard = Shard::clone(shard);
            shard.insert(route.agent.clone(), Arc::clone(&route));
            shard
        });
    }

    fn remove_route(&self, agent: &AgentRef) {
        self.shard(agent).rcu(|shard| {
            let mut shard = Shard::clone(shard);
            shard.remove(agent);
            shard
        });
    }

    fn retain_routes(&self, agents: &HashSet<AgentRef>) {
        for shard in &self.shards {
            if shard.load().keys().all(|agent| agents.contains(agent)) {
                continue;
            }
            shard.rcu(|shard| {
                let mut shard = Shard::clone(shard);
                shard.retain(|agent, _| agents.contains(agent));
                shard
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::contract;

    #[test]
    fn table_keeps_the_contract() {
        contract::check(|| Arc::new(RouteTable::new()));
    }

    #[test]
    fn a_reader_keeps_the_route_it_found() {
        let table = RouteTable::new();
        let agent = AgentRef::new("kagent", "a");
        table.upsert_route(contract::route("kagent", "a", "before"));
        let found = table.find_route(&agent).expect("route");
        table.upsert_route(contract::route("kagent", "a", "after"));
        table.remove_route(&agent);
        assert_eq!(contract::description(&found), "before");
    }
}
