//! Ollama: a host instead of a key.

use kagent_api::{adk, v1alpha2::ModelConfigSpec};

use super::super::{pod::literal_env, resolved::PodNeeds};

/// The part of `config.json`, and where the host is.
///
/// # Errors
/// When the provider's block is missing.
pub(super) fn resolve(
    spec: &ModelConfigSpec,
    base: adk::ModelBase,
    needs: &mut PodNeeds,
) -> Result<adk::Model, String> {
    let Some(options) = &spec.ollama else {
        return Err("ollama model config is required".to_owned());
    };
    let host = options.host.as_deref().unwrap_or_default();
    let with_scheme = host.starts_with("http://") || host.starts_with("https://");
    let url = if with_scheme {
        host.to_owned()
    } else {
        format!("http://{host}")
    };
    needs.env.push(literal_env("OLLAMA_API_BASE", url));
    Ok(adk::Model::Ollama(adk::Ollama {
        base,
        options: options.options.clone().unwrap_or_default(),
    }))
}
