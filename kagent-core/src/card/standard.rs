//! The card of an agent of this cluster, reached through this server, valid for 0.3 and 1.0 readers.

use kagent_api::{
    a2a::{AgentCapabilities, AgentCard, AgentInterface, AgentSkill, BINDING_JSONRPC},
    v1alpha2::Agent,
};
use url::Url;

use super::AgentCardTranslator;
use crate::error::{Error, Result};

/// Cards as kagent 0.9 makes them. The agent itself is not asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct StandardCards;

impl AgentCardTranslator for StandardCards {
    fn card(&self, agent: &Agent, base: &Url) -> Result<AgentCard> {
        let (Some(namespace), Some(name)) = (&agent.metadata.namespace, &agent.metadata.name) else {
            return Err(Error::invalid("the agent has no name or no namespace"));
        };
        let base = base.as_str().trim_end_matches('/');
        Ok(build_card(agent, &format!("{base}/api/a2a/{namespace}/{name}/")))
    }
}

/// The card of an agent that is reached at `url`; the same but for the address in the agent's own Secret.
pub fn build_card(agent: &Agent, url: &str) -> AgentCard {
    let interface = |version: &str| AgentInterface {
        url: url.to_owned(),
        protocol_binding: BINDING_JSONRPC.to_owned(),
        protocol_version: version.to_owned(),
        tenant: None,
    };
    AgentCard {
        default_input_modes: vec!["text".to_owned()],
        default_output_modes: vec!["text".to_owned()],
        description: agent.spec.description.clone().unwrap_or_default(),
        name: agent.metadata.name.clone().unwrap_or_default().replace('-', "_"),
        skills: build_skills(agent),
        capabilities: AgentCapabilities {
            streaming: true,
            ..AgentCapabilities::default()
        },
        supported_interfaces: vec![interface("0.3"), interface("1.0")],
        url: Some(url.to_owned()),
        protocol_version: Some("0.3".to_owned()),
        preferred_transport: Some(BINDING_JSONRPC.to_owned()),
        ..AgentCard::default()
    }
}

fn build_skills(agent: &Agent) -> Vec<AgentSkill> {
    let declared = agent
        .spec
        .declarative
        .as_ref()
        .and_then(|declarative| declarative.a2a_config.as_ref());
    declared
        .and_then(|config| config.skills.as_deref())
        .unwrap_or_default()
        .iter()
        .map(|skill| AgentSkill {
            description: skill.description.clone().unwrap_or_default(),
            examples: skill.examples.clone().unwrap_or_default(),
            id: skill.id.clone().unwrap_or_default(),
            input_modes: skill.input_modes.clone().unwrap_or_default(),
            name: skill.name.clone(),
            output_modes: skill.output_modes.clone().unwrap_or_default(),
            tags: skill.tags.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::card::encode_card;

    /// The card that the Go controller served in this case.
    fn recorded(case: &str) -> String {
        let recordings = include_str!("../../../tests/recordings/a2a/cards.jsonl");
        let found = recordings
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("json"))
            .find(|recorded| recorded["case"] == case)
            .expect("case");
        found["calls"][0]["response"]["body"]["text"]
            .as_str()
            .expect("text")
            .to_owned()
    }

    fn card(name: &str, spec: Value) -> String {
        let agent = json!({"metadata": {"namespace": "kagent", "name": name}, "spec": spec});
        let agent: Agent = serde_json::from_value(agent).expect("agent");
        let base = "http://127.0.0.1:8083".parse().expect("url");
        encode_card(&StandardCards.card(&agent, &base).expect("card")).expect("text")
    }

    #[test]
    fn cards_are_byte_for_byte_as_recorded() {
        let plain = card("rec-a", json!({"description": "Recording agent A"}));
        assert_eq!(plain, recorded("cards/plain"));
        let odd = json!({"description": "nobody <listens> & \"waits\" — ünïcode 日本語 🚀"});
        assert_eq!(card("rec-down", odd), recorded("cards/unicode-description"));
        let dotted = card("rec.dotted-name", json!({"description": "name with a dot"}));
        assert_eq!(dotted, recorded("cards/dotted-name"));
    }

    #[test]
    fn skills_are_listed_with_their_tags_and_the_base_url_is_trimmed() {
        let spec = json!({"declarative": {"a2aConfig": {"skills": [
            {"id": "s", "name": "S", "description": "Reads", "tags": ["k8s"], "inputModes": ["text"]},
            {"id": "t", "name": "T"},
        ]}}});
        let agent = json!({"metadata": {"namespace": "kagent", "name": "a"}, "spec": spec});
        let agent: Agent = serde_json::from_value(agent).expect("agent");
        let base = "https://kagent.example.com/prefix/".parse().expect("url");
        let card = serde_json::to_value(StandardCards.card(&agent, &base).expect("card")).expect("json");
        assert_eq!(card["url"], "https://kagent.example.com/prefix/api/a2a/kagent/a/");
        assert_eq!(
            card["skills"],
            json!([
                {"description": "Reads", "id": "s", "inputModes": ["text"], "name": "S", "tags": ["k8s"]},
                {"description": "", "id": "t", "name": "T", "tags": null},
            ])
        );
    }
}
