//! Agent cards for the outside: the trait **`AgentCardTranslator`**.
//!
//! # How to add an implementation
//! 1. Add `card/<name>.rs` with a type that implements [`AgentCardTranslator`]. It is pure: same agent and base URL,
//!    same card; no I/O, no clock.
//! 2. Every URL in the card leads through the server at `base`, never to the agent itself. Signatures that a changed URL
//!    makes invalid are dropped.

pub mod standard;

use kagent_api::{a2a::AgentCard, v1alpha2::Agent};
use url::Url;

use crate::error::{Error, Result};

/// Makes the card that callers of an agent see.
#[cfg_attr(feature = "test-util", mockall::automock)]
pub trait AgentCardTranslator: Send + Sync {
    /// The card of `agent` as served by the server whose public address is `base`.
    ///
    /// # Errors
    /// `Invalid` when the agent has no name or namespace.
    fn card(&self, agent: &Agent, base: &Url) -> Result<AgentCard>;
}

/// The card as bytes: two spaces of indentation, no final newline, `<`, `>` and `&` escaped, as the Go controller
/// writes it, so that a Secret that holds it need not change.
///
/// # Errors
/// `Internal` when the card cannot be written as JSON.
pub fn encode_card(card: &AgentCard) -> Result<String> {
    let text = serde_json::to_string_pretty(card)
        .map_err(|error| Error::internal("the agent card cannot be written").with_source(error))?;
    Ok(escape_html(&text))
}

/// Escapes what Go's encoder escapes. Outside of strings JSON has none of these characters.
fn escape_html(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    escaped
}
