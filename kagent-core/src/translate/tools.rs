//! Tools: MCP servers and other agents, with their headers and addresses.

use std::collections::BTreeMap;

use kagent_api::{
    adk,
    v1alpha2::{self, McpServerTool, RemoteMCPServer, Tool, TypedReference, ValueRef},
};

use super::{
    fetched::{Fetched, ObjectKey, ObjectKind},
    hash::{from_hex, secret_hash},
    mcp::{PROXY_HOST_HEADER, egress_plaintext, is_internal, service_endpoint, through_proxy},
    options::TranslateOptions,
    pod::resolve_tls,
    prompt::read_value,
    references::{find_server, own_or},
    resolved::{McpProtocol, PodNeeds, ResolvedMcpTool},
    validate::Problem,
};
use crate::{gocompat::parse_duration, ident::AgentRef};

/// Seconds that an MCPServer is waited for when it does not say.
const MCP_SERVER_TIMEOUT: f64 = 30.0;

/// What a tool resolves to.
pub(super) enum ResolvedTool {
    Mcp(Box<ResolvedMcpTool>),
    Agent(adk::RemoteAgent),
}

/// The kinds of tool servers that can be referred to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ServerKind {
    McpServer,
    RemoteMcpServer,
    Service,
}

/// The kind that a reference means; `None` for one that is unknown.
pub(super) fn server_kind(server: &McpServerTool) -> Option<ServerKind> {
    let group = server.reference.api_group.as_deref().unwrap_or_default();
    let kind = server.reference.kind.as_deref().unwrap_or_default();
    match (group, kind) {
        ("", "" | "MCPServer") | ("kagent.dev", "MCPServer") => Some(ServerKind::McpServer),
        ("" | "kagent.dev", "RemoteMCPServer") => Some(ServerKind::RemoteMcpServer),
        ("" | "core", "Service") => Some(ServerKind::Service),
        _ => None,
    }
}

/// One tool of an agent in `namespace`. `field` names it in problems.
///
/// # Errors
/// When what it refers to does not exist or cannot be used.
pub(super) fn resolve_tool(
    tool: &Tool,
    field: &str,
    namespace: &str,
    fetched: &Fetched,
    options: &TranslateOptions,
) -> Result<ResolvedTool, Problem> {
    let headers = resolve_headers(tool.headers_from.as_deref().unwrap_or_default(), namespace, fetched)
        .map_err(|message| Problem::new(field, format!("failed to resolve header: {message}")))?;
    if let Some(server) = find_server(tool) {
        let resolved = resolve_server(server, field, headers, namespace, fetched, options)?;
        return Ok(ResolvedTool::Mcp(Box::new(resolved)));
    }
    match &tool.agent {
        Some(target) => resolve_agent(target, field, headers, namespace, fetched, options).map(ResolvedTool::Agent),
        None => Err(Problem::new(field, "tool must have a provider or tool server")),
    }
}

fn resolve_server(
    server: &McpServerTool,
    field: &str,
    headers: BTreeMap<String, String>,
    namespace: &str,
    fetched: &Fetched,
    options: &TranslateOptions,
) -> Result<ResolvedMcpTool, Problem> {
    let server_namespace = own_or(server.reference.namespace.as_deref(), namespace);
    let name = &server.reference.name;
    let missing = |kind| Problem::missing(&ObjectKey::new(kind, server_namespace, name)).at(field);
    let mut resolved = match server_kind(server) {
        Some(ServerKind::McpServer) if fetched.lacks_mcp_servers(server_namespace, name) => {
            let message =
                "failed to get restmapping: no matches for kind \"MCPServer\" in version \"kagent.dev/v1alpha1\"";
            return Err(Problem::new(field, message));
        }
        Some(ServerKind::McpServer) => {
            let found = fetched.find_mcp_server(server_namespace, name);
            let found = found.ok_or_else(|| missing(ObjectKind::McpServer))?;
            let port = found.spec.deployment.port.unwrap_or_default();
            if port == 0 {
                let message = format!("cannot determine port for MCP server {name}");
                return Err(Problem::new(field, message));
            }
            let url = format!("http://{name}.{server_namespace}:{port}/mcp");
            let mut tool = plain_server(url, McpProtocol::StreamableHttp);
            let timeout = found.spec.timeout.as_deref();
            tool.timeout = Some(parse_seconds(timeout, field)?.unwrap_or(MCP_SERVER_TIMEOUT));
            tool
        }
        Some(ServerKind::Service) => {
            let found = fetched.find_service(server_namespace, name);
            let found = found.ok_or_else(|| missing(ObjectKind::Service))?;
            let (url, protocol) = service_endpoint(found).map_err(|message| Problem::new(field, message))?;
            plain_server(url, protocol)
        }
        Some(ServerKind::RemoteMcpServer) => {
            let found = fetched.find_remote_mcp_server(server_namespace, name);
            let found = found.ok_or_else(|| missing(ObjectKind::RemoteMcpServer))?;
            resolve_remote_server(found, field, fetched)?
        }
        None => {
            let kind = server.reference.kind.as_deref().unwrap_or_default();
            let group = server.reference.api_group.as_deref().unwrap_or_default();
            // As Kubernetes writes a kind: the core group has no name and no dot.
            let dot = if group.is_empty() { "" } else { "." };
            return Err(Problem::new(
                field,
                format!("unknown tool server type: {kind}{dot}{group}"),
            ));
        }
    };
    resolved.headers.extend(headers);
    resolved.tools = server.tool_names.clone().unwrap_or_default();
    resolved.allowed_headers = server.allowed_headers.clone().unwrap_or_default();
    resolved.require_approval = server.require_approval.clone().unwrap_or_default();
    let remote = server_kind(server) == Some(ServerKind::RemoteMcpServer);
    match &options.proxy_url {
        Some(proxy) if !remote || is_internal(&resolved.url, fetched, options) => {
            let Some((url, host)) = through_proxy(proxy, &resolved.url) else {
                return Err(Problem::new(field, format!("{name} has no valid URL")));
            };
            resolved.url = url;
            resolved.headers.insert(PROXY_HOST_HEADER.to_owned(), host);
        }
        _ if remote && options.mcp_egress_plaintext => {
            let found = fetched.find_remote_mcp_server(server_namespace, name);
            let has_tls = found.is_some_and(|found| found.spec.tls.is_some());
            resolved.url = egress_plaintext(&resolved.url, has_tls);
        }
        _ => {}
    }
    Ok(resolved)
}

