//! The checks of built-in kinds that clients run into: keys of ConfigMaps and Secrets, pods inside workloads, Services.
//!
//! Not the API server's whole validation: what is not listed here is accepted.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{Resource, text};
use crate::{
    metadata::{check_label_name, check_subdomain},
    status::Cause,
};

/// Checks an object of a built-in kind, in its decoded form; `old` is what it replaces.
pub(crate) fn check_builtin(resource: &Resource, object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    match resource.kind.as_str() {
        "ConfigMap" => {
            check_keys(&object["data"], "data", causes);
            check_keys(&object["binaryData"], "binaryData", causes);
            check_immutable(object, old, &["data", "binaryData"], causes);
        }
        "Secret" => {
            check_keys(&object["data"], "data", causes);
            check_immutable(object, old, &["data"], causes);
            if let Some(old) = old
                && old["type"] != object["type"]
            {
                causes.push(Cause::invalid("type", &object["type"], "field is immutable"));
            }
        }
        "Deployment" | "ReplicaSet" => check_workload(object, old, causes),
        "Pod" => check_pod(&object["spec"], "spec", causes),
        "Service" => check_service(&object["spec"], causes),
        "Lease" => check_lease(&object["spec"], causes),
        _ => {}
    }
}

fn check_keys(data: &Value, field: &str, causes: &mut Vec<Cause>) {
    const KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
    for (key, _) in data.as_object().into_iter().flatten() {
        let path = format!("{field}[{key}]");
        let valid = !key.is_empty()
            && key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if key.len() > 253 {
            causes.push(Cause::invalid(
                &path,
                &json!(key),
                "must be no more than 253 characters",
            ));
        } else if !valid {
            causes.push(Cause::invalid(&path, &json!(key), KEY));
        } else if key == "." || key == ".." {
            causes.push(Cause::invalid(&path, &json!(key), &format!("must not be '{key}'")));
        } else if key.starts_with("..") {
            causes.push(Cause::invalid(&path, &json!(key), "must not start with '..'"));
        }
    }
}

fn check_immutable(object: &Value, old: Option<&Value>, fields: &[&str], causes: &mut Vec<Cause>) {
    let Some(old) = old.filter(|old| old["immutable"] == true) else {
        return;
    };
    if object["immutable"] != true {
        causes.push(Cause::forbidden(
            "immutable",
            "field is immutable when `immutable` is set",
        ));
    }
    for field in fields {
        if old[*field] != object[*field] {
            causes.push(Cause::forbidden(field, "field is immutable when `immutable` is set"));
        }
    }
}

fn check_workload(object: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    if let Some(replicas) = spec["replicas"].as_i64().filter(|replicas| *replicas < 0) {
        causes.push(Cause::invalid(
            "spec.replicas",
            &json!(replicas),
            "must be greater than or equal to 0",
        ));
    }
    let labels = &spec["template"]["metadata"]["labels"];
    let wanted = spec["selector"]["matchLabels"].as_object();
    let expressions = spec["selector"]["matchExpressions"]
        .as_array()
        .is_some_and(|list| !list.is_empty());
    if wanted.is_none_or(serde_json::Map::is_empty) && !expressions {
        causes.push(Cause::required("spec.selector", ""));
    } else if wanted
        .into_iter()
        .flatten()
        .any(|(key, value)| labels.get(key) != Some(value))
    {
        causes.push(Cause::invalid(
            "spec.template.metadata.labels",
            labels,
            "`selector` does not match template `labels`",
        ));
    }
    if let Some(old) = old
        && old["spec"]["selector"] != spec["selector"]
    {
        causes.push(Cause::invalid("spec.selector", &spec["selector"], "field is immutable"));
    }
    check_pod(&spec["template"]["spec"], "spec.template.spec", causes);
}

fn check_pod(spec: &Value, path: &str, causes: &mut Vec<Cause>) {
    let mut volumes = HashSet::new();
    for (index, volume) in items(&spec["volumes"]) {
        let at = format!("{path}.volumes[{index}].name");
        let name = text(volume, &["name"]);
        if name.is_empty() {
            causes.push(Cause::required(&at, ""));
        } else if let Some(why) = check_label_name(name) {
            causes.push(Cause::invalid(&at, &json!(name), &why));
        } else if !volumes.insert(name) {
            causes.push(Cause::duplicate(&at, &json!(name)));
        }
    }
    if items(&spec["containers"]).next().is_none() {
        causes.push(Cause::required(&format!("{path}.containers"), ""));
    }
    let mut names = HashSet::new();
    for list in ["containers", "initContainers"] {
        for (index, container) in items(&spec[list]) {
            check_container(
                container,
                &format!("{path}.{list}[{index}]"),
                &volumes,
                &mut names,
                causes,
            );
        }
    }
}

