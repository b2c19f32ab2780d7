//! Agents that call agents: no cycles, and an end. Pure.

use kagent_api::v1alpha2::Agent;

use super::{
    super::{
        fetched::{Fetched, ObjectKey, ObjectKind},
        references::list_agent_tools,
    },
    Problem,
};

/// Agents below the first in one chain.
const MAX_DEPTH: usize = 10;

const FIELD: &str = "spec.declarative.tools";

/// Adds a problem when following agent tools from `agent` never ends, is too long, or meets an agent that is not there.
pub(super) fn check(agent: &Agent, fetched: &Fetched, problems: &mut Vec<Problem>) {
    let mut path = Vec::new();
    if let Err(problem) = visit(agent, fetched, &mut path) {
        problems.push(problem);
    }
}

fn visit(agent: &Agent, fetched: &Fetched, path: &mut Vec<String>) -> Result<(), Problem> {
    let namespace = agent.metadata.namespace.as_deref().unwrap_or_default();
    let name = format!("{namespace}/{}", agent.metadata.name.as_deref().unwrap_or_default());
    if path.len() > MAX_DEPTH {
        let message = format!("recursion limit reached in agent tool chain: {}", path.join(" -> "));
        return Err(Problem::new(FIELD, message));
    }
    path.push(name.clone());
    for (target_namespace, target) in list_agent_tools(agent) {
        let reference = format!("{target_namespace}/{target}");
        if reference == name {
            let message = format!("agent tool cannot be used to reference itself, {name}");
            return Err(Problem::new(FIELD, message));
        }
        if path.contains(&reference) {
            let message = format!("cycle detected in agent tool chain: {reference} -> {reference}");
            return Err(Problem::new(FIELD, message));
        }
        let Some(found) = fetched.find_agent(&target_namespace, &target) else {
            // The agent's own missing targets are found with its tools.
            if path.len() == 1 {
                continue;
            }
            return Err(Problem::missing(&ObjectKey::new(ObjectKind::Agent, target_namespace, target)).at(FIELD));
        };
        visit(found, fetched, path)?;
    }
    path.pop();
    Ok(())
}
