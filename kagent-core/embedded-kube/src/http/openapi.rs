//! OpenAPI v3 documents, as far as `kubectl` reads them: which fields a kind has (`explain`), which parameters and patch
//! forms its paths take (`apply`, `create`). Made anew for each request, as definitions change.

use k8s_openapi::{
    api::{apps, coordination, core, discovery},
    apiextensions_apiserver::pkg::apis::apiextensions,
    apimachinery::pkg::apis::meta,
};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::discovery::{groups, served};
use crate::{
    resource::{Registry, Resource},
    status::{ApiError, ApiResult},
};

/// Where kinds refer to each other.
const SCHEMAS: &str = "#/components/schemas/";

/// `/openapi/v3`: the documents there are.
pub(super) fn index(registry: &Registry) -> Value {
    let mut paths = Map::new();
    for (group, versions) in groups(registry) {
        for version in versions {
            let path = root(group, &version);
            paths.insert(
                path.clone(),
                json!({ "serverRelativeURL": format!("/openapi/v3/{path}") }),
            );
        }
    }
    json!({ "paths": paths })
}

/// `/openapi/v3/apis/<group>/<version>`: the document of one version of a group.
///
/// # Errors
/// 404 if it has no kinds.
pub(super) fn document(registry: &Registry, group: &str, version: &str) -> ApiResult<Value> {
    let resources: Vec<_> = served(registry, group, version).collect();
    if resources.is_empty() {
        return Err(ApiError::unknown_resource());
    }
    let mut generator = SchemaSettings::openapi3().into_generator();
    let status = name_of(&generator.subschema_for::<meta::v1::Status>());
    generator.subschema_for::<meta::v1::ObjectMeta>();
    generator.subschema_for::<meta::v1::ListMeta>();
    let mut names = Vec::new();
    let mut custom = Map::new();
    for resource in &resources {
        names.push(if resource.custom {
            let name = custom_name(resource, version);
            custom.insert(name.clone(), custom_schema(resource, version));
            name
        } else {
            let schema = builtin_schema(&resource.kind, &mut generator);
            schema.as_ref().map(name_of).unwrap_or_default()
        });
    }
    let mut schemas = generator.take_definitions(true);
    for name in &names {
        // Rust's types have metadata always, the API does not ask for it.
        if let Some(required) = schemas
            .get_mut(name)
            .and_then(|schema| schema["required"].as_array_mut())
        {
            required.retain(|field| field != "metadata");
        }
    }
    schemas.extend(custom);
    let mut paths = Map::new();
    for (resource, name) in resources.iter().zip(&names) {
        let gvk = json!({ "group": group, "version": version, "kind": resource.kind });
        schemas[name]["x-kubernetes-group-version-kind"] = json!([gvk]);
        let list = format!("{name}List");
        schemas.insert(list.clone(), list_schema(resource, version, name));
        add_paths(&mut paths, resource, version, name, &list, &status);
    }
    Ok(json!({
        "openapi": "3.0.0",
        "info": { "title": "embedded-kube", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": { "schemas": schemas },
    }))
}

fn root(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("api/{version}")
    } else {
        format!("apis/{group}/{version}")
    }
}

fn name_of(reference: &schemars::Schema) -> String {
    let target = reference.get("$ref").and_then(Value::as_str).unwrap_or_default();
    target.trim_start_matches(SCHEMAS).to_owned()
}

/// `dev.kagent.v1alpha2.Agent` for the kind Agent of kagent.dev/v1alpha2.
fn custom_name(resource: &Resource, version: &str) -> String {
    let mut parts: Vec<&str> = resource.group.split('.').collect();
    parts.reverse();
    format!("{}.{version}.{}", parts.join("."), resource.kind)
}

fn custom_schema(resource: &Resource, version: &str) -> Value {
    let source = resource.version(version).map(|version| &version.openapi);
    let mut schema = source.cloned().unwrap_or_else(|| json!({ "type": "object" }));
    for (field, about) in [
        (
            "apiVersion",
            "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources",
        ),
        (
            "kind",
            "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds",
        ),
    ] {
        schema["properties"][field] = json!({ "description": about, "type": "string" });
    }
    schema["properties"]["metadata"] = json!({
        "description": "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
        "allOf": [{ "$ref": format!("{SCHEMAS}io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta") }],
    });
    schema
}