fn check_container<'a>(
    container: &'a Value,
    path: &str,
    volumes: &HashSet<&str>,
    names: &mut HashSet<&'a str>,
    causes: &mut Vec<Cause>,
) {
    let name = text(container, &["name"]);
    let at = format!("{path}.name");
    if name.is_empty() {
        causes.push(Cause::required(&at, ""));
    } else if let Some(why) = check_label_name(name) {
        causes.push(Cause::invalid(&at, &json!(name), &why));
    } else if !names.insert(name) {
        causes.push(Cause::duplicate(&at, &json!(name)));
    }
    if text(container, &["image"]).is_empty() {
        causes.push(Cause::required(&format!("{path}.image"), ""));
    }
    for (index, env) in items(&container["env"]) {
        let at = format!("{path}.env[{index}]");
        if text(env, &["name"]).is_empty() {
            causes.push(Cause::required(&format!("{at}.name"), ""));
        }
        for source in ["configMapKeyRef", "secretKeyRef"] {
            let reference = &env["valueFrom"][source];
            if !reference.is_object() {
                continue;
            }
            let at = format!("{at}.valueFrom.{source}");
            let name = text(reference, &["name"]);
            if let Some(why) = check_subdomain(name) {
                causes.push(Cause::invalid(&format!("{at}.name"), &json!(name), &why));
            }
            if text(reference, &["key"]).is_empty() {
                causes.push(Cause::required(&format!("{at}.key"), ""));
            }
        }
    }
    for (index, mount) in items(&container["volumeMounts"]) {
        let at = format!("{path}.volumeMounts[{index}]");
        let name = text(mount, &["name"]);
        if name.is_empty() {
            causes.push(Cause::required(&format!("{at}.name"), ""));
        } else if !volumes.contains(name) {
            causes.push(Cause::not_found(&format!("{at}.name"), &json!(name)));
        }
        if text(mount, &["mountPath"]).is_empty() {
            causes.push(Cause::required(&format!("{at}.mountPath"), ""));
        }
    }
}

fn check_service(spec: &Value, causes: &mut Vec<Cause>) {
    let many = items(&spec["ports"]).count() > 1;
    if items(&spec["ports"]).next().is_none() && spec["type"] != "ExternalName" && spec["clusterIP"] != "None" {
        causes.push(Cause::required("spec.ports", ""));
    }
    for (index, port) in items(&spec["ports"]) {
        let at = format!("spec.ports[{index}]");
        if many && text(port, &["name"]).is_empty() {
            causes.push(Cause::required(&format!("{at}.name"), ""));
        }
        if !port["port"].as_i64().is_some_and(|port| (1..=65535).contains(&port)) {
            causes.push(Cause::invalid(
                &format!("{at}.port"),
                &port["port"],
                "must be between 1 and 65535, inclusive",
            ));
        }
        if port["targetPort"]
            .as_i64()
            .is_some_and(|port| !(1..=65535).contains(&port))
        {
            causes.push(Cause::invalid(
                &format!("{at}.targetPort"),
                &port["targetPort"],
                "must be between 1 and 65535, inclusive",
            ));
        }
    }
}

fn check_lease(spec: &Value, causes: &mut Vec<Cause>) {
    if let Some(seconds) = spec["leaseDurationSeconds"].as_i64().filter(|seconds| *seconds <= 0) {
        causes.push(Cause::invalid(
            "spec.leaseDurationSeconds",
            &json!(seconds),
            "must be greater than 0",
        ));
    }
    if let Some(count) = spec["leaseTransitions"].as_i64().filter(|count| *count < 0) {
        causes.push(Cause::invalid(
            "spec.leaseTransitions",
            &json!(count),
            "must be greater than or equal to 0",
        ));
    }
}

fn items(list: &Value) -> impl Iterator<Item = (usize, &Value)> {
    list.as_array().into_iter().flatten().enumerate()
}
