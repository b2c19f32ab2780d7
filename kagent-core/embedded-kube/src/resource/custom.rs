//! Kinds that CustomResourceDefinitions add: checks a definition, fills in what the API server fills in, compiles it.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Resource, Version, builtin, text};
use crate::{
    schema::Schema,
    status::{ApiResult, Cause},
    table::Column,
};

/// Fills in the defaults of a definition and its status, and checks it. `now` is a timestamp for the conditions.
pub(crate) fn accept_crd(
    crds: &Resource,
    crd: &mut Value,
    now: &str,
    reset_status: bool,
    compile: bool,
) -> ApiResult<Arc<Resource>> {
    let names = &mut crd["spec"]["names"];
    let kind = names["kind"].as_str().unwrap_or_default().to_owned();
    if names["singular"].as_str().is_none_or(str::is_empty) {
        names["singular"] = json!(kind.to_lowercase());
    }
    if names["listKind"].as_str().is_none_or(str::is_empty) {
        names["listKind"] = json!(format!("{kind}List"));
    }
    if crd["spec"]["conversion"].is_null() {
        crd["spec"]["conversion"] = json!({ "strategy": "None" });
    }
    let resource = parse_crd(crd, compile)
        .map_err(|causes| crate::status::ApiError::invalid(crds, text(crd, &["metadata", "name"]), &causes))?;
    let mut stored = crd["status"]["storedVersions"].as_array().cloned().unwrap_or_default();
    let storage = json!(resource.storage_version().name);
    if !stored.contains(&storage) {
        stored.push(storage);
    }
    if reset_status || crd["status"]["conditions"].is_null() {
        crd["status"] = json!({ "conditions": [
            { "type": "NamesAccepted", "status": "True", "lastTransitionTime": now, "reason": "NoConflicts", "message": "no conflicts found" },
            { "type": "Established", "status": "True", "lastTransitionTime": now, "reason": "InitialNamesAccepted", "message": "the initial names have been accepted" },
        ] });
    }
    crd["status"]["acceptedNames"] = crd["spec"]["names"].clone();
    crd["status"]["storedVersions"] = Value::Array(stored);
    Ok(Arc::new(resource))
}

/// Reads a definition. Patterns and rules are compiled now if `compile` says so, else when they are first used.
pub(crate) fn parse_crd(crd: &Value, compile: bool) -> Result<Resource, Vec<Cause>> {
    let mut causes = Vec::new();
    let spec = &crd["spec"];
    let group = text(spec, &["group"]).to_owned();
    let plural = text(spec, &["names", "plural"]).to_owned();
    let kind = text(spec, &["names", "kind"]).to_owned();
    for (field, value) in [
        ("spec.group", &group),
        ("spec.names.plural", &plural),
        ("spec.names.kind", &kind),
    ] {
        if value.is_empty() {
            causes.push(Cause::required(field, ""));
        }
    }
    let name = text(crd, &["metadata", "name"]);
    if name != format!("{plural}.{group}") {
        causes.push(Cause::invalid(
            "metadata.name",
            &json!(name),
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    let scope = text(spec, &["scope"]);
    if !matches!(scope, "Namespaced" | "Cluster") {
        let supported = ["Cluster".to_owned(), "Namespaced".to_owned()];
        causes.push(Cause::not_supported("spec.scope", &json!(scope), &supported));
    }
    if text(spec, &["conversion", "strategy"]) == "Webhook" {
        causes.push(Cause::not_supported(
            "spec.conversion.strategy",
            &json!("Webhook"),
            &["None".to_owned()],
        ));
    }
    let sources = spec["versions"].as_array().cloned().unwrap_or_default();
    let versions: Vec<Version> = sources
        .iter()
        .enumerate()
        .filter_map(|(index, source)| parse_version(source, &format!("spec.versions[{index}]"), compile, &mut causes))
        .collect();
    if sources.iter().filter(|version| version["storage"] == true).count() != 1 {
        causes.push(Cause::invalid_omitted(
            "spec.versions",
            "must have exactly one version marked as storage version",
        ));
    }
    if !causes.is_empty() {
        return Err(causes);
    }
    let list = |field: &str| -> Vec<String> {
        let names = spec["names"][field].as_array().into_iter().flatten();
        names.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    Ok(Resource {
        singular: match text(spec, &["names", "singular"]) {
            "" => kind.to_lowercase(),
            singular => singular.to_owned(),
        },
        list_kind: match text(spec, &["names", "listKind"]) {
            "" => format!("{kind}List"),
            list_kind => list_kind.to_owned(),
        },
        short_names: list("shortNames"),
        categories: list("categories"),
        namespaced: scope == "Namespaced",
        custom: true,
        group,
        kind,
        plural,
        versions,
    })
}

fn parse_version(source: &Value, path: &str, compile: bool, causes: &mut Vec<Cause>) -> Option<Version> {
    let name = text(source, &["name"]);
    if name.is_empty() {
        causes.push(Cause::required(&format!("{path}.name"), ""));
        return None;
    }
    let at = format!("{path}.schema.openAPIV3Schema");
    let root = &source["schema"]["openAPIV3Schema"];
    if root.is_null() {
        causes.push(Cause::required(&at, "schemas are required"));
        return None;
    }
    let mut schema = match Schema::parse(root) {
        Ok(schema) => schema,
        Err(why) => {
            causes.push(Cause::invalid_omitted(&at, &why));
            return None;
        }
    };
    if compile && let Err(why) = schema.compile("openAPIV3Schema") {
        causes.push(Cause::invalid_omitted(&at, &why));
        return None;
    }
    let mut columns = Vec::new();
    for (index, column) in source["additionalPrinterColumns"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        match Column::parse(column) {
            Ok(column) => columns.push(column),
            Err(why) => {
                let at = format!("{path}.additionalPrinterColumns[{index}].jsonPath");
                causes.push(Cause::invalid(&at, &column["jsonPath"], &why));
            }
        }
    }
    if columns.is_empty() {
        columns.extend(Column::age());
    }
    // Every object has metadata, and it merges in the same way everywhere.
    schema
        .properties
        .insert("metadata".to_owned(), Schema::open(&builtin::metadata()));
    Some(Version {
        name: name.to_owned(),
        served: source["served"] == true,
        storage: source["storage"] == true,
        status: source["subresources"]["status"].is_object(),
        schema: Arc::new(schema),
        columns,
        openapi: root.clone(),
    })
}
