//! The built-in kinds, with the little structure that merging needs: which lists are maps or sets.
//!
//! Their form is checked by `decode`, a few of their rules by `rules`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{CRDS, Resource, Version};
use crate::{schema::Schema, table::builtin_columns};

struct Kind {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
    categories: &'static [&'static str],
    namespaced: bool,
    status: bool,
}

const fn kind(group: &'static str, version: &'static str, kind: &'static str, plural: &'static str) -> Kind {
    Kind {
        group,
        version,
        kind,
        plural,
        short: &[],
        categories: &[],
        namespaced: true,
        status: false,
    }
}

const ALL: &[&str] = &["all"];

const KINDS: &[Kind] = &[
    Kind {
        namespaced: false,
        short: &["ns"],
        status: true,
        ..kind("", "v1", "Namespace", "namespaces")
    },
    kind("", "v1", "Secret", "secrets"),
    Kind {
        short: &["cm"],
        ..kind("", "v1", "ConfigMap", "configmaps")
    },
    Kind {
        short: &["svc"],
        categories: ALL,
        status: true,
        ..kind("", "v1", "Service", "services")
    },
    Kind {
        short: &["sa"],
        ..kind("", "v1", "ServiceAccount", "serviceaccounts")
    },
    Kind {
        short: &["po"],
        categories: ALL,
        status: true,
        ..kind("", "v1", "Pod", "pods")
    },
    Kind {
        short: &["ev"],
        ..kind("", "v1", "Event", "events")
    },
    Kind {
        short: &["ep"],
        ..kind("", "v1", "Endpoints", "endpoints")
    },
    Kind {
        short: &["deploy"],
        categories: ALL,
        status: true,
        ..kind("apps", "v1", "Deployment", "deployments")
    },
    Kind {
        short: &["rs"],
        categories: ALL,
        status: true,
        ..kind("apps", "v1", "ReplicaSet", "replicasets")
    },
    kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices"),
    kind("coordination.k8s.io", "v1", "Lease", "leases"),
    Kind {
        namespaced: false,
        short: &["crd", "crds"],
        categories: &["api-extensions"],
        status: true,
        ..kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition", CRDS)
    },
];

/// All built-in kinds.
pub(super) fn resources() -> impl Iterator<Item = Resource> {
    KINDS.iter().map(|kind| Resource {
        group: kind.group.to_owned(),
        kind: kind.kind.to_owned(),
        list_kind: format!("{}List", kind.kind),
        plural: kind.plural.to_owned(),
        singular: kind.kind.to_lowercase(),
        short_names: kind.short.iter().map(|&name| name.to_owned()).collect(),
        categories: kind.categories.iter().map(|&name| name.to_owned()).collect(),
        namespaced: kind.namespaced,
        versions: vec![Version {
            name: kind.version.to_owned(),
            served: true,
            storage: true,
            status: kind.status,
            schema: Arc::new(Schema::open(&merge_hints(kind.kind))),
            columns: builtin_columns(kind.kind),
            openapi: Value::Null,
        }],
        custom: false,
    })
}

/// The parts of a kind's schema that decide how server-side apply merges it, as OpenAPI with Kubernetes extensions.
fn merge_hints(kind: &str) -> Value {
    let mut properties = match kind {
        "Pod" => json!({ "spec": pod_spec(), "status": { "properties": { "conditions": by(&["type"]) } } }),
        "Deployment" | "ReplicaSet" => json!({
            "spec": { "properties": {
                "selector": atomic_map(),
                "template": { "properties": { "metadata": metadata(), "spec": pod_spec() } },
            } },
            "status": { "properties": { "conditions": by(&["type"]) } },
        }),
        "Service" => json!({
            "spec": { "properties": {
                "ports": with_items(by(&["port", "protocol"]), json!({ "protocol": { "default": "TCP" } })),
                "selector": atomic_map(),
            } },
            "status": { "properties": { "conditions": by(&["type"]) } },
        }),
        "ServiceAccount" => json!({ "secrets": of_whole_items(by(&["name"])) }),
        "Namespace" => json!({ "status": { "properties": { "conditions": by(&["type"]) } } }),
        "CustomResourceDefinition" => json!({ "status": { "properties": { "conditions": by(&["type"]) } } }),
        _ => json!({}),
    };
    properties["metadata"] = metadata();
    json!({ "type": "object", "properties": properties })
}

/// Merge structure of `ObjectMeta`, shared with custom kinds.
pub(super) fn metadata() -> Value {
    json!({ "properties": {
        "ownerReferences": of_whole_items(by(&["uid"])),
        "finalizers": { "x-kubernetes-list-type": "set" },
    } })
}

fn by(keys: &[&str]) -> Value {
    json!({ "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys, "items": {} })
}

fn with_items(mut list: Value, properties: Value) -> Value {
    list["items"] = json!({ "properties": properties });
    list
}

/// A list of references, each of which is owned as a whole.
fn of_whole_items(mut list: Value) -> Value {
    list["items"] = atomic_map();
    list
}

fn atomic_map() -> Value {
    json!({ "x-kubernetes-map-type": "atomic" })
}

fn pod_spec() -> Value {
    let env = with_items(
        by(&["name"]),
        json!({ "valueFrom": { "properties": {
            "configMapKeyRef": atomic_map(), "fieldRef": atomic_map(), "resourceFieldRef": atomic_map(), "secretKeyRef": atomic_map(),
        } } }),
    );
    let container = json!({
        "env": env,
        "ports": with_items(by(&["containerPort", "protocol"]), json!({ "protocol": { "default": "TCP" } })),
        "volumeMounts": by(&["mountPath"]),
        "volumeDevices": by(&["devicePath"]),
        "resizePolicy": {},
        "resources": { "properties": { "claims": by(&["name"]) } },
    });
    json!({ "properties": {
        "containers": with_items(by(&["name"]), container.clone()),
        "initContainers": with_items(by(&["name"]), container.clone()),
        "ephemeralContainers": with_items(by(&["name"]), container),
        "volumes": by(&["name"]),
        "imagePullSecrets": of_whole_items(by(&["name"])),
        "hostAliases": by(&["ip"]),
        "topologySpreadConstraints": by(&["topologyKey", "whenUnsatisfiable"]),
        "schedulingGates": by(&["name"]),
        "resourceClaims": by(&["name"]),
        "nodeSelector": atomic_map(),
    } })
}
