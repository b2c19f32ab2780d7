//! Whether an Agent may use what lives in other namespaces: servers and agents decide by `allowedNamespaces`. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kagent_api::v1alpha2::{Agent, AllowedNamespaces, DeclarativeAgentSpec, FromNamespaces};
use kube::core::{Selector, SelectorExt};

use super::{
    super::{
        fetched::{Fetched, ObjectKey, ObjectKind},
        options::TranslateOptions,
        references::{find_server, own_or},
        tools::{ServerKind, server_kind},
    },
    Problem, Stage,
};

/// Adds a problem for every tool that the Agent may not use.
pub(super) fn check(
    agent: &Agent,
    spec: &DeclarativeAgentSpec,
    fetched: &Fetched,
    options: &TranslateOptions,
    problems: &mut Vec<Problem>,
) {
    let source = agent.metadata.namespace.as_deref().unwrap_or_default();
    for (position, tool) in spec.tools().iter().enumerate() {
        let field = format!("spec.declarative.tools[{position}]");
        let outcome = if let Some(server) = find_server(tool) {
            let target = own_or(server.reference.namespace.as_deref(), source);
            let name = &server.reference.name;
            match server_kind(server) {
                _ if target == source => Ok(()),
                Some(ServerKind::McpServer) => Err(refuse_kind("MCPServer", target, name, source)),
                Some(ServerKind::Service) => Err(refuse_kind("Service", target, name, source)),
                Some(ServerKind::RemoteMcpServer) => {
                    check_watched("RemoteMCPServer", target, name, options).and_then(|()| {
                        let Some(found) = fetched.find_remote_mcp_server(target, name) else {
                            let key = ObjectKey::new(ObjectKind::RemoteMcpServer, target, name);
                            return Err(Problem::missing(&key).message);
                        };
                        let allowed = found.spec.allowed_namespaces.as_ref();
                        check_allowed("RemoteMCPServer", target, name, source, allowed, fetched)
                    })
                }
                // The kind itself is the problem, and is found later.
                None => Ok(()),
            }
        } else if let Some(reference) = &tool.agent {
            let target = own_or(reference.namespace.as_deref(), source);
            if target == source {
                Ok(())
            } else {
                let name = &reference.name;
                check_watched("agent", target, name, options).and_then(|()| {
                    let Some(found) = fetched.find_agent(target, name) else {
                        return Err(Problem::missing(&ObjectKey::new(ObjectKind::Agent, target, name)).message);
                    };
                    let allowed = found.spec.allowed_namespaces.as_ref();
                    check_allowed("agent", target, name, source, allowed, fetched)
                })
            }
        } else {
            Ok(())
        };
        if let Err(message) = outcome {
            problems.push(Problem::new(field, message).during(Stage::Reference));
        }
    }
}

fn refuse_kind(kind: &str, target: &str, name: &str, source: &str) -> String {
    format!(
        "cross-namespace reference to {kind} {target}/{name} is not allowed from namespace {source}: \
         {kind} does not support cross-namespace references"
    )
}

fn check_watched(kind: &str, target: &str, name: &str, options: &TranslateOptions) -> Result<(), String> {
    if options.watches(target) {
        return Ok(());
    }
    Err(format!(
        "cannot reference {kind} {target}/{name}: namespace {target:?} is not watched by the controller"
    ))
}

fn check_allowed(
    kind: &str,
    target: &str,
    name: &str,
    source: &str,
    allowed: Option<&AllowedNamespaces>,
    fetched: &Fetched,
) -> Result<(), String> {
    let admits = match allowed.and_then(|allowed| allowed.from.as_ref()) {
        None | Some(FromNamespaces::Same) => false,
        Some(FromNamespaces::All) => true,
        Some(FromNamespaces::Selector) => {
            let selector = allowed.and_then(|allowed| allowed.selector.as_ref());
            let Some(selector) = selector else {
                return Err(format!("{kind} {target}/{name}: allowedNamespaces has no selector"));
            };
            matches_namespace(selector, source, fetched)?
        }
        Some(FromNamespaces::Other(other)) => {
            return Err(format!(
                "{kind} {target}/{name}: unknown allowedNamespaces.from {other:?}"
            ));
        }
    };
    if admits {
        return Ok(());
    }
    Err(format!(
        "cross-namespace reference to {kind} {target}/{name} is not allowed from namespace {source}"
    ))
}

fn matches_namespace(selector: &LabelSelector, namespace: &str, fetched: &Fetched) -> Result<bool, String> {
    if fetched.is_forbidden_namespace(namespace) {
        return Err(format!(
            "allowedNamespaces uses a selector, and this server may not read namespace {namespace}: \
             grant it get on namespaces, or use from: All"
        ));
    }
    let Some(found) = fetched.find_namespace(namespace) else {
        return Err(format!("Namespace {namespace:?} not found"));
    };
    let selector = Selector::try_from(selector.clone()).map_err(|error| format!("invalid selector: {error}"))?;
    Ok(selector.matches(
        found
            .metadata
            .labels
            .as_ref()
            .unwrap_or(&std::collections::BTreeMap::new()),
    ))
}