fn builtin_schema(kind: &str, generator: &mut SchemaGenerator) -> Option<schemars::Schema> {
    Some(match kind {
        "Namespace" => generator.subschema_for::<core::v1::Namespace>(),
        "Secret" => generator.subschema_for::<core::v1::Secret>(),
        "ConfigMap" => generator.subschema_for::<core::v1::ConfigMap>(),
        "Service" => generator.subschema_for::<core::v1::Service>(),
        "ServiceAccount" => generator.subschema_for::<core::v1::ServiceAccount>(),
        "Pod" => generator.subschema_for::<core::v1::Pod>(),
        "Event" => generator.subschema_for::<core::v1::Event>(),
        "Endpoints" => generator.subschema_for::<core::v1::Endpoints>(),
        "Deployment" => generator.subschema_for::<apps::v1::Deployment>(),
        "ReplicaSet" => generator.subschema_for::<apps::v1::ReplicaSet>(),
        "EndpointSlice" => generator.subschema_for::<discovery::v1::EndpointSlice>(),
        "Lease" => generator.subschema_for::<coordination::v1::Lease>(),
        "CustomResourceDefinition" => generator.subschema_for::<apiextensions::v1::CustomResourceDefinition>(),
        _ => return None,
    })
}

fn list_schema(resource: &Resource, version: &str, name: &str) -> Value {
    json!({
        "description": format!("{} is a list of {}", resource.list_kind, resource.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": { "type": "string" },
            "kind": { "type": "string" },
            "metadata": { "allOf": [{ "$ref": format!("{SCHEMAS}io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta") }] },
            "items": { "type": "array", "items": { "allOf": [{ "$ref": format!("{SCHEMAS}{name}") }] } },
        },
        "x-kubernetes-group-version-kind": [
            { "group": resource.group, "version": version, "kind": resource.list_kind },
        ],
    })
}

fn add_paths(paths: &mut Map<String, Value>, resource: &Resource, version: &str, name: &str, list: &str, status: &str) {
    let gvk = json!({ "group": resource.group, "version": version, "kind": resource.kind });
    let operation = |action: &str, parameters: &[&str], takes: &[&str], gives: &str| {
        let parameters: Vec<Value> = parameters.iter().map(|&name| parameter(name)).collect();
        let schema = json!({ "schema": { "$ref": format!("{SCHEMAS}{gives}") } });
        let mut operation = json!({
            "parameters": parameters,
            "responses": { "200": { "description": "OK", "content": { "application/json": schema } } },
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk,
        });
        if !takes.is_empty() {
            let body = if action == "patch" {
                json!({ "schema": { "type": "object" } })
            } else {
                json!({ "schema": { "$ref": format!("{SCHEMAS}{name}") } })
            };
            let content: Map<String, Value> = takes.iter().map(|&one| (one.to_owned(), body.clone())).collect();
            operation["requestBody"] = json!({ "content": content, "required": true });
        }
        operation
    };
    const JSON: &[&str] = &["application/json"];
    const LIST: &[&str] = &[
        "allowWatchBookmarks",
        "continue",
        "fieldSelector",
        "labelSelector",
        "limit",
        "resourceVersion",
        "resourceVersionMatch",
        "sendInitialEvents",
        "timeoutSeconds",
        "watch",
    ];
    const WRITE: &[&str] = &["dryRun", "fieldManager", "fieldValidation"];
    const PATCH: &[&str] = &["dryRun", "fieldManager", "fieldValidation", "force"];
    let forms = super::negotiate::patch_forms(resource);
    let items = json!({
        "get": operation("list", LIST, &[], list),
        "post": operation("post", WRITE, JSON, name),
        "delete": operation("deletecollection", LIST, &[], status),
    });
    let mut one = json!({
        "get": operation("get", &[], &[], name),
        "put": operation("put", WRITE, JSON, name),
        "patch": operation("patch", PATCH, &forms, name),
    });
    let all = format!("/{}/{}", root(&resource.group, version), resource.plural);
    let base = if resource.namespaced {
        paths.insert(all, json!({ "get": operation("list", LIST, &[], list) }));
        format!(
            "/{}/namespaces/{{namespace}}/{}",
            root(&resource.group, version),
            resource.plural
        )
    } else {
        all
    };
    paths.insert(base.clone(), items);
    if resource.version(version).is_some_and(|version| version.status) {
        paths.insert(format!("{base}/{{name}}/status"), one.clone());
    }
    one["delete"] = operation("delete", &["dryRun", "propagationPolicy"], &[], status);
    paths.insert(format!("{base}/{{name}}"), one);
}

fn parameter(name: &str) -> Value {
    let kind = match name {
        "allowWatchBookmarks" | "force" | "sendInitialEvents" | "watch" => "boolean",
        "limit" | "timeoutSeconds" => "integer",
        _ => "string",
    };
    json!({ "name": name, "in": "query", "schema": { "type": kind, "uniqueItems": true } })
}
