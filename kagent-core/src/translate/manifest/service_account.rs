//! The service account of an agent that names none.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::{
    super::{options::TranslateOptions, resolved::ResolvedAgent},
    build_metadata,
};

/// The service account of `agent`.
pub(super) fn build_service_account(agent: &ResolvedAgent, options: &TranslateOptions) -> ServiceAccount {
    let mut metadata = build_metadata(agent, options);
    if let Some(labels) = &mut metadata.labels {
        labels.extend(agent.pod.service_account_labels.clone());
    }
    if !agent.pod.service_account_annotations.is_empty() {
        metadata
            .annotations
            .get_or_insert_default()
            .extend(agent.pod.service_account_annotations.clone());
    }
    ServiceAccount {
        metadata,
        ..ServiceAccount::default()
    }
}
