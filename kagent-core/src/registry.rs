//! Which agent is where: the traits **`RouteRegistry`** (read) and **`RouteWriter`** (write).
//!
//! Routes come from watches on every replica, never from reconciliation: a replica that does not lead serves agents too.
//!
//! # How to add an implementation
//! 1. Add `registry/<name>.rs` with a type that implements [`RouteRegistry`], and [`RouteWriter`] if it is filled from
//!    outside. `find_route` is on the path of every request: no lock, no await, no allocation.
//! 2. An agent has a route from the moment its object exists, whether it is accepted, ready or not: the answer to a call
//!    then says what is wrong with the agent.
//! 3. Run `registry::contract` (feature `test-util`) on it.

#[cfg(any(test, feature = "test-util"))]
pub mod contract;
#[cfg(feature = "kube")]
pub mod informer;
pub mod table;

use std::{collections::HashSet, sync::Arc};

use kagent_api::v1alpha2::Agent;

use crate::{
    error::{Error, Result},
    ident::AgentRef,
};

/// The port on which every agent listens.
pub const AGENT_PORT: u16 = 8080;

/// Where an agent is reached, and the object it comes from. A changed object is a new route.
#[derive(Clone, Debug)]
pub struct AgentRoute {
    /// Which agent.
    pub agent: AgentRef,
    /// Base URL of its A2A endpoint: `http://<name>.<namespace>:8080`.
    pub endpoint: http::Uri,
    /// The object as it was last seen.
    pub resource: Arc<Agent>,
}

impl AgentRoute {
    /// The route of an agent that listens where its Service does.
    ///
    /// # Errors
    /// `Invalid` when namespace or name cannot be a host name.
    pub fn new(agent: AgentRef, resource: Arc<Agent>) -> Result<Self> {
        let endpoint = http::Uri::builder()
            .scheme("http")
            .authority(format!("{}.{}:{AGENT_PORT}", agent.name, agent.namespace))
            .path_and_query("/")
            .build()
            .map_err(|error| Error::invalid(format!("agent {agent} has no usable host name")).with_source(error))?;
        Ok(Self {
            agent,
            endpoint,
            resource,
        })
    }
}

/// Finds agents.
#[cfg_attr(feature = "test-util", mockall::automock)]
pub trait RouteRegistry: Send + Sync {
    /// The route of an agent, if there is such an agent.
    fn find_route(&self, agent: &AgentRef) -> Option<Arc<AgentRoute>>;

    /// All routes, ordered by namespace and name.
    fn list_routes(&self) -> Vec<Arc<AgentRoute>>;
}

/// Tells a registry what exists.
#[cfg_attr(feature = "test-util", mockall::automock)]
pub trait RouteWriter: Send + Sync {
    /// Adds or replaces the route of an agent.
    fn upsert_route(&self, route: AgentRoute);

    /// Forgets an agent. Streams that run are not cut.
    fn remove_route(&self, agent: &AgentRef);

    /// Forgets all agents but these (after a watch was started again and has listed everything).
    fn retain_routes(&self, agents: &HashSet<AgentRef>);
}