fn plain_server(url: String, protocol: McpProtocol) -> ResolvedMcpTool {
    ResolvedMcpTool {
        protocol,
        url,
        headers: BTreeMap::new(),
        timeout: None,
        sse_read_timeout: None,
        terminate_on_close: None,
        tls: adk::Tls::default(),
        tools: Vec::new(),
        allowed_headers: Vec::new(),
        require_approval: Vec::new(),
        needs: PodNeeds::default(),
        secret_hash: Vec::new(),
    }
}

/// Headers come from the server's own namespace.
fn resolve_remote_server(server: &RemoteMCPServer, field: &str, fetched: &Fetched) -> Result<ResolvedMcpTool, Problem> {
    let namespace = server.metadata.namespace.as_deref().unwrap_or_default();
    let spec = &server.spec;
    let protocol = match spec.protocol {
        Some(v1alpha2::McpProtocol::Sse) => McpProtocol::Sse,
        _ => McpProtocol::StreamableHttp,
    };
    let mut needs = PodNeeds::default();
    let tls = resolve_tls(spec.tls.as_ref(), &mut needs);
    let headers = resolve_headers(spec.headers_from.as_deref().unwrap_or_default(), namespace, fetched)
        .map_err(|message| Problem::new(field, format!("failed to resolve header: {message}")))?;
    let authority = spec.tls.as_ref().and_then(|tls| tls.ca_cert_secret_ref.as_deref());
    let authority = authority.and_then(|name| fetched.find_secret(namespace, name));
    Ok(ResolvedMcpTool {
        headers,
        timeout: parse_seconds(spec.timeout.as_deref(), field)?,
        sse_read_timeout: parse_seconds(spec.sse_read_timeout.as_deref(), field)?,
        terminate_on_close: spec.terminate_on_close,
        tls,
        needs,
        secret_hash: authority
            .and_then(|secret| from_hex(&secret_hash([secret])))
            .unwrap_or_default(),
        ..plain_server(spec.url.clone(), protocol)
    })
}

fn resolve_agent(
    target: &TypedReference,
    field: &str,
    mut headers: BTreeMap<String, String>,
    namespace: &str,
    fetched: &Fetched,
    options: &TranslateOptions,
) -> Result<adk::RemoteAgent, Problem> {
    match target.kind.as_deref().unwrap_or_default() {
        "" | "Agent" => {}
        kind => {
            return Err(Problem::unsupported(&format!("{field}.agent.kind {kind}")));
        }
    }
    let target_namespace = own_or(target.namespace.as_deref(), namespace);
    let name = &target.name;
    let Some(agent) = fetched.find_agent(target_namespace, name) else {
        return Err(Problem::missing(&ObjectKey::new(ObjectKind::Agent, target_namespace, name)).at(field));
    };
    let mut url = format!("http://{name}.{target_namespace}:8080");
    if let Some(proxy) = &options.proxy_url
        && let Some((through, host)) = through_proxy(proxy, &url)
    {
        url = through;
        headers.insert(PROXY_HOST_HEADER.to_owned(), host);
    }
    Ok(adk::RemoteAgent {
        name: AgentRef::new(target_namespace, name).python_id(),
        url,
        headers,
        description: agent.spec.description.clone().unwrap_or_default(),
    })
}

pub(super) fn resolve_headers(
    references: &[ValueRef],
    namespace: &str,
    fetched: &Fetched,
) -> Result<BTreeMap<String, String>, String> {
    let mut headers = BTreeMap::new();
    for reference in references {
        let literal = reference.value.as_deref().unwrap_or_default();
        let value = match &reference.value_from {
            Some(source) if literal.is_empty() => read_value(fetched, namespace, source)
                .map_err(|message| format!("failed to resolve value for ref {}: {message}", reference.name))?,
            _ => literal.to_owned(),
        };
        headers.insert(reference.name.clone(), value);
    }
    Ok(headers)
}

/// Seconds of a duration in Go's form.
fn parse_seconds(text: Option<&str>, field: &str) -> Result<Option<f64>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    match parse_duration(text) {
        Ok(duration) => Ok(Some(duration.as_secs_f64())),
        Err(_) => Err(Problem::new(field, format!("invalid duration {text:?}"))),
    }
}
