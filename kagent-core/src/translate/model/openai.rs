//! OpenAI and everything that speaks its API.

use k8s_openapi::api::core::v1::{SecretVolumeSource, Volume, VolumeMount};
use kagent_api::{
    adk,
    v1alpha2::{ModelConfigSpec, OpenAiConfig, ReasoningEffort, TokenExchangeType},
};

use super::{
    super::{
        pod::{WORLD_READABLE, literal_env, secret_env},
        resolved::PodNeeds,
    },
    parse_number, passes_key_through,
};

const CREDENTIALS: &str = "gdch-creds";

/// The part of `config.json`, and the key's variable.
pub(super) fn resolve(spec: &ModelConfigSpec, base: adk::ModelBase, needs: &mut PodNeeds) -> adk::Model {
    let options = spec.open_ai.clone().unwrap_or_default();
    let secret = spec.api_key_secret.as_deref().unwrap_or_default();
    let key = spec.api_key_secret_key.as_deref().unwrap_or_default();
    if !passes_key_through(spec) && options.token_exchange.is_none() && !secret.is_empty() {
        needs.env.push(secret_env("OPENAI_API_KEY", secret, key));
    }
    if let Some(organization) = options.organization.as_ref().filter(|it| !it.is_empty()) {
        needs.env.push(literal_env("OPENAI_ORGANIZATION", organization));
    }
    adk::Model::OpenAi(adk::OpenAi {
        base,
        base_url: options.base_url.clone().unwrap_or_default(),
        frequency_penalty: parse_number(options.frequency_penalty.as_ref()),
        max_tokens: options.max_tokens.filter(|&tokens| tokens > 0),
        n: options.n,
        presence_penalty: parse_number(options.presence_penalty.as_ref()),
        reasoning_effort: options.reasoning_effort.as_ref().map(effort_name),
        seed: options.seed,
        temperature: parse_number(options.temperature.as_ref()),
        timeout: options.timeout,
        top_p: parse_number(options.top_p.as_ref()),
        token_exchange: resolve_token_exchange(&options, secret, key, needs),
    })
}

/// A token instead of a key: the Secret is mounted as a file.
fn resolve_token_exchange(
    options: &OpenAiConfig,
    secret: &str,
    key: &str,
    needs: &mut PodNeeds,
) -> Option<adk::TokenExchange> {
    let exchange = options.token_exchange.as_ref()?;
    let account = exchange.gdch_service_account.as_ref().map(|account| {
        needs.merge(&PodNeeds {
            volumes: vec![Volume {
                name: CREDENTIALS.to_owned(),
                secret: Some(SecretVolumeSource {
                    secret_name: Some(secret.to_owned()),
                    default_mode: Some(WORLD_READABLE),
                    ..SecretVolumeSource::default()
                }),
                ..Volume::default()
            }],
            volume_mounts: vec![VolumeMount {
                name: CREDENTIALS.to_owned(),
                mount_path: format!("/{CREDENTIALS}"),
                read_only: Some(true),
                ..VolumeMount::default()
            }],
            ..PodNeeds::default()
        });
        adk::GdchServiceAccount {
            service_account_path: format!("/{CREDENTIALS}/{key}"),
            audience: account.audience.clone(),
        }
    });
    Some(adk::TokenExchange {
        exchange_type: match &exchange.type_ {
            TokenExchangeType::GdchServiceAccount => "GDCHServiceAccount".to_owned(),
            TokenExchangeType::Other(other) => other.clone(),
        },
        gdch_service_account: account,
    })
}

fn effort_name(effort: &ReasoningEffort) -> String {
    match effort {
        ReasoningEffort::Minimal => "minimal",
        ReasoningEffort::Low => "low",
        ReasoningEffort::Medium => "medium",
        ReasoningEffort::High => "high",
        ReasoningEffort::Other(other) => other,
    }
    .to_owned()
}
