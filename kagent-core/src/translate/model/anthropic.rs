//! Anthropic's own API.

use kagent_api::{adk, v1alpha2::ModelConfigSpec};

use super::{
    super::{pod::secret_env, resolved::PodNeeds},
    parse_number, passes_key_through,
};

/// The part of `config.json`, and the key's variable.
pub(super) fn resolve(spec: &ModelConfigSpec, base: adk::ModelBase, needs: &mut PodNeeds) -> adk::Model {
    let options = spec.anthropic.clone().unwrap_or_default();
    let secret = spec.api_key_secret.as_deref().unwrap_or_default();
    if !passes_key_through(spec) && !secret.is_empty() {
        let key = spec.api_key_secret_key.as_deref().unwrap_or_default();
        needs.env.push(secret_env("ANTHROPIC_API_KEY", secret, key));
    }
    adk::Model::Anthropic(adk::Anthropic {
        base,
        base_url: options.base_url.filter(|url| !url.is_empty()),
        max_tokens: options.max_tokens.filter(|&tokens| tokens > 0),
        temperature: parse_number(options.temperature.as_ref()),
        top_p: parse_number(options.top_p.as_ref()),
        top_k: options.top_k.filter(|&top_k| top_k > 0),
        timeout: None,
    })
}
