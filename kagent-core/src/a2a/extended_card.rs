//! The answer of the extended-card methods: the public card, in the form of the caller's version only.
//!
//! As the Go controller does it: without a call to the agent, and with success although the card does not announce it.

use kagent_api::a2a::{AgentCard, LegacyInterface};
use serde_json::Value;

use super::version::Version;
use crate::error::{Error, Result};

/// The response document to a request with this id (raw JSON).
///
/// # Errors
/// `Internal` when the card cannot be written as JSON.
pub(super) fn encode(card: AgentCard, version: Version, id: &str) -> Result<String> {
    let card = match version {
        Version::V03 => legacy(card),
        Version::V10 => serde_json::to_value(AgentCard {
            url: None,
            protocol_version: None,
            preferred_transport: None,
            ..card
        }),
    };
    let card = card.map_err(|error| Error::internal("the agent card cannot be written").with_source(error))?;
    Ok(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{card}}}\n"))
}

/// 0.3 names every interface as an additional one, and says `null` where there are no skills.
fn legacy(mut card: AgentCard) -> serde_json::Result<Value> {
    card.additional_interfaces = std::mem::take(&mut card.supported_interfaces)
        .into_iter()
        .map(|interface| LegacyInterface {
            transport: interface.protocol_binding,
            url: interface.url,
        })
        .collect();
    let without_skills = card.skills.is_empty();
    let mut json = serde_json::to_value(card)?;
    if let Some(members) = json.as_object_mut() {
        members.remove("supportedInterfaces");
        if without_skills {
            members.insert("skills".to_owned(), Value::Null);
        }
    }
    Ok(json)
}
