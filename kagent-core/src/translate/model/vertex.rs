//! Gemini and Anthropic on Vertex AI: a project, a location, and credentials as a file.

use k8s_openapi::api::core::v1::{SecretVolumeSource, Volume, VolumeMount};
use kagent_api::{adk, v1alpha2::ModelConfigSpec};

use super::super::{pod::literal_env, resolved::PodNeeds};

const CREDENTIALS: &str = "google-creds";

/// Gemini's part of `config.json`, and what its client reads.
///
/// # Errors
/// When the provider's block is missing.
pub(super) fn resolve_gemini(
    spec: &ModelConfigSpec,
    base: adk::ModelBase,
    needs: &mut PodNeeds,
) -> Result<adk::Model, String> {
    let Some(options) = &spec.gemini_vertex_ai else {
        return Err("GeminiVertexAI model config is required".to_owned());
    };
    add_place(&options.project_id, &options.location, needs);
    needs.env.push(literal_env("GOOGLE_GENAI_USE_VERTEXAI", "true"));
    add_credentials(spec, needs);
    Ok(adk::Model::GeminiVertexAi(plain(base)))
}

/// Anthropic's part of `config.json`, and what its client reads.
///
/// # Errors
/// When the provider's block is missing.
pub(super) fn resolve_anthropic(
    spec: &ModelConfigSpec,
    base: adk::ModelBase,
    needs: &mut PodNeeds,
) -> Result<adk::Model, String> {
    let Some(options) = &spec.anthropic_vertex_ai else {
        return Err("AnthropicVertexAI model config is required".to_owned());
    };
    add_place(&options.project_id, &options.location, needs);
    add_credentials(spec, needs);
    Ok(adk::Model::AnthropicVertexAi(plain(base)))
}

fn plain(base: adk::ModelBase) -> adk::PlainModel {
    adk::PlainModel {
        base: adk::ModelBase {
            api_key_passthrough: None,
            ..base
        },
    }
}

fn add_place(project: &str, location: &str, needs: &mut PodNeeds) {
    needs.env.push(literal_env("GOOGLE_CLOUD_PROJECT", project));
    needs.env.push(literal_env("GOOGLE_CLOUD_LOCATION", location));
}

fn add_credentials(spec: &ModelConfigSpec, needs: &mut PodNeeds) {
    let secret = spec.api_key_secret.as_deref().unwrap_or_default();
    if secret.is_empty() {
        return;
    }
    let key = spec.api_key_secret_key.as_deref().unwrap_or_default();
    needs.merge(&PodNeeds {
        env: vec![literal_env("GOOGLE_APPLICATION_CREDENTIALS", format!("/creds/{key}"))],
        volumes: vec![Volume {
            name: CREDENTIALS.to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(secret.to_owned()),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        }],
        volume_mounts: vec![VolumeMount {
            name: CREDENTIALS.to_owned(),
            mount_path: "/creds".to_owned(),
            ..VolumeMount::default()
        }],
    });
}
