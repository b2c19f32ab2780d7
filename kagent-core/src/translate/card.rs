//! The agent card that a runtime serves: its own address inside the cluster, both protocol versions. The card that this
//! server publishes is made in `card/standard.rs`.

use kagent_api::a2a::{AgentCapabilities, AgentCard, AgentInterface, BINDING_JSONRPC};

use super::resolved::ResolvedAgent;

/// The content of `agent-card.json`.
pub fn build_card(agent: &ResolvedAgent) -> AgentCard {
    let url = format!("http://{}.{}:8080", agent.name, agent.namespace);
    let interface = |version: &str| AgentInterface {
        url: url.clone(),
        protocol_binding: BINDING_JSONRPC.to_owned(),
        protocol_version: version.to_owned(),
        ..AgentInterface::default()
    };
    AgentCard {
        default_input_modes: vec!["text".to_owned()],
        default_output_modes: vec!["text".to_owned()],
        description: agent.description.clone(),
        name: agent.name.replace('-', "_"),
        skills: agent.card_skills.clone(),
        capabilities: AgentCapabilities {
            streaming: true,
            ..AgentCapabilities::default()
        },
        supported_interfaces: vec![interface("0.3"), interface("1.0")],
        url: Some(url.clone()),
        protocol_version: Some("0.3".to_owned()),
        preferred_transport: Some(BINDING_JSONRPC.to_owned()),
        ..AgentCard::default()
    }
}
