//! The ConfigMap that tells skills-init what to fetch.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use super::{super::resolved::ResolvedAgent, build_bare_metadata};

/// The ConfigMap of `agent`; unlike the other objects it has no labels and no annotations.
pub(super) fn build_config_map(agent: &ResolvedAgent, config: &str) -> ConfigMap {
    ConfigMap {
        metadata: build_bare_metadata(agent, super::super::skills::config_map_name(&agent.name)),
        data: Some(BTreeMap::from([("config.json".to_owned(), config.to_owned())])),
        ..ConfigMap::default()
    }
}
