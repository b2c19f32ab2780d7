//! What is served: the built-in kinds and every kind that a CustomResourceDefinition adds.
//!
//! The registry is replaced as a whole when a CRD changes; requests hold the version they started with.

mod builtin;
mod custom;
mod decode;
mod rules;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use crate::{
    schema::Schema,
    status::{ApiError, ApiResult},
    table::Column,
};

pub(crate) use custom::{accept_crd, parse_crd};
pub(crate) use decode::{decode_builtin, decode_metadata};
pub(crate) use rules::check_builtin;

/// Group and plural name: where objects of a kind are stored, whatever version they are asked for in.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct ResourceId {
    pub(crate) group: String,
    pub(crate) plural: String,
}

/// One served version of a kind.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) name: String,
    pub(crate) served: bool,
    pub(crate) storage: bool,
    /// Whether `/status` exists and keeps spec and status apart.
    pub(crate) status: bool,
    /// Structure for defaulting, pruning, validation and merging.
    pub(crate) schema: Arc<Schema>,
    /// Columns of tables; of custom kinds without the name.
    pub(crate) columns: Vec<Column>,
    /// The schema as the definition has it; of built-in kinds the types know it.
    pub(crate) openapi: Value,
}

/// A kind of object.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    pub(crate) versions: Vec<Version>,
    /// Whether the kind comes from a CustomResourceDefinition.
    pub(crate) custom: bool,
}

impl Resource {
    pub(crate) fn id(&self) -> ResourceId {
        ResourceId {
            group: self.group.clone(),
            plural: self.plural.clone(),
        }
    }

    /// `agents.kagent.dev`, or `secrets` in the core group.
    pub(crate) fn qualified(&self) -> String {
        qualify(&self.plural, &self.group)
    }

    /// `Agent.kagent.dev`, or `Secret` in the core group.
    pub(crate) fn qualified_kind(&self) -> String {
        qualify(&self.kind, &self.group)
    }

    /// The `apiVersion` of objects in `version`.
    pub(crate) fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() {
            version.to_owned()
        } else {
            format!("{}/{version}", self.group)
        }
    }

    pub(crate) fn version(&self, name: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.name == name)
    }

    /// The version that objects are stored in.
    pub(crate) fn storage_version(&self) -> &Version {
        self.versions
            .iter()
            .find(|version| version.storage)
            .unwrap_or(&self.versions[0])
    }

    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.group == group && self.plural == plural
    }

    /// Whether an update without resourceVersion overwrites. Custom kinds and Leases want one.
    pub(crate) fn allows_unconditional_update(&self) -> bool {
        !self.custom && !self.is("coordination.k8s.io", "leases") && !self.is("apiextensions.k8s.io", CRDS)
    }

    /// Whether `metadata.generation` counts changes of what the user declares.
    pub(crate) fn has_generation(&self) -> bool {
        self.custom || self.group == "apps" || self.is("apiextensions.k8s.io", CRDS) || self.plural == "endpointslices"
    }
}

/// Plural name of CustomResourceDefinitions.
pub(crate) const CRDS: &str = "customresourcedefinitions";

fn qualify(name: &str, group: &str) -> String {
    if group.is_empty() {
        name.to_owned()
    } else {
        format!("{name}.{group}")
    }
}

/// All kinds, by group and plural name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    resources: BTreeMap<ResourceId, Arc<Resource>>,
}

impl Registry {
    /// The built-in kinds.
    pub(crate) fn builtin() -> Self {
        let mut registry = Self::default();
        for resource in builtin::resources() {
            registry.insert(Arc::new(resource));
        }
        registry
    }

    pub(crate) fn insert(&mut self, resource: Arc<Resource>) {
        self.resources.insert(resource.id(), resource);
    }

    pub(crate) fn remove(&mut self, id: &ResourceId) {
        self.resources.remove(id);
    }

    pub(crate) fn find(&self, id: &ResourceId) -> Option<&Arc<Resource>> {
        self.resources.get(id)
    }

    /// The kind at a path, if it is served in that version.
    pub(crate) fn resolve(&self, group: &str, version: &str, plural: &str) -> ApiResult<Arc<Resource>> {
        let id = ResourceId {
            group: group.to_owned(),
            plural: plural.to_owned(),
        };
        self.resources
            .get(&id)
            .filter(|resource| resource.version(version).is_some_and(|version| version.served))
            .cloned()
            .ok_or_else(ApiError::unknown_resource)
    }

    /// The kind of an object or owner reference, by its `apiVersion` and `kind`.
    pub(crate) fn find_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Resource>> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        self.resources
            .values()
            .find(|resource| resource.group == group && resource.kind == kind && resource.version(version).is_some())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }
}

/// A text field of an object, by path.
pub(crate) fn text<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    let mut at = object;
    for key in path {
        at = &at[*key];
    }
    at.as_str().unwrap_or_default()
}
