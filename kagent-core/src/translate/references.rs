//! What an Agent refers to, by name. The caller reads it, and listens for changes of exactly these objects.

use kagent_api::v1alpha2::{
    Agent, AgentType, DeclarativeAgentSpec, McpServerTool, ModelConfig, RemoteMCPServer, Tool, ToolType, ValueRef,
    ValueSource, ValueSourceType,
};

use super::{
    fetched::{FetchedObject, ObjectKey, ObjectKind},
    mcp::namespace_of_host,
    options::TranslateOptions,
    tools::{ServerKind, server_kind},
};

/// The objects that the Agent itself names.
pub fn list_references(agent: &Agent, options: &TranslateOptions) -> Vec<ObjectKey> {
    let namespace = agent.metadata.namespace.as_deref().unwrap_or_default();
    let mut references = Vec::new();
    let Some(declarative) = declarative_spec(agent) else {
        return references;
    };
    let mut add = |kind, namespace: &str, name: &str| references.push(ObjectKey::new(kind, namespace, name));
    let model = declarative.model_config.as_deref().unwrap_or_default();
    add(ObjectKind::ModelConfig, namespace, options.model_config_name(model));
    if let Some(memory) = &declarative.memory {
        add(ObjectKind::ModelConfig, namespace, &memory.model_config);
    }
    let compaction = declarative
        .context
        .as_ref()
        .and_then(|context| context.compaction.as_ref());
    if let Some(summarizer) = compaction.and_then(|compaction| compaction.summarizer.as_ref()) {
        let name = summarizer.model_config.as_deref().unwrap_or_default();
        if !name.is_empty() {
            add(ObjectKind::ModelConfig, namespace, name);
        }
    }
    if let Some(source) = &declarative.system_message_from {
        references.push(source_key(namespace, source));
    }
    let templates = declarative.prompt_template.as_ref();
    for source in templates
        .and_then(|template| template.data_sources.as_ref())
        .into_iter()
        .flatten()
    {
        references.push(ObjectKey::new(ObjectKind::ConfigMap, namespace, &source.reference.name));
    }
    for tool in declarative.tools() {
        add_tool(namespace, tool, &mut references);
    }
    if references.iter().any(|key| key.namespace != namespace) {
        // Selectors of other namespaces look at the labels of this one.
        references.push(ObjectKey::of_namespace(namespace));
    }
    references
}

/// The objects that a referenced object makes us read.
pub fn follow_references(object: &FetchedObject, options: &TranslateOptions) -> Vec<ObjectKey> {
    match object {
        FetchedObject::Agent(agent) => list_agent_tools(agent)
            .into_iter()
            .map(|(namespace, name)| ObjectKey::new(ObjectKind::Agent, namespace, name))
            .collect(),
        FetchedObject::ModelConfig(config) => list_model_secrets(config),
        FetchedObject::RemoteMcpServer(server) => list_server_references(server, options),
        _ => Vec::new(),
    }
}

/// The Secrets of a ModelConfig: the key and the certificate authority.
pub fn list_model_secrets(config: &ModelConfig) -> Vec<ObjectKey> {
    let namespace = config.metadata.namespace.as_deref().unwrap_or_default();
    let authority = config.spec.tls.as_ref().and_then(|tls| tls.ca_cert_secret_ref.as_ref());
    [config.spec.api_key_secret.as_ref(), authority]
        .into_iter()
        .flatten()
        .filter(|name| !name.is_empty())
        .map(|name| ObjectKey::new(ObjectKind::Secret, namespace, name))
        .collect()
}

fn list_server_references(server: &RemoteMCPServer, options: &TranslateOptions) -> Vec<ObjectKey> {
    let namespace = server.metadata.namespace.as_deref().unwrap_or_default();
    let mut references = list_header_sources(namespace, server.spec.headers_from.as_deref().unwrap_or_default());
    let authority = server.spec.tls.as_ref().and_then(|tls| tls.ca_cert_secret_ref.as_ref());
    if let Some(secret) = authority.filter(|name| !name.is_empty()) {
        references.push(ObjectKey::new(ObjectKind::Secret, namespace, secret));
    }
    if options.proxy_url.is_some()
        && let Some(host_namespace) = namespace_of_host(&server.spec.url)
    {
        references.push(ObjectKey::of_namespace(host_namespace));
    }
    references
}

/// The agents that a declarative agent calls as tools: namespace and name, in the order of the spec.
pub(super) fn list_agent_tools(agent: &Agent) -> Vec<(String, String)> {
    let namespace = agent.metadata.namespace.as_deref().unwrap_or_default();
    let tools = declarative_spec(agent).map(DeclarativeAgentSpec::tools);
    let tools = tools.unwrap_or_default().iter();
    tools
        .filter(|tool| find_server(tool).is_none())
        .filter_map(|tool| tool.agent.as_ref())
        .map(|target| {
            (
                own_or(target.namespace.as_deref(), namespace).to_owned(),
                target.name.clone(),
            )
        })
        .collect()
}

/// The tool server that a tool names. Where a tool names an agent too, its type decides.
pub(super) fn find_server(tool: &Tool) -> Option<&McpServerTool> {
    let is_agent = tool.agent.is_some() && tool.type_ == Some(ToolType::Agent);
    tool.mcp_server.as_ref().filter(|_| !is_agent)
}

fn add_tool(namespace: &str, tool: &Tool, references: &mut Vec<ObjectKey>) {
    references.extend(list_header_sources(
        namespace,
        tool.headers_from.as_deref().unwrap_or_default(),
    ));
    if let Some(server) = find_server(tool) {
        let kind = match server_kind(server) {
            Some(ServerKind::McpServer) => ObjectKind::McpServer,
            Some(ServerKind::RemoteMcpServer) => ObjectKind::RemoteMcpServer,
            Some(ServerKind::Service) => ObjectKind::Service,
            None => return,
        };
        let namespace = own_or(server.reference.namespace.as_deref(), namespace);
        references.push(ObjectKey::new(kind, namespace, &server.reference.name));
    } else if let Some(target) = &tool.agent {
        let namespace = own_or(target.namespace.as_deref(), namespace);
        references.push(ObjectKey::new(ObjectKind::Agent, namespace, &target.name));
    }
}

fn list_header_sources(namespace: &str, headers: &[ValueRef]) -> Vec<ObjectKey> {
    headers
        .iter()
        .filter(|header| header.value.as_deref().unwrap_or_default().is_empty())
        .filter_map(|header| header.value_from.as_ref())
        .map(|source| source_key(namespace, source))
        .collect()
}

/// The object behind a `valueFrom`.
pub(super) fn source_key(namespace: &str, source: &ValueSource) -> ObjectKey {
    let kind = match source.type_ {
        ValueSourceType::Secret => ObjectKind::Secret,
        ValueSourceType::ConfigMap | ValueSourceType::Other(_) => ObjectKind::ConfigMap,
    };
    ObjectKey::new(kind, namespace, &source.name)
}

/// The namespace that a reference names, or that of the object it stands in.
pub(super) fn own_or<'a>(named: Option<&'a str>, own: &'a str) -> &'a str {
    named.filter(|namespace| !namespace.is_empty()).unwrap_or(own)
}

/// The declarative part of an Agent that is declarative.
pub(super) fn declarative_spec(agent: &Agent) -> Option<&DeclarativeAgentSpec> {
    let declarative = agent.spec.agent_type() == AgentType::Declarative;
    agent.spec.declarative.as_ref().filter(|_| declarative)
}
