//! The pod settings of the spec in the form that rendering wants. Decides nothing.

use k8s_openapi::{
    api::core::v1::{Container, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity,
};
use kagent_api::v1alpha2::SharedDeploymentSpec;

use super::super::{quantity::canonical, resolved::PodOptions};

/// Pod settings of a declarative or BYO deployment.
pub(super) fn resolve(spec: SharedDeploymentSpec) -> PodOptions {
    // No `..`: a new setting must not be lost.
    let SharedDeploymentSpec {
        replicas,
        image_pull_secrets,
        volumes,
        volume_mounts,
        labels,
        annotations,
        env,
        image_pull_policy,
        resources,
        tolerations,
        affinity,
        node_selector,
        security_context,
        pod_security_context,
        service_account_name,
        service_account_config,
        extra_containers,
    } = spec;
    let account = service_account_config.unwrap_or_default();
    PodOptions {
        replicas,
        image_pull_secrets: image_pull_secrets.unwrap_or_default(),
        volumes: volumes.unwrap_or_default(),
        volume_mounts: volume_mounts.unwrap_or_default(),
        labels: labels.unwrap_or_default(),
        annotations: annotations.unwrap_or_default(),
        env: env.unwrap_or_default(),
        image_pull_policy: image_pull_policy.filter(|policy| !policy.is_empty()),
        resources: resources.map(canonical_resources),
        tolerations: tolerations.unwrap_or_default(),
        affinity,
        node_selector: node_selector.unwrap_or_default(),
        security_context,
        pod_security_context,
        service_account_name: service_account_name.filter(|name| !name.is_empty()),
        service_account_labels: account.labels.unwrap_or_default(),
        service_account_annotations: account.annotations.unwrap_or_default(),
        extra_containers: extra_containers
            .unwrap_or_default()
            .into_iter()
            .map(canonical_container)
            .collect(),
    }
}

fn canonical_container(mut container: Container) -> Container {
    // Written as `{}` where there are none, as ever.
    container.resources = Some(canonical_resources(container.resources.unwrap_or_default()));
    container
}

/// Quantities as the API server writes them back, so that they compare equal.
pub(super) fn canonical_resources(mut resources: ResourceRequirements) -> ResourceRequirements {
    for list in [&mut resources.requests, &mut resources.limits].into_iter().flatten() {
        for quantity in list.values_mut() {
            *quantity = Quantity(canonical(&quantity.0));
        }
    }
    resources
}
