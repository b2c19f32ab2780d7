//! Models: a ModelConfig becomes a part of `config.json`, environment and volumes. One provider per file in `model/`.

mod anthropic;
mod azure_openai;
mod bedrock;
mod gemini;
mod ollama;
mod openai;
mod sap_ai_core;
mod vertex;

use kagent_api::{
    adk,
    v1alpha2::{ModelConfig, ModelConfigSpec, ModelProvider},
};

use super::{
    fetched::{Fetched, ObjectKey, ObjectKind},
    hash::{from_hex, secret_hash},
    pod::resolve_tls,
    references::list_model_secrets,
    resolved::{PodNeeds, ResolvedModel},
    validate::Problem,
};

/// The model of the ModelConfig `name`, which must be in the agent's namespace.
///
/// # Errors
/// When it does not exist, lacks what its provider needs, or its provider is unknown.
pub(super) fn resolve_model(fetched: &Fetched, namespace: &str, name: &str) -> Result<ResolvedModel, Problem> {
    let Some(config) = fetched.find_model_config(namespace, name) else {
        return Err(Problem::missing(&ObjectKey::new(
            ObjectKind::ModelConfig,
            namespace,
            name,
        )));
    };
    let mut needs = PodNeeds::default();
    let base = build_base(&config.spec, &mut needs);
    let spec = &config.spec;
    let secret = spec.api_key_secret.as_deref().unwrap_or_default();
    let secret = fetched.find_secret(namespace, secret);
    let model = match spec.provider() {
        ModelProvider::OpenAI => Ok(openai::resolve(spec, base, &mut needs)),
        ModelProvider::Anthropic => Ok(anthropic::resolve(spec, base, &mut needs)),
        ModelProvider::AzureOpenAI => azure_openai::resolve(spec, base, &mut needs),
        ModelProvider::Gemini => Ok(gemini::resolve(spec, base, &mut needs)),
        ModelProvider::GeminiVertexAI => vertex::resolve_gemini(spec, base, &mut needs),
        ModelProvider::AnthropicVertexAI => vertex::resolve_anthropic(spec, base, &mut needs),
        ModelProvider::Ollama => ollama::resolve(spec, base, &mut needs),
        ModelProvider::Bedrock => bedrock::resolve(spec, base, secret, &mut needs),
        ModelProvider::SAPAICore => sap_ai_core::resolve(spec, base, secret, &mut needs),
        ModelProvider::Other(other) => Err(format!("unknown model provider: {other}")),
    };
    let model = model.map_err(|message| Problem::new("spec.declarative.modelConfig", message))?;
    Ok(ResolvedModel {
        name: name.to_owned(),
        config: model,
        needs,
        secret_hash: hash_secrets(config, namespace, fetched),
    })
}

/// What `status.secretHash` is or is about to become. It is computed from the Secrets themselves: an agent that waited for
/// the status of its models would be rolled twice, and at random (recordings/rendered, surprise 1).
fn hash_secrets(config: &ModelConfig, namespace: &str, fetched: &Fetched) -> Vec<u8> {
    let secrets = list_model_secrets(config);
    let found = secrets
        .iter()
        .filter_map(|key| fetched.find_secret(namespace, &key.name));
    from_hex(&secret_hash(found)).unwrap_or_default()
}

/// What every provider has.
fn build_base(spec: &ModelConfigSpec, needs: &mut PodNeeds) -> adk::ModelBase {
    adk::ModelBase {
        model: spec.model.clone(),
        headers: spec.default_headers.clone().unwrap_or_default(),
        tls: resolve_tls(spec.tls.as_ref(), needs),
        api_key_passthrough: passes_key_through(spec).then_some(true),
    }
}

fn passes_key_through(spec: &ModelConfigSpec) -> bool {
    spec.api_key_passthrough.unwrap_or_default()
}

/// A number that is written as text in the spec. What is no finite number is left out, as ever.
fn parse_number(text: Option<&String>) -> Option<f64> {
    text?.parse::<f64>().ok().filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_text_follow_gos_parser() {
        let parse = |text: &str| parse_number(Some(&text.to_owned()));
        assert_eq!(parse("+0.5"), Some(0.5));
        assert_eq!(parse("1e-7"), Some(1e-7));
        for bad in ["", " 0.5", "warm", "NaN", "inf", "1e999"] {
            assert_eq!(parse(bad), None, "{bad:?} was accepted");
        }
    }
}
