//! Gemini by API key.

use kagent_api::{adk, v1alpha2::ModelConfigSpec};

use super::super::{pod::secret_env, resolved::PodNeeds};

/// The part of `config.json`, and the key's variable.
pub(super) fn resolve(spec: &ModelConfigSpec, base: adk::ModelBase, needs: &mut PodNeeds) -> adk::Model {
    let secret = spec.api_key_secret.as_deref().unwrap_or_default();
    // A reference to a Secret without name would have the whole Deployment refused.
    if !secret.is_empty() {
        let key = spec.api_key_secret_key.as_deref().unwrap_or_default();
        needs.env.push(secret_env("GOOGLE_API_KEY", secret, key));
    }
    adk::Model::Gemini(adk::PlainModel {
        base: adk::ModelBase {
            api_key_passthrough: None,
            ..base
        },
    })
}
