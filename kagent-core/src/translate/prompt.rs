//! The system message: from the spec, a ConfigMap or a Secret. Never logged.

use kagent_api::v1alpha2::{Agent, DeclarativeAgentSpec, ValueSource, ValueSourceType};

use super::{
    fetched::{Fetched, ObjectKind},
    references::source_key,
    resolved::ResolvedMcpTool,
    validate::Problem,
};

/// The text of `systemMessage` or of what `systemMessageFrom` names, before templating.
///
/// # Errors
/// When there is none.
pub(super) fn resolve_prompt(
    _agent: &Agent,
    spec: &DeclarativeAgentSpec,
    namespace: &str,
    fetched: &Fetched,
    _tools: &[ResolvedMcpTool],
) -> Result<String, Problem> {
    let text = read_message(spec, namespace, fetched)?;
    let sources = spec.prompt_template.as_ref().and_then(|it| it.data_sources.as_deref());
    match sources {
        Some(sources) if !sources.is_empty() => Err(Problem::unsupported("spec.declarative.promptTemplate")),
        _ => Ok(text),
    }
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
