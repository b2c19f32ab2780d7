//! The system message: from the spec, a ConfigMap or a Secret. Never logged.

use std::collections::BTreeMap;

use kagent_api::v1alpha2::{Agent, DeclarativeAgentSpec, PromptSource, ValueSource, ValueSourceType};

use super::{
    fetched::{Fetched, ObjectKind},
    references::source_key,
    resolved::{McpProtocol, ResolvedMcpTool, ResolvedSkills},
    skills::skill_names,
    template::{TemplateData, render},
    validate::Problem,
};

/// The system message of a declarative agent, templates filled in.
///
/// # Errors
/// When there is none, or its template cannot be used.
pub(super) fn resolve_prompt(
    agent: &Agent,
    spec: &DeclarativeAgentSpec,
    namespace: &str,
    fetched: &Fetched,
    tools: &[ResolvedMcpTool],
    skills: Option<&ResolvedSkills>,
) -> Result<String, Problem> {
    const FIELD: &str = "spec.declarative.systemMessage";
    let text = read_message(spec, namespace, fetched)?;
    let sources = spec.prompt_template.as_ref().and_then(|it| it.data_sources.as_deref());
    let Some(sources) = sources.filter(|sources| !sources.is_empty()) else {
        return Ok(text);
    };
    let data = TemplateData {
        texts: vec![
            ("AgentName", agent.metadata.name.clone().unwrap_or_default()),
            ("AgentNamespace", namespace.to_owned()),
            ("Description", agent.spec.description.clone().unwrap_or_default()),
        ],
        lists: vec![
            ("ToolNames", list_tool_names(tools)),
            ("SkillNames", skills.map(skill_names).unwrap_or_default()),
        ],
        includes: read_sources(sources, namespace, fetched)
            .map_err(|message| Problem::new("spec.declarative.promptTemplate", message))?,
    };
    render(&text, &data)
        .map_err(|message| Problem::new(FIELD, format!("failed to execute system message template: {message}")))
}

/// Streamable HTTP first, as in `config.json`.
fn list_tool_names(tools: &[ResolvedMcpTool]) -> Vec<String> {
    let by = |protocol| tools.iter().filter(move |tool| tool.protocol == protocol);
    by(McpProtocol::StreamableHttp)
        .chain(by(McpProtocol::Sse))
        .flat_map(|tool| tool.tools.clone())
        .collect()
}

/// What templates can include, by `alias/key`.
fn read_sources(
    sources: &[PromptSource],
    namespace: &str,
    fetched: &Fetched,
) -> Result<BTreeMap<String, String>, String> {
    let mut includes = BTreeMap::new();
    for source in sources {
        let name = &source.reference.name;
        let alias = source
            .alias
            .as_deref()
            .filter(|alias| !alias.is_empty())
            .unwrap_or(name);
        let Some(map) = fetched.find_config_map(namespace, name) else {
            return Err(format!(
                "failed to resolve prompt sources: failed to resolve prompt source {name:?}: \
                 failed to find ConfigMap {namespace}/{name}: ConfigMap {name:?} not found"
            ));
        };
        for (key, text) in map.data.iter().flatten() {
            let path = format!("{alias}/{key}");
            if includes.insert(path.clone(), text.clone()).is_some() {
                return Err(format!(
                    "failed to resolve prompt sources: duplicate prompt template {path:?}"
                ));
            }
        }
    }
    Ok(includes)
}

fn read_message(spec: &DeclarativeAgentSpec, namespace: &str, fetched: &Fetched) -> Result<String, Problem> {
    if let Some(source) = &spec.system_message_from {
        return read_value(fetched, namespace, source)
            .map_err(|message| Problem::new("spec.declarative.systemMessageFrom", message));
    }
    match &spec.system_message {
        Some(text) if !text.is_empty() => Ok(text.clone()),
        _ => Err(Problem::new(
            "spec.declarative.systemMessage",
            "at least one system message source (SystemMessage or SystemMessageFrom) must be specified",
        )),
    }
}

/// The value of one key of a ConfigMap or Secret.
///
/// # Errors
/// When the object or the key does not exist.
pub(super) fn read_value(fetched: &Fetched, namespace: &str, source: &ValueSource) -> Result<String, String> {
    if let ValueSourceType::Other(other) = &source.type_ {
        return Err(format!("unknown value source type: {other}"));
    }
    let key = source_key(namespace, source);
    let (name, entry) = (&source.name, &source.key);
    let value = if key.kind == ObjectKind::Secret {
        let secret = fetched
            .find_secret(namespace, name)
            .ok_or_else(|| not_found(&key.kind, namespace, name))?;
        let value = secret.data.as_ref().and_then(|data| data.get(entry));
        value.map(|value| String::from_utf8_lossy(&value.0).into_owned())
    } else {
        let map = fetched
            .find_config_map(namespace, name)
            .ok_or_else(|| not_found(&key.kind, namespace, name))?;
        map.data.as_ref().and_then(|data| data.get(entry)).cloned()
    };
    value.ok_or_else(|| format!("key {entry} not found in {} {namespace}/{name}", key.kind))
}

fn not_found(kind: &ObjectKind, namespace: &str, name: &str) -> String {
    format!("failed to find {kind} for {namespace}/{name}: {kind} \"{name}\" not found")
}
