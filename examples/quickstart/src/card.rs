//! The agent's card: who it is, what it can do, how to reach it.

use a2a::{AgentCapabilities, AgentCard, AgentInterface, AgentSkill, TRANSPORT_PROTOCOL_JSONRPC};

/// The card of an agent that is reachable at `url`.
pub(crate) fn build_card(url: &str) -> AgentCard {
    AgentCard {
        name: "scout".to_owned(),
        description: "Looks through a folder and reports what is in it. Needs no model and no key.".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        supported_interfaces: vec![AgentInterface::new(url, TRANSPORT_PROTOCOL_JSONRPC)],
        capabilities: AgentCapabilities {
            streaming: Some(true),
            push_notifications: Some(false),
            ..AgentCapabilities::default()
        },
        default_input_modes: vec!["text/plain".to_owned()],
        default_output_modes: vec!["text/markdown".to_owned(), "application/json".to_owned()],
        skills: vec![AgentSkill {
            id: "survey".to_owned(),
            name: "Survey a folder".to_owned(),
            description: "Counts files and lines by kind and names the largest files.".to_owned(),
            tags: vec!["files".to_owned(), "report".to_owned()],
            examples: Some(vec!["What is in examples/quickstart?".to_owned()]),
            input_modes: None,
            output_modes: None,
            security_requirements: None,
        }],
        provider: None,
        documentation_url: None,
        icon_url: None,
        security_schemes: None,
        security_requirements: None,
        signatures: None,
    }
}
