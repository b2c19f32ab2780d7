//! From a resolved agent to the content of `config.json`. A pure mapping: everything was decided in `validate`.

use kagent_api::adk::{AgentConfig, Embedding, HttpTool, HttpToolParams, Memory, Model, SseTool, SseToolParams};

use super::resolved::{McpProtocol, ResolvedDeclarative, ResolvedMcpTool, ResolvedMemory};

/// The content of `config.json` of a declarative agent with this description.
pub fn build_config(description: &str, agent: &ResolvedDeclarative) -> AgentConfig {
    let by = |protocol| agent.mcp_tools.iter().filter(move |tool| tool.protocol == protocol);
    AgentConfig {
        model: agent.model.config.clone(),
        description: description.to_owned(),
        instruction: agent.instruction.clone(),
        http_tools: by(McpProtocol::StreamableHttp).map(build_http_tool).collect(),
        sse_tools: by(McpProtocol::Sse).map(build_sse_tool).collect(),
        remote_agents: agent.remote_agents.clone(),
        execute_code: agent.execute_code,
        stream: agent.stream,
        memory: agent.memory.as_ref().map(build_memory),
        network: agent.network.clone(),
        context_config: agent.context.as_ref().map(|context| context.config.clone()),
    }
}

fn build_http_tool(tool: &ResolvedMcpTool) -> HttpTool {
    HttpTool {
        params: HttpToolParams {
            url: tool.url.clone(),
            headers: tool.headers.clone(),
            timeout: tool.timeout,
            sse_read_timeout: tool.sse_read_timeout,
            terminate_on_close: tool.terminate_on_close,
            tls: tool.tls.clone(),
        },
        tools: tool.tools.clone(),
        allowed_headers: tool.allowed_headers.clone(),
        require_approval: tool.require_approval.clone(),
    }
}

fn build_sse_tool(tool: &ResolvedMcpTool) -> SseTool {
    SseTool {
        params: SseToolParams {
            url: tool.url.clone(),
            headers: tool.headers.clone(),
            timeout: tool.timeout,
            sse_read_timeout: tool.sse_read_timeout,
            tls: tool.tls.clone(),
        },
        tools: tool.tools.clone(),
        allowed_headers: tool.allowed_headers.clone(),
        require_approval: tool.require_approval.clone(),
    }
}

fn build_memory(memory: &ResolvedMemory) -> Memory {
    let (model, base_url) = match &memory.model.config {
        Model::OpenAi(model) => (&model.base.model, model.base_url.clone()),
        Model::AzureOpenAi(model) => (&model.base.model, String::new()),
        Model::Anthropic(model) => (&model.base.model, model.base_url.clone().unwrap_or_default()),
        Model::GeminiVertexAi(model) | Model::AnthropicVertexAi(model) | Model::Gemini(model) => {
            (&model.base.model, String::new())
        }
        Model::Ollama(model) => (&model.base.model, String::new()),
        Model::Bedrock(model) => (&model.base.model, String::new()),
        Model::SapAiCore(model) => (&model.base.model, model.base_url.clone()),
    };
    Memory {
        ttl_days: memory.ttl_days,
        embedding: Embedding {
            provider: match &memory.model.config {
                // The runtimes know it by this name, and take an unknown one for OpenAI.
                Model::GeminiVertexAi(_) => "vertex_ai".to_owned(),
                model => model.type_name().to_owned(),
            },
            model: model.clone(),
            base_url,
        },
    }
}
