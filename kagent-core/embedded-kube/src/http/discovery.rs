//! Discovery documents: groups, versions and resources, in the plain and in the aggregated form.

use std::{collections::BTreeMap, sync::Arc};

use http::HeaderValue;
use serde_json::{Value, json};

use super::path::DiscoveryPlace;
use crate::{
    resource::{Registry, Resource},
    status::{ApiError, ApiResult},
};

const VERBS: [&str; 8] = [
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];

/// The order in which the API server tells the verbs of custom kinds.
const CUSTOM_VERBS: [&str; 8] = [
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "create",
    "update",
    "watch",
];

fn verbs(resource: &Resource) -> [&'static str; 8] {
    if resource.custom { CUSTOM_VERBS } else { VERBS }
}

/// A document and its content type.
pub(super) struct Document {
    pub(super) body: Value,
    pub(super) content_type: HeaderValue,
}

/// `/version`. The minor version is that of the API whose behaviour is followed.
pub(super) fn version() -> Value {
    json!({
        "major": "1",
        "minor": "35",
        "gitVersion": concat!("v1.35.0+embedded-kube-", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": concat!("", "embedded"),
    })
}

/// A discovery document.
///
/// # Errors
/// 404 for a group or version that has no kinds.
pub(super) fn document(registry: &Registry, place: &DiscoveryPlace, aggregated: bool) -> ApiResult<Document> {
    let groups = groups(registry);
    let plain = |body| {
        Ok(Document {
            body,
            content_type: HeaderValue::from_static("application/json"),
        })
    };
    match place {
        DiscoveryPlace::CoreVersions if aggregated => Ok(aggregate(registry, |group| group.is_empty())),
        DiscoveryPlace::Groups if aggregated => Ok(aggregate(registry, |group| !group.is_empty())),
        DiscoveryPlace::CoreVersions => plain(json!({ "kind": "APIVersions", "versions": ["v1"] })),
        DiscoveryPlace::Groups => {
            let named: Vec<Value> = groups
                .iter()
                .filter(|(name, _)| !name.is_empty())
                .map(|(name, versions)| group_value(name, versions))
                .collect();
            plain(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": named }))
        }
        DiscoveryPlace::Group(name) => {
            let versions = groups.get(name.as_str()).ok_or_else(ApiError::unknown_resource)?;
            let mut group = group_value(name, versions);
            group["kind"] = json!("APIGroup");
            group["apiVersion"] = json!("v1");
            plain(group)
        }
        DiscoveryPlace::Resources { group, version } => {
            let known = groups
                .get(group.as_str())
                .is_some_and(|versions| versions.contains(version));
            if !known {
                return Err(ApiError::unknown_resource());
            }
            let api_version = if group.is_empty() {
                version.clone()
            } else {
                format!("{group}/{version}")
            };
            plain(json!({
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": api_version,
                "resources": resources(registry, group, version),
            }))
        }
    }
}

/// Served versions by group, the preferred one first.
pub(super) fn groups(registry: &Registry) -> BTreeMap<&str, Vec<String>> {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for resource in registry.iter() {
        let versions = groups.entry(&resource.group).or_default();
        for version in resource.versions.iter().filter(|version| version.served) {
            if !versions.contains(&version.name) {
                versions.push(version.name.clone());
            }
        }
    }
    for versions in groups.values_mut() {
        versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
    }
    groups
}

/// Order of versions: stable before beta before alpha, then by number.
fn priority(version: &str) -> (u8, u32, u32) {
    let rest = version.strip_prefix('v').unwrap_or_default();
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let major = rest[..digits].parse().unwrap_or_default();
    let (level, minor) = match &rest[digits..] {
        "" => (3, ""),
        rest if rest.starts_with("beta") => (2, &rest[4..]),
        rest if rest.starts_with("alpha") => (1, &rest[5..]),
        _ => (0, ""),
    };
    (level, major, minor.parse().unwrap_or_default())
}

fn group_value(name: &str, versions: &[String]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({ "groupVersion": format!("{name}/{version}"), "version": version }))
        .collect();
    json!({ "name": name, "versions": versions, "preferredVersion": versions.first() })
}

pub(super) fn served<'a>(
    registry: &'a Registry,
    group: &'a str,
    version: &'a str,
) -> impl Iterator<Item = &'a Arc<Resource>> {
    registry.iter().filter(move |resource| {
        resource.group == group && resource.version(version).is_some_and(|version| version.served)
    })
}

fn resources(registry: &Registry, group: &str, version: &str) -> Vec<Value> {
    let mut list = Vec::new();
    for resource in served(registry, group, version) {
        let mut entry = json!({
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": verbs(resource),
        });
        if !resource.short_names.is_empty() {
            entry["shortNames"] = json!(resource.short_names);
        }
        if !resource.categories.is_empty() {
            entry["categories"] = json!(resource.categories);
        }
        list.push(entry);
        if resource.version(version).is_some_and(|version| version.status) {
            list.push(json!({
                "name": format!("{}/status", resource.plural),
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": resource.kind,
                "verbs": ["get", "patch", "update"],
            }));
        }
    }
    list
}

fn aggregate(registry: &Registry, wanted: impl Fn(&str) -> bool) -> Document {
    let items: Vec<Value> = groups(registry)
        .iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let resources: Vec<Value> = served(registry, name, version)
                        .map(|resource| aggregated_resource(resource, version))
                        .collect();
                    json!({ "version": version, "resources": resources, "freshness": "Current" })
                })
                .collect();
            let metadata = if name.is_empty() {
                json!({})
            } else {
                json!({ "name": name })
            };
            json!({ "metadata": metadata, "versions": versions })
        })
        .collect();
    Document {
        body: json!({
            "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
        }),
        content_type: HeaderValue::from_static("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"),
    }
}

fn aggregated_resource(resource: &Resource, version: &str) -> Value {
    let kind = json!({ "group": resource.group, "version": version, "kind": resource.kind });
    let mut entry = json!({
        "resource": resource.plural,
        "responseKind": kind,
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": verbs(resource),
    });
    if !resource.short_names.is_empty() {
        entry["shortNames"] = json!(resource.short_names);
    }
    if !resource.categories.is_empty() {
        entry["categories"] = json!(resource.categories);
    }
    if resource.version(version).is_some_and(|version| version.status) {
        entry["subresources"] =
            json!([{ "subresource": "status", "responseKind": kind, "verbs": ["get", "patch", "update"] }]);
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stable_versions_come_first() {
        let mut versions = ["v1alpha1", "v2", "v1", "v1beta2", "v1beta1", "v1alpha2"];
        versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
        assert_eq!(versions, ["v2", "v1", "v1beta2", "v1beta1", "v1alpha2", "v1alpha1"]);
    }
}
