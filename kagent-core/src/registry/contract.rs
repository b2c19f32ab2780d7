//! What every [`RouteRegistry`] with a [`RouteWriter`] must do; run it on each implementation.

use std::{collections::HashSet, sync::Arc};

use kagent_api::v1alpha2::{Agent, AgentSpec};

use super::{AgentRoute, RouteRegistry, RouteWriter};
use crate::ident::AgentRef;

/// A route to an agent with this description.
///
/// # Panics
/// When the names cannot be a host name.
pub fn route(namespace: &str, name: &str, description: &str) -> AgentRoute {
    let mut agent = Agent::new(name, AgentSpec::default());
    agent.metadata.namespace = Some(namespace.to_owned());
    agent.spec.description = Some(description.to_owned());
    AgentRoute::new(AgentRef::new(namespace, name), Arc::new(agent)).expect("usable names")
}

/// The description of a route's agent.
pub fn description(route: &AgentRoute) -> &str {
    route.resource.spec.description.as_deref().unwrap_or_default()
}

/// Runs all cases, each on a registry of its own.
///
/// # Panics
/// When the implementation breaks a rule.
pub fn check<R: RouteRegistry + RouteWriter>(new: impl Fn() -> Arc<R>) {
    finds_what_was_written(&*new());
    replaces_and_removes(&*new());
    lists_in_order(&*new());
    retain_forgets_the_others(&*new());
    parallel_writers_lose_nothing(&new());
}

fn finds_what_was_written(registry: &(impl RouteRegistry + RouteWriter)) {
    let agent = AgentRef::new("kagent", "a");
    assert!(registry.find_route(&agent).is_none());
    registry.upsert_route(route("kagent", "a", "one"));
    let found = registry.find_route(&agent).expect("route");
    assert_eq!(found.agent, agent);
    assert_eq!(found.endpoint.to_string(), "http://a.kagent:8080/");
    assert!(registry.find_route(&AgentRef::new("other", "a")).is_none());
}

fn replaces_and_removes(registry: &(impl RouteRegistry + RouteWriter)) {
    let agent = AgentRef::new("kagent", "a");
    registry.upsert_route(route("kagent", "a", "one"));
    registry.upsert_route(route("kagent", "a", "two"));
    assert_eq!(description(&registry.find_route(&agent).expect("route")), "two");
    assert_eq!(registry.list_routes().len(), 1);
    registry.remove_route(&agent);
    assert!(registry.find_route(&agent).is_none());
    registry.remove_route(&agent);
}

fn lists_in_order(registry: &(impl RouteRegistry + RouteWriter)) {
    for (namespace, name) in [("b", "a"), ("a", "z"), ("a", "b")] {
        registry.upsert_route(route(namespace, name, ""));
    }
    let names: Vec<_> = registry
        .list_routes()
        .iter()
        .map(|route| route.agent.to_string())
        .collect();
    assert_eq!(names, ["a/b", "a/z", "b/a"]);
}

fn retain_forgets_the_others(registry: &(impl RouteRegistry + RouteWriter)) {
    for name in ["a", "b", "c"] {
        registry.upsert_route(route("kagent", name, ""));
    }
    registry.retain_routes(&HashSet::from([
        AgentRef::new("kagent", "b"),
        AgentRef::new("kagent", "new"),
    ]));
    let left = registry.list_routes();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].agent.name, "b");
}

fn parallel_writers_lose_nothing<R: RouteRegistry + RouteWriter>(registry: &Arc<R>) {
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let registry = Arc::clone(registry);
            scope.spawn(move || {
                for number in 0..50 {
                    registry.upsert_route(route("kagent", &format!("a-{writer}-{number}"), ""));
                }
            });
        }
    });
    assert_eq!(registry.list_routes().len(), 200);
}
