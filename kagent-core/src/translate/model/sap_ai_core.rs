//! SAP AI Core: client id and secret under fixed keys.

use k8s_openapi::api::core::v1::Secret;
use kagent_api::{adk, v1alpha2::ModelConfigSpec};

use super::super::{pod::secret_env, resolved::PodNeeds};

/// The part of `config.json`, and the credentials' variables.
///
/// # Errors
/// When the provider's block or its Secret is missing.
pub(super) fn resolve(
    spec: &ModelConfigSpec,
    base: adk::ModelBase,
    secret: Option<&Secret>,
    needs: &mut PodNeeds,
) -> Result<adk::Model, String> {
    let Some(options) = &spec.sap_ai_core else {
        return Err("SAPAICore model config is required".to_owned());
    };
    let name = spec.api_key_secret.as_deref().unwrap_or_default();
    if !name.is_empty() {
        if secret.is_none() {
            return Err(format!(
                "failed to get SAP AI Core credentials secret: Secret {name:?} not found"
            ));
        }
        needs.env.push(secret_env("SAP_AI_CORE_CLIENT_ID", name, "client_id"));
        needs
            .env
            .push(secret_env("SAP_AI_CORE_CLIENT_SECRET", name, "client_secret"));
    }
    Ok(adk::Model::SapAiCore(adk::SapAiCore {
        base,
        base_url: options.base_url.clone(),
        resource_group: options.resource_group.clone().unwrap_or_default(),
        auth_url: options.auth_url.clone().unwrap_or_default(),
    }))
}
