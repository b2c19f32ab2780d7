//! The declarative part of an Agent: model, prompt, tools, memory, context. Pure.

use kagent_api::{
    adk,
    v1alpha2::{Agent, ContextConfig, DeclarativeAgentSpec, DeclarativeRuntime},
};

use super::{
    super::{
        fetched::Fetched,
        model::resolve_model,
        options::TranslateOptions,
        prompt::resolve_prompt,
        resolved::{ResolvedContext, ResolvedDeclarative, ResolvedMemory, ResolvedModel, ResolvedSkills},
        tools::{ResolvedTool, resolve_tool},
    },
    Problem,
};

/// CRD defaults, for objects that did not pass an API server.
const COMPACTION_INTERVAL: i64 = 5;
const COMPACTION_OVERLAP: i64 = 2;

/// `None` only with at least one problem.
pub(super) fn resolve(
    agent: &Agent,
    spec: &DeclarativeAgentSpec,
    skills: Option<&ResolvedSkills>,
    fetched: &Fetched,
    options: &TranslateOptions,
    problems: &mut Vec<Problem>,
) -> Option<ResolvedDeclarative> {
    let namespace = agent.metadata.namespace.as_deref().unwrap_or_default();
    if let DeclarativeRuntime::Other(other) = spec.runtime() {
        problems.push(Problem::new(
            "spec.declarative.runtime",
            format!("unknown runtime: {other}"),
        ));
    }
    let mut model_of = |name: &str, field: &str| match resolve_model(fetched, namespace, name) {
        Ok(model) => Some(model),
        Err(problem) => {
            problems.push(problem.at(field));
            None
        }
    };
    let model_name = options.model_config_name(spec.model_config.as_deref().unwrap_or_default());
    let model = model_of(model_name, "spec.declarative.modelConfig");
    let context = spec
        .context
        .as_ref()
        .and_then(|context| resolve_context(context, model_name, &mut model_of));
    let memory = spec.memory.as_ref().and_then(|memory| {
        Some(ResolvedMemory {
            model: model_of(&memory.model_config, "spec.declarative.memory.modelConfig")?,
            ttl_days: memory.ttl_days.unwrap_or_default(),
        })
    });
    let mut mcp_tools = Vec::new();
    let mut remote_agents = Vec::new();
    for (position, tool) in spec.tools().iter().enumerate() {
        let field = format!("spec.declarative.tools[{position}]");
        match resolve_tool(tool, &field, namespace, fetched, options) {
            Ok(ResolvedTool::Mcp(tool)) => mcp_tools.push(*tool),
            Ok(ResolvedTool::Agent(agent)) => remote_agents.push(agent),
            Err(problem) => problems.push(problem),
        }
    }
    let instruction = match resolve_prompt(agent, spec, namespace, fetched, &mcp_tools, skills) {
        Ok(instruction) => Some(instruction),
        Err(problem) => {
            problems.push(problem);
            None
        }
    };
    let network = agent.spec.sandbox.as_ref().and_then(|sandbox| sandbox.network.as_ref());
    Some(ResolvedDeclarative {
        model: model?,
        instruction: instruction?,
        mcp_tools,
        remote_agents,
        execute_code: spec.execute_code_blocks,
        stream: spec.stream.unwrap_or_default(),
        memory,
        network: network.map(|network| adk::Network {
            allowed_domains: network.allowed_domains.clone().unwrap_or_default(),
        }),
        context,
        image_registry: spec
            .deployment
            .as_ref()
            .and_then(|deployment| deployment.image_registry.clone())
            .filter(|registry| !registry.is_empty()),
    })
}

/// The summarizer is the agent's own model unless another is named.
fn resolve_context(
    context: &ContextConfig,
    own_model: &str,
    model_of: &mut impl FnMut(&str, &str) -> Option<ResolvedModel>,
) -> Option<ResolvedContext> {
    let Some(compaction) = &context.compaction else {
        return Some(ResolvedContext::default());
    };
    let mut resolved = adk::Compaction {
        compaction_interval: Some(compaction.compaction_interval.unwrap_or(COMPACTION_INTERVAL)),
        overlap_size: Some(compaction.overlap_size.unwrap_or(COMPACTION_OVERLAP)),
        token_threshold: compaction.token_threshold,
        event_retention_size: compaction.event_retention_size,
        ..adk::Compaction::default()
    };
    let mut summarizer = None;
    if let Some(spec) = &compaction.summarizer {
        resolved.prompt_template = spec.prompt_template.clone().unwrap_or_default();
        let name = spec.model_config.as_deref().unwrap_or_default();
        let model = if name.is_empty() || name == own_model {
            model_of(own_model, "spec.declarative.modelConfig")?
        } else {
            let model = model_of(name, "spec.declarative.context.compaction.summarizer.modelConfig")?;
            summarizer = Some(model.clone());
            model
        };
        resolved.summarizer_model = Some(model.config);
    }
    Some(ResolvedContext {
        config: adk::ContextConfig {
            compaction: Some(resolved),
        },
        summarizer,
    })
}
