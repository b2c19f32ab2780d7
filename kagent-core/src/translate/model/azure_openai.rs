//! OpenAI's models on Azure. The model's name is that of the Azure deployment.

use kagent_api::{adk, v1alpha2::ModelConfigSpec};

use super::{
    super::{
        pod::{literal_env, secret_env},
        resolved::PodNeeds,
    },
    parse_number, passes_key_through,
};

/// The part of `config.json`, and the variables that the client reads.
///
/// # Errors
/// When the provider's block is missing.
pub(super) fn resolve(
    spec: &ModelConfigSpec,
    base: adk::ModelBase,
    needs: &mut PodNeeds,
) -> Result<adk::Model, String> {
    let Some(options) = &spec.azure_open_ai else {
        return Err("AzureOpenAI model config is required".to_owned());
    };
    let secret = spec.api_key_secret.as_deref().unwrap_or_default();
    // A reference to a Secret without name would have the whole Deployment refused.
    if !passes_key_through(spec) && !secret.is_empty() {
        let key = spec.api_key_secret_key.as_deref().unwrap_or_default();
        needs.env.push(secret_env("AZURE_OPENAI_API_KEY", secret, key));
    }
    for (name, value) in [
        ("AZURE_AD_TOKEN", options.azure_ad_token.as_deref().unwrap_or_default()),
        ("OPENAI_API_VERSION", &options.api_version),
        ("AZURE_OPENAI_ENDPOINT", &options.azure_endpoint),
    ] {
        if !value.is_empty() {
            needs.env.push(literal_env(name, value));
        }
    }
    Ok(adk::Model::AzureOpenAi(adk::AzureOpenAi {
        base: adk::ModelBase {
            model: options.azure_deployment.clone().unwrap_or_default(),
            ..base
        },
        max_tokens: options.max_tokens.filter(|&tokens| tokens > 0),
        temperature: parse_number(options.temperature.as_ref()),
        top_p: parse_number(options.top_p.as_ref()),
    }))
}
