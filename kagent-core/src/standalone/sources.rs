//! The Secrets and ConfigMaps that a pod template refers to, read before a process is built from it.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, PodSpec, Secret};
use kube::{Api, Client};

use crate::error::{Error, Result};

/// Keys and values of one object.
pub(super) type Entries = BTreeMap<String, Vec<u8>>;

/// What was read, by name; an object that does not exist is absent.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    pub(super) secrets: BTreeMap<String, Entries>,
    pub(super) config_maps: BTreeMap<String, Entries>,
}

impl Sources {
    /// Reads everything that `pod` refers to in `namespace`.
    ///
    /// # Errors
    /// When the API does not answer; a missing object is no error here, because it may be optional.
    pub(super) async fn fetch(client: &Client, namespace: &str, pod: &PodSpec) -> Result<Self> {
        let names = Names::of(pod);
        let mut sources = Self::default();
        let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
        for name in names.secrets {
            let found = secrets.get_opt(&name).await.map_err(|error| {
                Error::unavailable(format!("cannot read Secret {namespace}/{name}")).with_source(error)
            })?;
            if let Some(secret) = found {
                sources.secrets.insert(name, secret_entries(secret));
            }
        }
        let config_maps = Api::<ConfigMap>::namespaced(client.clone(), namespace);
        for name in names.config_maps {
            let found = config_maps.get_opt(&name).await.map_err(|error| {
                Error::unavailable(format!("cannot read ConfigMap {namespace}/{name}")).with_source(error)
            })?;
            if let Some(config_map) = found {
                sources.config_maps.insert(name, config_map_entries(config_map));
            }
        }
        Ok(sources)
    }
}

fn secret_entries(secret: Secret) -> Entries {
    let data = secret.data.unwrap_or_default();
    let plain = secret.string_data.unwrap_or_default();
    data.into_iter()
        .map(|(key, value)| (key, value.0))
        .chain(plain.into_iter().map(|(key, value)| (key, value.into_bytes())))
        .collect()
}

fn config_map_entries(config_map: ConfigMap) -> Entries {
    let data = config_map.data.unwrap_or_default();
    let binary = config_map.binary_data.unwrap_or_default();
    data.into_iter()
        .map(|(key, value)| (key, value.into_bytes()))
        .chain(binary.into_iter().map(|(key, value)| (key, value.0)))
        .collect()
}

#[derive(Default)]
struct Names {
    secrets: BTreeSet<String>,
    config_maps: BTreeSet<String>,
}

impl Names {
    fn of(pod: &PodSpec) -> Self {
        let mut names = Self::default();
        for volume in pod.volumes.iter().flatten() {
            names
                .secrets
                .extend(volume.secret.iter().filter_map(|source| source.secret_name.clone()));
            names
                .config_maps
                .extend(volume.config_map.iter().map(|source| source.name.clone()));
            let projected = volume.projected.iter().filter_map(|source| source.sources.as_ref());
            for source in projected.flatten() {
                names
                    .secrets
                    .extend(source.secret.iter().map(|source| source.name.clone()));
                names
                    .config_maps
                    .extend(source.config_map.iter().map(|source| source.name.clone()));
            }
        }
        let variables = pod.containers.first().and_then(|container| container.env.as_ref());
        for value in variables
            .into_iter()
            .flatten()
            .filter_map(|variable| variable.value_from.as_ref())
        {
            names
                .secrets
                .extend(value.secret_key_ref.iter().map(|source| source.name.clone()));
            names
                .config_maps
                .extend(value.config_map_key_ref.iter().map(|source| source.name.clone()));
        }
        names
    }
}
